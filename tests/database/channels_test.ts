/** Channels that the core was not made for: what theirs is stays theirs, and WhatsApp beside them is as it was. */
import { assertEquals } from "@std/assert";
import type { Sql } from "postgres";
import { decide, type WaitingConversation } from "../../supabase/functions/_shared/pipeline/decide.ts";
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
  channel: string;
  number_id: string;
  to: string;
}

async function claim(sql: Sql, channels: string[], limit = 10): Promise<string[]> {
  const [{ claimed }] = await sql<{ claimed: { messages: Claimed[] } }[]>`
    select private.claim_outbound(${limit}, 60, ${channels}, ${at(1)}) as claimed`;
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
  ["whatsapp", -120, -60, "text", "opted_out"],
  ["sms", null, null, "text", "queued"],
  ["sms", -60, -120, "text", "opted_out"],
  ["email", null, null, "text", "queued"],
  ["email", -60, -120, "text", "opted_out"],
  ["telegram", null, null, "text", "queued"],
  ["telegram", -120, -60, "text", "queued"],
  ["pigeon", null, null, "text", "queued"],
  ["pigeon", -60, -120, "text", "opted_out"],
];

databaseTest("channel_policy: window and opt-out are the channel's", async (sql) => {
  for (const [channel, wrote, out, type, expected] of POLICIES) {
    const id = await conversation(sql, channel, {
      last_inbound_at: wrote === null ? null : at(wrote),
      opted_out_at: out === null ? null : at(out),
    });
    assertEquals(await enqueue(sql, id, type), expected, `${type} on ${channel}, wrote ${wrote}, out ${out}`);
  }
});

databaseTest(
  "claim_outbound: gives the channels that are asked for, and the others hold nothing up",
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

databaseTest("claim_outbound: a channel's flag holds that channel alone", async (sql) => {
  for (const channel of ["sms", "whatsapp"]) {
    await enqueue(sql, await conversation(sql, channel, { last_inbound_at: NOW }));
  }
  await sql`update public.settings set value = 'false' where key = 'wa_send.enabled'`;
  assertEquals(await claim(sql, ["whatsapp", "sms"]), ["sms 1"]);
});

/** A message that a pigeon brought, from the bird with this ring. */
const cooed = (ring: string, changes: Record<string, unknown> = {}) =>
  message({
    channel: "pigeon",
    provider: "loft",
    sender_id: "1",
    identities: [{ kind: "ring", value: ring }],
    ...changes,
  });

databaseTest("a new channel: stored, known by its own ids, apart from WhatsApp's people", async (sql) => {
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
});

databaseTest(
  "a new channel: its first id says who it is, what comes with it may change hands",
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

databaseTest("a new channel: a status finds the message of its own channel", async (sql) => {
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
  "a new channel: waits for a route that names it, and WhatsApp's fallback does not take it",
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
      const rules = { revision: 1, flags, routes: await compileRoutes(config.routes) };
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
  "a new channel: what is sent on it is queued by its flag and claimed for it alone",
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
      const [{ claim }] = await sql`select public.claim_outbound(10, 60, ${channels}) as claim`;
      return claim.messages.map(({ channel, to }: Claimed) => `${channel} ${to}`);
    };
    assertEquals(await claimed("whatsapp"), ["whatsapp 491"]);
    assertEquals(await claimed("pigeon"), ["pigeon 1", "pigeon 1"]);
    const [{ thread_id }] = await sql`
    update public.messages set thread_id = gen_random_uuid() where channel = 'pigeon' returning thread_id`;
    assertEquals(typeof thread_id, "string");
  },
);
