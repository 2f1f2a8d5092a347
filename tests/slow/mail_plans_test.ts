/**
 * What runs for each mail reads what it takes, and no table because of a guess about a list: with a million mails, as many
 * reply tokens and replies behind it. Pages are counted, of every statement within.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { addIdentities, ALEX, answer, setFlags } from "../support/mail_rows.ts";
import { databaseTest } from "../support/database.ts";

const MANY = 1_000_000;
/** A table that is small enough for a wrong guess to read it whole. */
const FEW = 20_000;
/** Mails of each person. */
const EACH = 10;
/** Times that each call is made, so that plans for any value have been made too. */
const TIMES = 8;
/** Pages that a call may read: some dozens of rows by index. */
const PAGES = 400;

const ID = (kind: string, n: string) =>
  `('0${kind}000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
/** A token of the filled table. */
const TOKEN = (n: string) => `translate(md5((${n})::text), '0189', 'wxyz')`;

async function fill(sql: Sql, mails: number): Promise<void> {
  const people = mails / EACH;
  await addIdentities(sql);
  await setFlags(sql, { email_send: true, email_router: true, email_reply_tokens: true });
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local synchronous_commit = off;
      insert into public.contacts (id, channel, name) select ${
      ID("1", "g")
    }, 'email', 'Person ' || g from generate_series(1, ${people}) g;
      insert into public.contact_identities (contact_id, channel, kind, value)
        select ${
      ID("1", "g")
    }, 'email', 'email', 'p' || g || '@people.example' from generate_series(1, ${people}) g;
      insert into public.conversations (id, channel, number_id, contact_id, routed_seq)
        select ${ID("2", "g")}, 'email', '${ALEX.from}', ${
      ID("1", "g")
    }, ${mails} from generate_series(1, ${people}) g;
      insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, native, status, created_at)
        select ${ID("3", "g")}, 'email', ${
      ID("2", `1 + g % ${people}`)
    }, case when g % 2 = 0 then 'in' else 'out' end, 'sg-' || g, 'email', 'hello ' || g,
          '{"type":"email"}', case when g % 2 = 0 then 'received' else 'delivered' end, now() - (g || ' seconds')::interval
        from generate_series(1, ${mails}) g;
      insert into public.reply_tokens (token, message_id) select ${TOKEN("g")}, ${
      ID("3", "g")
    } from generate_series(1, ${mails}) g;
      insert into public.webhook_events (provider, dedupe_key, field, kind, number_id)
        select 'sendgrid', 'm:' || g, 'inbound', 'message', '${ALEX.from}' from generate_series(2, ${mails}, 2) g;
      insert into public.routing_decisions (message_id, reason, revision) select ${
      ID("3", "g")
    }, 'no_match', 1 from generate_series(2, ${mails}, 2) g;
      insert into public.deliveries (id, message_id, destination_id, conversation_id, seq, state, attempt, delivered_at)
        select ${ID("4", "g")}, ${
      ID("3", "g")
    }, (select destination_id from private.inboxes where identity = '${ALEX.id}'),
          ${ID("2", `1 + g % ${people}`)}, g, 'delivered', 1, now() from generate_series(2, ${mails}, 2) g;
      insert into private.delivery_lanes (destination_id, conversation_id, channel)
        select (select destination_id from private.inboxes where identity = '${ALEX.id}'), ${
      ID("2", "g")
    }, 'email' from generate_series(1, ${people}) g;
      insert into public.outbound_messages (id, channel, conversation_id, number_id, message_id, recipient, state, attempt)
        select ${ID("3", "g")}, 'email', ${ID("2", `1 + g % ${people}`)}, '${ALEX.from}', ${
      ID("3", "g")
    }, 'x@people.example', 'sent', 1
        from generate_series(1, ${mails}, 2) g;
      insert into private.outbound_lanes (conversation_id, channel, number_id)
        select ${ID("2", "g")}, 'email', '${ALEX.from}' from generate_series(1, ${people}) g;
      insert into public.email_replies (message_id, reply_to, via, verified, is_recipient, forward_wanted, reply_ts)
        select ${ID("3", "g")}, ${
      ID("3", "g - 1")
    }, 'token', true, true, true, now() - (g || ' seconds')::interval from generate_series(2, ${mails}, 2) g;
      insert into public.email_events (event_type, message_id, mail_id) select 'reply', ${
      ID("3", "g - 1")
    }, ${ID("3", "g")} from generate_series(2, ${mails}, 2) g;
      insert into private.mail_senders (id, message_id, address, recipient, created_at)
        select ${ID("3", "g")}, ${
      ID("3", "g")
    }, 'p' || (1 + g % ${people}) || '@people.example', 'x@reply.example', now() - (g || ' seconds')::interval
        from generate_series(2, ${mails}, 2) g;
      insert into public.suppressions (address, reason, source) select 'gone' || g || '@people.example', 'bounce', 'sendgrid' from generate_series(1, ${
      mails / 10
    }) g;
      insert into public.storage_objects (bucket, path, kind, bytes, of_message, message_id, expires_at)
        select 'email-raw', g || '.eml', 'raw', 1, true, ${
      ID("3", "g")
    }, now() + interval '30 days' from generate_series(2, ${mails}, 2) g;
      set local session_replication_role = origin`);
  });
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

/** All that a mail, its answer, the forward and what the provider tells run, and what each call of it reads. */
async function round(sql: Sql, person: number): Promise<Record<string, number>> {
  const pages: Record<string, number> = {};
  async function run<T>(what: string, statement: string): Promise<T> {
    const { pages: read, answer } = await call<T>(sql, statement);
    pages[what] = Math.max(pages[what] ?? 0, read);
    return answer;
  }
  const from = `p${person}@people.example`;
  const [{ id, token }] = await sql.unsafe(
    `select ${ID("3", String(person * 2 - 1))} as id, ${TOKEN(String(person * 2 - 1))} as token`,
  );
  const [found] = await run<{ via: string; message: { id: string } }[]>(
    "resolve_mails",
    `public.resolve_mails(${
      quoted([{
        tokens: ["nosuchtokenatall", token],
        from,
        recipient: "x@reply.example",
        message_id: "<a@b>",
      }])
    })`,
  );
  assertEquals([found.via, found.message.id], ["token", id]);
  const [other] = await run<{ via: string }[]>(
    "resolve_mails",
    `public.resolve_mails(${
      quoted([{
        tokens: [],
        references: ["<x@y>", `<${id}@send.example>`],
        from,
        recipient: "x@reply.example",
      }])
    })`,
  );
  assertEquals(other.via, "references");
  const [stored] = await run<{ outcome: string; message_id: string }[]>(
    "ingest_mails",
    `public.ingest_mails(${
      quoted([
        answer(id, {
          from: { address: from, name: "" },
          objects: [{ bucket: "email-raw", path: `n${person}.eml`, kind: "raw", bytes: 1 }],
        }),
      ])
    })`,
  );
  assertEquals(stored.outcome, "stored");
  const claim = await run<{ deliveries: { delivery_id: string; lease: string }[] }>(
    "claim_deliveries",
    `public.claim_deliveries(10, 60, '{}', '{email}')`,
  );
  const results = claim.deliveries.map(({ delivery_id, lease }) => ({
    delivery_id,
    lease,
    outcome: "delivered",
    status: 202,
    latency_ms: 1,
  }));
  assertEquals(results.length, 1);
  await run("settle_deliveries", `public.settle_deliveries(${quoted(results)})`);
  await sql`update public.senders set send_tat = null`;
  const [queued] = await run<{ id: string }[]>(
    "enqueue_outbound",
    `public.enqueue_outbound(${
      quoted([{
        channel: "email",
        to: from,
        identities: [{ kind: "email", value: from }],
        message: { type: "email", subject: "S", text: "T", reply_to_message: stored.message_id },
      }])
    })`,
  );
  const { messages } = await run<{ messages: { id: string; lease: string }[] }>(
    "claim_outbound",
    `public.claim_outbound(10, 60, '{}', '{email}')`,
  );
  assertEquals(messages.map((message) => message.id), [queued.id]);
  await run(
    "settle_outbound",
    `public.settle_outbound(${
      quoted(messages.map(({ id, lease }) => ({ id, lease, outcome: "sent", provider_id: `new-${id}` })))
    })`,
  );
  await run(
    "ingest_mail_events",
    `public.ingest_mail_events(${
      quoted([{
        provider: "sendgrid",
        key: `e:${person}`,
        event: "delivered",
        message: queued.id,
        provider_id: `new-${queued.id}`,
        raw: {},
      }])
    })`,
  );
  return pages;
}

for (const mails of [FEW, MANY]) {
  databaseTest(
    `what runs for a mail reads some dozens of rows by index, with ${mails} mails behind it`,
    async (sql) => {
      await fill(sql, mails);
      await sql`create table kept (answer jsonb)`;
      const most: Record<string, number> = {};
      for (let person = 1; person <= TIMES; person++) {
        for (const [name, pages] of Object.entries(await round(sql, person))) {
          // The first of each makes its plans, and reads the catalog for that.
          if (person > 1) most[name] = Math.max(most[name] ?? 0, pages);
        }
      }
      const beyond = Object.entries(most).filter(([, pages]) => pages > PAGES);
      assertEquals(beyond, [], JSON.stringify(most));
      assert(Object.keys(most).length === 8, JSON.stringify(most));
      const plan = (await sql.unsafe(`
      explain select rt.* from public.reply_tokens rt join public.messages m on m.id = rt.message_id where rt.token = 'test123'`))
        .map((row) => row["QUERY PLAN"]).join("\n");
      assert(plan.includes("reply_tokens_pkey") && plan.includes("messages_pkey"), plan);
    },
  );
}
