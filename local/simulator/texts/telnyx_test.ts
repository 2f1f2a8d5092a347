import { assertEquals, assertThrows } from "../../../tests/support/assert.ts";
import { verifyTelnyx } from "../../../supabase/functions/_shared/channels/sms/inbound/telnyx_signature.ts";
import { TelnyxSimulator } from "./telnyx.ts";

const OURS = "+12025550169";
const ANNA = "+12025550143";

/** A simulator whose webhooks are kept instead of sent. */
function simulated(answer: () => Response | Promise<Response> = () => new Response()) {
  const hooks: { url: string; headers: Headers; body: string }[] = [];
  const telnyx = new TelnyxSimulator({
    apiKey: "key",
    seed: "seed",
    numbers: [OURS],
    webhookUrl: "http://127.0.0.1:9/telnyx",
    url: () => "http://127.0.0.1:9/simulator/telnyx",
    random: 1,
    fetch: async (url, init) => {
      hooks.push({ url: String(url), headers: new Headers(init?.headers), body: String(init?.body) });
      return await answer();
    },
  });
  const call = async (path: string, body?: unknown, key = "key") => {
    const response = await telnyx.fetch(
      new Request(`http://127.0.0.1/simulator/telnyx${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: `Bearer ${key}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  };
  const send = (more: Record<string, unknown> = {}) =>
    call("/v2/messages", { to: ANNA, from: OURS, text: "Hello", tags: ["gl:1"], ...more });
  const code = ({ body }: { body: { errors?: { code: string }[] } }) => body.errors?.[0].code;
  return { telnyx, hooks, call, send, code };
}

Deno.test("TelnyxSimulator: takes a text, reports it in signed webhooks, and has a record and the message of it", async () => {
  const { telnyx, hooks, call, send } = simulated();
  const { status, body } = await send({ webhook_url: "http://127.0.0.1:9/own" });
  assertEquals([status, body.data.to[0].status], [200, "queued"]);
  await telnyx.settled();
  const events = hooks.map((
    { url, body },
  ) => [url, JSON.parse(body).data.event_type, JSON.parse(body).data.payload.to[0].status]);
  assertEquals(events, [
    ["http://127.0.0.1:9/own", "message.sent", "sent"],
    ["http://127.0.0.1:9/own", "message.finalized", "delivered"],
  ]);
  for (const { headers, body } of hooks) {
    assertEquals(verifyTelnyx(new TextEncoder().encode(body), headers, [telnyx.publicKey], Date.now()), true);
  }
  telnyx.receive({ from: ANNA, to: OURS, body: "hi" });
  const records = (await call("/v2/detail_records?filter[record_type]=messaging&page[size]=1")).body;
  assertEquals([records.data[0].direction, records.data[0].text, records.meta.total_pages], [
    "inbound",
    undefined,
    2,
  ]);
  const message = (await call(`/v2/messages/${records.data[0].uuid}`)).body.data;
  assertEquals([message.text, message.from.phone_number], ["hi", ANNA]);
  await telnyx.settled();
});

Deno.test("TelnyxSimulator: refuses what Telnyx refuses, and STOP blocks the pair until START", async () => {
  const { telnyx, call, send, code } = simulated();
  assertEquals((await call("/v2/messages", {}, "another key")).status, 401);
  assertEquals(code(await send({ to: "nobody" })), "40310");
  assertEquals(code(await send({ from: "+12025550199" })), "40305");
  assertEquals(code(await send({ text: "" })), "40302");
  assertEquals((await call("/v2/messages/unknown")).status, 404);
  assertEquals((await call("/v2/detail_records")).status, 400);
  telnyx.receive({ from: ANNA, to: OURS, body: "STOP" });
  assertEquals(code(await send()), "40300");
  telnyx.receive({ from: ANNA, to: OURS, body: "start" });
  assertEquals((await send()).status, 200);
  telnyx.configure({ answer: 40001, times: 1 });
  assertEquals([code(await send()), (await send()).status], ["40001", 200]);
  assertThrows(() => telnyx.receive({ from: ANNA, to: "+12025550199", body: "hi" }), RangeError, "to");
  await telnyx.settled();
});

Deno.test("TelnyxSimulator: a lost answer has sent the text, a missed one has not; webhooks are repeated twice", async () => {
  const { telnyx, hooks, send } = simulated(() => new Response(null, { status: 503 }));
  telnyx.configure({ answer: "lose", times: 1, statuses: false });
  assertEquals([(await send()).status, telnyx.texts.size], [504, 1]);
  telnyx.configure({ answer: "miss", times: 1 });
  assertEquals([(await send()).status, telnyx.texts.size], [504, 1]);
  telnyx.receive({ from: ANNA, to: OURS, body: "hi" });
  await telnyx.settled();
  assertEquals([hooks.length, telnyx.posts[0].answer], [3, 503]);
});
