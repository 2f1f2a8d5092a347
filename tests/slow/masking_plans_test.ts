/**
 * What owners and sitters read of threads, and what runs for each masked text, reads a page's worth by an index: with an
 * organisation of ten thousand threads and a million messages, of which one thread has a tenth. Pages are counted, of
 * every statement within.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const THREADS = 10_000;
/** Texts of each thread. */
const EACH = 90;
/** Texts of the first thread besides. */
const BUSY = 100_000;
const NUMBERS = 400;
/** The threads of a sitter with a window to come. */
const OF_SITTER = 25;
const SITTERS = THREADS / OF_SITTER;
/** Pages of a list: fifty rows, and all that is shown of each. */
const LIST = 3_000;
/** Pages of one text, of which the catalog takes most the first time. */
const TEXT = 2_000;
/** Times that each call is made, so that plans for any value have been made too. */
const TIMES = 7;

const ORG = "0a000000-0000-7000-8000-000000000001";
const ID = (kind: string, n: string) =>
  `('0${kind}000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
const CLIENT = (n: string) => ID("1", n),
  SITTER = (n: string) => ID("2", n),
  MEMBER = (n: string) => ID("3", n);
const THREAD = (n: string) => ID("4", n), LEG = (n: string) => ID("5", n), TALK = (n: string) => ID("6", n);
const TEXT_ID = (n: string) => ID("7", n), DECISION = (n: string) => ID("8", n);
/** The thread of a text: of the first hundred thousand and more the first, the others in turns. */
const THREAD_OF = `case when g <= ${BUSY} then 1 else 1 + g % ${THREADS} end`;
const TEXTS = BUSY + THREADS * EACH;

/** An organisation as large as it gets. Of each client's texts one in fifty waits for the owner; all others were relayed. */
async function fill(sql: Sql): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local synchronous_commit = off;
      insert into public.orgs (id, name, grace_hours) values ('${ORG}', 'Moss', 72);
      insert into public.senders (channel, id, address, provider)
        select 'sms', 'PN' || g, (12025600000 + g)::text, 'twilio' from generate_series(1, ${NUMBERS}) g;
      insert into public.org_numbers (number_id, org_id, class) select 'PN' || g, '${ORG}', case when g = ${NUMBERS} then 'front_desk' else 'pool' end
        from generate_series(1, ${NUMBERS}) g;
      insert into public.contacts (id, channel, name)
        select ${
      CLIENT("g")
    }, 'sms', case when g % 2 = 0 then 'Person Family' || g end from generate_series(1, ${THREADS}) g;
      insert into public.contacts (id, channel) select ${
      SITTER("g")
    }, 'sms' from generate_series(1, ${SITTERS}) g;
      insert into public.contact_identities (contact_id, channel, kind, value)
        select ${CLIENT("g")}, 'sms', 'phone', (12027000000 + g)::text from generate_series(1, ${THREADS}) g
        union all select ${
      SITTER("g")
    }, 'sms', 'phone', (12028000000 + g)::text from generate_series(1, ${SITTERS}) g;
      insert into public.org_members (id, org_id, role, contact_id)
        select ${MEMBER("g")}, '${ORG}', 'sitter', ${SITTER("g")} from generate_series(1, ${SITTERS}) g;
      insert into public.threads (id, org_id, client_id, message_number_id, number_class, opened_by, opened_at, last_at)
        select ${THREAD("g")}, '${ORG}', ${CLIENT("g")}, 'PN' || 1 + g % ${
      NUMBERS - 1
    }, 'pool', 'assignment', now() - interval '100 days',
          now() - g * interval '1 minute' from generate_series(1, ${THREADS}) g;
      insert into public.thread_legs (id, thread_id, contact_id, role, number_id, opened_at)
        select ${LEG("2 * g")}, ${THREAD("g")}, ${CLIENT("g")}, 'client', 'PN' || 1 + g % ${
      NUMBERS - 1
    }, now() - interval '100 days'
        from generate_series(1, ${THREADS}) g
        union all select ${LEG("2 * g + 1")}, ${THREAD("g")}, ${
      SITTER(`1 + g % ${SITTERS}`)
    }, 'sitter', 'PN' || 1 + g % ${NUMBERS - 1}, now() - interval '100 days'
        from generate_series(1, ${THREADS}) g;
      insert into public.assignment_windows (org_id, booking_id, member_id, client_id, opens_at, closes_at)
        select '${ORG}', gen_random_uuid(), ${MEMBER(`1 + g % ${SITTERS}`)}, ${
      CLIENT("g")
    }, now() - d * interval '7 days' - interval '1 hour',
          now() - d * interval '7 days' + interval '2 hours'
        from generate_series(1, ${THREADS}) g cross join generate_series(0, 12) d;
      insert into public.conversations (id, channel, number_id, contact_id, routed_seq)
        select ${TALK("2 * g")}, 'sms', 'PN' || 1 + g % ${NUMBERS - 1}, ${
      CLIENT("g")
    }, ${TEXTS} from generate_series(1, ${THREADS}) g
        union all select ${TALK("2 * g + 1")}, 'sms', 'PN' || 1 + g % ${NUMBERS - 1}, ${
      SITTER(`1 + g % ${SITTERS}`)
    }, ${TEXTS} from generate_series(1, ${THREADS}) g;
      insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, native, status, thread_id, created_at)
        select ${TEXT_ID("g")}, 'sms', ${
      TALK(`2 * (${THREAD_OF})`)
    }, 'in', 'SM' || g, 'text', 'hello ' || g, '{"type": "text"}', 'received',
          ${
      THREAD(THREAD_OF)
    }, now() - interval '2 days' - (${TEXTS} - g) * interval '1 second' from generate_series(1, ${TEXTS}) g;
      insert into public.thread_decisions (id, org_id, thread_id, contact_id, message_id, from_role, from_last4, outcome, reason, at, by)
        select ${DECISION("g")}, '${ORG}', ${THREAD(THREAD_OF)}, ${CLIENT(THREAD_OF)}, ${
      TEXT_ID("g")
    }, 'client', '0143',
          case when g % 50 = 0 then 'owner_inbox' else 'leg' end, case when g % 50 = 0 then 'no_sitter' else 'relayed' end,
          now() - interval '2 days' - (${TEXTS} - g) * interval '1 second', 'service_role' from generate_series(1, ${TEXTS}) g;
      update public.thread_decisions set done_at = now(), done_by = 'owner' where outcome = 'owner_inbox' and random() < 0.9;
      insert into public.routing_decisions (message_id, reason, revision) select ${
      TEXT_ID("g")
    }, 'masked', 1 from generate_series(1, ${TEXTS}) g;
      insert into public.outbound_messages (id, channel, conversation_id, number_id, message_id, recipient, state, attempt, idempotency_key)
        select ${TEXT_ID(`${TEXTS} + g`)}, 'sms', ${TALK(`2 * (${THREAD_OF}) + 1`)}, 'PN1', ${
      TEXT_ID("g")
    }, '12028000001', 'sent', 1,
          'relay:' || ${TEXT_ID("g")} || ':' || ${
      LEG(`2 * (${THREAD_OF}) + 1`)
    } from generate_series(1, ${TEXTS}, 5) g;
      set local session_replication_role = origin`);
  });
  await sql`
    insert into public.settings (key, value, metadata) values ('sms_send.enabled', 'true', '{}')
    on conflict (key) do update set value = 'true'`;
  await sql`vacuum analyze`;
}

/** Pages that a call reads, and what it answers. */
async function call<T>(sql: Sql, statement: string): Promise<{ pages: number; answer: T }> {
  const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(`
    explain (analyze, buffers, timing off, format json) insert into kept (answer) select to_jsonb(${statement})`);
  const [{ answer }] = await sql`delete from kept returning answer`;
  return { pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], answer };
}

const quoted = (value: unknown) => `'${JSON.stringify(value).replaceAll("'", "''")}'`;

databaseTest("threads, the owner inbox and each masked text read little of a million", async (sql) => {
  await fill(sql);
  await sql`create temporary table kept (answer jsonb)`;
  const [{ member, first, page, whole }] = await sql.unsafe(`
    select ${MEMBER("5")} as member, ${THREAD("1")} as first,
      (select jsonb_build_object('at', last_at, 'id', id) from public.threads where id = ${
    THREAD(String(THREADS / 2))
  }) as page,
      (select sum(pg_relation_size(c) / 8192)::int from unnest('{public.threads,public.thread_legs,public.contacts}'::regclass[]) c) as whole`);
  const middle = `${DECISION(String(BUSY / 2))}`;
  const tooMany: string[] = [];
  async function reads<T>(what: string, statement: string, most: number): Promise<T> {
    let answer: T | undefined, pages = 0;
    for (let i = 0; i < TIMES; i++) {
      const read = await call<T>(sql, statement);
      answer = read.answer;
      pages = Math.max(pages, read.pages);
    }
    if (pages > most) tooMany.push(`${what}: ${pages} pages, more than ${most}`);
    return answer as T;
  }
  const lists: [what: string, statement: string, found: number, most: number][] = [
    ["the owner's threads", `public.list_threads('${ORG}')`, 50, LIST],
    [
      "a page in the middle",
      `public.list_threads('${ORG}', null, ${quoted({ before: page })})`,
      50,
      LIST,
    ],
    ["ended threads", `public.list_threads('${ORG}', null, '{"state": "ended"}')`, 0, LIST],
    ["a name that many have", `public.list_threads('${ORG}', null, '{"search": "family1"}')`, 50, 4 * LIST],
    // A search that finds nothing reads each of the organisation's people once, by its key.
    [
      "a name that nobody has",
      `public.list_threads('${ORG}', null, '{"search": "nobody"}')`,
      0,
      4 * THREADS + whole,
    ],
    ["a sitter's threads", `public.list_threads('${ORG}', '${member}')`, OF_SITTER, LIST],
    ["a thread with many texts", `public.read_thread('${ORG}', '${first}') -> 'entries'`, 50, LIST],
    [
      "its middle",
      `public.read_thread('${ORG}', '${first}', null, ${middle}) -> 'entries'`,
      50,
      LIST,
    ],
    ["the owner inbox", `public.owner_inbox('${ORG}')`, 50, LIST],
    ["its later pages", `public.owner_inbox('${ORG}', ${middle})`, 50, LIST],
  ];
  for (const [what, statement, found, most] of lists) {
    assertEquals((await reads<unknown[]>(what, statement, most)).length, found, what);
  }
  await reads(
    "the last fifty decisions, and the pool",
    `public.messages_diagnostics('${ORG}')`,
    TEXT + whole,
  );
  await reads("facts of a text", `public.relay_facts('PN2', '12027000001')`, TEXT);
  await reads("facts of a thread", `public.thread_facts('${first}')`, TEXT);

  // Each text of the busiest client is new: it comes, is asked about, and is decided in every way.
  for (let i = 0; i < TIMES; i++) {
    const [{ message, talk, leg }] = await sql.unsafe(`
      with added as (
        insert into public.messages (channel, conversation_id, direction, provider_id, type, text, native, status)
        values ('sms', ${
      TALK("2")
    }, 'in', 'SMnew${i}', 'text', 'hello', '{"type": "text"}', 'received') returning id)
      select a.id as message, ${TALK("2")} as talk, ${LEG("3")} as leg from added a`);
    const waiting = await call<{ earlier: string[]; messages: unknown[] }[]>(
      sql,
      `public.masked_waiting(array['${talk}'::uuid])`,
    );
    assertEquals(waiting.answer.map(({ messages }) => messages.length), [1]);
    const relayed = i % 2 === 0
      ? { outcome: "leg", reason: "relayed", legs: [leg], message: { type: "text", text: "hello" } }
      : { outcome: "blocked", reason: "anti_poaching", notice: { type: "text", text: "not delivered" } };
    const recorded = await call<{ decided: number }>(
      sql,
      `public.record_relays((select revision from private.config_now()), ${
        quoted([{
          id: talk,
          relays: [{
            message_id: message,
            org_id: ORG,
            thread_id: first,
            from_role: "client",
            number_class: "pool",
            types: [],
            findings: [],
            ...relayed,
          }],
        }])
      })`,
    );
    assertEquals(recorded.answer.decided, 1);
    for (
      const [what, pages] of [["masked_waiting", waiting.pages], ["record_relays", recorded.pages]] as const
    ) {
      if (pages > TEXT) tooMany.push(`${what}: ${pages} pages, more than ${TEXT}`);
    }
  }
  await reads(
    "a text of the owner",
    `public.send_in_thread(${
      quoted({
        org_id: ORG,
        thread_id: first,
        from_role: "owner",
        outcome: "held",
        reason: "no_sitter",
        message: { type: "text", text: "hello" },
        by: "owner",
      })
    })`,
    TEXT,
  );
  assert(tooMany.length === 0, tooMany.join("\n"));
});
