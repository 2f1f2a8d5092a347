import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "../db/client.ts";
import { compileAllowlist } from "../delivery/allowlist.ts";
import { Problem } from "../http/problem.ts";
import type { Claim } from "../contract/answers/pipeline.ts";
import { createForwarder, type ForwarderDeps } from "./forward.ts";
import { until } from "../../../../tests/support/until.ts";

const SECRET = "whsec_" + btoa("a secret of thirty-two bytes ....");
const allowlist = await compileAllowlist(["hooks.example.com"]);

/** A destination as a claim gives it. */
const destination = (id: string) => ({
  id,
  name: id,
  kind: "http",
  url: "https://hooks.example.com/in",
  timeout_ms: 1000,
  retry_seconds: null,
  secrets: [SECRET],
});

const delivery = (n: number, destination_id = "shop") => ({
  delivery_id: `d${n}`,
  lease: `l${n}`,
  attempt: 1,
  destination_id,
  message: {
    id: `m${n}`,
    channel: "whatsapp",
    created_at: "2026-11-21T00:00:01Z",
    sent_at: "2026-11-21T00:00:00Z",
    text: `${n}`,
    native: {},
  },
  traceparent: null,
  conversation: { id: `c${n}`, number_id: "1" },
  contact: { id: `p${n}`, name: "Nora", identities: { phone: "12025550123" } },
});

/** A forwarder whose database gives these claims, and whose service answers as the test says. */
function forwarder(
  claims: unknown[],
  answer: (body: { data: { message: { text: string } } }) => Response | Promise<Response>,
  deps: Partial<ForwarderDeps> = {},
) {
  const calls: [name: string, args: Record<string, unknown>][] = [];
  const told: string[] = [];
  const settled: unknown[] = [];
  const rpc = ((name: string, args: object = {}) => {
    calls.push([name, args as Record<string, unknown>]);
    const claim = () => claims.shift() ?? { deliveries: [], destinations: [], next_due_ms: null };
    return Promise.resolve(name === "claim_deliveries" ? claim() : { replies: 0, left_out: [] });
  }) as Rpc;
  const works: Promise<unknown>[] = [];
  const { round, places } = createForwarder({
    rpc,
    track: (work) => void works.push(work),
    routed: () => Promise.resolve(["whatsapp"]),
    world: () =>
      Promise.resolve({
        fetch: (_url, init) => Promise.resolve(answer(JSON.parse(String(init?.body)))),
        resolve: () => Promise.resolve({ ok: true, addresses: ["93.184.216.34"] }),
        allowlist,
        allowLoopback: false,
      }),
    ownWebhookOf: () => ({ why: "only our events here" }),
    deliverByKind: () => Promise.reject(new Error("only services here")),
    checkReplies: () => ({ replies: [], leftOut: [] }),
    onIgnored: (why) => void told.push(why),
    onSettled: (outcomes) =>
      settled.push(...outcomes.map(({ outcome, destination }) => [outcome, destination])),
    onError: (message) => told.push(message),
    now: () => new Date("2026-11-21T00:00:02Z"),
    random: () => 0.5,
    ...deps,
  });
  return {
    calls,
    told,
    settled,
    round,
    places,
    tracked: () => works,
    done: () => Promise.all(works),
    results: () =>
      calls.filter(([name]) => name === "settle_deliveries").flatMap(([, { p_results }]) =>
        p_results as Record<string, unknown>[]
      ),
  };
}

const claimOf = (deliveries: { destination_id: string }[], next_due_ms: number | null = null) => ({
  deliveries,
  destinations: [...new Set(deliveries.map(({ destination_id }) => destination_id))].map(destination),
  next_due_ms,
} as Claim);

Deno.test("createForwarder(): each answer becomes one settlement, under the lease of its claim", async () => {
  const answers: Record<string, () => Response> = {
    1: () => new Response("fine"),
    2: () => new Response("no", { status: 503, headers: { "retry-after": "60" } }),
    3: () => new Response(null, { status: 410 }),
    4: () => new Response(null, { status: 302, headers: { location: "https://elsewhere.example/" } }),
    5: () => {
      throw new TypeError("client error (Connect): refused");
    },
  };
  const { round, done, results, settled } = forwarder(
    [claimOf([1, 2, 3, 4, 5].map((n) => delivery(n)))],
    ({ data }) => answers[data.message.text](),
  );
  assertEquals(await round(), { more: false });
  await done();
  const written = results().map(({ latency_ms, ...rest }) => {
    assertEquals(typeof latency_ms, "number");
    return rest;
  });
  assertEquals(written.toSorted((a, b) => String(a.delivery_id) < String(b.delivery_id) ? -1 : 1), [
    { delivery_id: "d1", lease: "l1", status: 200, answer: "fine", outcome: "delivered" },
    {
      ...{ delivery_id: "d2", lease: "l2", status: 503, answer: "no" },
      ...{ error: "status 503", outcome: "retry", retry_after_ms: 60_000, wakes: false },
    },
    {
      ...{ delivery_id: "d3", lease: "l3", status: 410, answer: "" },
      ...{ error: "status 410", outcome: "retry", retry_after_ms: 5000, pause: true },
    },
    {
      ...{ delivery_id: "d4", lease: "l4", status: 302, answer: "" },
      ...{ error: "redirect 302", outcome: "retry", retry_after_ms: 5000 },
    },
    { delivery_id: "d5", lease: "l5", error: "connect", outcome: "retry", retry_after_ms: 5000 },
  ]);
  assertEquals(settled.length, 5);
});

const eventOf = (n: number) => ({
  delivery_id: `d${n}`,
  lease: `l${n}`,
  attempt: n,
  resent: 0,
  destination_id: "d",
  traceparent: null,
  event: {
    id: `e${n}`,
    seq: n,
    type: "message.delivered",
    channel: "whatsapp",
    at: "2026-11-21T00:00:00Z",
    created_at: "2026-11-21T00:00:01Z",
    detail: {},
    field: "messages",
    native: { id: "wamid.1", status: "delivered" },
  },
  sender: { id: "1", address: "15550001111", account: "900" },
  message: null,
  conversation: null,
  contact: null,
});

Deno.test("createForwarder(): an event steps aside after its second failure, and its answer is no reply", async () => {
  const claim = { ...claimOf([]), events: [1, 2, 3].map(eventOf), destinations: [destination("d")] };
  const bodies: unknown[] = [];
  const { round, done, results } = forwarder([claim], (body) => {
    bodies.push(body);
    return (body as unknown as { data: { seq: number } }).data.seq < 3
      ? new Response(null, { status: 503 })
      : Response.json({ replies: [{ type: "text", text: { body: "hi" } }] });
  }, { checkReplies: () => Promise.reject(new Error("an event has no replies")) as never });
  await round();
  await done();
  assertEquals(
    results().map(({ delivery_id, outcome, replies }) => [delivery_id, outcome, replies]).toSorted(),
    [
      ["d1", "retry", undefined],
      ["d2", "dead", undefined],
      ["d3", "delivered", undefined],
    ],
  );
  assertEquals(bodies.find((body) => JSON.stringify(body).includes('"seq":1,')), {
    type: "message.delivered",
    timestamp: "2026-11-21T00:00:00Z",
    data: { seq: 1, channel: "whatsapp", native: { id: "wamid.1", status: "delivered" } },
  });
});

Deno.test("createForwarder(): a destination of format meta gets the provider's body with its signature, or nothing", async () => {
  const meta = { ...destination("d"), format: "meta" as const };
  // At the first attempt already: what waits behind it must not wait for hours.
  const claim = {
    ...claimOf([]),
    events: [1, 2].map((n) => ({ ...eventOf(n), attempt: 1 })),
    destinations: [meta],
  };
  const sent: [unknown, string | null][] = [];
  const { round, done, results } = forwarder([claim], () => new Response(), {
    world: () =>
      Promise.resolve({
        fetch: (_url: URL | RequestInfo, init?: RequestInit) => {
          sent.push([init?.body, new Headers(init?.headers).get("x-signed")]);
          return Promise.resolve(new Response());
        },
        resolve: () => Promise.resolve({ ok: true as const, addresses: ["93.184.216.34"] }),
        allowlist,
        allowLoopback: false,
      }),
    ownWebhookOf: (claimed) =>
      claimed.delivery_id === "d1"
        ? { body: "{}", headersOf: (body, secret) => ({ "x-signed": `${body} ${secret}` }) }
        : { why: "not kept" },
  });
  await round();
  await done();
  assertEquals(sent, [["{}", `{} ${meta.secrets[0]}`]]);
  assertEquals(results().map(({ outcome, error }) => [outcome, error]).toSorted(), [
    ["dead", "unsendable: not kept"],
    ["delivered", undefined],
  ]);
});

Deno.test("createForwarder(): a destination of another kind is delivered to by its channel, and an unknown outcome is never repeated", async () => {
  const claim = claimOf([delivery(1), delivery(2), delivery(3)]);
  const inbox = { ...claim, destinations: claim.destinations.map((each) => ({ ...each, kind: "inbox" })) };
  const { round, done, results } = forwarder([inbox], () => {
    throw new Error("no service is called");
  }, {
    deliverByKind: ({ delivery_id }, { kind }) => {
      assertEquals(kind, "inbox");
      const result = {
        d1: { ok: true, providerId: "mail-1" },
        d2: { ok: false, error: "unknown_outcome", detail: "timeout: no answer" },
        d3: { ok: false, error: "platform_limit", retryAfterMs: 7000 },
      } as const;
      return Promise.resolve({ ...result[delivery_id as keyof typeof result], latencyMs: 1 });
    },
  });
  await round();
  await done();
  const written = results().toSorted((a, b) => String(a.delivery_id) < String(b.delivery_id) ? -1 : 1);
  assertEquals(written.map(({ lease: _, latency_ms: __, ...rest }) => rest), [
    { delivery_id: "d1", outcome: "delivered", provider_id: "mail-1" },
    { delivery_id: "d2", outcome: "dead", error: "unknown_outcome: timeout: no answer" },
    { delivery_id: "d3", outcome: "put_back", retry_after_ms: 7000 },
  ]);
});

Deno.test("createForwarder(): only 2xx answers have replies, and they are checked for the writer", async () => {
  const asked: unknown[] = [];
  const reply = { type: "text", text: { body: "hi" } };
  const { round, done, results } = forwarder(
    [claimOf([delivery(1), delivery(2)])],
    ({ data }) => Response.json({ replies: [reply] }, { status: data.message.text === "1" ? 200 : 500 }),
    {
      checkReplies: (...args) => {
        asked.push(args);
        const taken = { to: "12025550123", message: reply, text: "hi", place: 1 };
        return { replies: [taken], leftOut: [{ reply: 2, why: "invalid" }] };
      },
    },
  );
  await round();
  await done();
  assertEquals(asked, [[[reply], { channel: "whatsapp", identities: { phone: "12025550123" } }, "d1"]]);
  assertEquals(results().map(({ replies, left_out }) => [replies, left_out]).toSorted(), [
    [undefined, undefined],
    [[{ to: "12025550123", message: reply, text: "hi", place: 1 }], [{ reply: 2, why: "invalid" }]],
  ]);
});

Deno.test("createForwarder(): claims for its free places, in bulk, and names busy destinations", async () => {
  const open: (() => void)[] = [];
  const many = (from: number, to: number, name: string) =>
    Array.from({ length: to - from }, (_, i) => delivery(from + i, name));
  const { round, done, calls } = forwarder(
    [claimOf([...many(0, 128, "slow"), ...many(128, 170, "shop")], 0), claimOf(many(170, 253, "shop"), 0)],
    () => new Promise<Response>((resolve) => open.push(() => resolve(new Response()))),
  );
  const claims = () => calls.filter(([name]) => name === "claim_deliveries").map(([, args]) => args);
  // What is due but has no place waits for one: no time is given at which to ask again.
  assertEquals(await round(), { more: false });
  assertEquals(await round(), { more: false });
  assertEquals(await round(), { more: false });
  assertEquals(claims(), [
    { p_limit: 128, p_lease_seconds: 60, p_busy: {}, p_channels: ["whatsapp"] },
    { p_limit: 43, p_lease_seconds: 60, p_busy: { slow: 128, shop: 42 }, p_channels: ["whatsapp"] },
  ]);
  await until("all are under way", () => open.length === 253);
  for (const answer of open) answer();
  await done();
  await round();
  assertEquals(claims().at(-1), { p_limit: 128, p_lease_seconds: 60, p_busy: {}, p_channels: ["whatsapp"] });
});

Deno.test("createForwarder(): a settlement claims the next deliveries for the places it frees and half of the others", async () => {
  const settlements: {
    p_results: unknown[];
    p_claim: { limit: number; free: number; busy: object; expired: boolean };
  }[] = [];
  const next = [claimOf([delivery(2)], 0), claimOf([], 20_000)];
  const received: string[] = [];
  const { round, done } = forwarder([], ({ data }) => (received.push(data.message.text), new Response()), {
    rpc: ((name: string, args: object = {}) => {
      if (name === "claim_deliveries") return Promise.resolve(claimOf([delivery(1)]));
      settlements.push(args as typeof settlements[number]);
      return Promise.resolve({ replies: 0, left_out: [], claim: next.shift() });
    }) as Rpc,
  });
  await round();
  await until("both are delivered and settled", () => received.length === 2 && settlements.length === 2);
  await done();
  const { p_results, p_claim: { limit, free, busy } } = settlements[0];
  // 255 are free beside the one that is settled, and nobody is under way any more.
  assertEquals([p_results.length, limit, free, busy], [1, 129, 256, { shop: 0 }]);
  // Leases that are over are looked for by the first call of a second.
  assertEquals(settlements.map(({ p_claim }) => p_claim.expired), [true, false]);
});

Deno.test("createForwarder(): a round during a settlement, which claims as well, waits for it, but not for long", async () => {
  const calls: string[] = [];
  const open: ((answer: never) => void)[] = [];
  let ms = 0;
  const { round, tracked, done } = forwarder([], () => new Response(), {
    rpc: ((name: string) => {
      calls.push(name);
      if (name === "claim_deliveries") {
        return Promise.resolve(claimOf(calls.length < 4 ? [delivery(calls.length)] : []));
      }
      return new Promise((resolve) => open.push(resolve));
    }) as Rpc,
    now: () => new Date(ms),
  });
  const settle = () => open.shift()!({ replies: 0, left_out: [], claim: claimOf([]) } as never);
  await round();
  await until("its settlement is written", () => open.length === 1);
  assertEquals([await round(), tracked().length], [{ more: false, nextDueMs: 250 }, 1]);
  settle();
  // Work that ends and says nothing: the pump starts a round.
  await until("the end starts one", () => tracked().length === 2);
  assertEquals(await tracked()[1], undefined);
  await round();
  await until("the next settlement is written", () => open.length === 1);
  ms = 250;
  await round();
  settle();
  await done();
  assertEquals(calls, [
    ...["claim_deliveries", "settle_deliveries"],
    ...["claim_deliveries", "settle_deliveries"],
    "claim_deliveries",
  ]);
  assertEquals(tracked().length, 3, "nothing waited for the second");
});

Deno.test("createForwarder(): each place is held once, and returned by its holder", async () => {
  const received: string[] = [];
  const { places, done } = forwarder([], ({ data }) => (received.push(data.message.text), new Response()));
  const held = await places();
  assertEquals([held?.claim.limit, await places()], [256, undefined]);
  held?.use(claimOf([delivery(1)]));
  await until("it is delivered", () => received.length === 1);
  await done();
  const again = await places();
  assertEquals(again?.claim.limit, 256);
  again?.use(undefined);
  assertEquals((await places())?.claim.limit, 256);
});

Deno.test("createForwarder(): a round that finds no free place restarts when one is returned", async () => {
  const { round, places, tracked, calls } = forwarder([], () => new Response());
  const held = [];
  for (let each; (each = await places()) !== undefined;) held.push(each);
  assertEquals([await round(), calls.length], [{ more: false }, 0]);
  assertEquals(tracked().length, 0);
  for (const each of held) each.use(undefined);
  // Work that ends at once and says nothing: the pump starts a round.
  assertEquals(await Promise.all(tracked()), [undefined]);
  await round();
  assertEquals(calls.map(([name]) => name), ["claim_deliveries"]);
  assertEquals(tracked().length, 1);
});

Deno.test("createForwarder(): results are recorded even if nothing more can be claimed", async () => {
  let configured = true;
  const { round, done, results, told } = forwarder([claimOf([delivery(1)])], () => {
    configured = false;
    return new Response();
  }, {
    routed: () => configured ? Promise.resolve(["whatsapp"]) : Promise.reject(new Error("no configuration")),
  });
  await round();
  await done();
  assertEquals([results().map(({ outcome }) => outcome), told], [["delivered"], []]);
});

Deno.test("createForwarder(): claims nothing while switched off", async () => {
  const { round, calls } = forwarder([], () => new Response(), { routed: () => Promise.resolve([]) });
  assertEquals([await round(), calls], [{ more: false }, []]);
});

Deno.test("createForwarder(): what cannot be settled is reported, and its place is free again", async () => {
  const claims = [claimOf([delivery(1)])];
  let asked: unknown;
  const { round, done, told } = forwarder([], () => new Response(), {
    rpc: ((name: string, args?: object) => {
      if (name === "settle_deliveries") return Promise.reject(new Error("the database is away"));
      asked = args;
      return Promise.resolve(claims.shift() ?? claimOf([]));
    }) as Rpc,
  });
  await round();
  await done();
  assertEquals(told, ["a delivery could not be settled"]);
  await round();
  assertEquals(asked, { p_limit: 128, p_lease_seconds: 60, p_busy: {}, p_channels: ["whatsapp"] });
});

Deno.test("createForwarder(): a service's acceptance is recorded despite a short database outage", async () => {
  let away = 2, received = 0;
  const outcomes: unknown[] = [];
  const { round, done, told } = forwarder([], () => (received++, new Response()), {
    rpc: ((name: string, args: object = {}) => {
      if (name === "claim_deliveries") return Promise.resolve(claimOf([delivery(1)]));
      if (away-- > 0) return Promise.reject(new Problem("database_unavailable"));
      outcomes.push(
        ...(args as { p_results: { outcome: string }[] }).p_results.map(({ outcome }) => outcome),
      );
      return Promise.resolve({ replies: 0, left_out: [] });
    }) as Rpc,
  });
  await round();
  await done();
  assertEquals([received, outcomes, told], [1, ["delivered"], []]);
});

Deno.test("createForwarder(): a settlement that failed is repeated without a claim", async () => {
  const claims: unknown[] = [];
  let away = 2;
  const { round, done } = forwarder([], () => new Response(), {
    rpc: ((name: string, args: { p_limit?: number; p_claim?: { limit: number } }) => {
      if (name === "claim_deliveries") return Promise.resolve(claimOf([delivery(1)]));
      claims.push(args.p_claim?.limit);
      if (away-- > 0) return Promise.reject(new Problem("database_unavailable"));
      return Promise.resolve({ replies: 0, left_out: [] });
    }) as Rpc,
  });
  await round();
  await done();
  assertEquals(claims, [129, undefined, undefined]);
  await round();
  await done();
  assertEquals(claims.slice(3), [129], "and the next one claims again");
});

Deno.test("createForwarder(): unusable replies are reported, and the delivery still succeeds", async () => {
  const { round, done, results, told } = forwarder(
    [claimOf([delivery(1)])],
    () => Response.json({ replies: "none" }),
  );
  await round();
  await done();
  assertEquals(told, ["not_a_list"]);
  assertEquals(results().map(({ outcome, left_out }) => [outcome, left_out]), [
    ["delivered", [{ why: "not_a_list" }]],
  ]);
});

Deno.test("createForwarder(): a call that the platform refused is not an attempt, and the wait is the platform's", async () => {
  const outcomes: unknown[] = [], called: number[] = [];
  const { round, done, results, settled } = forwarder(
    [claimOf([delivery(1)])],
    () => {
      throw Object.assign(new Error("Rate limit exceeded"), { name: "RateLimitError", retryAfterMs: 4321 });
    },
    { onOutcome: (...args) => outcomes.push(args), onCalled: (ms) => called.push(ms) },
  );
  await round();
  await done();
  assertEquals(results(), [
    { delivery_id: "d1", lease: "l1", outcome: "put_back", latency_ms: 0, retry_after_ms: 4321 },
  ]);
  assertEquals([settled, outcomes, called], [[["put_back", "shop"]], [], []]);
});
