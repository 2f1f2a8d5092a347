/** Events at services, from Meta's webhook to the signed request; Meta's own bodies; and takeover. */
import { assert, assertEquals } from "../support/assert.ts";
import { type Edge, edgeTest, NUMBER } from "../support/edge.ts";
import { assertTold } from "../support/openapi.ts";
import { addDestination, addRoute, isSigned, type Service, startService } from "../support/service.ts";
import { verify } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";

const NOW = () => String(Math.floor(Date.now() / 1000));

/** A webhook of Meta's with one change. */
const change = (field: string, value: Record<string, unknown>) => ({
  object: "whatsapp_business_account",
  entry: [{ id: "240011223344556", time: Number(NOW()), changes: [{ field, value }] }],
});

const metadata = { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id };

const typesOf = ({ received }: Service) => received.map(({ event }) => event.type as string);

/** The webhook under which the document describes each family. */
const NAMED = (type: string) => type === "message.received" ? type : type.split(".")[0];

/** Meta reports things of each kind. */
async function everything({ hook, meta, says, send, settled }: Edge): Promise<void> {
  const nora = meta.addContact({ name: "Nora", phone: "12025550143" });
  await says(nora, "hello");
  await settled();
  await send({ to: "12025550143", type: "text", text: { body: "hi" } });
  await settled();
  await says(nora, "stop");
  await hook(change("message_template_status_update", {
    event: "PAUSED",
    message_template_id: 1,
    message_template_name: "offer",
    message_template_language: "en",
    reason: "NONE",
  }));
  await hook(change("account_update", {
    event: "DISABLED_UPDATE",
    ban_info: { waba_ban_state: "DISABLE", waba_ban_date: "2026-11-21" },
  }));
  await hook(change("phone_number_quality_update", {
    display_phone_number: NUMBER.display,
    event: "FLAGGED",
    current_limit: "TIER_1K",
  }));
  await hook(change("calls", {
    messaging_product: "whatsapp",
    metadata,
    calls: [{
      id: "wacid.1",
      from: "12025550143",
      to: NUMBER.display,
      event: "terminate",
      status: "COMPLETED",
      direction: "USER_INITIATED",
      timestamp: NOW(),
      duration: 12,
    }],
  }));
  await settled();
}

edgeTest("events: a subscriber is told of each kind, signed, as openapi.yaml says", async (edge) => {
  const { sql, settled, reread } = edge;
  await using service = startService();
  const { secret } = await addDestination(sql, "all", service, { events: ["*"] });
  await addRoute(sql, ["all"]);
  await reread();
  await everything(edge);
  await settled();
  const types = typesOf(service);
  for (
    const type of [
      "message.received",
      "message.sent",
      "message.delivered",
      "contact.opted_out",
      "template.paused",
      "account.banned",
      "number.quality",
      "call.terminate",
    ]
  ) assert(types.includes(type), `${type} is not among ${types}`);
  for (const delivered of service.received) {
    assertTold(NAMED(delivered.event.type), delivered.event, delivered.headers);
    assert(isSigned(delivered, secret));
  }
  const fate = service.received.find(({ event }) => event.type === "message.delivered")!.event;
  assertEquals([fate.data.contact.name, fate.data.native.status], ["Nora", "delivered"]);
  const order = types.filter((type) => /^(message|contact)/.test(type));
  assert(order.indexOf("message.sent") < order.indexOf("message.delivered"), String(order));
});

edgeTest("events: who subscribed to messages alone is told of nothing else", async (edge) => {
  await using service = startService();
  await addDestination(edge.sql, "plain", service);
  await addRoute(edge.sql, ["plain"]);
  await edge.reread();
  await everything(edge);
  assertEquals(typesOf(service), ["message.received", "message.received"]);
});

edgeTest(
  "format meta: a receiver made for Meta's webhooks gets Meta's bodies with Meta's signature",
  async (edge) => {
    const { sql, reread } = edge;
    await using service = startMetaReceiver();
    const { secret } = await addDestination(sql, "meta", service, { events: ["*"], format: "meta" });
    await addRoute(sql, ["meta"]);
    await reread();
    await everything(edge);
    // Meta's own report of an opt-out; the word in a message is that message.
    await edge.hook(change("user_preferences", {
      messaging_product: "whatsapp",
      metadata,
      contacts: [{ profile: { name: "Nora" }, wa_id: "12025550143" }],
      user_preferences: [{
        wa_id: "12025550143",
        detail: "User requested to resume marketing messages",
        category: "marketing_messages",
        value: "resume",
        timestamp: Number(NOW()) + 60,
      }],
    }));
    await edge.settled();
    const got: string[] = [];
    for (const { body, signature } of service.received) {
      assert(verify(new TextEncoder().encode(body), signature, [secret]));
      const { object, entry: [{ id, changes: [{ field, value }] }] } = JSON.parse(body);
      assertEquals([object, typeof id], ["whatsapp_business_account", "string"]);
      if (field === "messages") {
        assertEquals([value.messaging_product, value.metadata], ["whatsapp", metadata]);
      }
      if (value.messages) {
        assertEquals(value.contacts, [{ profile: { name: "Nora" }, wa_id: "12025550143" }]);
        got.push(`message ${value.messages[0].text.body}`);
      } else if (value.user_preferences) {
        assertEquals(value.contacts, [{ profile: { name: "Nora" }, wa_id: "12025550143" }]);
        got.push(`${field} ${value.user_preferences[0].value}`);
      } else {got.push(
          value.statuses
            ? `status ${value.statuses[0].status}`
            : `${field} ${value.event ?? value.calls[0].event}`,
        );}
    }
    assertEquals(got.toSorted(), [
      "account_update DISABLED_UPDATE",
      "calls terminate",
      "message hello",
      "message stop",
      "message_template_status_update PAUSED",
      "phone_number_quality_update FLAGGED",
      "status delivered",
      "status sent",
      "user_preferences resume",
    ]);
  },
);

edgeTest(
  "takeover: who answers in the WhatsApp Business app has the conversation, until it is released",
  async (edge) => {
    const { sql, hook, meta, says, settled, reread } = edge;
    await using bot = startService();
    await using crm = startService();
    await addDestination(sql, "bot", bot, { events: ["message.received", "conversation.*"] });
    await addDestination(sql, "crm", crm, { when_taken: "mark" });
    await addRoute(sql, ["bot", "crm"], { type: "any" }, { mode: "all" });
    await reread();
    const nora = meta.addContact({ name: "Nora", phone: "12025550143" });
    await says(nora, "hi");
    await settled();
    await hook(change("smb_message_echoes", {
      messaging_product: "whatsapp",
      metadata,
      message_echoes: [{
        id: "wamid.echo",
        from: NUMBER.display,
        to: "12025550143",
        timestamp: NOW(),
        type: "text",
        text: { body: "I take over" },
      }],
    }));
    await says(nora, "thanks");
    await settled();
    assertEquals(bot.received.map(({ event, text }) => [event.type, text]), [
      ["message.received", "hi"],
      ["conversation.taken_over", undefined],
    ]);
    assertEquals(bot.received[1].event.data.takeover.by, "app");
    assertEquals(crm.received.map(({ event, text }) => [text, event.data.conversation.taken_over?.by]), [
      ["hi", undefined],
      ["thanks", "app"],
    ]);
    for (const { event, headers } of crm.received) assertTold("message.received", event, headers);
    const [{ id }] = await sql`select id from public.conversations`;
    await sql`select public.release_conversation(${id})`;
    await says(nora, "again");
    await settled();
    assertEquals(bot.received.slice(2).map(({ event, text }) => [event.type, text]), [
      ["conversation.released", undefined],
      ["message.received", "again"],
    ]);
    assertEquals(
      (await sql`select reason from public.routing_decisions order by message_id`).map(({ reason }) =>
        reason
      ),
      ["matched", "matched", "matched"],
    );
  },
);

edgeTest(
  "takeover: a person who answers by API has the conversation with the message, until it is released",
  async (edge) => {
    const { sql, meta, says, send, settled, reread } = edge;
    await using bot = startService();
    await addDestination(sql, "bot", bot, { events: ["message.received", "conversation.*"] });
    await addRoute(sql, ["bot"]);
    await reread();
    const nora = meta.addContact({ name: "Nora", phone: "12025550143" });
    await says(nora, "hi");
    await settled();
    const hello = { to: "12025550143", type: "text", text: { body: "Hello, this is Anna." } };
    const taken = async () =>
      (await sql`
        select taken_by, round(extract(epoch from taken_until - now()) / 60)::int as minutes
        from public.conversations`).map(({ taken_by, minutes }) => [taken_by, minutes])[0];

    for (
      const takeover of [true, { by: "a b" }, { by: "" }, { minutes: 0 }, { minutes: 43_201 }, { for: 1 }]
    ) {
      const { status, body } = await send({ ...hello, takeover });
      assertEquals([status, body.code], [422, "invalid_request"], JSON.stringify(takeover));
    }
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'false')
      on conflict (key) do update set value = 'false'`;
    assertEquals((await send({ ...hello, takeover: {} })).status, 403);
    assertEquals(await taken(), [null, null], "a message that is refused takes nothing over");
    await sql`update public.settings set value = 'true' where key = 'wa_send.enabled'`;

    const asked = { ...hello, idempotency_key: "k1", takeover: { by: "desk:anna", minutes: 30 } };
    const { status, body } = await send(asked);
    const [{ id }] = await sql`select id from public.conversations`;
    assertEquals([status, body.taken_over.conversation_id, body.taken_over.by], [202, id, "desk:anna"]);
    assertEquals(await taken(), ["desk:anna", 30]);
    await says(nora, "to Anna");
    await settled();
    // Without minutes, a takeover that lasts longer stays; with them, the end is theirs.
    await send({ ...hello, takeover: { by: "desk:anna", minutes: 600 } });
    await send({ ...hello, takeover: { by: "desk:anna" } });
    assertEquals(await taken(), ["desk:anna", 600]);
    await send({ ...hello, takeover: { by: "desk:anna", minutes: 10 } });
    assertEquals(await taken(), ["desk:anna", 10]);
    await send(hello);
    assertEquals(await taken(), ["desk:anna", 10], "what a service sends takes nothing over");
    await sql`select public.release_conversation(${id})`;
    assertEquals((await send(asked)).body.taken_over, undefined, "a repetition takes nothing over");
    assertEquals(await taken(), [null, null]);
    await sql`insert into public.settings (key, value) values ('takeover.minutes', '0')`;
    await send({ ...hello, takeover: {} });
    assertEquals(await taken(), ["service_role", 60], "asked for in words");
    await sql`select public.release_conversation(${id})`;
    await says(nora, "to the bot");
    await settled();
    assertEquals(bot.received.map(({ event, text }) => text ?? [event.type, event.data.takeover.by]), [
      "hi",
      ["conversation.taken_over", "desk:anna"],
      ["conversation.released", "desk:anna"],
      ["conversation.taken_over", "service_role"],
      ["conversation.released", "service_role"],
      "to the bot",
    ]);
    assertEquals(
      meta.outbox.messages.every(({ payload }) => !("takeover" in payload)),
      true,
      "Meta is not told",
    );
  },
);

edgeTest(
  "takeover: a message that nobody gets is decided as taken over, and never delivered later",
  async (edge) => {
    const { sql, meta, says, settled, reread } = edge;
    await using bot = startService();
    await addDestination(sql, "bot", bot);
    await addRoute(sql, ["bot"]);
    await reread();
    const nora = meta.addContact({ name: "Nora", phone: "12025550143" });
    await says(nora, "hi");
    await settled();
    const [{ id }] = await sql`select id from public.conversations`;
    await sql`select public.take_conversation(${id}, 10, 'desk:anna')`;
    await says(nora, "to the person");
    await settled();
    await sql`update public.conversations set taken_until = now() - interval '1 second'`;
    assertEquals((await sql`select private.release_conversations(now()) as n`)[0].n, 1);
    await says(nora, "to the bot");
    await settled();
    assertEquals(bot.texts(), ["hi", "to the bot"]);
    assertEquals(
      (await sql`select reason from public.routing_decisions order by message_id`).map(({ reason }) =>
        reason
      ),
      ["matched", "taken_over", "matched"],
    );
  },
);

/** A receiver of Meta's webhooks. */
function startMetaReceiver() {
  const received: { body: string; signature: string | null }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    received.push({ body: await request.text(), signature: request.headers.get("x-hub-signature-256") });
    return new Response("EVENT_RECEIVED");
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/webhook`,
    received,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
