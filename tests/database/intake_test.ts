/** The intake in SQL: once each, in order, nothing lost, people kept apart and together as they should. */
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message, status } from "../support/intake.ts";
import { until } from "../support/until.ts";
import { holds } from "../support/property.ts";

async function people(sql: Sql): Promise<Record<string, string[]>> {
  const rows = await sql<{ id: string; known: string[] }[]>`
    select c.id, array_agg(i.kind || ' ' || i.value order by i.kind, i.value) as known
    from public.contacts c join public.contact_identities i on i.contact_id = c.id and i.valid_to is null
    where c.merged_into is null group by c.id order by c.id`;
  return Object.fromEntries(rows.map(({ id, known }) => [id, known]));
}

databaseTest(
  "ingest_updates: stores an update once, within a batch, across batches and days apart",
  async (sql) => {
    const a = message(), b = message();
    assertEquals(await ingest(sql, a, b, a), "ssd");
    await sql`update public.webhook_events set received_at = now() - interval '7 days'`;
    await sql`select private.purge(now())`;
    assertEquals(await ingest(sql, b, a), "dd");
    const [{ n }] = await sql<{ n: number }[]>`select count(*)::int as n from public.messages`;
    assertEquals(n, 2);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("ingest_updates: stores updates of concurrent batches once", async (sql) => {
  const updates = Array.from({ length: 40 }, (_, i) => message({ phone: `49151${i % 7}` }));
  const batches = Array.from({ length: 8 }, (_, i) => [...updates.slice(i * 5), ...updates.slice(0, i * 5)]);
  const outcomes = (await Promise.all(batches.map((batch) => ingest(sql, ...batch)))).join("");
  assertEquals([...outcomes].filter((outcome) => outcome === "s").length, 40);
  assertEquals(outcomes.length, 320);
  const [{ n, contacts }] = await sql<{ n: number; contacts: number }[]>`
    select count(*)::int as n, (select count(*)::int from public.contacts) as contacts from public.messages`;
  assertEquals([n, contacts], [40, 7]);
  assertEquals(await lost(sql), []);
});

databaseTest("ingest_updates: keeps any update, and its raw form once", async (sql) => {
  assertEquals(
    await ingest(
      sql,
      message(),
      { key: "x:1", field: "account_update", kind: "other", raw: { event: "VERIFIED" } },
      { key: "x:2", field: "messages", kind: "message", raw: { no: "number" } },
      message({ phone: undefined }),
      status("wamid.of nobody", "read"),
    ),
    "sssss",
  );
  const rows = await sql<{ kind: string; event: boolean; message: boolean }[]>`
    select e.kind, e.raw is not null as event, m.native is not null as message
    from public.webhook_events e left join public.messages m on e.dedupe_key like '%' || m.provider_id || '%'
    order by e.kind, event`;
  assertEquals(rows.map((row) => ({ ...row })), [
    { kind: "message", event: false, message: true },
    { kind: "message", event: false, message: true },
    { kind: "message", event: true, message: false },
    { kind: "other", event: true, message: false },
    { kind: "status", event: true, message: false },
  ]);
  assertEquals(await lost(sql), []);
});

databaseTest(
  "ingest_updates: orders a conversation by acceptance, and within a batch by Meta's time",
  async (sql) => {
    const at = (second: number) => new Date(Date.UTC(2026, 10, 21, 12, 0, second)).toISOString();
    await ingest(
      sql,
      message({ body: "3", at: at(3) }),
      message({ body: "1", at: at(1) }),
      message({ body: "2", at: at(2) }),
    );
    await ingest(sql, message({ body: "late", at: at(0) }));
    const rows = await sql<{ text: string }[]>`select text from public.messages order by seq`;
    assertEquals(rows.map((row) => row.text), ["1", "2", "3", "late"]);
  },
);

databaseTest(
  "ingest_updates: a batch that commits later places its messages later in the conversation",
  async (sql) => {
    await ingest(sql, message({ body: "first" }));
    const other = await sql.reserve();
    await other`begin`;
    await ingest(other, message({ body: "slow" }));
    const fast = ingest(sql, message({ body: "fast" }));
    // The second batch waits for the first one's lock on the conversation.
    await until("somebody waits for a lock", async () => {
      const [{ n }] = await sql<{ n: number }[]>`select count(*)::int as n from pg_locks where not granted`;
      return n > 0;
    });
    await other`commit`;
    other.release();
    await fast;
    const rows = await sql<{ text: string }[]>`select text from public.messages order by seq`;
    assertEquals(rows.map((row) => row.text), ["first", "slow", "fast"]);
  },
);

databaseTest(
  "statuses: in any order and repeated, the highest rank wins and each keeps its time",
  async (sql) => {
    const names = ["sent", "failed", "delivered", "read"] as const;
    await holds(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (given, together) => {
          await ingest(sql, message());
          const wamid = `wamid.out.${crypto.randomUUID()}`;
          await sql`
        insert into public.messages (conversation_id, direction, provider_id, type, status)
        select id, 'out', ${wamid}, 'text', 'accepted' from public.conversations limit 1`;
          const updates = given.map((name) =>
            status(wamid, name, name === "failed" ? { error: [{ code: 131026 }] } : {})
          );
          if (together) await ingest(sql, ...updates);
          else for (const update of updates) await ingest(sql, update);
          const [row] = await sql<{ status: string; hasError: boolean; times: string[] }[]>`
        select status, error is not null as "hasError", array(select jsonb_object_keys(status_at) order by 1) as times
        from public.messages where provider_id = ${wamid}`;
          const highest = names.findLast((name) => given.includes(name));
          assertEquals({ ...row }, {
            status: highest!,
            // One that arrived after all has not failed.
            hasError: highest === "failed",
            times: [...new Set(given)].sort(),
          });
        },
      ),
      { cases: 40 },
    );
  },
);

databaseTest(
  "statuses: one that arrives before the provider's answer finds the message by our id",
  async (sql) => {
    await ingest(sql, message());
    const [{ id }] = await sql<{ id: string }[]>`
    insert into public.messages (conversation_id, direction, type, status)
    select id, 'out', 'text', 'queued' from public.conversations returning id`;
    await ingest(sql, status("wamid.new", "delivered", { callback: id }));
    const [row] = await sql<{ status: string; provider_id: string }[]>`
    select status, provider_id from public.messages where id = ${id}`;
    assertEquals({ ...row }, { status: "delivered", provider_id: "wamid.new" });
  },
);

databaseTest("people: known by phone first and by user id later are one person", async (sql) => {
  await ingest(sql, message({ phone: "491" }));
  await ingest(sql, message({ phone: "491", bsuid: "DE.1", parent_bsuid: "DE.ENT.1", username: "ada" }));
  await ingest(sql, message({ phone: undefined, bsuid: "DE.1" }));
  const known = Object.values(await people(sql));
  assertEquals(known, [["bsuid DE.1", "parent_bsuid DE.ENT.1", "phone 491", "username ada"]]);
  const [{ n }] = await sql<
    { n: number }[]
  >`select count(distinct conversation_id)::int as n from public.messages`;
  assertEquals(n, 1);
});

databaseTest("people: two contacts that turn out to be one are merged with all their data", async (sql) => {
  await ingest(
    sql,
    message({ phone: "491", body: "by phone" }),
    message({ phone: undefined, bsuid: "DE.1", body: "by id" }),
  );
  assertEquals(Object.keys(await people(sql)).length, 2);
  await ingest(sql, message({ phone: "491", bsuid: "DE.1", body: "both" }));
  assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "phone 491"]]);
  const rows = await sql<{ text: string; n: number }[]>`
    select string_agg(text, ', ' order by seq) as text, count(*)::int as n from public.messages group by conversation_id`;
  assertEquals(rows.map((row) => row.text), ["by phone, by id, both"]);
  const [{ merged }] = await sql<{ merged: number }[]>`
    select count(*)::int as merged from public.contacts where merged_into is not null`;
  assertEquals(merged, 1);
  assertEquals(await lost(sql), []);
});

databaseTest("people: a number used with another user id has changed owners", async (sql) => {
  await ingest(sql, message({ phone: "491", bsuid: "DE.1" }));
  await ingest(sql, message({ phone: "491", bsuid: "DE.2" }));
  assertEquals(Object.values(await people(sql)), [["bsuid DE.1"], ["bsuid DE.2", "phone 491"]]);
});

databaseTest("people: one person may have user ids from several Meta customers", async (sql) => {
  const at = (second: number) => new Date(Date.UTC(2026, 10, 21, 12, 0, second)).toISOString();
  for (const second of [1, 3, 5]) {
    await ingest(sql, message({ sender_id: "1", phone: "491", bsuid: "DE.1", at: at(second) }));
    await ingest(sql, message({ sender_id: "2", phone: "491", bsuid: "DE.2", at: at(second + 1) }));
  }
  assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "bsuid DE.2", "phone 491"]]);
  assertEquals((await sql`select from public.contact_identities`).length, 3);
  assertEquals((await sql`select from public.conversations`).length, 2);
  // Each sender's service is told the id that this sender may write to.
  const known = await sql`
    select c.number_id, private.current_ids(c.contact_id, c.number_id) ->> 'bsuid' as bsuid
    from public.conversations c order by 1`;
  assertEquals(known.map((row) => Object.values(row)), [["1", "DE.1"], ["2", "DE.2"]]);
  // Number 3 is of the same customer as number 1. Another id at either is another person, who has the number now.
  await ingest(sql, message({ sender_id: "3", phone: "491", bsuid: "DE.1", at: at(10) }));
  await ingest(sql, message({ sender_id: "3", phone: "491", bsuid: "DE.3", at: at(11) }));
  assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "bsuid DE.2"], ["bsuid DE.3", "phone 491"]]);
});

databaseTest(
  "people: two contacts are merged when a shared number is learnt later, unless a sender distinguishes them",
  async (sql) => {
    await ingest(sql, message({ sender_id: "1", phone: undefined, bsuid: "DE.1" }));
    await ingest(sql, message({ sender_id: "2", phone: undefined, bsuid: "DE.2" }));
    await ingest(sql, message({ sender_id: "1", phone: undefined, bsuid: "DE.9" }));
    await ingest(sql, message({ sender_id: "1", phone: "491", bsuid: "DE.1" }));
    await ingest(sql, message({ sender_id: "2", phone: "491", bsuid: "DE.2" }));
    await ingest(sql, message({ sender_id: "1", phone: "491", bsuid: "DE.9" }));
    assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "bsuid DE.2"], [
      "bsuid DE.9",
      "phone 491",
    ]]);
  },
);

const SPELLED: Record<string, [shown: string, dialled: string]> = {
  Brazil: ["554188887001", "5541988887001"],
  Mexico: ["5215512340001", "525512340001"],
  Argentina: ["5491123450001", "541123450001"],
};

for (const [country, pair] of Object.entries(SPELLED)) {
  databaseTest(
    `people: every spelling of a number of ${country} is one person, and is kept as received`,
    async (sql) => {
      for (const [first, second] of [pair, pair.toReversed()]) {
        await sql`truncate public.contacts cascade`;
        await ingest(sql, message({ phone: first }));
        await ingest(sql, message({ phone: second }), message({ phone: first }));
        assertEquals(Object.values(await people(sql)), [[`phone ${first}`, `phone ${second}`].sort()]);
        assertEquals((await sql`select from public.conversations`).length, 1);
        await sql`truncate public.contacts cascade`;
        await ingest(sql, message({ phone: first }), message({ phone: second }));
        assertEquals(Object.keys(await people(sql)).length, 1);
      }
    },
  );
}

databaseTest(
  "spellings: each spelling of a number gives the same set; any other text gives only itself",
  async (sql) => {
    const digits = fc.stringMatching(/^(?:5[245][0-9]{0,12}|[1-9][0-9]{5,14})$/);
    const of = async (value: string) =>
      (await sql<{ all: string[] }[]>`select private.spellings('phone', ${value}) as all`)[0].all;
    await holds(fc.asyncProperty(digits, async (value) => {
      const all = await of(value);
      assertEquals(all.includes(value), true);
      for (const other of all) assertEquals(await of(other), all);
    }));
    // A landline and a mobile of Brazil may differ by a 9 and are two numbers; so is whatever has no such rule.
    for (const value of ["551132345678", "5511932345678", "12025550123", "4915100000001"]) {
      assertEquals(await of(value), [value]);
    }
    const [{ other }] = await sql`select private.spellings('bsuid', '554188887001') as other`;
    assertEquals(other, ["554188887001"]);
  },
);

const SENT = "01968f00-0000-7000-8000-0000000000a1";

/** A template of ours that went to a number, as it was dialled. */
async function sentTo(sql: Sql, phone: string, id = SENT, number = "1"): Promise<void> {
  await sql`insert into public.wa_numbers (id) values (${number}) on conflict do nothing`;
  const identities = [{ kind: "phone", value: phone }];
  const [{ found }] = await sql`
    select private.send_conversation(${
    sql.json({ to: phone, number_id: number, identities, message: {} })
  }) as found`;
  await sql`insert into public.messages (id, conversation_id, direction, type, status)
    values (${id}, ${found.id}, 'out', 'template', 'accepted')`;
}

databaseTest("people: the recipient in our message's status is the person it was sent to", async (sql) => {
  await sentTo(sql, "491");
  for (const name of ["sent", "delivered", "read"] as const) {
    await ingest(sql, status("wamid.s", name, { callback: SENT, phone: "491", bsuid: "DE.1" }));
  }
  await ingest(sql, message({ phone: undefined, bsuid: "DE.1" }));
  assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "phone 491"]]);
  assertEquals((await sql`select from public.conversations`).length, 1);
  // A message that is not ours teaches nothing.
  await ingest(sql, status("wamid.other", "sent", { phone: "492", bsuid: "DE.2" }));
  assertEquals(Object.keys(await people(sql)).length, 1);
});

databaseTest(
  "people: a number as dialled and as known is one person, whatever the source and order",
  async (sql) => {
    const told = { callback: SENT, phone: "4930", bsuid: "DE.1" };
    const steps: Record<string, () => Promise<unknown>> = {
      status: () => ingest(sql, status("wamid.s", "sent", told)),
      read: () => ingest(sql, status("wamid.s", "read", told)),
      answer: () => ingest(sql, message({ phone: "4930" })),
      hidden: () => ingest(sql, message({ phone: undefined, bsuid: "DE.1" })),
    };
    await holds(
      fc.asyncProperty(fc.shuffledSubarray(Object.keys(steps), { minLength: 4 }), async (order) => {
        await sql`truncate public.contacts, public.webhook_events cascade`;
        await sentTo(sql, "49030");
        for (const step of order) await steps[step]();
        assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "phone 49030", "phone 4930"]]);
        const [{ ids, conversations }] = await sql`
        select private.current_ids(contact_id, '1') as ids, count(*) over ()::int as conversations from public.conversations`;
        assertEquals([ids, conversations], [{ phone: "4930", bsuid: "DE.1" }, 1]);
      }),
      { cases: 24 },
    );
  },
);

databaseTest("people: a late status does not restore a number that was given up", async (sql) => {
  await sentTo(sql, "491");
  await ingest(sql, message({ type: "system", kind: "identity", prev_phone: "491", phone: "492" }));
  await ingest(sql, status("wamid.s", "read", { callback: SENT, phone: "491" }));
  assertEquals(Object.values(await people(sql)), [["phone 492"]]);
});

databaseTest(
  "people: concurrent batches of statuses, new people and messages create each person once",
  async (sql) => {
    const ids = Array.from(
      { length: 12 },
      (_, n) => `01968f00-0000-7000-8000-0000000000${(0x10 + n).toString(16)}`,
    );
    for (const [n, id] of ids.entries()) {
      await sentTo(sql, `49${n}`, id);
    }
    const batches = Array.from({ length: 6 }, (_, b) =>
      ids.flatMap((callback, n) => [
        message({ phone: b % 2 === 0 ? undefined : `49${n}`, bsuid: `DE.${n}` }),
        status(`wamid.${n}`, "read", { callback, phone: `49${n}`, bsuid: `DE.${n}` }),
        message({ phone: `50${b}${n}` }),
      ]));
    await Promise.all(batches.map((batch) => ingest(sql, ...batch)));
    const known = Object.values(await people(sql)).filter(([first]) => first.startsWith("bsuid"));
    assertEquals(
      known.map((ids) => ids.join()).sort(),
      ids.map((_, n) => `bsuid DE.${n},phone 49${n}`).sort(),
    );
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "people: a change of number or user id keeps the person, and the old id in the history",
  async (sql) => {
    await ingest(sql, message({ phone: "491", bsuid: "DE.1" }));
    await ingest(sql, message({ type: "system", prev_phone: "491", phone: "492" }));
    assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "phone 492"]]);
    await ingest(sql, {
      key: "x:change",
      field: "user_id_update",
      kind: "identity",
      sender_id: "1",
      prev_bsuid: "DE.1",
      bsuid: "DE.2",
      phone: "492",
      raw: {},
    });
    assertEquals(Object.values(await people(sql)), [["bsuid DE.2", "phone 492"]]);
    const history = await sql<{ value: string }[]>`
    select value from public.contact_identities where valid_to is not null order by valid_to, id`;
    assertEquals(history.map((row) => row.value), ["491", "DE.1"]);
    await ingest(sql, message({ phone: undefined, bsuid: "DE.2" }));
    const [{ n }] = await sql<
      { n: number }[]
    >`select count(distinct conversation_id)::int as n from public.messages`;
    assertEquals(n, 1);
  },
);

databaseTest("people: a merge takes over messages to be routed and deliveries", async (sql) => {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  const [{ id }] = await sql<{ id: string }[]>`
    select public.add_destination('d', 'http://localhost/hook') ->> 'id' as id`;
  await ingest(
    sql,
    message({ phone: "491", body: "a" }),
    message({ phone: undefined, bsuid: "DE.1", body: "b" }),
  );
  // "a" is decided and claimed, "b" still waits for the router.
  const [a] = await sql<{ id: string; conversation_id: string; seq: string }[]>`
    select id, conversation_id, seq from public.messages where text = 'a'`;
  await sql`select public.record_decisions(1, ${
    sql.json([{
      id: a.conversation_id,
      held: false,
      through_seq: Number(a.seq),
      decisions: [{ message_id: a.id, reason: "matched", destination_ids: [id], explanation: [] }],
    }])
  })`;
  const [{ claim }] = await sql`select public.claim_deliveries(10) as claim`;
  assertEquals(claim.deliveries.length, 1);
  await ingest(sql, message({ phone: "491", bsuid: "DE.1", body: "c" }));

  const [{ waiting }] = await sql`select public.claim_unrouted(2, 10) as waiting`;
  assertEquals(waiting.map((c: { messages: { text: string }[] }) => c.messages.map((m) => m.text)), [[
    "b",
    "c",
  ]]);
  assertEquals(await lost(sql), []);
});

databaseTest("people: dead letters from before a merge can be retried after it", async (sql) => {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  const [{ id }] = await sql<{ id: string }[]>`
    select public.add_destination('d', 'http://localhost/hook') ->> 'id' as id`;
  await ingest(sql, message({ phone: "491" }));
  await ingest(sql, message({ phone: undefined, bsuid: "DE.1", body: "given up" }));
  const [m] = await sql<{ id: string; conversation_id: string; seq: string }[]>`
    select id, conversation_id, seq from public.messages where text = 'given up'`;
  await sql`select public.record_decisions(1, ${
    sql.json([{
      id: m.conversation_id,
      held: false,
      through_seq: Number(m.seq),
      decisions: [{ message_id: m.id, reason: "matched", destination_ids: [id], explanation: [] }],
    }])
  })`;
  const claim = async () => {
    const [row] = await sql<{ deliveries: { delivery_id: string; lease: string }[] }[]>`
      select public.claim_deliveries(10) -> 'deliveries' as deliveries`;
    return row.deliveries;
  };
  const [{ delivery_id, lease }] = await claim();
  await sql`select public.settle_deliveries(${sql.json([{ delivery_id, lease, outcome: "dead" }])})`;
  await ingest(sql, message({ phone: "491", bsuid: "DE.1" }));
  assertEquals((await sql`select from public.conversations`).length, 1);

  await sql`select public.retry_deliveries(${[delivery_id]})`;
  assertEquals(await lost(sql), []);
  assertEquals((await claim()).map((one) => one.delivery_id), [delivery_id]);
});

const SECOND = (second: number) => new Date(Date.UTC(2026, 10, 21, 12, 0, second)).toISOString();

/** What somebody prefers, as Meta tells it. */
const preference = (opt: string, second: number, changes: Record<string, unknown> = {}) => ({
  key: `x:${crypto.randomUUID()}`,
  field: "user_preferences",
  kind: "other",
  sender_id: "1",
  phone: "4915100000001",
  opt,
  at: SECOND(second),
  raw: {},
  ...changes,
});

const optedOut = async (sql: Sql) =>
  (await sql<{ out: boolean }[]>`select opted_out_at is not null as out from public.conversations`)
    .map(({ out }) => out);

databaseTest("opt-out: is recorded and revoked, also before there is a conversation", async (sql) => {
  await ingest(sql, preference("out", 1));
  assertEquals(await optedOut(sql), [true]);
  await ingest(sql, message());
  assertEquals(await optedOut(sql), [true]);
  await ingest(sql, preference("in", 3), preference("out", 2));
  assertEquals(await optedOut(sql), [false]);
  await ingest(sql, preference("out", 2));
  assertEquals(await optedOut(sql), [false], "an older word that comes later");
  await ingest(sql, preference("out", 3));
  assertEquals(await optedOut(sql), [true], "of the same second the one that came later");
});

databaseTest("opt-out: the newest statement wins, in any order and batches", async (sql) => {
  let person = 0;
  await holds(
    fc.asyncProperty(
      fc.uniqueArray(fc.record({ opt: fc.constantFrom("out", "in"), second: fc.nat(50) }), {
        selector: ({ second }) => second,
        minLength: 1,
        maxLength: 6,
      }),
      fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
      async (words, cuts) => {
        const phone = `49151${String(++person).padStart(8, "0")}`;
        let batch: ReturnType<typeof preference>[] = [];
        for (const [i, { opt, second }] of words.entries()) {
          batch.push(preference(opt, second, { phone }));
          if (!cuts[i] && i < words.length - 1) continue;
          await ingest(sql, ...batch);
          batch = [];
        }
        const [{ out }] = await sql`
          select c.opted_out_at is not null as out from public.conversations c
          join public.contact_identities i on i.contact_id = c.contact_id where i.value = ${phone}`;
        assertEquals(out, words.toSorted((a, b) => b.second - a.second)[0].opt === "out");
      },
    ),
    { cases: 30 },
  );
});

databaseTest("opt-out: merged contacts keep the newer statement of both", async (sql) => {
  for (const [n, [first, second, expected]] of ([[1, 2, false], [2, 1, true]] as const).entries()) {
    const phone = `4916${n}`, bsuid = `DE.merge${n}`;
    await ingest(
      sql,
      preference("out", first, { phone }),
      preference("in", second, { phone: undefined, bsuid }),
    );
    await ingest(sql, message({ phone, bsuid }));
    const rows = await sql`
      select distinct c.id, c.opted_out_at is not null as out from public.conversations c
      join public.contact_identities i on i.contact_id = c.contact_id where i.value = ${phone}`;
    assertEquals(rows.map(({ out }) => out), [expected], `case ${n}`);
  }
});

databaseTest(
  "opt-out: triggered by a configured word, typed or tapped, but not by a text that contains it",
  async (sql) => {
    const says = async (changes: Record<string, unknown>) => {
      await ingest(sql, message({ at: SECOND(++second), ...changes }));
      return (await optedOut(sql))[0];
    };
    let second = 0;
    assertEquals(await says({ body: "please don't stop" }), false);
    assertEquals(await says({ body: " Stop. " }), true);
    assertEquals(await says({ body: "START" }), false);
    assertEquals(await says({ type: "button", body: "No, thanks", choice: "STOP" }), true);
    assertEquals(await says({ type: "button", body: "Resume" }), false);
    assertEquals(await says({ type: "image", body: "stop" }), false, "a caption");
    assertEquals(await says({ kind: "echo", body: "stop" }), false, "words of ours");
    await sql`insert into public.settings (key, value) values
    ('opt_out.stop_words', '["Basta "]'), ('opt_out.start_words', '[]')`;
    assertEquals(await says({ body: "stop" }), false);
    assertEquals(await says({ body: "basta" }), true);
    assertEquals(await says({ body: "start" }), true);
    for (const value of ['"stop"', "[1]", "{}"]) {
      assertEquals(
        await refusal(sql`update public.settings set value = ${value} where key = 'opt_out.stop_words'`),
        "23514",
      );
    }
  },
);

databaseTest(
  "ingest_updates: concurrent batches with overlapping new people create each person once",
  async (sql) => {
    const batches = Array.from(
      { length: 6 },
      (_, b) =>
        Array.from(
          { length: 10 },
          (_, i) =>
            message({ phone: (b + i) % 2 === 0 ? `49${i}` : undefined, bsuid: `DE.${i}`, name: `P${i}` }),
        ),
    );
    await Promise.all(batches.map((batch) => ingest(sql, ...batch)));
    assertEquals(Object.keys(await people(sql)).length, 10);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "people: several changes of one person in a batch keep every message with that person",
  async (sql) => {
    await ingest(sql, message({ phone: "491" }));
    await ingest(
      sql,
      message({ type: "system", prev_phone: "491", phone: "492" }),
      message({ phone: "492" }),
      message({ type: "system", prev_phone: "492", phone: "493" }),
      message({ phone: "493", bsuid: "DE.1" }),
    );
    assertEquals(Object.values(await people(sql)), [["bsuid DE.1", "phone 493"]]);
    const rows = await sql<
      { n: number }[]
    >`select count(*)::int as n from public.messages group by conversation_id`;
    assertEquals(rows.map((row) => row.n), [5]);
  },
);

databaseTest(
  "purge: minutely runs remove everything that an hour brought, and keep what is younger",
  async (sql) => {
    await sql`insert into public.webhook_events (dedupe_key, field, kind, received_at)
    select 'x:' || n, 'messages', 'status', now() - make_interval(days => case when n <= 30000 then 31 else 29 end)
    from generate_series(1, 30100) as n`;
    const taken: number[] = [];
    for (let minute = 0; minute < 4; minute++) {
      const [{ purged }] =
        await sql`select private.purge(now() + make_interval(mins => ${minute})) as purged`;
      taken.push(purged.webhook_events);
    }
    assertEquals(taken, [10000, 10000, 10000, 0]);
    assertEquals((await sql`select from public.webhook_events`).length, 100);
  },
);

databaseTest(
  "lookups: a person is found through the index of complete ids, even without table statistics",
  async (sql) => {
    const plan = await sql.begin(async (tx) => {
      // As ingest_updates has it.
      await tx`set local enable_seqscan = off`;
      await tx`set local plan_cache_mode = force_generic_plan`;
      await tx`
        prepare look_up (private.identity[]) as select held.contact_id from unnest($1) k
        left join lateral (
          select i.contact_id from public.contact_identities i
          where i.channel = 'whatsapp' and i.kind = k.kind and i.value = k.value and i.valid_to is null limit 1) held on true`;
      const rows = await tx.unsafe("explain execute look_up ('{}')");
      await tx`deallocate look_up`;
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
    assertStringIncludes(plan, "contact_identities_current_idx");
    assertStringIncludes(
      plan,
      "Index Cond: ((channel = 'whatsapp'::text) AND (kind = k.kind) AND (value = k.value))",
    );
  },
);

/** What is kept of messages, in their order. */
async function kept(sql: Sql) {
  const rows = await sql`
    select type, text, reply_to, native is not null as native, status from public.messages order by provider_id`;
  return rows.map((row) => Object.values(row));
}

databaseTest(
  "revoke: the text of a withdrawn message is removed, in any order of events",
  async (sql) => {
    const said = {
      provider_id: "wamid.1",
      key: "m:1",
      body: "card tulip",
      choice: "tulip",
      referral: { headline: "tulip" },
    };
    const edit = {
      provider_id: "wamid.2",
      key: "m:2",
      type: "edit",
      body: "card tulips",
      reply_to: "wamid.1",
    };
    const revoke = {
      provider_id: "wamid.3",
      key: "m:3",
      type: "revoke",
      body: undefined,
      reply_to: "wamid.1",
    };
    const steps = [said, edit, revoke];
    await holds(
      fc.asyncProperty(
        fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
        fc.boolean(),
        async (order, together) => {
          await sql`truncate public.contacts, public.webhook_events cascade`;
          const updates = order.map((n) => message(steps[n]));
          if (together) await ingest(sql, ...updates);
          else for (const update of updates) await ingest(sql, update);
          assertEquals(await kept(sql), [
            ["text", null, null, false, "deleted"],
            ["edit", null, "wamid.1", false, "deleted"],
            ["revoke", null, "wamid.1", true, "received"],
          ]);
          const [{ all }] = await sql`select string_agg(to_jsonb(m)::text, '') as all from public.messages m`;
          assertEquals(all.includes("tulip"), false);
        },
      ),
      { cases: 24 },
    );
  },
);

databaseTest(
  "revoke: nobody can withdraw another person's message or one in another conversation",
  async (sql) => {
    await ingest(sql, message({ provider_id: "wamid.1", body: "theirs" }));
    await ingest(sql, message({ provider_id: "wamid.2", body: "another's", phone: "492" }));
    const revoke = { type: "revoke", body: undefined };
    await ingest(sql, message({ ...revoke, provider_id: "wamid.3", reply_to: "wamid.2" }));
    await ingest(sql, message({ ...revoke, kind: "echo", provider_id: "wamid.4", reply_to: "wamid.1" }));
    await ingest(sql, message({ ...revoke, provider_id: "wamid.5", reply_to: "wamid.never" }));
    assertEquals((await kept(sql)).map(([, text]) => text), ["theirs", "another's", null, null, null]);
    // What the business wrote in the app can be taken back there.
    await ingest(sql, message({ kind: "echo", provider_id: "wamid.6", body: "ours" }));
    await ingest(sql, message({ ...revoke, kind: "echo", provider_id: "wamid.7", reply_to: "wamid.6" }));
    assertEquals((await kept(sql)).at(-2), ["text", null, null, false, "deleted"]);
  },
);

databaseTest("echo: an echo of our message is that message; any other is a new one", async (sql) => {
  await sentTo(sql, "491");
  await sql`update public.messages set provider_id = 'wamid.ours'`;
  await ingest(
    sql,
    message({ kind: "echo", provider_id: "wamid.ours", phone: "491" }),
    message({ kind: "echo", provider_id: "wamid.app", phone: "491", body: "by hand" }),
  );
  const rows = await sql`select id, provider_id, status from public.messages order by provider_id`;
  assertEquals(rows.map(({ id, provider_id, status }) => [id === SENT, provider_id, status]), [
    [false, "wamid.app", "sent"],
    [true, "wamid.ours", "accepted"],
  ]);
  assertEquals((await sql`select from public.webhook_events`).length, 2);
});

databaseTest(
  "echo: one that arrives before the provider's answer becomes the message when a status names it",
  async (sql) => {
    await sentTo(sql, "491");
    await ingest(sql, message({ kind: "echo", provider_id: "wamid.ours", phone: "491" }));
    await ingest(sql, status("wamid.ours", "delivered", { callback: SENT, phone: "491" }));
    const rows = await sql`select id, provider_id, status from public.messages`;
    assertEquals(rows.map((row) => Object.values(row)), [[SENT, "wamid.ours", "delivered"]]);
  },
);

databaseTest("senders: the dialled address follows what the provider reports", async (sql) => {
  await ingest(sql, message({ sender_display: "15550001111" }));
  await sql`update public.wa_numbers set display_number = '15559990000'`;
  await ingest(sql, message());
  const number = async () => (await sql`select display_number from public.wa_numbers`)[0].display_number;
  assertEquals(await number(), "15559990000");
  await ingest(sql, message({ sender_display: "15550001111" }));
  assertEquals(await number(), "15550001111");
});

databaseTest("groups: a group has its own conversation and opens nobody's private window", async (sql) => {
  await ingest(sql, message({ group: "R3JvdXA6MQ", phone: undefined, body: "who comes?" }));
  await ingest(sql, message({ group: "R3JvdXA6MQ", phone: undefined, body: "me" }));
  await ingest(sql, message({ phone: "491" }));
  assertEquals(Object.values(await people(sql)), [["group R3JvdXA6MQ"], ["phone 491"]]);
  const [{ n }] = await sql`select count(distinct conversation_id)::int as n from public.messages`;
  assertEquals(n, 2);
});

databaseTest("lookups: past ids and withdrawn messages are found through their indexes", async (sql) => {
  const plan = async (query: string) =>
    await sql.begin(async (tx) => {
      await tx`set local enable_seqscan = off`;
      await tx`set local plan_cache_mode = force_generic_plan`;
      const rows = await tx.unsafe(`explain ${query}`);
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    });
  assertStringIncludes(
    await plan(`select from public.contact_identities i where i.channel = 'whatsapp' and i.kind = 'phone'
      and i.value = any (private.spellings('phone', '1')) and i.valid_to is not null`),
    "contact_identities_past_idx",
  );
  assertStringIncludes(
    await plan("select from public.messages r where r.type = 'revoke' and r.reply_to = 'wamid.1'"),
    "messages_changes_idx",
  );
});
