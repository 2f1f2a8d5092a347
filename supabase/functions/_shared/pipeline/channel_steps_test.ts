import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Channel, Missing, Sent } from "../channels/channel.ts";
import { createRegistry } from "../channels/registry.ts";
import type { ClaimedMessage } from "../contract/answers/pipeline.ts";
import { type ChannelStepsDeps, createChannelSteps } from "./channel_steps.ts";

/** A channel that answers each send with `sent` and lacks what `missing` says. */
function channel(
  name: string,
  {
    sent = { ok: true, providerId: `${name}-1` } as Sent,
    missing = () => true as ReturnType<Channel["ready"]>,
  } = {},
) {
  return {
    name,
    provider: `${name}-api`,
    flags: { intake: `${name}_webhook`, send: `${name}_send.enabled` },
    ready: () => missing(),
    check: (message: Record<string, unknown>) =>
      message.text === undefined
        ? { ok: false, issues: [{ path: "text", message: "is needed" }] }
        : { ok: true, value: message },
    wordsOf: ({ text }: { text?: string }) => `${name}: ${text}`,
    addressOf: ({ phone }: { phone?: string }) => phone,
    send: () => Promise.resolve(sent),
    nextAttempt: (attempt: number, { kind }: { kind: string }) =>
      kind === "final" ? { outcome: "failed", why: "final" } : { outcome: "retry", afterMs: attempt * 1000 },
  } as unknown as Channel;
}

function through(channels: Channel[], deps: Partial<ChannelStepsDeps> = {}) {
  const told: unknown[] = [];
  const counted: string[] = [];
  const steps = createChannelSteps(createRegistry(channels), {
    killed: () => false,
    onForAnybody: () => Promise.resolve(true),
    world: { fetch: () => Promise.reject(new TypeError("nothing is fetched here")) },
    answerCategory: () => Promise.resolve({ opted_out: false }),
    count: (name, label) => counted.push(`${name} ${label}`),
    measure: (name, label) => counted.push(`${name} ${label}`),
    onOutcome: (contact, { failed }, flag) => counted.push(`${contact} ${failed} ${flag}`),
    log: {
      error: (message, fields) => told.push([message, fields]),
      warn: (message, fields) => told.push([message, fields]),
    },
    ...deps,
  });
  return { ...steps, told, counted };
}

const message = (more: Partial<ClaimedMessage> = {}): ClaimedMessage => ({
  id: "o1",
  lease: "l1",
  attempt: 3,
  deferred: 7,
  channel: "whatsapp",
  number_id: "1",
  contact_id: "c1",
  to: "12025550123",
  message: { text: "hi" },
  traceparent: null,
  ...more,
});

Deno.test("channels(): one without credentials is reported once and stops no other", async () => {
  let missing: true | Missing[] = [{ variable: "SMS_TOKEN", fault: "it is not set" }];
  const { channels, told } = through([channel("whatsapp"), channel("sms", { missing: () => missing })]);
  assertEquals([await channels(), await channels()], [["whatsapp"], ["whatsapp"]]);
  const line = ["messages wait: SMS_TOKEN is not set", { channel: "sms", feature: "sms_send.enabled" }];
  assertEquals(told, [line]);
  missing = true;
  assertEquals(await channels(), ["whatsapp", "sms"]);
  missing = [{ variable: "SMS_TOKEN", fault: "it is not set" }];
  await channels();
  assertEquals(told, [line, line]);
});

Deno.test("channels(): one that cannot say whether it is ready is reported once and stops no other", async () => {
  let fault: unknown = new TypeError("no such secret");
  const sms = channel("sms", {
    missing: () => {
      if (fault !== undefined) throw fault;
      return true;
    },
  });
  const { channels, told } = through([sms, channel("whatsapp")]);
  assertEquals([await channels(), await channels()], [["whatsapp"], ["whatsapp"]]);
  const line = (error: unknown) => [
    "messages wait: the channel cannot say whether it is ready",
    { channel: "sms", feature: "sms_send.enabled", error },
  ];
  assertEquals(told, [line(fault)]);
  const first = fault;
  fault = undefined;
  assertEquals(await channels(), ["sms", "whatsapp"]);
  fault = "not even an error";
  assertEquals(await channels(), ["whatsapp"]);
  assertEquals(told, [line(first), line(fault)]);
});

Deno.test("channels(): a kill switch or a flag stops its own channel only", async () => {
  const both = [channel("whatsapp"), channel("sms")];
  const killed = through(both, { killed: (feature) => feature === "sms_send.enabled" });
  assertEquals(await killed.channels(), ["whatsapp"]);
  const off = through(both, {
    onForAnybody: (feature) => Promise.resolve(feature !== "whatsapp_send.enabled"),
  });
  assertEquals(await off.channels(), ["sms"]);
});

Deno.test("send(): each message goes through its own channel", async () => {
  const { send, counted } = through([channel("whatsapp"), channel("sms")]);
  assertEquals(await send(message()), { outcome: "sent", provider_id: "whatsapp-1" });
  assertEquals(await send(message({ channel: "sms" })), { outcome: "sent", provider_id: "sms-1" });
  assertEquals(counted, [
    "whatsapp-api sent",
    "c1 false whatsapp_send.enabled",
    "sms-api sent",
    "c1 false sms_send.enabled",
  ]);
});

const failures: [Sent, unknown][] = [
  [
    { ok: false, kind: "final", code: 131026, message: "no" },
    { outcome: "failed", error: { kind: "final", code: 131026, message: "no", given_up: "final" } },
  ],
  [
    { ok: false, kind: "retry", code: "timeout", message: "late", retryAfterMs: 5 },
    { outcome: "retry", error: { kind: "retry", code: "timeout", message: "late" }, retry_after_ms: 3000 },
  ],
  [
    { ok: false, kind: "throttle", scope: "number", code: 130429, message: "slow" },
    {
      outcome: "retry",
      error: { kind: "throttle", scope: "number", code: 130429, message: "slow" },
      retry_after_ms: 8000,
      put_off: "throttle",
      scope: "number",
    },
  ],
  [
    { ok: false, kind: "held", scope: "pair", code: 130497, message: "not there" },
    {
      outcome: "retry",
      error: { kind: "held", scope: "pair", code: 130497, message: "not there" },
      retry_after_ms: 8000,
      put_off: "held",
      scope: "pair",
    },
  ],
];
for (const [sent, expected] of failures) {
  Deno.test(`send(): ${JSON.stringify(sent)}`, async () => {
    const { send } = through([channel("whatsapp", { sent })]);
    assertEquals(await send(message()), expected as never);
  });
}

Deno.test("send(): a call that the platform refused is not an attempt, for any channel", async () => {
  const limit = Object.assign(new Error("Rate limit exceeded"), {
    name: "RateLimitError",
    retryAfterMs: 700,
  });
  const asks: Partial<Channel> = {
    send: async (_, { fetch }) => {
      await fetch("https://provider.example/", {}).catch(() => {});
      return { ok: false, kind: "final", code: "network", message: "no connection" };
    },
  };
  const { send, counted } = through([{ ...channel("whatsapp"), ...asks }], {
    world: { fetch: () => Promise.reject(limit) },
  });
  assertEquals(await send(message()), {
    outcome: "retry",
    put_off: "back",
    error: null,
    retry_after_ms: 700,
  });
  assertEquals(counted, []);
});

Deno.test("checkReplies(): uses the channel and the recipient of the person's message", () => {
  const { checkReplies, counted } = through([channel("whatsapp"), channel("sms")]);
  const to = { channel: "sms", identities: { phone: "12025550123" } };
  assertEquals(checkReplies([{ body: 1 }, { text: "a", to: "4930" }], to, "d1"), {
    replies: [{ to: "12025550123", message: { text: "a", to: "4930" }, text: "sms: a", place: 2 }],
    leftOut: [{ reply: 1, why: "invalid" }],
  });
  assertEquals(checkReplies([{ text: "a" }], { ...to, identities: {} }, "d1"), {
    replies: [],
    leftOut: [{ reply: 1, why: "nobody" }],
  });
  assertEquals(counted, ["replies_refused invalid", "replies_refused nobody"]);
});

const ASK = { ask: { account: "waba", name: "offer" } };

Deno.test("send(): a message that the person opted out of is not sent, and fails as opted_out", async () => {
  let sent = 0;
  const whatsapp = { ...channel("whatsapp"), send: () => Promise.resolve({ ok: true as const, n: ++sent }) };
  const { send, counted } = through([whatsapp as Channel]);
  const error = { kind: "final", code: "opted_out", message: "the person has opted out of such messages" };
  assertEquals(await send(message({ opted_out: true })), {
    outcome: "failed",
    error: { ...error, given_up: "final" },
  });
  assertEquals([sent, counted], [0, ["outbound_errors opted_out"]]);
});

Deno.test("send(): concurrent messages request a template's category once, and each is decided", async () => {
  let asked = 0;
  const found = [{ language: "en", category: "UTILITY" }];
  const whatsapp = {
    ...channel("whatsapp"),
    templates: () => (asked++, Promise.resolve({ ok: true as const, templates: found })),
  };
  const { send } = through([whatsapp], {
    answerCategory: (id, templates) => {
      assertEquals(templates, found);
      return Promise.resolve({ opted_out: id === "o2" });
    },
  });
  const outcomes = await Promise.all(["o1", "o2"].map((id) => send(message({ id, ...ASK }))));
  assertEquals([asked, outcomes.map(({ outcome }) => outcome)], [1, ["sent", "failed"]]);
});

Deno.test("send(): a message waits until its template's category is known; if it cannot be requested it is decided", async () => {
  const failure = { ok: false as const, kind: "retry" as const, code: "timeout", message: "late" };
  const asking = { ...channel("whatsapp"), templates: () => Promise.resolve(failure) };
  assertEquals((await through([asking]).send(message(ASK))).outcome, "retry");
  const away = through([channel("whatsapp")], { answerCategory: () => Promise.reject(new Error("away")) });
  assertEquals((await away.send(message(ASK))).outcome, "retry");
  assertEquals((await through([channel("whatsapp")]).send(message(ASK))).outcome, "sent");
});
