/** Channels that the core was not made for: what theirs is stays theirs, and WhatsApp beside them is as it was. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { WaitingConversation } from "../../supabase/functions/_shared/contract/answers/pipeline.ts";
import { decide } from "../../supabase/functions/_shared/pipeline/decide.ts";
import { prepareFlags } from "../../supabase/functions/_shared/flags/evaluate.ts";
import { compileRoutes } from "../../supabase/functions/_shared/routing/routes.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message, status } from "../support/intake.ts";

const NOW = "2026-11-21T12:00:00Z";
const DAY = 86_400;

/** A time in seconds after the beginning of the test. */
const at = (seconds: number) => new Date(Date.parse(NOW) + seconds * 1000).toISOString();

/** A conversation on a channel with a sender `1`, and its flag on. */
async function conversation(
  sql: Sql,
  channel: string,
  changes: Record<string, unknown> = {},
): Promise<string> {
  await sql`insert into public.senders (channel, id, provider) values (${channel}, '1', ${channel})
    on conflict do nothing`;
  const flag = channel === "whatsapp" ? "wa_send.enabled" : `${channel}_send.enabled`;
  await sql`insert into public.settings (key, value) values (${flag}, 'true') on conflict do nothing`;
  const [{ id }] = await sql<{ id: string }[]>`
    with person as (insert into public.contacts (channel) values (${channel}) returning id)
    insert into public.conversations (channel, number_id, contact_id, last_inbound_at, opted_out_at)
    select ${channel}, '1', id, ${changes.last_inbound_at as string ?? null}, ${
    changes.opted_out_at as string ?? null
  }
    from person returning id`;
  return id;
}

/** Queues a message; the answer's error, or its status. */
async function enqueue(sql: Sql, id: string, type = "text"): Promise<string> {
  const [{ answer }] = await sql<{ answer: { error?: string; status?: string } }[]>`
    select private.enqueue_message(c, ${sql.json({ to: "x", message: { type } })}, ${NOW}) as answer
    from public.conversations c where c.id = ${id}`;
  return answer.error ?? answer.status!;
}

interface Claimed {
  id: string;
  lease: string;
  channel: string;
  number_id: string;
  to: string;
}

async function claim(sql: Sql, channels: string[], limit = 10): Promise<string[]> {
  const [{ claimed }] = await sql<{ claimed: { messages: Claimed[] } }[]>`
    select private.claim_outbound(${limit}, 60, '{}', ${channels}, ${at(1)}) as claimed`;
  return claimed.messages.map(({ channel, number_id }) => `${channel} ${number_id}`).sort();
}

/** Channel, when the person last wrote and opted out (seconds from now), type, and what becomes of it. */
const POLICIES: [string, number | null, number | null, string, string][] = [
  ["whatsapp", null, null, "text", "window_closed"],
  ["whatsapp", -DAY, null, "text", "window_closed"],
  ["whatsapp", 1 - DAY, null, "text", "queued"],
  ["whatsapp", null, null, "template", "queued"],
  ["whatsapp", -60, -120, "template", "opted_out"],
  ["whatsapp", -60, -120, "text", "queued"],
  ["whatsapp", -120, -60, "text", "queued"],
  ["sms", null, null, "text", "queued"],
  ["sms", -60, -120, "text", "opted_out"],
  ["email", null, null, "text", "queued"],
  ["email", -60, -120, "text", "opted_out"],
  ["telegram", null, null, "text", "queued"],
  ["telegram", -120, -60, "text", "queued"],
  ["pigeon", null, null, "text", "queued"],
  ["pigeon", -60, -120, "text", "opted_out"],
];

databaseTest("channel_policy: each channel has its own window and opt-out rules", async (sql) => {
  for (const [channel, wrote, out, type, expected] of POLICIES) {
    const id = await conversation(sql, channel, {
      last_inbound_at: wrote === null ? null : at(wrote),
      opted_out_at: out === null ? null : at(out),
    });
    assertEquals(await enqueue(sql, id, type), expected, `${type} on ${channel}, wrote ${wrote}, out ${out}`);
  }
});

databaseTest(
  "claim_outbound: returns messages of the requested channels, and others do not block them",
  async (sql) => {
    for (const channel of ["pigeon", "sms", "whatsapp"]) {
      await enqueue(sql, await conversation(sql, channel, { last_inbound_at: NOW }));
    }
    assertEquals(await claim(sql, []), []);
    // Whoever does not know of channels is WhatsApp's.
    const [{ messages }] = (await sql`select public.claim_outbound(10) as claimed`).map(({ claimed }) =>
      claimed
    );
    assertEquals(messages.map(({ channel }: Claimed) => channel), ["whatsapp"]);
    assertEquals(await claim(sql, ["whatsapp", "sms"]), ["sms 1"]);
    await sql`update public.senders set state = 'paused' where channel = 'pigeon'`;
    assertEquals(await claim(sql, ["pigeon"]), []);
    await sql`update public.senders set state = 'active' where channel = 'pigeon'`;
    assertEquals(await claim(sql, ["whatsapp", "sms", "pigeon"]), ["pigeon 1"]);
  },
);

databaseTest("claim_outbound: a channel's flag holds back that channel only", async (sql) => {
  for (const channel of ["sms", "whatsapp"]) {
    await enqueue(sql, await conversation(sql, channel, { last_inbound_at: NOW }));
  }
  await sql`update public.settings set value = 'false' where key = 'wa_send.enabled'`;
  assertEquals(await claim(sql, ["whatsapp", "sms"]), ["sms 1"]);
});

/** Lanes with a message each, more than can go at once, of senders that may send as fast as there are places. */
async function backlog(sql: Sql, lanes: Record<string, number>, messages = 1): Promise<void> {
  for (const [channel, n] of Object.entries(lanes)) {
    for (let lane = 0; lane < n; lane++) {
      const id = await conversation(sql, channel, { last_inbound_at: NOW });
      for (let i = 0; i < messages; i++) await enqueue(sql, id);
    }
  }
  await sql`update public.senders set max_per_second = 1000`;
}

/** How many of each channel a claim gives to who has these under way, and in how many milliseconds more are due. */
async function claimBeside(
  sql: Sql,
  { limit, busy = {}, channels }: { limit: number; busy?: Record<string, number>; channels: string[] },
) {
  const [{ claimed }] = await sql<{ claimed: { messages: Claimed[]; next_due_ms: number | null } }[]>`
    select private.claim_outbound(${limit}, 60, ${sql.json(busy)}, ${channels}, ${at(1)}) as claimed`;
  const given = Object.fromEntries(channels.map((channel) => [channel, 0]));
  for (const { channel } of claimed.messages) given[channel]++;
  return { given, due: claimed.next_due_ms };
}

databaseTest(
  "claim_outbound: a single channel gets all places; among others it gets half of the free ones",
  async (sql) => {
    await backlog(sql, { whatsapp: 40 });
    const both = ["email", "whatsapp"];
    const again = () =>
      sql`update private.outbound_lanes set due_at = ${at(0)}, lease = null`
        .then(() => sql`update public.senders set send_tat = null`);
    assertEquals((await claimBeside(sql, { limit: 32, channels: ["whatsapp"] })).given, { whatsapp: 32 });
    await again();
    const ten = await claimBeside(sql, { limit: 32, busy: { whatsapp: 10 }, channels: ["whatsapp"] });
    assertEquals(ten.given, { whatsapp: 32 });
    await again();
    assertEquals((await claimBeside(sql, { limit: 64, channels: both })).given, { email: 0, whatsapp: 32 });
    await again();
    const half = await claimBeside(sql, { limit: 54, busy: { email: 4, whatsapp: 6 }, channels: both });
    assertEquals(half.given, { email: 0, whatsapp: 24 });
  },
);

databaseTest(
  "claim_outbound: a channel with half of the places in use does not count as due next",
  async (sql) => {
    await backlog(sql, { email: 3, whatsapp: 1 });
    await sql`update private.outbound_lanes set due_at = ${at(3)} where channel = 'whatsapp'`;
    const full = { limit: 32, busy: { email: 32 }, channels: ["email", "whatsapp"] };
    assertEquals(await claimBeside(sql, full), { given: { email: 0, whatsapp: 0 }, due: 2000 });
  },
);

databaseTest("claim_outbound: a channel whose provider hangs leaves places to the others", async (sql) => {
  await backlog(sql, { email: 40 }, 3);
  await backlog(sql, { whatsapp: 1 }, 20);
  const channels = ["email", "whatsapp"];
  const sent = { email: 0, whatsapp: 0 };
  /** What is under way, and at which claim it is answered. */
  let open: (Claimed & { ends: number })[] = [];
  for (let tick = 0; tick < 60; tick++) {
    const now = at(1 + tick);
    const ended = open.filter(({ ends }) => ends <= tick);
    open = open.filter(({ ends }) => ends > tick);
    const results = ended.map(({ id, lease }) => ({ id, lease, outcome: "sent", provider_id: id }));
    await sql`select private.settle_outbound(${sql.json(results)}, ${now})`;
    const busy: Record<string, number> = {};
    for (const { channel } of open) busy[channel] = (busy[channel] ?? 0) + 1;
    const [{ claimed }] = await sql<{ claimed: { messages: Claimed[] } }[]>`
      select private.claim_outbound(${32 - open.length}, 600, ${
      sql.json(busy)
    }, ${channels}, ${now}) as claimed`;
    for (const message of claimed.messages) {
      sent[message.channel as keyof typeof sent]++;
      open.push({ ...message, ends: tick + (message.channel === "email" ? 30 : 1) });
    }
  }
  assertEquals(sent.whatsapp, 20);
  assertEquals(sent.email, 32);
});

databaseTest("claim_outbound: a channel's senders take turns when places are scarce", async (sql) => {
  for (const number of ["1", "2", "3"]) {
    await sql`insert into public.wa_numbers (id, max_per_second) values (${number}, 1000)`;
    for (let i = 0; i < 12; i++) {
      const id = await conversation(sql, "whatsapp", { last_inbound_at: NOW });
      await sql`update public.conversations set number_id = ${number} where id = ${id}`;
      await enqueue(sql, id);
    }
  }
  const turns: string[] = [];
  for (let i = 0; i < 12; i++) turns.push(...await claim(sql, ["whatsapp"], 1));
  for (const number of ["1", "2", "3"]) {
    assertEquals(turns.filter((turn) => turn === `whatsapp ${number}`).length, 4, turns.join());
  }
});

databaseTest(
  "enqueue_message: the same idempotency key on another channel is another message",
  async (sql) => {
    const send = async (channel: string, id: string, type = "text") => {
      const item = { to: "x", idempotency_key: "order-17", message: { type } };
      const [{ answer }] = await sql`
      select private.enqueue_message(c, ${sql.json(item)}, ${NOW}) as answer
      from public.conversations c where c.id = ${id} and c.channel = ${channel}`;
      return answer;
    };
    const [whatsapp, sms] = [
      await conversation(sql, "whatsapp", { last_inbound_at: NOW }),
      await conversation(sql, "sms"),
    ];
    const first = await send("whatsapp", whatsapp);
    const second = await send("sms", sms, "note");
    assertEquals([first.status, second.status], ["queued", "queued"]);
    assertEquals(await send("whatsapp", whatsapp), { ...first, repeated: true });
    assertEquals(await send("sms", sms, "note"), { ...second, repeated: true });
    assertEquals(await send("sms", sms), { error: "idempotency_conflict" });
    // The same key at the same moment, on both.
    const both = await Promise.all(
      Array.from(
        { length: 8 },
        (_, n) =>
          sql`select private.enqueue_message(c, ${
            sql.json({ to: "x", idempotency_key: "order-18", message: { type: "text" } })
          }, ${NOW}) as answer from public.conversations c where c.id = ${n % 2 === 0 ? whatsapp : sms}`,
      ),
    );
    assertEquals(new Set(both.map(([{ answer }]) => answer.id)).size, 2);
  },
);

/** A message that a pigeon brought, from the bird with this ring. */
const cooed = (ring: string, changes: Record<string, unknown> = {}) =>
  message({
    channel: "pigeon",
    provider: "loft",
    sender_id: "1",
    identities: [{ kind: "ring", value: ring }],
    ...changes,
  });

databaseTest(
  "a new channel: stores messages under its own ids, separate from WhatsApp's contacts",
  async (sql) => {
    // The same key, number, text of an id and provider's id as WhatsApp has.
    const both = { key: "m:1:same:text", provider_id: "same" };
    assertEquals(
      await ingest(sql, message({ ...both, phone: "491" }), cooed("491", both), cooed("491", both)),
      "ssd",
    );
    assertEquals(await ingest(sql, cooed("491", { body: "again" }), cooed("7", { name: "Paula" })), "ss");
    const people = await sql`
    select c.channel, i.kind, i.value, count(m.id)::int as messages, min(n.provider) as provider
    from public.contacts c join public.contact_identities i on i.contact_id = c.id and i.channel = c.channel
    join public.conversations v on v.contact_id = c.id and v.channel = c.channel
    join public.senders n on n.channel = v.channel and n.id = v.number_id
    join public.messages m on m.conversation_id = v.id and m.channel = v.channel
    group by 1, 2, 3 order by 1, 2, 3`;
    assertEquals(people.map((row) => Object.values(row)), [
      ["pigeon", "ring", "491", 2, "loft"],
      ["pigeon", "ring", "7", 1, "loft"],
      ["whatsapp", "phone", "491", 1, "whatsapp"],
    ]);
    const events =
      await sql`select provider, count(*)::int as n from public.webhook_events group by 1 order by 1`;
    assertEquals(events.map(({ provider, n }) => [provider, n]), [["loft", 3], ["whatsapp", 1]]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("a sender created by its first webhook gets its channel's pace", async (sql) => {
  await ingest(sql, message({ sender_id: "7" }), cooed("1", { sender_id: "7" }), cooed("1"));
  await sql`insert into public.wa_numbers (id) values ('8')`;
  const rows = await sql`
    select channel, id, max_per_second, pair_seconds::float8 from public.senders order by channel, id`;
  assertEquals(rows.map((row) => Object.values(row)), [
    ["pigeon", "1", 1, 1],
    ["pigeon", "7", 1, 1],
    ["whatsapp", "7", 80, 6],
    ["whatsapp", "8", 80, 6],
  ]);
  // No limit for each person is a pace too.
  await sql`update public.senders set pair_seconds = 0, pair_burst = 1, max_per_second = 1000`;
  const id = await conversation(sql, "pigeon");
  for (let n = 0; n < 2; n++) await enqueue(sql, id);
  for (let n = 0; n < 2; n++) {
    const [{ claimed: { messages } }] = await sql<{ claimed: { messages: Claimed[] } }[]>`
      select private.claim_outbound(10, 60, '{}', '{pigeon}', ${at(1)}) as claimed`;
    assertEquals(messages.length, 1);
    const results = messages.map(({ id, lease }) => ({ id, lease, outcome: "sent" }));
    await sql`select private.settle_outbound(${sql.json(results)}, ${at(1)})`;
  }
});

databaseTest(
  "a new channel: the first id identifies the person, the other ids may change owners",
  async (sql) => {
    const who = (
      ring: string,
      name: string,
    ) => [{ kind: "ring", value: ring }, { kind: "username", value: name }];
    await ingest(sql, cooed("", { identities: who("1", "grey") }));
    await ingest(sql, cooed("", { identities: who("2", "grey") }));
    await ingest(sql, cooed("", { identities: [{ kind: "ring", value: "3", previous: "1" }] }));
    const rows = await sql`
    select array_agg(i.kind || ' ' || i.value order by i.kind, i.value) as known
    from public.contacts c join public.contact_identities i on i.contact_id = c.id and i.valid_to is null
    group by c.id order by c.id`;
    assertEquals(rows.map(({ known }) => known), [["ring 3"], ["ring 2", "username grey"]]);
    const [{ n }] = await sql`select count(*)::int as n from public.contacts where merged_into is null`;
    assertEquals(n, 2);
  },
);

databaseTest("a new channel: a status finds the message on its own channel", async (sql) => {
  await ingest(sql, message(), cooed("1"));
  await sql`
    insert into public.messages (channel, conversation_id, direction, provider_id, type, status)
    select channel, id, 'out', 'same', 'text', 'accepted' from public.conversations`;
  await ingest(sql, status("same", "read", { channel: "pigeon", provider: "loft" }));
  const rows =
    await sql`select channel, status from public.messages where direction = 'out' order by channel`;
  assertEquals(rows.map(({ channel, status }) => [channel, status]), [["pigeon", "read"], [
    "whatsapp",
    "accepted",
  ]]);
});

databaseTest(
  "a new channel: its messages wait for a route that names it, not for WhatsApp's fallback",
  async (sql) => {
    await sql`select public.allow_host('*.example.com', 'forward')`;
    await sql`select public.add_destination('loft', 'https://loft.example.com/')`;
    await sql`select public.add_route('{loft}', '{"type": "default"}', 100, '{"name": "rest"}')`;
    await ingest(sql, message(), cooed("1"));
    const waiting = async (...channels: string[]) => {
      const [{ claimed }] = await sql<{ claimed: WaitingConversation[] }[]>`
      select public.claim_unrouted(1, 10, 10, ${channels}) as claimed`;
      return claimed;
    };
    assertEquals((await waiting("pigeon")).map(({ channel }) => channel), ["pigeon"]);
    assertEquals((await waiting("sms")).length, 0);
    const decided = async () => {
      const [{ config }] = await sql`select public.load_config(null) as config`;
      const flags = prepareFlags(["wa", "pigeon"].map((name) => (
        { key: `${name}_router.enabled`, value: "true", metadata: {}, version: 1 }
      )));
      const rules = {
        revision: 1,
        flags,
        routes: await compileRoutes(config.routes),
        marked: new Set<string>(),
      };
      return (await waiting("pigeon", "whatsapp")).map((conversation) => [
        conversation.channel,
        decide(conversation, rules, new Date(NOW)).decisions[0].route_name,
      ]).sort();
    };
    assertEquals(await decided(), [["pigeon", null], ["whatsapp", "rest"]]);
    const options = { name: "birds", channels: ["pigeon"] };
    await sql`select public.add_route('{loft}', '{"type": "channel", "in": ["pigeon"]}', 100, ${
      sql.json(options)
    })`;
    assertEquals(await decided(), [["pigeon", "birds"], ["whatsapp", "rest"]]);
    await sql`select public.set_route(id, version, '{"channels": ["pigeon", "whatsapp"]}') from public.routes
    where name = 'rest'`;
    const history = await sql`select version, channels from public.route_history order by version`;
    assertEquals(history.map(({ version, channels }) => [version, channels]), [
      [1, ["whatsapp"]],
      [2, ["pigeon", "whatsapp"]],
    ]);
  },
);

databaseTest(
  "a new channel: outbound messages obey its flag and are claimed for it only",
  async (sql) => {
    await ingest(sql, message({ phone: "491" }), cooed("1"));
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    const bird = {
      channel: "pigeon",
      identities: [{ kind: "ring", value: "1" }],
      to: "1",
      message: { type: "note" },
    };
    const send = async (item: object) => {
      const [{ answers }] = await sql`select public.enqueue_outbound(${
        sql.json([item] as never)
      }) as answers`;
      return answers[0].error ?? answers[0].status;
    };
    assertEquals(await send(bird), "feature_off");
    await sql`insert into public.settings (key, value) values ('pigeon_send.enabled', 'true')`;
    assertEquals(await send(bird), "queued");
    assertEquals(await send({ ...bird, identities: [{ kind: "ring", value: "new" }] }), "queued");
    assertEquals(await send({ ...bird, number_id: "2" }), "unknown_number");
    assertEquals(
      await send({ identities: [{ kind: "phone", value: "491" }], to: "491", message: { type: "text" } }),
      "queued",
    );
    const claimed = async (...channels: string[]) => {
      const [{ claim }] = await sql`select public.claim_outbound(10, p_channels => ${channels}) as claim`;
      return claim.messages.map(({ channel, to }: Claimed) => `${channel} ${to}`);
    };
    assertEquals(await claimed("whatsapp"), ["whatsapp 491"]);
    await sql`update public.senders set max_per_second = 80 where channel = 'pigeon'`;
    assertEquals(await claimed("pigeon"), ["pigeon 1", "pigeon 1"]);
    const [{ thread_id }] = await sql`
    update public.messages set thread_id = gen_random_uuid() where channel = 'pigeon' returning thread_id`;
    assertEquals(typeof thread_id, "string");
  },
);
