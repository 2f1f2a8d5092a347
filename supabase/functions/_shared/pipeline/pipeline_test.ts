import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "../db/client.ts";
import { createPipeline, type PipelineDeps } from "./pipeline.ts";
import { prepareFlags } from "../flags/evaluate.ts";
import { compileAllowlist } from "../delivery/allowlist.ts";

/** Calls of the database under the test's control: each waits for its answer. */
async function controlled(ending?: AbortSignal) {
  const calls: { name: string; args: unknown; answer(result: unknown): void; fail(error: unknown): void }[] =
    [];
  const flags = prepareFlags([
    { key: "wa_router.enabled", value: "true", metadata: {}, version: 1 },
    { key: "wa_send.enabled", value: "true", metadata: {}, version: 1 },
  ]);
  const allowlist = await compileAllowlist([]);
  const counted: [string, string, number?][] = [];
  const told: string[] = [];
  const deps: PipelineDeps = {
    rpc:
      ((name: string, args?: unknown) =>
        new Promise<unknown>((answer, fail) =>
          calls.push({ name, args, answer: (result) => answer(result), fail })
        )) as Rpc,
    channels: () => Promise.resolve(["whatsapp"]),
    routed: () => Promise.resolve(["whatsapp"]),
    rules: () => Promise.resolve({ revision: 1, flags, routes: [], marked: new Set() }),
    world: () =>
      Promise.resolve({
        fetch: () => Promise.reject(new TypeError("nothing is delivered here")),
        resolve: () => Promise.resolve({ ok: true, addresses: [] }),
        allowlist,
        allowLoopback: false,
      }),
    ownWebhookOf: () => ({ why: "only our events here" }),
    deliverByKind: () => Promise.reject(new Error("only services here")),
    send: () => Promise.resolve({ outcome: "sent", provider_id: "wamid.1" }),
    checkReplies: () => ({ replies: [], leftOut: [] }),
    onIgnored: (why) => void told.push(why),
    count: (...args) => void counted.push(args),
    measure() {},
    onError: (message) => void told.push(message),
    now: () => new Date(),
    random: () => 0.5,
    ending,
  };
  /** Answers the oldest open call of this name, once it is there. */
  async function answer(name: string, result: unknown): Promise<void> {
    for (let turns = 0; turns < 100; turns++) {
      const at = calls.findIndex((call) => call.name === name);
      if (at >= 0) return calls.splice(at, 1)[0].answer(result);
      await turn();
    }
    throw new Error(`${name} was not called`);
  }
  return { pipeline: createPipeline(deps), calls, answer, counted, told };
}

const turn = () => new Promise((resolve) => setTimeout(resolve));
const NOTHING = {
  claim_unrouted: [],
  claim_deliveries: { deliveries: [], destinations: [], next_due_ms: null },
  claim_outbound: { messages: [], next_due_ms: null },
};

Deno.test("createPipeline: drain runs all three steps once and resolves when none has work", async () => {
  const { pipeline, calls, answer } = await controlled();
  const drained = pipeline.drain();
  for (const [name, result] of Object.entries(NOTHING)) await answer(name, result);
  await drained;
  assertEquals(calls, []);
});

Deno.test("createPipeline: concurrent callers share a promise", async () => {
  const { pipeline, answer } = await controlled();
  const [a, b] = [pipeline.decide(), pipeline.decide()];
  assertEquals(a === b, true);
  await answer("claim_unrouted", []);
  await answer("claim_unrouted", []); // the second call came during the first round
  await a;
  const later = pipeline.decide();
  assertEquals(later === a, false);
  await answer("claim_unrouted", []);
  await later;
});

Deno.test("createPipeline: drain also waits for a step that is woken while a later one runs", async () => {
  const { pipeline, calls, answer } = await controlled();
  let drained = false;
  const first = pipeline.drain().then(() => drained = true);
  await answer("claim_unrouted", []);
  await answer("claim_outbound", NOTHING.claim_outbound);
  await turn();
  // Only forwarding is under way. A webhook comes in.
  const second = pipeline.decide();
  await answer("claim_deliveries", NOTHING.claim_deliveries);
  for (let i = 0; i < 5; i++) await turn();
  assertEquals([drained, calls.map(({ name }) => name)], [false, ["claim_unrouted"]]);
  await answer("claim_unrouted", []);
  await Promise.all([first, second]);
});

Deno.test("createPipeline: decisions wake forwarding, replies wake sending, outcomes are counted", async () => {
  const { pipeline, calls, answer, counted } = await controlled();
  const drained = pipeline.decide();
  await answer("claim_unrouted", [{
    id: "c",
    number_id: "1",
    contact_id: "p",
    phone: null,
    sticky_route_id: null,
    sticky_until: null,
    messages: [],
  }]);
  await answer("record_decisions", { decided: 1, deliveries: 1 });
  const delivery = {
    delivery_id: "d",
    lease: "l",
    attempt: 1,
    destination_id: "s",
    message: { id: "m", sent_at: null, created_at: "2026-11-21T00:00:00Z" },
    conversation: { id: "c", number_id: "1" },
    contact: { id: "p", name: null, identities: {} },
  };
  const destination = {
    id: "s",
    name: "service",
    kind: "http",
    url: "https://not.allowed.example/",
    timeout_ms: 100,
    retry_seconds: null,
    secrets: [],
  };
  await answer("claim_deliveries", {
    deliveries: [delivery],
    destinations: [destination],
    next_due_ms: null,
  });
  await answer("settle_deliveries", { replies: 1, left_out: [] });
  await answer("claim_deliveries", NOTHING.claim_deliveries);
  await answer("claim_outbound", {
    messages: [{ id: "o", lease: "l", attempt: 1, number_id: "1", to: "1", message: { type: "text" } }],
    next_due_ms: null,
  });
  await answer("settle_outbound", { settled: 1, fenced: 0 });
  await answer("claim_outbound", NOTHING.claim_outbound);
  await drained;
  assertEquals(calls, []);
  assertEquals(counted, [
    ["messages_routed", "decided", 1],
    ["delivery_attempts", "retry"],
    ["outbound", "sent"],
  ]);
});

Deno.test("createPipeline: a failing step is reported, and the others continue", async () => {
  const { pipeline, calls, answer, told } = await controlled();
  const drained = pipeline.drain();
  await turn();
  calls.splice(calls.findIndex(({ name }) => name === "claim_deliveries"), 1)[0].fail(new Error("away"));
  await answer("claim_unrouted", []);
  await answer("claim_outbound", NOTHING.claim_outbound);
  await drained;
  assertEquals(told, ["forwarding stopped; the clock starts it again"]);
});

const DELIVERY = {
  delivery_id: "d",
  lease: "l",
  attempt: 1,
  destination_id: "s",
  message: { id: "m", sent_at: null, created_at: "2026-11-21T00:00:00Z" },
  conversation: { id: "c", number_id: "1" },
  contact: { id: "p", name: null, identities: {} },
};
const CLAIM = {
  deliveries: [DELIVERY],
  destinations: [{
    id: "s",
    name: "service",
    kind: "http",
    url: "https://not.allowed.example/",
    timeout_ms: 100,
    retry_seconds: null,
    secrets: [],
  }],
  next_due_ms: 0,
};
const MESSAGE = { id: "o", lease: "k", attempt: 1, number_id: "1", to: "1", message: { type: "text" } };

Deno.test("createPipeline: an ending isolate claims nothing, and returns what was claimed meanwhile", async () => {
  const end = new AbortController();
  const { pipeline, calls, answer, counted } = await controlled(end.signal);
  const drained = pipeline.drain();
  await turn();
  assertEquals(calls.map(({ name }) => name).sort(), [
    "claim_deliveries",
    "claim_outbound",
    "claim_unrouted",
  ]);
  end.abort();
  await answer("claim_unrouted", []);
  await answer("claim_deliveries", CLAIM);
  await answer("claim_outbound", { messages: [MESSAGE], next_due_ms: 0 });
  const back = [];
  for (const name of ["settle_deliveries", "settle_outbound"]) {
    for (let turns = 0; !calls.some((call) => call.name === name); turns++) {
      if (turns > 100) throw new Error(`${name} was not called`);
      await turn();
    }
    back.push(calls.find((call) => call.name === name)!.args);
    await answer(name, { replies: 0, left_out: [] });
  }
  assertEquals(back, [
    { p_results: [{ delivery_id: "d", lease: "l", outcome: "put_back", latency_ms: 0, retry_after_ms: 0 }] },
    {
      p_results: [{ id: "o", lease: "k", outcome: "retry", put_off: "back", error: null, retry_after_ms: 0 }],
    },
  ]);
  await drained;
  // Whoever wakes it now wakes nothing, and waits for nothing.
  await Promise.all([pipeline.decide(), pipeline.send(), pipeline.drain()]);
  assertEquals(calls, []);
  assertEquals(counted, [["delivery_attempts", "put_back"], ["outbound", "put_back"]]);
});

Deno.test("createPipeline: work in progress when the isolate ends is settled, and wakes nothing", async () => {
  const end = new AbortController();
  const { pipeline, calls, answer } = await controlled(end.signal);
  const drained = pipeline.drain();
  await answer("claim_unrouted", []);
  await answer("claim_outbound", NOTHING.claim_outbound);
  await answer("claim_deliveries", CLAIM);
  for (let turns = 0; calls.length === 0 && turns < 100; turns++) await turn();
  end.abort();
  await answer("settle_deliveries", { replies: 1, left_out: [] });
  await drained;
  assertEquals(calls, []);
});

Deno.test("createPipeline: an ending isolate stops waiting", async () => {
  const end = new AbortController();
  const { pipeline, calls, answer } = await controlled(end.signal);
  const drained = pipeline.drain();
  await answer("claim_unrouted", []);
  await answer("claim_outbound", { messages: [], next_due_ms: 9000 });
  await answer("claim_deliveries", { ...NOTHING.claim_deliveries, next_due_ms: 9000 });
  await turn();
  end.abort();
  await drained;
  assertEquals(calls, []);
});
