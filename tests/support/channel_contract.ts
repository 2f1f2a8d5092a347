/** The tests of the contract in `_shared/channels/channel.ts`, for every channel and provider. */
import { assert, assertEquals } from "./assert.ts";
import fc from "fast-check";
import type {
  Channel,
  Door,
  Outgoing,
  Parsed,
  WebhookChannel,
} from "../../supabase/functions/_shared/channels/channel.ts";
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { isStorable } from "../../supabase/functions/_shared/json/json.ts";
import { holds } from "./property.ts";

/** Requests of a provider, as far as the contract of a door needs them. */
export interface DoorSamples {
  /** Names it in the tests. */
  name: string;
  door: Door<boolean | Promise<boolean>>;
  /** Bodies, of which no two that differ in a bit mean the same. @default any bytes */
  bodies?: fc.Arbitrary<Uint8Array>;
  /** The provider's request with this body. */
  signed(bytes: Uint8Array): Request;
  /** Requests with this body that falsely claim to be the provider's, by fault. */
  forged(bytes: Uint8Array): Record<string, Request>;
}

/** The samples of a channel whose provider reports to one webhook. */
export interface WebhookSamples extends ChannelSamples {
  channel: WebhookChannel;
  signed: DoorSamples["signed"];
  forged: DoorSamples["forged"];
  /** A webhook with one message per text, each with its own id. */
  body(texts: readonly string[]): unknown;
}

/** A provider's behaviour, as far as the contract needs it. */
export interface ChannelSamples {
  channel: Channel;
  /** Secrets, which must not leak. */
  secrets: readonly string[];
  /** Variables that sending needs. */
  credentials: readonly string[];
  /** Variables of further providers, any of which would do as well. @default none */
  others?: readonly string[];
  /** A message that can be sent, and some that cannot, with the place of the fault. */
  message: Record<string, unknown>;
  /** What check() makes of it. @default {the message itself} */
  checked?: Record<string, unknown>;
  refusedMessages: readonly [message: unknown, path: string][];
  outgoing: Outgoing;
  /** The provider's responses: it accepts a message; it refuses one permanently, with this text. */
  taken(): Response;
  refusal(words: string): Response;
  /**
   * Kinds of failure where the provider may have taken a message, although nothing says so. @default {["retry"]}
   */
  doubtful?: readonly string[];
  /** Kinds of failure at a status of 500 or 503. @default {["retry"]} */
  faults?: readonly string[];
}

const encoder = new TextEncoder();
const bytesOf = (value: unknown) => encoder.encode(JSON.stringify(value));
const anyBytes = fc.uint8Array({ maxLength: 400 });

function assertParsed({ updates }: Parsed): void {
  assert(updates.length > 0, "nothing came of it");
  for (const { key, field, kind } of updates) {
    assert(key.length > 0 && key.length <= 512, `key of ${key.length} characters`);
    assert(field.length > 0, "no field");
    assert(["message", "echo", "status", "identity", "other"].includes(kind), kind);
  }
}

/** Registers the tests of a place where a provider's requests come in. */
export function doorContract({ name, door, ...samples }: DoorSamples): void {
  const test = (property: string, run: () => void | Promise<void>) =>
    Deno.test(`door ${name}: ${property}`, run);

  test("verify() takes the provider's signature over the raw bytes, and no other", () =>
    holds(fc.asyncProperty(samples.bodies ?? anyBytes, fc.nat(), async (bytes, at) => {
      const right = samples.signed(bytes);
      assertEquals([door.isSigned(right), await door.verify(right, bytes)], [true, true]);
      const changed = bytes.length === 0
        ? Uint8Array.of(0)
        : bytes.with(at % bytes.length, bytes[at % bytes.length] ^ 1);
      assertEquals(await door.verify(right, changed), false);
      for (const [what, request] of Object.entries(samples.forged(bytes))) {
        assertEquals(await door.verify(request, bytes), false, what);
      }
    })));

  test("verify() and isSigned() refuse a request without a signature", async () => {
    const request = new Request("https://edge.test/", { method: "POST", body: "{}" });
    assertEquals([door.isSigned(request), await door.verify(request, encoder.encode("{}"))], [false, false]);
  });
}

/** Registers the tests of a channel with one webhook. */
export function webhookContract(samples: WebhookSamples): void {
  const { channel } = samples;
  doorContract({ name: channel.name, door: channel, signed: samples.signed, forged: samples.forged });
  channelContract(samples);
  const test = (property: string, run: () => void | Promise<void>) =>
    Deno.test(`channel ${channel.name} (${channel.provider}): ${property}`, run);

  test("handshake() answers nobody who does not know the token", () => {
    for (
      const query of [
        "",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=subscribe&hub.challenge=1&hub.verify_token=",
      ]
    ) {
      assertEquals(channel.handshake?.(new URLSearchParams(query)), undefined);
    }
  });

  test("parse() throws on nothing, and all that it makes can be stored", () => {
    const bodies = fc.oneof(anyBytes, fc.jsonValue({ stringUnit: "binary" }).map(bytesOf));
    holds(
      fc.property(bodies, (bytes) => {
        const parsed = channel.parse(bytes);
        assertParsed(parsed);
        assert(parsed.updates.every(isStorable), "something that Postgres refuses");
      }),
      { cases: 500 },
    );
  });

  test("parse() gives a body that cannot be read as one update, and says so", () => {
    const { updates, unreadable } = channel.parse(encoder.encode('{"half": '));
    assertEquals([updates.length, updates[0].kind, unreadable !== undefined], [1, "other", true]);
  });

  test("parse() loses no message, and gives each a key of its own that is the same each time", () => {
    const texts = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }), {
      minLength: 1,
      maxLength: 8,
    });
    holds(fc.property(texts, (texts) => {
      const bytes = bytesOf(samples.body(texts));
      const parsed = channel.parse(bytes);
      assertParsed(parsed);
      const messages = parsed.updates.filter(({ kind }) => kind === "message");
      assertEquals(messages.length, texts.length);
      for (const [i, text] of texts.entries()) {
        assert(
          isStorable(text) === false ||
            JSON.stringify(messages[i].raw).includes(JSON.stringify(text).slice(1, -1)),
        );
      }
      const keys = parsed.updates.map(({ key }) => key);
      assertEquals(new Set(keys).size, keys.length);
      assertEquals(channel.parse(bytes).updates.map(({ key }) => key), keys);
    }));
  });
}

/** Registers the tests of one channel. */
export function channelContract(samples: ChannelSamples): void {
  const { channel, secrets } = samples;
  const test = (property: string, run: () => void | Promise<void>) =>
    Deno.test(`channel ${channel.name} (${channel.provider}): ${property}`, run);

  test("check() takes what can be sent as it is, and names the place of what cannot", () => {
    const checked = channel.check(samples.message);
    assertEquals(checked, { ok: true, value: samples.checked ?? samples.message });
    for (const [message, path] of samples.refusedMessages) {
      const refused = channel.check(message);
      if (refused.ok) raise(new Error(`it takes ${JSON.stringify(message)}`));
      assert(refused.issues.some((issue) => issue.path === path), JSON.stringify(refused.issues));
    }
  });

  test("check(), checkRequest() and wordsOf() throw on nothing", () =>
    holds(
      fc.asyncProperty(fc.anything(), async (value) => {
        const checked = channel.check(value);
        if (checked.ok) channel.wordsOf(checked.value);
        const request = await channel.checkRequest(value);
        if (!request.ok) assert(request.issues.length > 0);
      }),
      { cases: 500 },
    ));

  test("addressOf() knows nobody without an identity", () => assertEquals(channel.addressOf({}), undefined));

  const broken = () =>
    new ReadableStream({
      start: (controller) => {
        controller.enqueue(encoder.encode('{"half'));
        controller.error(new TypeError("the connection broke"));
      },
    });
  const { doubtful = ["retry"], faults = ["retry"] } = samples;
  const answers: [what: string, answer: () => Response, kinds: readonly string[]][] = [
    ["no connection", () => raise(new TypeError("error sending request: client error (Connect)")), ["retry"]],
    ["a connection that breaks", () => raise(new TypeError("connection reset")), doubtful],
    ["no answer in time", () => raise(new DOMException("late", "TimeoutError")), doubtful],
    ["500", () => new Response("<html>", { status: 500 }), faults],
    ["503", () => Response.json({}, { status: 503 }), [...faults, "throttle"]],
    ["an answer that breaks off", () => new Response(broken(), { status: 502 }), doubtful],
    ["429", () => new Response("", { status: 429, headers: { "retry-after": "7" } }), ["throttle"]],
    ["a redirect", () => new Response("", { status: 302, headers: { location: "https://x.test/" } }), [
      "retry",
      "final",
    ]],
    ["404", () => new Response("nothing here", { status: 404 }), ["final"]],
    ["the provider's refusal", () => samples.refusal("no"), ["final"]],
  ];
  for (const [what, answer, kinds] of answers) {
    test(`send() never throws: ${what}`, async () => {
      const sent = await channel.send(samples.outgoing, { fetch: async () => await answer() });
      if (sent.ok) raise(new Error("it takes this for a success"));
      assert(kinds.includes(sent.kind), sent.kind);
      assert(sent.message.length > 0 && sent.message.length <= 500);
      if (what === "429") assertEquals(sent.retryAfterMs, 7000);
    });

    if (channel.templates !== undefined) {
      test(`templates() never throws, and makes none up: ${what}`, async () => {
        const asked = { account: "an account", name: "a name" };
        const told = await channel.templates!(asked, { fetch: async () => await answer() });
        if (told.ok) assertEquals(told.templates, []);
        else assert(told.message.length > 0 && told.message.length <= 500);
      });
    }
  }

  test("send() gives the provider's id of what it took, and gives no secret away", async () => {
    const taken = await channel.send(samples.outgoing, { fetch: async () => await samples.taken() });
    assert(taken.ok && taken.providerId !== undefined);
    const quoting = async (url: string, init: RequestInit) => {
      const headers = [...new Headers(init.headers)].flat().join(" ");
      return await samples.refusal(`${url} ${headers} ${init.body}`);
    };
    const refused = JSON.stringify(await channel.send(samples.outgoing, { fetch: quoting }));
    for (const secret of secrets) assert(!refused.includes(secret));
  });

  test("nextAttempt() waits longer each time, never less than it is asked, and gives up", () => {
    assertEquals(channel.nextAttempt(1, { kind: "final" }), { outcome: "failed", why: "final" });
    if (doubtful.includes("unknown")) {
      assertEquals(channel.nextAttempt(1, { kind: "unknown" }).outcome, "unknown");
    }
    let [before, attempt] = [0, 1];
    for (;; attempt++) {
      const next = channel.nextAttempt(attempt, { kind: "retry" }, 0.5);
      if (next.outcome !== "retry") break;
      assert(next.afterMs >= before && next.afterMs <= 60 * 60 * 1000);
      before = next.afterMs;
      const asked = channel.nextAttempt(attempt, { kind: "throttle", retryAfterMs: 3_000_000 }, 0.5);
      assert(asked.outcome === "retry" && asked.afterMs >= 3_000_000);
      assert(attempt < 100, "it never gives up");
    }
    assert(attempt > 1, "one failure is not the end");
  });

  test("its name, flags, limits and policy make sense", () => {
    const { name, flags, limits, policy: { windowMs, pace } } = channel;
    assert(/^[a-z][a-z0-9_]{1,30}$/.test(name));
    assert(/^[a-z][a-z0-9_]+$/.test(flags.intake) && /^[a-z][a-z0-9_]+\.enabled$/.test(flags.send));
    for (const bytes of Object.values(limits)) assert(bytes >= 1024 && bytes <= 32 * 2 ** 20);
    assert(windowMs === null || windowMs >= 60_000);
    assert(pace.perSecond > 0 && pace.pairSeconds >= 0);
  });

  test("ready() names what is missing and no value; send() waits then", async () => {
    assertEquals(channel.ready(), true);
    for (const variable of samples.credentials) {
      const before = [variable, ...samples.others ?? []].map((name) => [name, Deno.env.get(name)!] as const);
      for (const [name] of before) Deno.env.delete(name);
      forgetEnv();
      try {
        const missing = channel.ready();
        assert(missing !== true && missing.some((each) => each.variable === variable));
        for (const secret of secrets) assert(!JSON.stringify(missing).includes(secret));
        const sent = await channel.send(samples.outgoing, { fetch: () => raise(new Error("it called")) });
        assertEquals([sent.ok, !sent.ok && sent.kind, !sent.ok && sent.code], [false, "retry", "not_ready"]);
      } finally {
        for (const [name, value] of before) Deno.env.set(name, value);
        forgetEnv();
      }
    }
  });
}

function raise(error: unknown): never {
  throw error;
}
