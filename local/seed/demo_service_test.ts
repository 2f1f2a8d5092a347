import { assertEquals, assertMatch } from "../../tests/support/assert.ts";
import { Webhook } from "standardwebhooks";
import { createDemoService } from "./demo_service.ts";
import { INBOUND_TYPES } from "../../supabase/functions/_shared/contract/messages.ts";
import { faultOf } from "../simulator/outgoing.ts";

const [OLD, NEW, OTHER] = ["a", "b", "c"].map((letter) => `whsec_${btoa(letter.repeat(32))}`);
const HELLO = { type: "text", text: "Hello there", choice: null };

function deliver(
  service: (request: Request) => Promise<Response>,
  message: { type: string; text: string | null; choice: string | null },
  {
    id = "msg_1",
    secret = NEW,
    at = new Date(),
    type = "message.received",
    tamper = (body: string) => body,
  } = {},
): Promise<Response> {
  const data = { message: { id: "m", ...message }, contact: { name: "Amina" } };
  const body = JSON.stringify({ type, timestamp: at.toISOString(), data });
  return service(
    new Request("http://127.0.0.1/demo/service", {
      method: "POST",
      headers: {
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
        "webhook-signature": new Webhook(secret).sign(id, at, body),
      },
      body: tamper(body),
    }),
  );
}

Deno.test("createDemoService: accepts only requests signed with one of its secrets, unchanged and recent", async () => {
  const service = createDemoService({ secrets: () => [NEW, OLD] });
  assertEquals((await deliver(service, HELLO)).status, 200);
  assertEquals((await deliver(service, HELLO, { id: "msg_2", secret: OLD })).status, 200);
  assertEquals((await deliver(service, HELLO, { secret: OTHER })).status, 401);
  assertEquals((await deliver(service, HELLO, { tamper: (body) => `${body} ` })).status, 401);
  assertEquals((await deliver(service, HELLO, { at: new Date(Date.now() - 600_000) })).status, 401);
  assertEquals(
    (await service(new Request("http://127.0.0.1/demo/service", { method: "POST", body: "{}" }))).status,
    401,
  );
  assertEquals((await deliver(createDemoService({ secrets: () => [] }), HELLO)).status, 401);
  assertEquals((await service(new Request("http://127.0.0.1/demo/service", { method: "PUT" }))).status, 405);
});

Deno.test("createDemoService: answers a repeated delivery identically and counts it once", async () => {
  const service = createDemoService({ secrets: () => [NEW] });
  const first = await (await deliver(service, HELLO)).json();
  assertEquals(await (await deliver(service, HELLO)).json(), first);
  await deliver(service, { ...HELLO, text: "again" }, { id: "msg_2" });
  const { received } = await (await service(new Request("http://127.0.0.1/demo/service"))).json();
  assertEquals(received.map(({ id }: { id: string }) => id), ["msg_2", "msg_1"]);
  assertEquals(received[1].delivery.data.message.text, "Hello there");
});

Deno.test("createDemoService: shows the last fifty", async () => {
  const service = createDemoService({ secrets: () => [NEW] });
  for (let n = 0; n < 60; n++) await deliver(service, HELLO, { id: `msg_${n}` });
  const { received } = await (await service(new Request("http://127.0.0.1/demo/service"))).json();
  assertEquals([received.length, received[0].id, received.at(-1).id], [50, "msg_59", "msg_10"]);
});

Deno.test("createDemoService: every answer is a message that Meta accepts", async () => {
  const service = createDemoService({ secrets: () => [NEW] });
  const cases: [type: string, text: string | null, choice: string | null, expected: RegExp][] = [
    ["text", "Good bread", null, /^You said: Good bread$/],
    ["text", "x".repeat(4096), null, /^You said: x+$/],
    ["text", "hello", null, /^Hello Amina! Say \*menu\*/],
    ["text", " Menu ", null, /"type":"button"/],
    ["text", "list", null, /"type":"list"/],
    ["interactive", "Baguette", "baguette", /^You chose: Baguette$/],
    ["location", null, null, /where you are/],
    ["image", "caption", null, /picture/],
    ["reaction", "👍", null, /^You reacted with 👍$/],
    ["order", null, null, /Thank you for the order/],
  ];
  for (const [n, [type, text, choice, expected]] of cases.entries()) {
    const { replies } = await (await deliver(service, { type, text, choice }, { id: `msg_${n}` })).json();
    assertEquals(replies.length, 1);
    const [reply] = replies;
    assertEquals(faultOf({ messaging_product: "whatsapp", ...reply }), null, type);
    assertMatch(reply.text?.body ?? JSON.stringify(reply), expected);
  }
  for (const quiet of ["system", "reaction"]) {
    const { replies } =
      await (await deliver(service, { type: quiet, text: null, choice: null }, { id: quiet })).json();
    assertEquals(replies, []);
  }
  const other = await deliver(service, HELLO, { id: "other", type: "gatelink.test" });
  assertEquals(await other.json(), { replies: [] });
});

Deno.test("createDemoService: answers any message type with something that can be sent, or with nothing", async () => {
  const service = createDemoService({ secrets: () => [NEW] });
  for (const type of [...INBOUND_TYPES, "poll"]) {
    for (const said of [{ text: null, choice: null }, { text: "menu", choice: null }]) {
      const answered = await deliver(service, { type, ...said }, { id: `msg_${type}_${said.text}` });
      const { replies } = await answered.json();
      for (const reply of replies) {
        assertEquals(faultOf({ messaging_product: "whatsapp", to: "1", ...reply }), null, type);
      }
    }
  }
});

Deno.test("createDemoService: answers texts in their shape, and none of the provider's keywords", async () => {
  const service = createDemoService({ secrets: () => [NEW] });
  const text = (text: string | null, native: { keyword?: string } | null, id: string) =>
    deliver(service, { ...HELLO, text, channel: "sms", native } as typeof HELLO, { id })
      .then((response) => response.json());
  assertEquals(await text("Hello", {}, "msg_1"), { replies: [{ text: "You said: Hello" }] });
  assertEquals(await text(null, null, "msg_2"), { replies: [{ text: "Thank you for the picture." }] });
  assertEquals(await text("STOP", { keyword: "stop" }, "msg_3"), { replies: [] });
});
