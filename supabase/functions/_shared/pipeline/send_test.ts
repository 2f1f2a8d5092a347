import { assertEquals } from "../../../../tests/support/assert.ts";
import type { ClaimedMessage } from "../contract/answers/pipeline.ts";
import type { Rpc } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import type { Round } from "./pump.ts";
import { createSender, type SenderDeps, type SendOutcome } from "./send.ts";

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
const many = (from: number, to: number, channel = "whatsapp") =>
  Array.from({ length: to - from }, (_, i) => message(from + i, channel));

/** How a settlement ends that claims nothing. */
const SETTLED = { settled: 0, fenced: 0 };
const SENT: SendOutcome = { outcome: "sent", provider_id: null };

/** Long enough for all that waits for nobody. */
async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve));
}

interface Call {
  name: string;
  /** Of `settle_outbound`. */
  results?: { id: string }[];
  /** What it asks for, if it claims. */
  places?: {
    limit: number;
    free?: number;
    lease_seconds: number;
    busy: Record<string, number>;
    channels: string[];
  };
}

/** A sender whose database gives `answer`'s messages to who claims. */
function sender(
  answer: (call: Call) => ClaimedMessage[] | Promise<ClaimedMessage[]> | undefined,
  deps: Partial<SenderDeps> = {},
) {
  const calls: Call[] = [];
  const told: string[] = [];
  const outcomes: string[] = [];
  const rounds: (Round | void)[] = [];
  const rpc = (async (name: string, args: Record<string, unknown>) => {
    const call: Call = name === "claim_outbound"
      ? {
        name,
        places: {
          limit: args.p_limit,
          lease_seconds: args.p_lease_seconds,
          busy: args.p_busy,
          channels: args.p_channels,
        } as Call["places"],
      }
      : { name, results: args.p_results as Call["results"], places: args.p_claim as Call["places"] };
    calls.push(call);
    const messages = await answer(call);
    const claim = call.places && messages && { messages, next_due_ms: 0 };
    return name === "claim_outbound" ? claim : { ...SETTLED, ...(claim && { claim }) };
  }) as unknown as Rpc;
  let now = 0;
  const waiting: { at: number; resolve(): void }[] = [];
  const works: Promise<unknown>[] = [];
  const round = createSender({
    rpc,
    track: (work) => works.push(work.then((round) => void rounds.push(round))),
    channels: () => Promise.resolve(["whatsapp"]),
    send: ({ id }) => Promise.resolve({ outcome: "sent", provider_id: `wamid.${id}` }),
    onSettled: (settled) => outcomes.push(...settled.map(({ outcome }) => outcome)),
    onError: (message) => told.push(message),
    ...deps,
  }, {
    now: () => now,
    wait: (ms) => new Promise((resolve) => waiting.push({ at: now + ms, resolve })),
  });
  /** Lets time pass. */
  async function pass(ms: number): Promise<void> {
    await turns();
    now += ms;
    for (const each of waiting.splice(0)) {
      if (each.at <= now) each.resolve();
      else waiting.push(each);
    }
    await turns();
  }
  return {
    calls,
    told,
    outcomes,
    rounds,
    round,
    pass,
    /** Waits for all that goes on, and for what comes of it. */
    done: async () => {
      for (let seen = -1; seen !== works.length;) {
        seen = works.length;
        for (let i = 0; i < 20; i++) await pass(1000);
        await Promise.all(works);
      }
    },
  };
}

/** Sends that end when the test says so. */
function slow() {
  const open: (() => void)[] = [];
  return {
    send: () => new Promise<SendOutcome>((resolve) => open.push(() => resolve(SENT))),
    /** Ends so many, the oldest first. */
    end: (n = open.length) => {
      for (const end of open.splice(0, n)) end();
    },
    underWay: () => open.length,
  };
}

/** A database with these messages, which gives as many as are asked for. */
function queue(messages: ClaimedMessage[]) {
  const left = [...messages];
  return ({ places }: Call) => left.splice(0, places?.limit ?? 0);
}

Deno.test("createSender(): sent messages are settled under the lease of their claim", async () => {
  const results = [
    { outcome: "sent", provider_id: "wamid.1" },
    { outcome: "retry", error: { code: 130429 }, retry_after_ms: 1000, put_off: "throttle", scope: "number" },
    { outcome: "failed", error: { code: 131047 } },
  ] as const;
  const { round, done, calls, outcomes } = sender(queue(many(0, 3)), {
    send: ({ id }) => Promise.resolve(results[Number(id.slice(1))]),
  });
  assertEquals(await round(), { more: false });
  await done();
  const asked = { lease_seconds: 60, busy: {}, channels: ["whatsapp"] };
  assertEquals(calls, [
    { name: "claim_outbound", places: { limit: 32, ...asked } },
    {
      name: "settle_outbound",
      results: results.map((result, n) => ({ id: `o${n}`, lease: `l${n}`, ...result })),
      // What it frees, and half of the others.
      places: { limit: 18, free: 32, ...asked },
    },
  ]);
  assertEquals(outcomes, ["sent", "retry", "failed"]);
});

Deno.test("createSender(): a settlement claims into the places that it frees and the free ones, and sends what it got", async () => {
  const { send, end, underWay } = slow();
  const { round, pass, done, calls } = sender(queue(many(0, 50)), { send });
  await round();
  assertEquals(underWay(), 32);
  end(5);
  await pass(20);
  assertEquals(calls.at(-1)?.places, {
    limit: 5,
    free: 5,
    lease_seconds: 60,
    busy: { whatsapp: 27 },
    channels: ["whatsapp"],
  });
  assertEquals([underWay(), calls.length], [32, 2]);
  end();
  await pass(20);
  assertEquals([underWay(), calls.length], [13, 3]);
  end();
  await done();
  assertEquals(calls.map(({ results }) => results?.length), [undefined, 5, 32, 13]);
});

Deno.test("createSender(): never has more in progress than its places, whoever claims", async () => {
  const { send, end, underWay } = slow();
  const { round, pass, done, calls } = sender(queue(many(0, 400)), { send });
  let most = 0;
  for (let step = 0; step < 200; step++) {
    if (step % 3 === 0) void round();
    await pass(step % 2 === 0 ? 7 : 25);
    most = Math.max(most, underWay());
    end(step % 11);
  }
  assertEquals(most, 32);
  end();
  await done();
  for (; underWay() > 0;) {
    end();
    await done();
  }
  const ids = calls.flatMap(({ results }) => results?.map(({ id }) => id) ?? []);
  assertEquals([ids.length, new Set(ids).size], [400, 400]);
});

Deno.test("createSender(): several channels share twice the places, and each call is told their shares", async () => {
  const { send, end } = slow();
  const claims = [
    [...many(0, 32), ...many(0, 16, "sms")],
    many(0, 16, "sms"),
    [],
  ];
  const { round, pass, done, calls } = sender(({ places }) => places && (claims.shift() ?? []), {
    channels: () => Promise.resolve(["whatsapp", "sms"]),
    send,
  });
  const asked = () => [calls.at(-1)?.places?.limit, calls.at(-1)?.places?.busy];
  await round();
  assertEquals(asked(), [64, {}]);
  await pass(20);
  await round();
  assertEquals(asked(), [16, { whatsapp: 32, sms: 16 }]);
  await pass(20);
  await round();
  assertEquals(calls.length, 2);
  end(40);
  await pass(20);
  assertEquals(asked(), [40, { sms: 24 }]);
  end();
  await done();
  await round();
  assertEquals(asked(), [64, {}]);
});

Deno.test("createSender(): claims nothing while switched off, in a settlement either; what cannot be settled is reported", async () => {
  const off = sender(() => [], { channels: () => Promise.resolve([]) });
  assertEquals([await off.round(), off.calls], [{ more: false }, []]);
  let channels = ["whatsapp"];
  const { round, done, told, calls } = sender(
    ({ name }) => {
      if (name === "settle_outbound") throw new Error("the database is away");
      channels = [];
      return [message(1)];
    },
    { channels: () => Promise.resolve(channels) },
  );
  await round();
  await done();
  assertEquals(calls.map(({ places }) => places?.limit), [32, undefined]);
  assertEquals(told, ["an outbound message could not be settled"]);
});

Deno.test("createSender(): what was sent is recorded where the channels cannot be read", async () => {
  let known = true;
  const { round, done, calls, told } = sender(queue([message(1)]), {
    channels: () => known ? Promise.resolve(["whatsapp"]) : Promise.reject(new Error("away")),
    send: () => {
      known = false;
      return Promise.resolve(SENT);
    },
  });
  await round();
  await done();
  assertEquals(calls.map(({ name, places }) => [name, places?.limit]), [
    ["claim_outbound", 32],
    ["settle_outbound", undefined],
  ]);
  assertEquals(told, []);
});

Deno.test("createSender(): a sent message is recorded despite a short database outage", async () => {
  let away = 2, sent = 0;
  const { round, done, told, calls } = sender(({ name }) => {
    if (name === "claim_outbound") return [message(1)];
    if (away-- > 0) throw new Problem("database_unavailable");
    return [];
  }, { send: () => Promise.resolve({ outcome: "sent", provider_id: `wamid.${++sent}` }) });
  await round();
  await done();
  assertEquals([sent, told], [1, []]);
  assertEquals(
    calls.slice(1).map(({ name, results }) => [name, results]),
    [1, 2, 3].map(() => [
      "settle_outbound",
      [{ id: "o1", lease: "l1", outcome: "sent", provider_id: "wamid.1" }],
    ]),
  );
});

Deno.test("createSender(): a settlement that failed is repeated without a claim: that may be why it failed, and its messages are lost with the answer", async () => {
  let away = 2, fresh = many(0, 2);
  const { round, done, calls, rounds } = sender(({ name, places }) => {
    if (name === "claim_outbound") return fresh;
    if (away-- > 0) throw new Problem("database_unavailable");
    return places && [];
  });
  await round();
  await done();
  assertEquals(
    calls.map(({ name, places }) => [name, places?.limit]),
    [
      ["claim_outbound", 32],
      ["settle_outbound", 17],
      ["settle_outbound", undefined],
      ["settle_outbound", undefined],
    ],
  );
  assertEquals(rounds, [undefined, undefined], "rounds claim, so that nothing waits");
  fresh = many(2, 4);
  await round();
  await done();
  assertEquals(calls.slice(4).map(({ places }) => places?.limit), [32, 17], "and the next settlements");
});

Deno.test("createSender(): no place is lost to calls that fail", async () => {
  let fails = true;
  const { send, end, underWay } = slow();
  const { round, pass, done, calls } = sender(({ name, places }) => {
    if (fails) throw new Error(`${name} fails`);
    return name === "claim_outbound" ? many(0, places!.limit) : undefined;
  }, { send });
  for (let i = 0; i < 3; i++) await round().catch(() => {});
  fails = false;
  await round();
  assertEquals(underWay(), 32);
  fails = true;
  end();
  await done();
  fails = false;
  await pass(20);
  await round();
  assertEquals([calls.at(-1)?.places?.limit, underWay()], [32, 32]);
  end();
  await done();
});

Deno.test("createSender(): what ends shortly after a call is settled together, and alone at once", async () => {
  const { send, end } = slow();
  const { round, pass, done, calls } = sender(queue(many(0, 8)), { send });
  await round();
  const settled = () => calls.flatMap(({ results }) => results === undefined ? [] : [results.length]);
  end(1);
  await pass(5);
  end(2);
  await pass(5);
  assertEquals(settled(), []);
  await pass(10);
  assertEquals(settled(), [3]);
  await pass(100);
  end(1);
  await turns();
  assertEquals(settled(), [3, 1]);
  end();
  await done();
  assertEquals(settled(), [3, 1, 4]);
});

Deno.test("createSender(): a round beside messages under way waits for the next call; one without them is made at once", async () => {
  const { send, end } = slow();
  const { round, pass, done, calls } = sender(queue(many(0, 1)), { send });
  await round();
  await pass(5);
  assertEquals([await round(), calls.length], [{ more: false, nextDueMs: 15 }, 1]);
  await pass(15);
  await round();
  assertEquals(calls.length, 2);
  end();
  await done();
  const before = calls.length;
  for (let i = 0; i < 2; i++) await round();
  assertEquals(calls.slice(before).map(({ name }) => name), ["claim_outbound", "claim_outbound"]);
});

Deno.test("createSender(): a round during a settlement waits until that has ended, but not long", async () => {
  const answers: (() => void)[] = [];
  const { round, pass, done, calls, rounds } = sender(({ name }) =>
    name === "claim_outbound" ? [message(1)] : new Promise((resolve) => answers.push(() => resolve([])))
  );
  const names = () => calls.map(({ name }) => name.slice(0, 5)).join(" ");
  await round();
  await pass(20);
  assertEquals(names(), "claim settl");
  assertEquals([await round(), names()], [{ more: false, nextDueMs: 250 }, "claim settl"]);
  answers.shift()!();
  await turns();
  // The settled message tells when the next one is due; the other begins the round that waited.
  assertEquals(rounds, [{ more: false, nextDueMs: 200 }, undefined]);
  await round();
  await pass(20);
  assertEquals(names(), "claim settl claim settl");
  await pass(250);
  await round();
  assertEquals(names(), "claim settl claim settl claim");
  for (const answer of answers.splice(0)) answer();
  await pass(20);
  for (const answer of answers.splice(0)) answer();
  await done();
});

Deno.test("createSender(): an ending isolate claims nothing as it settles, and puts back what a settlement claimed meanwhile", async () => {
  const end = new AbortController();
  const { round, pass, done, calls, outcomes } = sender(({ name, places }) => {
    if (name === "claim_outbound") return [message(1)];
    if (places === undefined) return undefined;
    end.abort();
    return [message(2)];
  }, { ending: end.signal });
  await round();
  await pass(20);
  await done();
  assertEquals(
    calls.map(({ name, results, places }) => [name, results?.map(({ id }) => id), places?.limit]),
    [
      ["claim_outbound", undefined, 32],
      ["settle_outbound", ["o1"], 17],
      ["settle_outbound", ["o2"], undefined],
    ],
  );
  assertEquals(outcomes, ["sent", "retry"]);
  assertEquals(await round(), { more: false });
});
