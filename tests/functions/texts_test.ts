/** sms-webhook and sms-send, on a database, with the simulated Twilio. */
import { assert, assertEquals } from "../support/assert.ts";
import { signTwilio } from "../../supabase/functions/_shared/channels/sms/inbound/twilio_signature.ts";
import { type Edge, edgeTest, KEYS, TEXT_NUMBERS } from "../support/edge.ts";
import { compare, rest } from "../support/masked_texts.ts";
import { addDestination, addRoute, startService, withReplies } from "../support/service.ts";
import { until } from "../support/until.ts";

const SECRET = { apikey: KEYS.secretKey };
const [OURS, OTHER] = TEXT_NUMBERS;
const ANNA = "+12025550143";
const BEN = "+12025550144";

/** A test with texts on, and a route that takes them. */
function textTest(
  name: string,
  test: (edge: Edge, service: ReturnType<typeof startService>) => Promise<void>,
) {
  edgeTest(name, async (edge) => {
    await using service = startService();
    await addDestination(edge.sql, "desk", service);
    await addRoute(edge.sql, ["desk"], { type: "any" }, { channels: ["sms"] });
    await edge.set({ "sms_router.enabled": "true", "sms_send.enabled": "true" });
    await test(edge, service);
  });
}

const send = ({ call }: Edge, body: Record<string, unknown>) =>
  call("sms-send", { headers: SECRET, body: { from: OURS, to: ANNA, ...body } });

/** Posts a form as Twilio does, signed. */
function post(
  { call, url }: Edge,
  path: "" | `/${string}`,
  form: Record<string, string>,
  token: string = KEYS.twilioToken,
) {
  const body = new URLSearchParams({ AccountSid: KEYS.twilioAccount, ...form }).toString();
  const signature = signTwilio(`${url}/functions/v1/sms-webhook${path}`, body, token);
  return call(`sms-webhook${path}`, {
    headers: {
      "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
      "x-twilio-signature": signature,
    },
    body,
  });
}

const inbound = (sid: string, body: string, more: Record<string, string> = {}) => ({
  MessageSid: sid,
  From: ANNA,
  To: OURS,
  Body: body,
  NumMedia: "0",
  ...more,
});

const messagesOf = ({ sql }: Edge) =>
  sql<{ direction: string; text: string; status: string }[]>`
    select direction, text, status from public.messages where channel = 'sms' order by seq`;

textTest(
  "a text comes in, goes to a service, and its reply goes out and is delivered",
  async (edge, service) => {
    service.answers(withReplies({ text: "At nine." }));
    edge.texts.receive({ from: ANNA, to: OURS, body: "When do you open?" });
    await rest(edge);
    assertEquals(service.texts(), ["When do you open?"]);
    const { data } = service.received[0].event;
    assertEquals([data.message.channel, data.message.native.from, data.contact.phone], [
      "sms",
      "12025550143",
      "12025550143",
    ]);
    const sent = [...edge.texts.texts.values()].find(({ direction }) => direction === "outbound-api")!;
    assertEquals([sent.from, sent.to, sent.body], [OURS, ANNA, "At nine."]);
    assertEquals((await messagesOf(edge)).map((row) => Object.values(row)), [
      ["in", "When do you open?", "received"],
      ["out", "At nine.", "delivered"],
    ]);
    assert(edge.texts.posts.every(({ answer }) => answer === 200), JSON.stringify(edge.texts.posts));
  },
);

textTest("sms-webhook: answers Twilio with TwiML, once it is stored, whatever the door", async (edge) => {
  const first = await post(edge, "", inbound("SM1", "one"));
  assertEquals([first.status, first.body, first.headers.get("content-type")], [
    200,
    "<Response/>",
    "text/xml; charset=utf-8",
  ]);
  // The fallback is asked after the first address failed, which may have stored it.
  const again = await post(
    edge,
    "/fallback",
    inbound("SM1", "one", { ErrorCode: "11200", ErrorUrl: "https://x" }),
  );
  assertEquals([again.status, again.body], [200, "<Response/>"]);
  const query = new URLSearchParams({ ...inbound("SM2", "two"), AccountSid: KEYS.twilioAccount }).toString();
  const signature = signTwilio(`${edge.url}/functions/v1/sms-webhook?${query}`, "", KEYS.twilioToken);
  const got = await edge.call(`sms-webhook/?${query}` as "sms-webhook/x", {
    method: "GET",
    headers: { "x-twilio-signature": signature },
  });
  // The slash is part of the address, and this one was signed without it.
  assertEquals([got.status, got.body.code], [401, "signature_invalid"]);
  const right = await edge.fetch(
    new Request(`${edge.url}/functions/v1/sms-webhook?${query}`, {
      headers: { "x-twilio-signature": signature },
    }),
  )!;
  assertEquals([right.status, await right.text()], [200, "<Response/>"]);
  await rest(edge);
  assertEquals((await messagesOf(edge)).map(({ text }) => text), ["one", "two"]);
});

textTest("sms-webhook: refuses what is not signed, wrongly signed, or another account's", async (edge) => {
  const unsigned = await edge.call("sms-webhook", { body: "Body=hello" });
  const forged = await post(edge, "", inbound("SM1", "one"), "another token");
  const foreign = await post(edge, "", { ...inbound("SM1", "one"), AccountSid: `AC${"9".repeat(32)}` });
  assertEquals([unsigned, forged, foreign].map(({ status, body }) => [status, body.code]), [
    [401, "signature_missing"],
    [401, "signature_invalid"],
    [403, "forbidden"],
  ]);
  assertEquals((await messagesOf(edge)).length, 0);
  const telnyx = await edge.call("sms-webhook/telnyx", { body: "{}" });
  assertEquals([telnyx.status, telnyx.body.code], [401, "signature_missing"]);
});

textTest(
  "sms-webhook: acknowledges nothing while the database is away, and finds it in the list",
  async (edge, service) => {
    await edge.sql`select public.set_text_number(${OURS})`;
    await edge.away(async () => {
      edge.texts.receive({ from: ANNA, to: OURS, body: "Is somebody there?" });
      await edge.texts.settled();
    });
    assertEquals(edge.texts.posts.map(({ answer }) => answer), [503]);
    await compare(edge);
    assertEquals(service.texts(), ["Is somebody there?"]);
  },
);

textTest("STOP blocks the pair alone until START; the database and Twilio agree", async (edge) => {
  edge.texts.receive({ from: ANNA, to: OURS, body: "hello" });
  edge.texts.receive({ from: ANNA, to: OTHER, body: "hello" });
  edge.texts.receive({ from: ANNA, to: OURS, body: " Stop " });
  await rest(edge);
  const refused = await send(edge, { text: "Hi" });
  assertEquals([refused.status, refused.body.code], [409, "opted_out"]);
  assertEquals((await send(edge, { from: OTHER, text: "Hi" })).status, 202);

  // Writing again is no consent.
  edge.texts.receive({ from: ANNA, to: OURS, body: "what about Tuesday?" });
  await rest(edge);
  assertEquals((await send(edge, { text: "Hi" })).body.code, "opted_out");
  // YES is the keyword only for who has opted out.
  edge.texts.receive({ from: ANNA, to: OURS, body: "Yes" });
  await rest(edge);
  assertEquals((await send(edge, { text: "Welcome back" })).status, 202);
  edge.texts.receive({ from: BEN, to: OURS, body: "yes" });
  edge.texts.receive({ from: BEN, to: OURS, body: "STOP PLEASE" });
  await rest(edge);
  assertEquals((await send(edge, { to: BEN, text: "Hi" })).status, 202);
});

textTest("the team's own words end texts too, and none of them begins them again", async (edge) => {
  await edge.set({ "opt_out.stop_words": '["enough"]', "opt_out.start_words": '["more"]' });
  edge.texts.receive({ from: ANNA, to: OURS, body: "Enough" });
  edge.texts.receive({ from: ANNA, to: OURS, body: "more" });
  await rest(edge);
  assertEquals((await send(edge, { text: "Hi" })).body.code, "opted_out");
});

textTest("an opt-out that only Twilio knew is learnt from its refusal, and not asked again", async (edge) => {
  edge.texts.receive({ from: ANNA, to: OURS, body: "hello" });
  await rest(edge);
  edge.texts.configure({ answer: 21610, times: 1 });
  assertEquals((await send(edge, { text: "Hi" })).status, 202);
  await rest(edge);
  const [{ status, error }] = await edge
    .sql`select status, error from public.messages where direction = 'out'`;
  assertEquals([status, error.code], ["failed", 21610]);
  assertEquals((await send(edge, { text: "Hi" })).body.code, "opted_out");
});

textTest("statuses go up by rank, and of two final ones the first stands", async (edge) => {
  await edge.sql`select public.set_text_number(${OURS})`;
  edge.texts.configure({ statuses: false });
  const { body: { id } } = await send(edge, { text: "Hi" });
  await rest(edge);
  const [{ provider_id: sid }] = await edge.sql`select provider_id from public.messages`;
  const tell = (status: string, more: Record<string, string> = {}) =>
    post(edge, `/status?message=${id}`, {
      MessageSid: sid,
      MessageStatus: status,
      From: OURS,
      To: ANNA,
      ...more,
    });
  const now = async () => {
    const [{ status, error }] = await edge.sql`select status, error from public.messages where id = ${id}`;
    return [status, error?.[0]?.code];
  };
  await tell("queued");
  assertEquals(await now(), ["accepted", undefined]);
  await tell("undelivered", { ErrorCode: "30005" });
  assertEquals(await now(), ["failed", "30005"]);
  await tell("sent");
  await tell("delivered");
  assertEquals(await now(), ["failed", "30005"]);
  const [{ status_at }] = await edge.sql`select status_at from public.messages where id = ${id}`;
  assertEquals(Object.keys(status_at).sort(), ["accepted", "delivered", "failed", "sent"]);
});

textTest("a text to a phone that was off is sent a second time, and arrives", async (edge) => {
  await edge.sql`select public.set_text_number(${OURS})`;
  edge.texts.configure({ fate: "off" });
  assertEquals((await send(edge, { text: "Hi" })).status, 202);
  await rest(edge);
  assertEquals((await messagesOf(edge)).map(({ status }) => status), ["queued"]);
  edge.texts.configure({ fate: "delivered" });
  await edge.hurry();
  await rest(edge);
  assertEquals((await messagesOf(edge)).map(({ status }) => status), ["delivered"]);
  assertEquals([...edge.texts.texts.values()].map(({ status, body }) => [status, body]), [
    ["undelivered", "Hi"],
    ["delivered", "Hi"],
  ]);
});

textTest("after a lost answer a text is unknown until a status with our id settles it", async (edge) => {
  await edge.sql`select public.set_text_number(${OURS})`;
  edge.texts.configure({ answer: "lose", times: 1, statuses: false });
  const { body: { id } } = await send(edge, { text: "Hi" });
  await rest(edge);
  const state = async () =>
    (await edge
      .sql`select o.state, m.status from public.outbound_messages o join public.messages m on m.id = o.id`)
      .map((row) => Object.values(row));
  assertEquals(await state(), [["unknown", "unknown"]]);
  const [text] = edge.texts.texts.values();
  await post(edge, `/status?message=${id}`, {
    MessageSid: text.sid,
    MessageStatus: "queued",
    From: OURS,
    To: ANNA,
  });
  assertEquals(await state(), [["sent", "accepted"]]);
  // It went once.
  assertEquals(edge.texts.texts.size, 1);
});

textTest(
  "a lost answer without any status is settled by the list; what Twilio does not have stays unknown",
  async (edge) => {
    await edge.sql`select public.set_text_number(${OURS})`;
    edge.texts.configure({ answer: "lose", times: 1, statuses: false });
    await send(edge, { text: "taken" });
    await rest(edge);
    edge.texts.configure({ answer: "miss", times: 1 });
    await send(edge, { to: BEN, text: "not taken" });
    await rest(edge);
    await compare(edge);
    const rows = async () =>
      (await edge.sql`
      select m.text, o.state, m.status, o.error ->> 'listed' as listed
      from public.outbound_messages o join public.messages m on m.id = o.id order by m.seq`).map((row) =>
        Object.values(row)
      );
    // A status may still come.
    assertEquals((await rows()).map(([, state]) => state), ["unknown", "unknown"]);
    await edge.sql`update public.outbound_messages set updated_at = now() - interval '2 minutes'`;
    await compare(edge);
    assertEquals(await rows(), [["taken", "sent", "delivered", null], [
      "not taken",
      "unknown",
      "unknown",
      "false",
    ]]);
    assertEquals(edge.texts.texts.size, 1);
  },
);

textTest(
  "with a fifth of the webhooks lost, nothing is missing after a comparison, and nothing is there twice",
  async (edge, service) => {
    await edge.sql`select public.set_text_number(${OURS}, '{"max_per_second": 1000}')`;
    service.answers(({ text }) => Response.json({ replies: [{ text: `re: ${text}` }] }));
    edge.texts.configure({ lostPercent: 20, copies: 1 });
    const said = Array.from({ length: 60 }, (_, i) => `text ${i}`);
    said.forEach((body, i) =>
      edge.texts.receive({ from: `+120255501${String(i % 20).padStart(2, "0")}`, to: OURS, body })
    );
    await rest(edge);
    await compare(edge);
    await until("each reply was sent", async () => {
      await edge.hurry();
      await rest(edge);
      return [...edge.texts.texts.values()].filter(({ direction }) => direction === "outbound-api").length ===
        said.length;
    });
    await compare(edge);
    const rows = await messagesOf(edge);
    const of = (direction: string) =>
      rows.filter((row) => row.direction === direction).map(({ text }) => text).sort();
    assertEquals(of("in"), [...said].sort());
    assertEquals(of("out"), said.map((text) => `re: ${text}`).sort());
    assertEquals(service.texts().toSorted(), [...said].sort());
    assertEquals([
      ...new Set(rows.filter(({ direction }) => direction === "out").map(({ status }) => status)),
    ], ["delivered"]);
    assert(edge.texts.posts.some(({ answer }) => answer === "lost"));
  },
);

textTest("sms-webhook/setup: says how texts are set up, and no secret", async (edge) => {
  const { status, body } = await edge.call("sms-webhook/setup", { method: "GET", headers: SECRET });
  assertEquals([status, body.sends_by, body.twilio.accounts, body.twilio.verifies_by], [
    200,
    ["twilio"],
    [KEYS.twilioAccount],
    ["auth_token"],
  ]);
  assertEquals(body.twilio.webhook_url, `${edge.url}/functions/v1/sms-webhook#rc=5&rp=all`);
  assertEquals(JSON.stringify(body).includes(KEYS.twilioToken), false);
});

textTest(
  "sms_send.enabled off: a text is refused, and with it on a bad one names its faults",
  async (edge) => {
    await edge.sql`select public.set_text_number(${OURS})`;
    const bad = await send(edge, { to: "nobody" });
    assertEquals([bad.status, bad.body.issues.map(({ path }: { path: string }) => path)], [422, ["to"]]);
    await edge.set({ "sms_send.enabled": "false" });
    const off = await send(edge, { text: "Hi" });
    assertEquals([off.status, off.body.code], [403, "feature_off"]);
  },
);
