import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import type { ClaimedMessage } from "../contract/answers/pipeline.ts";
import { createSender, type SenderDeps } from "./send.ts";

const message = (n: number, channel = "whatsapp"): ClaimedMessage => ({
  id: `o${n}`,
  lease: `l${n}`,
  attempt: 1,
  deferred: 0,
  channel,
  number_id: "1",
  contact_id: "c1",
  to: "12025550123",
  message: { type: "text", text: { body: `${n}` } },
  traceparent: null,
});

/** A sender whose database gives these claims. */
function sender(claims: ClaimedMessage[][], deps: Partial<SenderDeps> = {}) {
  const calls: [name: string, args: unknown][] = [];
  const told: string[] = [];
  const outcomes: string[] = [];
  const rpc = ((name: string, args?: object) => {
    calls.push([name, args]);
    const result = name === "claim_outbound"
      ? { messages: claims.shift() ?? [], next_due_ms: 0 }
      : { settled: 0, fenced: 0 };
    return Promise.resolve(result);
  }) as Rpc;
  const round = createSender({
    rpc,
    channels: () => Promise.resolve(["whatsapp"]),
    send: ({ id }) => Promise.resolve({ outcome: "sent", provider_id: `wamid.${id}` }),
    onSettled: (settled) => outcomes.push(...settled.map(({ outcome }) => outcome)),
    onError: (message) => told.push(message),
    ...deps,
  });
  const works: Promise<unknown>[] = [];
  return {
    calls,
    told,
    outcomes,
    round: () => round((work) => works.push(work)),
    done: () => Promise.all(works),
  };
}

Deno.test("createSender(): sent messages are settled under the lease of their claim", async () => {
  const results = [
    { outcome: "sent", provider_id: "wamid.1" },
    { outcome: "retry", error: { code: 130429 }, retry_after_ms: 1000, put_off: "throttle", scope: "number" },
    { outcome: "failed", error: { code: 131047 } },
  ] as const;
  const { round, done, calls, outcomes } = sender([[message(0), message(1), message(2)]], {
    send: ({ id }) => Promise.resolve(results[Number(id.slice(1))]),
  });
  assertEquals(await round(), { more: false });
  await done();
  assertEquals(calls, [
    ["claim_outbound", { p_limit: 32, p_lease_seconds: 60, p_busy: {}, p_channels: ["whatsapp"] }],
    ["settle_outbound", {
      p_results: results.map((result, n) => ({ id: `o${n}`, lease: `l${n}`, ...result })),
    }],
  ]);
  assertEquals(outcomes, ["sent", "retry", "failed"]);
});

Deno.test("createSender(): never has more in progress than its places", async () => {
  const open: (() => void)[] = [];
  const many = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => message(from + i));
  const { round, done, calls } = sender([many(0, 30), many(30, 32)], {
    send: () => new Promise((resolve) => open.push(() => resolve({ outcome: "sent", provider_id: null }))),
  });
  for (let i = 0; i < 3; i++) await round();
  assertEquals(calls.map(([, args]) => (args as { p_limit: number }).p_limit), [32, 2]);
  for (const end of open) end();
  await done();
});

Deno.test("createSender(): several channels share twice the places, and each is told its share", async () => {
  const open: (() => void)[] = [];
  const many = (channel: string, n: number) => Array.from({ length: n }, (_, i) => message(i, channel));
  const { round, done, calls } = sender(
    [[...many("whatsapp", 32), ...many("sms", 16)], many("sms", 16), []],
    {
      channels: () => Promise.resolve(["whatsapp", "sms"]),
      send: () => new Promise((resolve) => open.push(() => resolve({ outcome: "sent", provider_id: null }))),
    },
  );
  const asked = () => {
    const { p_limit, p_busy } = calls.at(-1)![1] as { p_limit: number; p_busy: unknown };
    return [p_limit, p_busy];
  };
  await round();
  assertEquals(asked(), [64, {}]);
  await round();
  assertEquals(asked(), [16, { whatsapp: 32, sms: 16 }]);
  await round();
  assertEquals(calls.length, 2);
  for (const end of open) end();
  await done();
  await round();
  assertEquals(asked(), [64, {}]);
});

Deno.test("createSender(): claims nothing while switched off; what cannot be settled is reported", async () => {
  const off = sender([], { channels: () => Promise.resolve([]) });
  assertEquals([await off.round(), off.calls], [{ more: false }, []]);
  const { round, done, told } = sender([], {
    rpc: ((name: string) =>
      name === "settle_outbound"
        ? Promise.reject(new Error("the database is away"))
        : Promise.resolve({ messages: [message(1)], next_due_ms: null })) as Rpc,
  });
  await round();
  await done();
  assertEquals(told, ["an outbound message could not be settled"]);
});

Deno.test("createSender(): a sent message is recorded despite a short database outage", async () => {
  let away = 2;
  const settled: unknown[] = [];
  let sent = 0;
  const { round, done, told } = sender([], {
    send: () => Promise.resolve({ outcome: "sent", provider_id: `wamid.${++sent}` }),
    rpc: ((name: string, args?: object) => {
      if (name === "claim_outbound") {
        return Promise.resolve({ messages: [message(1)], next_due_ms: null });
      }
      if (away-- > 0) return Promise.reject(new Problem("database_unavailable"));
      settled.push(args);
      return Promise.resolve({ settled: 0, fenced: 0 });
    }) as Rpc,
  });
  await round();
  await done();
  assertEquals([sent, told], [1, []]);
  assertEquals(settled, [
    { p_results: [{ id: "o1", lease: "l1", outcome: "sent", provider_id: "wamid.1" }] },
  ]);
});
