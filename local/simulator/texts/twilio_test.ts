import { assert, assertEquals, assertThrows } from "../../../tests/support/assert.ts";
import { signTwilio } from "../../../supabase/functions/_shared/channels/sms/inbound/twilio_signature.ts";
import { FakeClock } from "../testing.ts";
import { TextsApi } from "./api.ts";
import { MaskedApi, type MaskedBusiness, type MaskedState } from "./masked.ts";
import { TwilioSimulator } from "./twilio.ts";

const OURS = "+12025550160";
const ANNA = "+12025550143";
const HOOK = "http://127.0.0.1:9/functions/v1/sms-webhook";
const ACCOUNT = `AC${"0".repeat(32)}`;

/** A simulator whose webhooks are kept instead of sent. */
function simulated(
  answer: () => Response | Promise<Response> = () => new Response("<Response/>"),
  clock?: FakeClock,
) {
  const hooks: { url: string; form: URLSearchParams; signature: string }[] = [];
  const twilio = new TwilioSimulator({
    accountSid: ACCOUNT,
    authToken: "token",
    numbers: [OURS],
    webhookUrl: HOOK,
    seed: 1,
    ...(clock === undefined ? {} : { clock }),
    fetch: async (url, init) => {
      const headers = new Headers(init?.headers);
      hooks.push({
        url: String(url),
        form: new URLSearchParams(String(init?.body)),
        signature: headers.get("x-twilio-signature")!,
      });
      return await answer();
    },
  });
  const call = async (path: string, form?: Record<string, string>, token = "token") => {
    const response = await twilio.fetch(
      new Request(`http://127.0.0.1/simulator/twilio/2010-04-01/Accounts/${ACCOUNT}/${path}`, {
        method: form === undefined ? "GET" : "POST",
        headers: { authorization: `Basic ${btoa(`${ACCOUNT}:${token}`)}` },
        ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  };
  const send = (more: Record<string, string> = {}) =>
    call("Messages.json", {
      To: ANNA,
      From: OURS,
      Body: "Hello",
      StatusCallback: `${HOOK}/status?message=1`,
      ...more,
    });
  return { twilio, hooks, call, send };
}

Deno.test("TwilioSimulator: takes a text, reports its statuses in order, and lists it newest first", async () => {
  const { twilio, hooks, call, send } = simulated();
  const { status, body } = await send();
  assertEquals([status, body.status, body.from], [201, "queued", OURS]);
  await twilio.settled();
  assertEquals(hooks.map(({ url, form }) => [url, form.get("MessageStatus")]), [
    [`${HOOK}/status?message=1`, "sent"],
    [`${HOOK}/status?message=1`, "delivered"],
  ]);
  const [{ url, form, signature }] = hooks;
  assertEquals(signature, signTwilio(url, form.toString(), "token"));
  twilio.receive({ from: ANNA, to: OURS, body: "hi" });
  const listed = (await call("Messages.json?PageSize=1")).body;
  assertEquals([listed.messages[0].direction, listed.messages[0].body], ["inbound", "hi"]);
  const next = (await call(listed.next_page_uri.split(`${ACCOUNT}/`)[1])).body;
  assertEquals([next.messages[0].status, next.next_page_uri], ["delivered", null]);
  await twilio.settled();
});

Deno.test("TwilioSimulator: STOP blocks the pair and is answered by Twilio itself; START and YES undo it", async () => {
  const { twilio, send } = simulated();
  twilio.receive({ from: ANNA, to: OURS, body: "Stop" });
  assertEquals((await send()).body.code, 21610);
  assertEquals((await send({ To: "+12025550144" })).status, 201);
  twilio.receive({ from: ANNA, to: OURS, body: "Yes" });
  assertEquals((await send()).status, 201);
  const replies = [...twilio.texts.values()].filter(({ direction }) => direction === "outbound-reply");
  assertEquals(replies.map(({ to, body }) => [to, /unsubscribed|re-subscribed/.exec(body)?.[0]]), [
    [ANNA, "unsubscribed"],
    [ANNA, "re-subscribed"],
  ]);
  await twilio.settled();
});

Deno.test("TwilioSimulator: refuses what Twilio refuses", async () => {
  const { twilio, call, send } = simulated();
  assertEquals((await call("Messages.json", { To: ANNA }, "another token")).body.code, 20003);
  assertEquals((await send({ To: "nobody" })).body.code, 21211);
  assertEquals((await send({ From: "+12025550199" })).body.code, 21606);
  assertEquals((await send({ Body: "" })).body.code, 21602);
  assertEquals((await send({ Body: "a".repeat(1601) })).body.code, 21617);
  twilio.configure({ answer: 20429, times: 1 });
  assertEquals([(await send()).status, (await send()).status], [429, 201]);
  assertThrows(() => twilio.configure({ lostPercent: 101 }), RangeError, "lostPercent");
  assertThrows(() => twilio.configure({ fate: "constructor" }), RangeError, "fate");
  assertThrows(() => twilio.receive({ from: ANNA, to: "+12025550199", body: "hi" }), RangeError, "to");
  await twilio.settled();
});

Deno.test("TwilioSimulator: a lost answer has sent the text, a missed one has not", async () => {
  const { twilio, send } = simulated();
  twilio.configure({ answer: "lose", times: 1, statuses: false });
  assertEquals([(await send()).status, twilio.texts.size], [504, 1]);
  twilio.configure({ answer: "miss", times: 1 });
  assertEquals([(await send()).status, twilio.texts.size], [504, 1]);
  await twilio.settled();
});

Deno.test("TwilioSimulator: a webhook is repeated once without a connection, never after an answer, and some are lost", async () => {
  const broken = simulated(() => Promise.reject(new TypeError("no connection")));
  broken.twilio.receive({ from: ANNA, to: OURS, body: "hi" });
  await broken.twilio.settled();
  assertEquals([broken.hooks.length, broken.twilio.posts[0].answer], [2, "none"]);
  const failing = simulated(() => new Response(null, { status: 503 }));
  failing.twilio.receive({ from: ANNA, to: OURS, body: "hi" });
  await failing.twilio.settled();
  assertEquals([failing.hooks.length, failing.twilio.posts[0].answer], [1, 503]);
  const { twilio, hooks } = simulated();
  twilio.configure({ lostPercent: 50 });
  for (let i = 0; i < 40; i++) twilio.receive({ from: ANNA, to: OURS, body: `text ${i}` });
  await twilio.settled();
  assert(hooks.length > 5 && hooks.length < 35, String(hooks.length));
  assertEquals(twilio.posts.filter(({ answer }) => answer === "lost").length, 40 - hooks.length);
});

Deno.test("TwilioSimulator: a number sends at its pace, one text after the other, and refuses more than its queue holds", async () => {
  const clock = new FakeClock();
  const { twilio, send, hooks } = simulated(undefined, clock);
  twilio.addNumbers(["+12025550161"]);
  twilio.configure({ perSecond: 1, queueSeconds: 3 });
  const began = clock.now();
  // Two segments, and then one each.
  for (const Body of ["a".repeat(161), "b", "c"]) assertEquals((await send({ Body })).status, 201);
  assertEquals((await send({ From: "+12025550161" })).status, 201);
  const sentAt = new Map<string, number>();
  twilio.listen((change) => {
    if (change.type === "text" && change.text.status === "sent") {
      sentAt.set(change.text.from.slice(-1) + change.text.body[0], (clock.now() - began) / 1000);
    }
  });
  assertEquals((await send({ Body: "d" })).body.code, 21611);
  assertEquals([...twilio.texts.values()].map(({ status }) => status), Array(4).fill("queued"));
  await clock.until(twilio.settled());
  assertEquals(Object.fromEntries(sentAt), { "0a": 0, "1H": 0, "0b": 2, "0c": 3 });
  assertEquals(hooks.length, 8);
  // Of a text that would be old by then nothing is sent.
  await send({ Body: "a".repeat(300) });
  await send({ Body: "late", ValidityPeriod: "2" });
  await clock.until(twilio.settled());
  const [late] = [...twilio.texts.values()].filter(({ body }) => body === "late");
  assertEquals([late.status, late.errorCode], ["failed", 30036]);
});

Deno.test("TwilioSimulator: its numbers are those that it was given, and no others", async () => {
  const { twilio, send, call } = simulated();
  assertEquals((await send({ From: "+12025550161" })).body.code, 21606);
  const add = (numbers: unknown) =>
    twilio.fetch(
      new Request("http://127.0.0.1/simulator/twilio/numbers", {
        method: "POST",
        body: JSON.stringify({ numbers }),
      }),
    );
  assertEquals(await (await add(["+12025550161"])).json(), { numbers: [OURS, "+12025550161"] });
  for (const numbers of [["+12025550162", "nobody"], undefined, "+12025550162"]) {
    let refused: unknown;
    await add(numbers).catch((error) => refused = error);
    assert(refused instanceof RangeError, JSON.stringify(numbers));
  }
  assertEquals((await send({ From: "+12025550161" })).status, 201);
  twilio.receive({ from: ANNA, to: "+12025550161", body: "hi" });
  assertEquals(
    (await call("IncomingPhoneNumbers.json")).body.incoming_phone_numbers.map(
      ({ phone_number }: { phone_number: string }) => phone_number,
    ),
    [OURS, "+12025550161"],
  );
  await twilio.settled();
});

Deno.test("MaskedApi: passes what is whole to the business, and its numbers are Twilio's from then on", async () => {
  const { twilio } = simulated();
  const done: unknown[] = [];
  const state: MaskedState = {
    org: { id: "1", name: "Moss" },
    people: [],
    numbers: [{ number: "+12065550101", class: "pool", state: "active", pairs: 0 }],
    pairs: [],
    decisions: [],
    off: [],
  };
  const business: MaskedBusiness = {
    state: () => Promise.resolve(state),
    begin: () => Promise.resolve(void done.push("begin")),
    assign: (...given) => Promise.resolve(void done.push(given)),
    unassign: (...given) => Promise.resolve(void done.push(given)),
    end: (...given) => Promise.resolve(void done.push(given)),
    minute: () => Promise.resolve(void done.push("minute")),
  };
  const api = new MaskedApi(business, twilio);
  const pair = { client: ANNA, sitter: "+12025550144" };
  assertEquals(await api.call("begin", {}), state);
  assertEquals(twilio.numbers, [OURS, "+12065550101"]);
  await api.call("assign", { ...pair, when: "tomorrow" });
  await api.call("unassign", pair);
  await api.call("end", { client: ANNA });
  await api.call("minute", {});
  assertEquals(done, ["begin", [ANNA, pair.sitter, "tomorrow"], [ANNA, pair.sitter], [ANNA], "minute"]);
  assertEquals(await api.call("unheard", {}), undefined);
  for (const [path, body] of [["assign", pair], ["unassign", { client: "Ana" }], ["end", {}]] as const) {
    let refused: unknown;
    await api.call(path, body).catch((error) => refused = error);
    assert(refused instanceof RangeError, path);
  }
});

Deno.test("MaskedApi: shows no organisation before it works, and what there is after one could not be made", async () => {
  const { twilio } = simulated();
  const made = Promise.withResolvers<void>();
  let whole = false;
  const business = {
    begin: () => made.promise,
    state: () => Promise.resolve({ org: whole ? { id: "1", name: "Moss" } : null, numbers: [] }),
  } as unknown as MaskedBusiness;
  const api = new MaskedApi(business, twilio);
  const begun = api.call("begin", {});
  const shown = api.state();
  whole = true;
  made.resolve();
  assertEquals([(await begun)!.org?.name, (await shown).org?.name], ["Moss", "Moss"]);
  const failing = new MaskedApi(
    { ...business, begin: () => Promise.reject(new RangeError("taken")) },
    twilio,
  );
  let refused: unknown;
  await failing.call("begin", {}).catch((error) => refused = error);
  assert(refused instanceof RangeError);
  assertEquals((await failing.state()).org?.name, "Moss");
});

Deno.test("TextsApi: shows phones, and refuses what is no number", async () => {
  const { twilio } = simulated();
  const api = new TextsApi(twilio, []);
  api.call("phone", { number: "+12025550170" });
  api.call("send", { from: "+12025550171", to: OURS, body: "hi" });
  const { phones, texts } = api.state();
  assertEquals((phones as string[]).slice(2), ["+12025550170", "+12025550171"]);
  assertEquals((texts as unknown[]).length, 1);
  assertThrows(() => api.call("phone", { number: "nobody" }), RangeError, "number");
  assertEquals(api.call("unheard", {}), undefined);
  await twilio.settled();
});
