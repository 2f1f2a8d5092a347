/** A trace that began elsewhere goes on: from the webhook to the service, and from wa-send or a reply to Meta. */
import { assert, assertEquals } from "../support/assert.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { text, writer } from "../support/sending.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";
import { until } from "../support/until.ts";
import { hook, text as message } from "../support/webhook.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c", CALLER = "b7ad6b7169203331";

/** A text that somebody writes now, so that it may be answered. */
const inbound = (id: string, from?: string) => ({
  ...message(id, from),
  timestamp: String(Math.floor(Date.now() / 1000)),
});

/** A webhook that comes with this header. */
async function webhook({ call }: Edge, body: unknown, traceparent: string): Promise<void> {
  const bytes = JSON.stringify(body);
  const signature = sign(new TextEncoder().encode(bytes), KEYS.appSecret);
  const headers = { "x-hub-signature-256": signature, traceparent };
  assertEquals((await call("wa-webhook", { headers, body: bytes })).status, 200);
}

const story = async ({ sql }: Edge, message: string) =>
  (await sql`select public.trace_message(${message}) as story`)[0].story;

/** Runs `use`, and gives the `traceparent` of each message that went to Meta meanwhile, by our id of it. */
async function sentToMeta(use: () => Promise<void>): Promise<Map<string, string | null>> {
  const real = globalThis.fetch;
  const sent = new Map<string, string | null>();
  globalThis.fetch = (input: RequestInfo | URL, init?: RequestInit) => {
    const url = String(input instanceof Request ? input.url : input);
    if (url.includes("/graph/") && new URL(url).pathname.endsWith("/messages")) {
      const { biz_opaque_callback_data } = JSON.parse(String(init?.body));
      sent.set(biz_opaque_callback_data, new Headers(init?.headers).get("traceparent"));
    }
    return real(input, init);
  };
  try {
    await use();
  } finally {
    globalThis.fetch = real;
  }
  return sent;
}

const spanOf = (id: string) => id.replaceAll("-", "").slice(16);

edgeTest(
  "trace context: a webhook's trace continues to the service and with its reply to Meta, with its flags",
  async (edge) => {
    const { sql, settled, reread } = edge;
    await using service = startService();
    service.answers(withReplies(text("Hello back"), text("and more")));
    await addDestination(sql, "shop", service);
    await addRoute(sql, ["shop"]);
    await reread();
    const sent = await sentToMeta(async () => {
      await webhook(edge, hook([inbound("1"), inbound("2", "12025550188")]), `00-${TRACE}-${CALLER}-00`);
      await settled();
      await until("all replies are sent", async () => {
        const [{ n }] =
          await sql`select count(*)::int as n from public.outbound_messages where state = 'sent'`;
        return n === 4;
      });
    });
    assertEquals(service.received.length, 2);
    for (const { id, headers, body } of service.received) {
      assertEquals(headers.get("traceparent"), `00-${TRACE}-${spanOf(id)}-00`);
      assert(!body.includes(TRACE), "the event is as it always is");
    }
    const replies =
      await sql`select id, traceparent from public.messages where direction = 'out' order by seq`;
    const delivered = service.received.map(({ id }) => `00-${TRACE}-${spanOf(id)}-00`);
    for (const { id, traceparent } of replies) {
      assert(delivered.includes(traceparent), "a reply follows from the delivery");
      assertEquals(sent.get(id), `00-${TRACE}-${spanOf(id)}-00`);
    }
    assertEquals([replies.length, sent.size], [4, 4]);

    const [first] = await sql`select id from public.messages where provider_id = 'wamid.1'`;
    const told = await story(edge, "wamid.1");
    assertEquals([told.id, told.trace_id], [first.id, TRACE]);
    assertEquals(told.others.length, 5, "the other message of the webhook, and the replies to both");
    for (const { id } of replies) assert(told.others.includes(id));
    // By the id that a caller has in its log: the first message of the trace.
    assertEquals(await story(edge, TRACE), told);
    assertEquals(await story(edge, TRACE.toUpperCase()), told);
    assertEquals(await story(edge, first.id), told);
  },
);

edgeTest(
  "trace context: without a valid one a message starts its own trace, and Meta receives none",
  async (edge) => {
    const { sql, settled, reread } = edge;
    await using service = startService();
    service.answers(withReplies(text("Hello back")));
    await addDestination(sql, "shop", service);
    await addRoute(sql, ["shop"]);
    await reread();
    const sent = await sentToMeta(async () => {
      await webhook(edge, hook([inbound("1")]), `00-${TRACE.toUpperCase()}-${CALLER}-01`);
      await edge.hook(hook([inbound("2", "12025550188")]));
      await settled();
      await until("both replies are sent", async () => {
        const [{ n }] =
          await sql`select count(*)::int as n from public.outbound_messages where state = 'sent'`;
        return n === 2;
      });
    });
    assertEquals([...sent.values()], [null, null]);
    for (const { id, event, headers } of service.received) {
      const message = event.data.message.id;
      assertEquals(headers.get("traceparent"), `00-${message.replaceAll("-", "")}-${spanOf(id)}-01`);
      const told = await story(edge, message);
      assertEquals([told.trace_id, told.others], [message.replaceAll("-", ""), []]);
    }
    const [{ n }] = await sql`select count(traceparent)::int as n from public.messages`;
    assertEquals([n, await story(edge, TRACE)], [0, null]);
  },
);

edgeTest(
  "trace context: a request to wa-send passes it to Meta; a repeated request in another trace is the same message",
  async (edge) => {
    const { sql, send, settled } = edge;
    const { phone: to } = await writer(edge);
    const [{ id: came }] = await sql`select id from public.messages where direction = 'in'`;
    const own = came.replaceAll("-", "");
    const request = (traceparent: string) =>
      send({ to, idempotency_key: "once", ...text("hi") }, { apikey: KEYS.secretKey, traceparent });
    let id = "";
    const sent = await sentToMeta(async () => {
      // As a service does that goes on with the trace of what it was sent.
      id = (await request(`00-${own}-${CALLER}-01`)).body.id;
      const again = await request(`00-${TRACE}-${CALLER}-01`);
      assertEquals([again.status, again.body.id], [202, id]);
      await settled();
      await until("it is sent", async () => {
        const [row] = await sql`select state from public.outbound_messages where id = ${id}`;
        return row.state === "sent";
      });
    });
    assertEquals([...sent], [[id, `00-${own}-${spanOf(id)}-01`]]);
    const told = await story(edge, id);
    assertEquals([told.id, told.trace_id, told.others], [id, own, [came]]);
    assertEquals((await story(edge, came)).others, [id]);
    assertEquals(await story(edge, TRACE), null);
  },
);
