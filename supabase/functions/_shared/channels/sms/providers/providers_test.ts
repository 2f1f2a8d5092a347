import { assertEquals, assertRejects } from "../../../../../../tests/support/assert.ts";
import { errorClassOf, meaningOf } from "./errors.ts";
import type { OutgoingText } from "./provider.ts";
import { createTelnyx } from "./telnyx.ts";
import { createTwilio } from "./twilio.ts";

const ACCOUNT = "AC00000000000000000000000000000007";
const SUB = "AC00000000000000000000000000000008";
const access = (accountSid: string, user: string, password: string) => ({
  url: "https://twilio.example.org",
  accountSid,
  user,
  password,
  webhookUrl: "https://texts.example.org/functions/v1/sms-webhook",
});
const MAIN = access(ACCOUNT, "SK7", "the-secret");
const twilio = createTwilio({
  of: (sid) => sid === undefined || sid === ACCOUNT ? MAIN : undefined,
  all: () => [MAIN],
});
/** With a subaccount. */
const OWN = access(SUB, SUB, "the-sub-token");
const both = createTwilio({
  of: (sid) => [MAIN, OWN].find(({ accountSid }) => accountSid === (sid ?? ACCOUNT)),
  all: () => [MAIN, OWN],
});
const telnyx = createTelnyx(() => ({
  url: "https://telnyx.example.org",
  key: "the-key",
  webhookUrl: "https://texts.example.org/functions/v1/sms-webhook",
}));
const TEXT: OutgoingText = {
  id: "0197a000-0000-7000-8000-000000000001",
  from: "12025550100",
  to: "12025550143",
  text: "On my way",
  media: [],
  validitySeconds: 600,
};
const BASIC = `Basic ${btoa("SK7:the-secret")}`;

/** Answers each call in turn, and keeps the calls. */
function answering(...answers: (Response | Error)[]) {
  const calls: { url: string; init: RequestInit }[] = [];
  return {
    calls,
    fetch: (url: string, init: RequestInit) => {
      calls.push({ url, init });
      const answer = answers[calls.length - 1] ?? new Response("no more", { status: 599 });
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
}

const error = (code: number, status: number, headers?: HeadersInit) =>
  Response.json({ code, message: `refused +12025550143 the-secret`, status }, { status, headers });

Deno.test("twilio: a text goes out as a form, with our id in the address for its statuses", async () => {
  const world = answering(Response.json({ sid: "SM1", status: "queued" }, { status: 201 }));
  assertEquals(await twilio.send({ ...TEXT, media: ["https://files.example.org/1"] }, world), {
    ok: true,
    providerId: "SM1",
  });
  const [{ url, init }] = world.calls;
  assertEquals(url, `https://twilio.example.org/2010-04-01/Accounts/${ACCOUNT}/Messages.json`);
  assertEquals(new Headers(init.headers).get("authorization"), BASIC);
  assertEquals([...new URLSearchParams(String(init.body))], [
    ["To", "+12025550143"],
    ["From", "+12025550100"],
    ["Body", "On my way"],
    ["StatusCallback", `https://texts.example.org/functions/v1/sms-webhook/status?message=${TEXT.id}`],
    ["ValidityPeriod", "600"],
    ["MediaUrl", "https://files.example.org/1"],
  ]);
});

Deno.test("twilio: what each answer means, without secrets and numbers in its words", async () => {
  const timeout = new DOMException("timed out", "TimeoutError");
  for (
    const [answer, kind, code, scope] of [
      [error(21610, 400), "final", 21610, undefined],
      [error(20003, 401), "held", 20003, "account"],
      [error(21606, 400), "held", 21606, "number"],
      [error(20429, 429), "throttle", 20429, "number"],
      [error(21617, 400), "final", 21617, undefined],
      [error(29999, 400), "final", 29999, undefined],
      [error(20500, 500), "unknown", 20500, undefined],
      [new Response("<html>", { status: 502 }), "unknown", "unreadable", undefined],
      [new Response("<html>", { status: 200 }), "unknown", "unreadable", undefined],
      [Response.json({ status: "queued" }, { status: 201 }), "unknown", 201, undefined],
      [new Response(null, { status: 302 }), "retry", "unreadable", undefined],
      [timeout, "unknown", "timeout", undefined],
      [new TypeError("error sending request: connection closed"), "unknown", "network", undefined],
      [new TypeError("client error (Connect)"), "retry", "network", undefined],
    ] as const
  ) {
    const sent = await twilio.send(TEXT, answering(answer));
    if (sent.ok) throw new Error(`sent: ${code}`);
    assertEquals([sent.kind, sent.code, sent.scope], [kind, code, scope]);
    assertEquals(/the-secret|12025550143/.test(JSON.stringify(sent)), false, sent.message);
  }
});

Deno.test("meaningOf(): waits as long as the provider says, and a minute for a full queue", () => {
  assertEquals(meaningOf(429, 20429, 3000), { kind: "throttle", scope: "number", retryAfterMs: 3000 });
  assertEquals(meaningOf(400, 21611, undefined), { kind: "throttle", scope: "number", retryAfterMs: 60_000 });
  assertEquals(meaningOf(403, undefined, undefined), { kind: "held", scope: "account" });
  assertEquals([errorClassOf(30003), errorClassOf("40300"), errorClassOf(1)], [
    "later",
    "opted_out",
    undefined,
  ]);
});

const entry = (n: number, more: Record<string, unknown> = {}) => ({
  sid: `SM${n}`,
  direction: "inbound",
  from: "+12025550143",
  to: "+12025550100",
  body: `text ${n}`,
  num_media: "0",
  status: "received",
  date_created: "Mon, 30 Nov 2026 12:00:00 +0000",
  date_sent: "Mon, 30 Nov 2026 12:00:00 +0000",
  ...more,
});
const SINCE = Date.parse("2026-11-30T11:00:00Z");
const query = {
  since: SINCE,
  isOurs: (number: string) => number === "12025550100",
  known: (ids: readonly string[]) => Promise.resolve(new Set(ids.filter((id) => id === "m-known"))),
};

Deno.test("twilio: the list is read page by page back to a time, for our numbers alone", async () => {
  const next = `/2010-04-01/Accounts/${ACCOUNT}/Messages.json?Page=1`;
  const world = answering(
    Response.json({
      messages: [
        entry(5, { to: "+12025550199" }),
        entry(4),
        entry(3, {
          direction: "outbound-api",
          from: "+12025550100",
          to: "+12025550143",
          status: "delivered",
        }),
      ],
      next_page_uri: next,
    }),
    Response.json({
      messages: [
        entry(2, { num_media: "1" }),
        entry(1, { date_sent: "Mon, 30 Nov 2026 10:59:59 +0000" }),
        entry(0),
      ],
      next_page_uri: next,
    }),
    Response.json({ media_list: [{ sid: "ME1", content_type: "image/png" }] }),
  );
  const listed = await twilio.list!(query, world);
  assertEquals([listed.complete, listed.updates.map(({ key }) => key)], [true, [
    "m:SM4",
    "s:SM3:delivered",
    "m:SM2",
  ]]);
  assertEquals((listed.updates[2].raw as Record<string, unknown>).media, [{
    url: `https://twilio.example.org/2010-04-01/Accounts/${ACCOUNT}/Messages/SM2/Media/ME1`,
    type: "image/png",
    size: null,
  }]);
  assertEquals(listed.sent, [{
    provider_id: "SM3",
    from: "12025550100",
    to: "12025550143",
    body: "text 3",
    at: "2026-11-30T12:00:00.000Z",
  }]);
  assertEquals(world.calls[0].url.endsWith("PageSize=1000&DateSent%3E=2026-11-30"), true, world.calls[0].url);
  assertEquals(world.calls[1].url, `https://twilio.example.org${next}`);
});

Deno.test("twilio: an unreadable page is an error, and no page is read at another host", async () => {
  await assertRejects(
    () => twilio.list!(query, answering(new Response("<html>", { status: 503 }))),
    Error,
    "503",
  );
  await assertRejects(() => twilio.list!(query, answering(new TypeError("broken"))), Error, "list");
  const elsewhere = Response.json({
    messages: [entry(1)],
    next_page_uri: "https://evil.example/2010-04-01/",
  });
  const world = answering(elsewhere);
  assertEquals((await twilio.list!(query, world)).complete, true);
  assertEquals(world.calls.length, 1);
});

Deno.test("twilio: a file's redirect is followed without the credentials", async () => {
  const url = `https://api.twilio.com/2010-04-01/Accounts/${ACCOUNT}/Messages/MM1/Media/ME1`;
  const storage = new Response(null, {
    status: 307,
    headers: { location: "https://storage.example.org/x?sig=1" },
  });
  const world = answering(storage, new Response("picture"));
  assertEquals(await (await twilio.openMedia(url, world))?.text(), "picture");
  const sent = world.calls.map(({ url, init }) => [url, new Headers(init.headers).get("authorization")]);
  assertEquals(sent, [
    [`https://twilio.example.org/2010-04-01/Accounts/${ACCOUNT}/Messages/MM1/Media/ME1`, BASIC],
    ["https://storage.example.org/x?sig=1", null],
  ]);
  assertEquals(await twilio.openMedia(url, answering(new Response(null, { status: 404 }))), undefined);
  await assertRejects(
    () => twilio.openMedia(url, answering(new Response(null, { status: 500 }))),
    Error,
    "500",
  );
  const redirect = () =>
    new Response(null, { status: 307, headers: { location: "https://storage.example.org/x" } });
  const gone = answering(redirect(), new Response(null, { status: 404 }));
  assertEquals(await twilio.openMedia(url, gone), undefined);
  await assertRejects(
    () => twilio.openMedia(url, answering(redirect(), new Response(null, { status: 403 }))),
    Error,
    "403",
  );
});

Deno.test("twilio: no other address is called for a file", async () => {
  for (
    const url of [
      "https://evil.example/x",
      "https://api.twilio.com/2010-04-01/Accounts/AC99/Messages/MM1/Media/ME1",
      `https://api.twilio.com/2010-04-01/Accounts/${ACCOUNT}/Messages/MM1/Media/../../../Keys.json`,
    ]
  ) {
    const world = answering();
    assertEquals(await twilio.openMedia(url, world), undefined);
    assertEquals(world.calls, []);
  }
});

Deno.test("telnyx: a text goes out with our id as a tag", async () => {
  const world = answering(Response.json({ data: { id: "m-1" } }));
  assertEquals(await telnyx.send(TEXT, world), { ok: true, providerId: "m-1" });
  assertEquals(JSON.parse(String(world.calls[0].init.body)), {
    from: "+12025550100",
    to: "+12025550143",
    text: "On my way",
    type: "SMS",
    webhook_url: "https://texts.example.org/functions/v1/sms-webhook/telnyx",
    use_profile_webhooks: false,
    tags: [`gl:${TEXT.id}`],
  });
  const refusal = Response.json({
    errors: [{ code: "40300", title: "Blocked", detail: "the-key +12025550143" }],
  }, {
    status: 400,
  });
  const sent = await telnyx.send(TEXT, answering(refusal));
  assertEquals([!sent.ok && sent.kind, !sent.ok && sent.code, !sent.ok && sent.message], [
    "final",
    "40300",
    "… …",
  ]);
});

Deno.test("telnyx: files are fetched from its storage alone", async () => {
  const world = answering(new Response("picture"));
  assertEquals(await telnyx.openMedia("https://evil.example/x", world), undefined);
  assertEquals(world.calls, []);
  assertEquals(await (await telnyx.openMedia("https://media.telnyx.com/x", world))?.text(), "picture");
});

const record = (uuid: string, more: Record<string, unknown> = {}) => ({
  record_type: "message_detail_record",
  uuid,
  direction: "inbound",
  cli: "+12025550143",
  cld: "+12025550100",
  status: "RECEIVED",
  created_at: "2026-11-30T12:00:00Z",
  ...more,
});

Deno.test("telnyx: the records are read page by page back to a time, and messages that are not stored one by one", async () => {
  const world = answering(
    Response.json({
      data: [
        record("m-other", { cld: "+12025550199" }),
        record("m-known"),
        record("m-1"),
        record("m-2", {
          direction: "outbound",
          cli: "+12025550100",
          cld: "+12025550143",
          status: "GW_REJECT",
          errors: ["40003"],
          tags: `a,gl:${TEXT.id}`,
        }),
      ],
      meta: { total_pages: 9 },
    }),
    Response.json({
      data: {
        id: "m-1",
        text: "hello",
        from: { phone_number: "+12025550143" },
        to: [{ phone_number: "+12025550100" }],
        received_at: "2026-11-30T12:00:00Z",
      },
    }),
    Response.json({
      data: [record("m-old", { created_at: "2026-11-30T10:59:59Z" })],
      meta: { total_pages: 9 },
    }),
  );
  const listed = await telnyx.list!(query, world);
  assertEquals([
    listed.complete,
    listed.updates.map(({ key, body, failure, callback }) => [key, body, failure, callback]),
  ], [
    true,
    [["s:m-2:gw_reject", undefined, "40003", TEXT.id], ["m:m-1", "hello", undefined, undefined]],
  ]);
  assertEquals(listed.sent.map(({ provider_id, ours }) => [provider_id, ours]), [["m-2", TEXT.id]]);
  const [first, second, third] = world.calls.map(({ url }) => new URL(url));
  assertEquals([...first.searchParams], [
    ["filter[record_type]", "messaging"],
    ["filter[created_at][gte]", "2026-11-30"],
    ["page[number]", "1"],
    ["page[size]", "50"],
    ["sort", "-created_at"],
  ]);
  assertEquals([second.pathname, third.searchParams.get("page[number]")], ["/v2/messages/m-1", "2"]);
});

Deno.test("telnyx: a message that it keeps no more is left out, an unreadable page is an error", async () => {
  const page = () => Response.json({ data: [record("m-1")], meta: { total_pages: 1 } });
  const gone = answering(page(), Response.json({ errors: [{ code: "10005" }] }, { status: 404 }));
  assertEquals(await telnyx.list!(query, gone), { updates: [], sent: [], complete: true });
  for (
    const answer of [
      new Response("<html>", { status: 404 }),
      new Response("<html>", { status: 503 }),
      new TypeError("broken"),
    ]
  ) {
    await assertRejects(() => telnyx.list!(query, answering(answer)), Error, "Telnyx's records");
  }
});

Deno.test("twilio: a subaccount's numbers send, and its files are fetched and deleted, with its own token", async () => {
  const basic = `Basic ${btoa(`${SUB}:the-sub-token`)}`;
  const world = answering(
    Response.json({ sid: "SM1" }, { status: 201 }),
    new Response("picture"),
    new Response(null, { status: 204 }),
  );
  const file = `https://api.twilio.com/2010-04-01/Accounts/${SUB}/Messages/MM1/Media/ME1`;
  assertEquals((await both.send({ ...TEXT, account: SUB }, world)).ok, true);
  assertEquals([both.owns(file), twilio.owns(file)], [true, false]);
  assertEquals(await (await both.openMedia(file, world))?.text(), "picture");
  await both.deleteMedia!(file, world);
  assertEquals(
    world.calls.map((
      { url, init },
    ) => [
      init.method ?? "GET",
      new URL(url).pathname.split("/")[3],
      new Headers(init.headers).get("authorization"),
    ]),
    [["POST", SUB, basic], ["GET", SUB, basic], ["DELETE", SUB, basic]],
  );
  const unknown = await twilio.send({ ...TEXT, account: SUB }, answering());
  assertEquals([!unknown.ok && unknown.kind, !unknown.ok && unknown.code], ["held", "not_ready"]);
});

Deno.test("twilio: the lists of all accounts are one", async () => {
  const page = (n: number) => Response.json({ messages: [entry(n)], next_page_uri: null });
  const world = answering(page(1), page(2));
  const { updates, complete } = await both.list!(query, world);
  assertEquals([updates.map(({ key }) => key), complete], [["m:SM1", "m:SM2"], true]);
  assertEquals(world.calls.map(({ url }) => new URL(url).pathname.split("/")[3]), [ACCOUNT, SUB]);
});

Deno.test("twilio: an account that does not answer leaves the lists of the others", async () => {
  const page = () => Response.json({ messages: [entry(2)], next_page_uri: null });
  const { updates, complete, error } = await both.list!(
    query,
    answering(new Response("<html>", { status: 503 }), page()),
  );
  assertEquals([updates.map(({ key }) => key), complete], [["m:SM2"], false]);
  assertEquals(error, "Twilio's list answered 503 without JSON");
  await assertRejects(() => both.list!(query, answering()), Error, "Twilio's list answered 599");
});

Deno.test("twilio: what is gone counts as deleted, and a refusal is an error", async () => {
  const file = `https://api.twilio.com/2010-04-01/Accounts/${ACCOUNT}/Messages/MM1/Media/ME1`;
  await twilio.deleteMedia!(file, answering(new Response(null, { status: 404 })));
  for (
    const [url, answer] of [[file, new Response(null, { status: 401 })], [
      "https://evil.example/x",
      undefined,
    ]] as const
  ) {
    await assertRejects(
      () => twilio.deleteMedia!(url, answering(...answer === undefined ? [] : [answer])),
      Error,
    );
  }
});
