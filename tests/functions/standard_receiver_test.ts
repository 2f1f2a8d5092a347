/** An unchanged service in Node with `standardwebhooks`, in a process of its own: it receives everything, and answers. */
import { assert, assertEquals } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { EVENT_TYPES } from "../../supabase/functions/_shared/contract/event_types.ts";
import { type Edge, edgeTest, NUMBER } from "../support/edge.ts";
import { hasProgram } from "../support/program.ts";
import { messagesOfEachType } from "../support/sending.ts";
import { addDestination, addRoute } from "../support/service.ts";
import { bareMessage, canonical, messageBodies } from "../support/whatsapp_bodies.ts";

const PROGRAM = join(ROOT, "tests", "support", "standard_service.mjs");
const COMMAND = await hasProgram("node", "the service in Node itself (Deno runs it)")
  ? ["node", PROGRAM]
  : [Deno.execPath(), "run", "-A", "--quiet", PROGRAM];

interface NodeService extends AsyncDisposable {
  url: string;
  /** The events that it has accepted. */
  // deno-lint-ignore no-explicit-any
  seen(): Promise<any[]>;
}

/** Starts the service with its secret. @param replies What it answers to "send 0", "send 1", … */
async function startNode(secret: string, replies: unknown[]): Promise<NodeService> {
  const [command, ...args] = COMMAND;
  const child = new Deno.Command(command, {
    args,
    env: { WEBHOOK_SECRET: secret, REPLIES: JSON.stringify(replies) },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!/listening on \d+\n/.test(said)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the service ended: ${said}`);
    said += value;
  }
  const url = `http://127.0.0.1:${/listening on (\d+)/.exec(said)![1]}/hook`;
  return {
    url,
    seen: async () => await (await fetch(url)).json(),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await reader.cancel();
      await child.status;
    },
  };
}

const SECRET = `whsec_${btoa("the service's secret, of 32 bytes")}`;
const PHONE = "12025550143";
const metadata = { display_phone_number: NUMBER.display, phone_number_id: NUMBER.id };
const NOW = () => String(Math.floor(Date.now() / 1000));

/** Meta reports something, and it is delivered. */
async function reports({ hook, settled }: Edge, field: string, value: Record<string, unknown>) {
  const entry = [{ id: "240011223344556", time: Number(NOW()), changes: [{ field, value }] }];
  assertEquals((await hook({ object: "whatsapp_business_account", entry })).status, 200);
  await settled();
}

const inMessages = (value: Record<string, unknown>) => ({
  messaging_product: "whatsapp",
  metadata,
  contacts: [{ wa_id: PHONE, profile: { name: "Nora" } }],
  ...value,
});

/** Everything that there are events of, besides messages. */
async function everything(edge: Edge): Promise<void> {
  const { sql, meta, says, send, settled } = edge;
  const nora = meta.addContact({ name: "Nora", phone: PHONE });
  await says(nora, "hello");
  await settled();
  await send({ to: PHONE, type: "text", text: { body: "hi" } });
  await settled();
  await meta.settled();
  const [{ wamid }] = meta.outbox.messages.slice(-1);
  const status = (status: string, id: string, more = {}) =>
    reports(
      edge,
      "messages",
      inMessages({ statuses: [{ id, status, timestamp: NOW(), recipient_id: PHONE, ...more }] }),
    );
  for (const reached of ["read", "played", "deleted"]) await status(reached, wamid);
  await send({ to: PHONE, type: "text", text: { body: "never arrives" } });
  await settled();
  const [{ wamid: second }] = meta.outbox.messages.slice(-1);
  await status("failed", second, { errors: [{ code: 131026, title: "Message undeliverable" }] });

  const template = {
    message_template_id: 7,
    message_template_name: "offer",
    message_template_language: "en",
    reason: "NONE",
  };
  for (const event of ["APPROVED", "REJECTED", "PAUSED", "DISABLED"]) {
    await reports(edge, "message_template_status_update", { event, ...template });
  }
  await reports(edge, "template_category_update", {
    ...template,
    previous_category: "UTILITY",
    new_category: "MARKETING",
  });
  const number = { display_phone_number: NUMBER.display, current_limit: "TIER_1K" };
  await reports(edge, "phone_number_quality_update", { event: "FLAGGED", ...number });
  await reports(edge, "phone_number_quality_update", { event: "UPGRADE", ...number });
  await reports(edge, "account_alerts", {
    entity_type: "BUSINESS",
    entity_id: "1",
    alert_info: { alert_severity: "WARNING", alert_type: "OBA_APPROVED", alert_description: "look" },
  });
  await reports(edge, "account_update", {
    event: "ACCOUNT_RESTRICTION",
    restriction_info: [{ restriction_type: "RESTRICTED_BIZ_INITIATED_MESSAGING" }],
  });

  await says(nora, "stop");
  await says(nora, "start");
  await settled();
  const call = { id: "wacid.1", from: PHONE, to: NUMBER.display, direction: "USER_INITIATED" };
  for (const event of ["connect", "terminate"]) {
    await reports(edge, "calls", inMessages({ calls: [{ ...call, event, timestamp: NOW(), duration: 12 }] }));
  }
  for (const status of ["RINGING", "ACCEPTED", "REJECTED"]) {
    await reports(
      edge,
      "calls",
      inMessages({
        statuses: [{ id: "wacid.2", type: "call", status, timestamp: NOW(), recipient_id: PHONE }],
      }),
    );
  }
  const [{ id }] = await sql`
    select c.id from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id
    where i.kind = 'phone' and i.value = ${PHONE}`;
  await sql`select public.take_conversation(${id}, 10, 'desk:anna')`;
  await sql`select public.release_conversation(${id})`;
  await reports(
    edge,
    "messages",
    inMessages({
      messages: [{
        id: "wamid.moved",
        from: PHONE,
        timestamp: NOW(),
        type: "system",
        system: { body: "Nora changed", type: "user_changed_number", wa_id: "12025550199" },
      }],
    }),
  );
  await reports(edge, "account_update", {
    event: "DISABLED_UPDATE",
    ban_info: { waba_ban_state: "DISABLE", waba_ban_date: "2026-11-21" },
  });
}

edgeTest(
  "a service in Node with standardwebhooks verifies every message and every event, and refuses others",
  async (edge) => {
    const { sql, hook, settled, reread } = edge;
    await using service = await startNode(SECRET, []);
    await addDestination(sql, "node", service, { secret: SECRET, events: ["*"] });
    await addRoute(sql, ["node"]);
    await reread();
    const wanted = new Set<string>();
    for (const { body, sent } of messageBodies()) {
      assertEquals((await hook(body)).status, 200);
      for (const message of sent) wanted.add(canonical(bareMessage(message)));
      // Before the next one, which may withdraw it.
      await settled();
    }
    await everything(edge);
    await settled();
    const seen = await service.seen();
    const found = new Set(
      seen.filter(({ type }) => type === "message.received")
        .map(({ data }) => canonical(bareMessage(data.message.native))),
    );
    for (const one of wanted) assert(found.has(one), one);
    assert(wanted.size > 40, String(wanted.size));
    const types = new Set(seen.map(({ type }) => type));
    assertEquals(EVENT_TYPES.filter((type) => !types.has(type)), []);
    assertEquals(
      (await sql`select state, count(*)::int as n from public.deliveries group by 1`).map(({ state }) =>
        state
      ),
      ["delivered"],
    );
    const forged = await fetch(service.url, {
      method: "POST",
      headers: {
        "webhook-id": "evt_forged",
        "webhook-timestamp": NOW(),
        "webhook-signature": `v1,${btoa("x".repeat(32))}`,
      },
      body: "{}",
    });
    await forged.body?.cancel();
    assertEquals(forged.status, 401);
  },
);

edgeTest(
  "a service in Node with standardwebhooks sends a message of every type by its answers",
  async (edge) => {
    const { sql, meta, says, settled, reread } = edge;
    const nora = meta.addContact({ name: "Nora", phone: PHONE });
    const inbound = await says(nora, "hello");
    await settled();
    const replies = messagesOfEachType(inbound);
    await using service = await startNode(SECRET, replies);
    await addDestination(sql, "node", service, { secret: SECRET });
    await addRoute(sql, ["node"]);
    await reread();
    for (const [index] of replies.entries()) {
      await says(nora, `send ${index}`);
      await settled();
    }
    assertEquals(
      meta.outbox.messages.map(({ payload: { biz_opaque_callback_data: _, ...payload } }) => payload),
      replies.map((reply) => ({
        messaging_product: "whatsapp",
        recipient_type: "individual",
        to: PHONE,
        ...reply,
      })),
    );
  },
);
