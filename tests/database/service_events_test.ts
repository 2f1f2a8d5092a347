/** Events for services: who gets which, in which order, and that nothing is kept of what nobody wants. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { EVENT_FAMILIES, SUBSCRIPTIONS } from "../../supabase/functions/_shared/contract/event_types.ts";
import { SERVICE_EVENTS } from "../../supabase/functions/_shared/contract/http/events.ts";
import { PIPELINE } from "../../supabase/functions/_shared/contract/answers/pipeline.ts";
import type { Claim, ClaimedEvent } from "../../supabase/functions/_shared/contract/answers/pipeline.ts";
import { serviceEventOf } from "../../supabase/functions/_shared/pipeline/events.ts";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { destination, route } from "../support/deliveries.ts";
import { ingest, lost, message, status } from "../support/intake.ts";

const PHONE = "4915100000001";

/** What is due is claimed; each answer is held to the contract. */
async function claim(sql: Sql): Promise<Claim> {
  const [row] = await sql`
    select private.claim_deliveries(100, 60, '{}', '{whatsapp}', now() + interval '1 minute') as claim`;
  return PIPELINE.claim_deliveries.parse(row.claim);
}

async function settle(sql: Sql, claimed: { delivery_id: string; lease: string }[], outcome = "delivered") {
  const results = claimed.map(({ delivery_id, lease }) => ({ delivery_id, lease, outcome }));
  await sql`select private.settle_deliveries(${sql.json(results)}, now())`;
}

/** Everything that is due, one round after the other, as it arrives at the services. */
async function drain(sql: Sql): Promise<{ delivery: string; type: string; event?: ClaimedEvent }[]> {
  const all: { delivery: string; type: string; event?: ClaimedEvent }[] = [];
  for (;;) {
    const { deliveries, events = [] } = await claim(sql);
    if (deliveries.length + events.length === 0) return all;
    all.push(
      ...deliveries.map((one) => ({ delivery: one.delivery_id, type: `received ${one.message.text}` })),
      ...events.map((one) => ({ delivery: one.delivery_id, type: one.event.type, event: one })),
    );
    await settle(sql, [...deliveries, ...events]);
  }
}

const typesOf = (drained: { type: string }[]) => drained.map(({ type }) => type);

/** A message that was sent under this id. */
async function sent(sql: Sql, wamid: string): Promise<string> {
  await ingest(sql, message({ phone: PHONE, body: `before ${wamid}` }));
  const [{ id }] = await sql`
    insert into public.messages (conversation_id, direction, provider_id, type, status)
    select id, 'out', ${wamid}, 'text', 'accepted' from public.conversations limit 1 returning id`;
  return id;
}

databaseTest("events: nobody wants them, so nothing is kept and nothing is queued", async (sql) => {
  await destination(sql, "plain");
  await sent(sql, "wamid.out");
  await ingest(sql, status("wamid.out", "delivered"), message({ phone: PHONE, body: "stop" }));
  assertEquals([...await sql`select type from public.service_events`], []);
  assertEquals((await claim(sql)).events, undefined);
});

databaseTest(
  "events: each status of a sent message once, in the conversation's order, to those who want it",
  async (sql) => {
    await destination(sql, "fates", { events: ["message.received", "message.delivered", "message.read"] });
    await destination(sql, "all", { events: ["*"] });
    const id = await sent(sql, "wamid.out");
    await ingest(sql, status("wamid.out", "sent"), status("wamid.out", "delivered"));
    await ingest(sql, status("wamid.out", "delivered"), status("wamid.out", "read"));
    const drained = await drain(sql);
    const by = (name: string) =>
      typesOf(drained.filter(({ event }) => event && names.get(event.destination_id) === name));
    const names = new Map(
      [...await sql`select id, name from public.destinations`].map(({ id, name }) => [id, name]),
    );
    assertEquals(by("fates"), ["message.delivered", "message.read"]);
    assertEquals(by("all"), ["message.sent", "message.delivered", "message.read"]);
    const { data } = serviceEventOf(drained[0].event!) as {
      data: Record<string, { id: string; phone?: string }>;
    };
    assertEquals([data.message.id, data.contact.phone], [id, PHONE]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("events: share the lane of their conversation with its messages", async (sql) => {
  const all = await destination(sql, "all", { events: ["*"] });
  await sent(sql, "wamid.out");
  await route(sql, all);
  await ingest(sql, status("wamid.out", "delivered"));
  await ingest(sql, message({ phone: PHONE, body: "after" }));
  await route(sql, all);
  assertEquals(typesOf(await drain(sql)), [
    "received before wamid.out",
    "message.delivered",
    "received after",
  ]);
});

databaseTest(
  "events: what was sent again as a template has not failed; what failed for good has",
  async (sql) => {
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true'),
    ('wa_send.window_fallback', '{"type": "template", "template": {"name": "hello", "language": {"code": "en"}}}')`;
    await destination(sql, "all", { events: ["message.*"] });
    await ingest(sql, message({ phone: PHONE, at: new Date().toISOString() }));
    const items = [{
      to: PHONE,
      identities: [{ kind: "phone", value: PHONE }],
      message: { type: "text", text: { body: "hi" } },
    }];
    const [{ queued }] = await sql`select public.enqueue_outbound(${sql.json(items)}) as queued`;
    const failed = (code: number) => async () => {
      const [{ claimed }] = await sql`select public.claim_outbound(10) as claimed`;
      const [{ id, lease }] = claimed.messages;
      assertEquals(id, queued[0].id);
      const result = [{ id, lease, outcome: "failed", error: { code } }];
      const [{ settled }] = await sql`select public.settle_outbound(${sql.json(result)}) as settled`;
      return PIPELINE.settle_outbound.parse(settled).told === true;
    };
    assertEquals(await failed(131047)(), false);
    assertEquals(typesOf(await drain(sql)), []);
    assertEquals(await failed(131026)(), true);
    const [{ event }] = await drain(sql);
    assertEquals([event!.event.type, event!.event.detail], ["message.failed", { error: [{ code: 131026 }] }]);
  },
);

databaseTest("events: opting out and in, once each, and a changed number", async (sql) => {
  await destination(sql, "all", { events: ["contact.*"] });
  const at = (second: number) => new Date(Date.UTC(2026, 10, 21, 12, 0, second)).toISOString();
  await ingest(sql, message({ phone: PHONE, body: "hello", at: at(1) }));
  await ingest(sql, message({ phone: PHONE, body: "stop", at: at(2) }));
  await ingest(sql, message({ phone: PHONE, body: "STOP", at: at(3) }));
  await ingest(sql, message({ phone: PHONE, body: "start", at: at(4) }));
  await ingest(sql, {
    key: "x:1",
    field: "messages",
    kind: "identity",
    sender_id: "1",
    phone: "4915100000002",
    prev_phone: PHONE,
    raw: { type: "system" },
    at: at(5),
  });
  const drained = await drain(sql);
  assertEquals(typesOf(drained), ["contact.opted_out", "contact.opted_in", "contact.changed_number"]);
  assertEquals(drained[2].event!.event.detail, { change: { previous: PHONE, phone: "4915100000002" } });
});

databaseTest("events: of accounts wait in a lane of their own, and survive a retry by hand", async (sql) => {
  await destination(sql, "all", { events: ["template.*", "account.*", "number.*"] });
  await sql`insert into public.senders (id, address, account) values ('1', '15550001111', '900')`;
  const change = (n: number, type: string, detail: unknown) => ({
    key: `x:${n}`,
    field: "account_update",
    kind: "other",
    event: { type, account: "900", detail },
    raw: { n },
  });
  await ingest(
    sql,
    change(1, "template.paused", { template: { account: "900", name: "offer", language: "en" } }),
    change(2, "account.banned", { account: { id: "900" } }),
    change(3, "number.quality", { number: { account: "900", address: "15550001111" } }),
  );
  const first = await claim(sql);
  assertEquals(first.events?.map(({ event }) => event.type), ["template.paused"]);
  await settle(sql, first.events!, "dead");
  const [{ dead }] = await sql`select public.list_dead_letters() as dead`;
  assertEquals([dead[0].type, dead[0].message_id, dead[0].conversation_id], ["template.paused", null, null]);
  const [{ log }] = await sql`select public.delivery_log('all') as log`;
  assertEquals(log.attempts.map(({ type }: { type: string }) => type), ["template.paused"]);
  await sql`select public.retry_deliveries(${[first.events![0].delivery_id]})`;
  const rest = await drain(sql);
  assertEquals(typesOf(rest), ["template.paused", "account.banned", "number.quality"]);
  assertEquals(rest[2].event!.sender, { id: "1", address: "15550001111", account: "900" });
  assertEquals(await lost(sql), []);
});

databaseTest("events: each type that a destination gets has the form that the contract says", async (sql) => {
  await destination(sql, "all", { events: ["*"] });
  await sent(sql, "wamid.out");
  await ingest(
    sql,
    ...(["sent", "delivered", "read", "played", "failed", "deleted"] as const).map((name) =>
      status("wamid.out", name, { error: [{ code: 1 }], pricing: { billable: true } })
    ),
  );
  await ingest(sql, message({ phone: PHONE, body: "stop" }));
  const [{ id }] = await sql`select id from public.conversations limit 1`;
  await sql`select public.take_conversation(${id})`;
  await sql`select public.release_conversation(${id})`;
  const drained = await drain(sql);
  assert(drained.length >= 9, String(drained.length));
  for (const { type, event } of drained) {
    const family = type.split(".")[0] as keyof typeof SERVICE_EVENTS;
    SERVICE_EVENTS[family].parse(serviceEventOf(event!));
  }
});

databaseTest(
  "destinations: subscribe to types that there are, and keep messages while routes lead to them",
  async (sql) => {
    const id = await destination(sql, "d", { events: [...SUBSCRIPTIONS] });
    for (const events of [[], ["message"], ["Message.read"], ["message.received", "x y"]]) {
      const version = (await sql`select version from public.destinations where id = ${id}`)[0].version;
      const refused = await refusal(
        sql`select public.set_destination('d', ${version}, ${sql.json({ events })})`,
      );
      assert(
        /destinations_events_known|23514/.test(String(refused)),
        `${JSON.stringify(events)}: ${refused}`,
      );
    }
    await sql`select public.add_route('{d}', '{"type": "any"}')`;
    const templates = sql.json({ events: ["template.*"] });
    assertEquals(
      (await refusal(sql`select public.set_destination('d', 1, ${templates})`))?.slice(0, 5),
      "GL409",
    );
    await destination(sql, "templates", { events: ["template.*"] });
    assertEquals(
      (await refusal(sql`select public.add_route('{templates}', '{"type": "any"}')`))?.slice(0, 5),
      "GL422",
    );
  },
);

databaseTest("erasing a person erases their events, and a merge moves them", async (sql) => {
  await destination(sql, "all", { events: ["*"] });
  await sent(sql, "wamid.out");
  await ingest(sql, message({ phone: "4915100000009", bsuid: undefined, body: "other" }));
  await ingest(sql, message({ bsuid: "US.1", phone: undefined, body: "stop" }));
  const [{ n }] = await sql`select count(*)::int as n from public.service_events`;
  assertEquals(n, 1);
  // The number and the user id turn out to be one person's.
  await ingest(sql, message({ bsuid: "US.1", phone: "4915100000009", body: "me" }));
  const [{ together }] = await sql`
    select count(*)::int as together from public.service_events e
    join public.conversations c on c.id = e.conversation_id
    join public.contact_identities i on i.contact_id = c.contact_id and i.value = '4915100000009'
    join public.deliveries d on d.event_id = e.id and d.conversation_id = c.id`;
  assertEquals(together, 1);
  await sql`select public.erase_contact('+4915100000009')`;
  assertEquals([...await sql`select id from public.service_events`], []);
  assertEquals([...await sql`select id from public.deliveries where event_id is not null`], []);
});

Deno.test("EVENT_FAMILIES: each family has a schema with its types", () => {
  assertEquals(Object.keys(SERVICE_EVENTS), Object.keys(EVENT_FAMILIES));
});
