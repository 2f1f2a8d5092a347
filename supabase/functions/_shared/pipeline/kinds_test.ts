import { assertEquals } from "../../../../tests/support/assert.ts";
import { parrot } from "../../../../tests/support/parrot.ts";
import type { Forwarded, SendFailure, Sent } from "../channels/channel.ts";
import { createRegistry } from "../channels/registry.ts";
import type { ClaimedDelivery, ClaimedDestination } from "../contract/answers/pipeline.ts";
import { createDeliverByKind } from "./kinds.ts";

const claimed = { delivery_id: "d1", message: { id: "m1" } } as ClaimedDelivery;
const destination = { kind: "perch", config: null, url: null } as unknown as ClaimedDestination;

/** The result of a delivery to a perch, whose channel ends its attempt like this. */
async function deliver(deliver: (forwarded: Forwarded) => Promise<Sent>, kind = "perch") {
  const measured: string[] = [];
  const byKind = createDeliverByKind(
    createRegistry([{ ...parrot("parrot"), destination: { kind: "perch", deliver } }, parrot("other")]),
    {
      world: {
        fetch: () =>
          Promise.reject(Object.assign(new Error("busy"), { name: "RateLimitError", retryAfterMs: 5 })),
      },
      measure: (name, label) => void measured.push(`${name} ${label}`),
    },
  );
  const { latencyMs: _, ...result } = await byKind(
    claimed,
    { ...destination, kind: kind as "inbox" },
    undefined,
  );
  return { result, measured };
}

const failure = (rest: Partial<SendFailure>): Promise<Sent> =>
  Promise.resolve({ ok: false, kind: "retry", code: "x", message: "words", ...rest });

Deno.test("createDeliverByKind(): an outcome of the channel becomes one of a delivery", async () => {
  const cases: [Promise<Sent>, unknown][] = [
    [Promise.resolve({ ok: true, providerId: "p1" }), { ok: true, providerId: "p1" }],
    [failure({ kind: "unknown", code: "timeout" }), {
      ok: false,
      error: "unknown_outcome",
      detail: "timeout: words",
    }],
    [failure({ kind: "throttle", retryAfterMs: 9 }), { ok: false, error: "platform_limit", retryAfterMs: 9 }],
    [failure({ kind: "held", status: 401, details: "more" }), {
      ok: false,
      error: "status",
      status: 401,
      detail: "x: words: more",
    }],
    [failure({ kind: "final", code: "unconfirmed" }), {
      ok: false,
      error: "unsendable",
      detail: "unconfirmed: words",
    }],
    [failure({ code: "timeout" }), { ok: false, error: "timeout", detail: "timeout: words" }],
  ];
  for (const [sent, expected] of cases) assertEquals((await deliver(() => sent)).result, expected);
  assertEquals((await deliver(() => failure({ code: 7 }))).measured, ["parrot_api 7"]);
});

Deno.test("createDeliverByKind(): it passes the message on, and refuses a kind that nothing delivers to", async () => {
  let seen: unknown;
  await deliver((forwarded) => {
    seen = forwarded;
    return Promise.resolve({ ok: true });
  });
  assertEquals(seen, {
    id: "d1",
    message: { id: "m1" },
    mail: undefined,
    card: undefined,
    contact: undefined,
    config: null,
    traceparent: undefined,
  });
  const { result, measured } = await deliver(() => Promise.reject(new Error("not called")), "moon");
  assertEquals([result, measured], [
    { ok: false, error: "unsendable", detail: "nothing delivers to a moon" },
    [],
  ]);
});
