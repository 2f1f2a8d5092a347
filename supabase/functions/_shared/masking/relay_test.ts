import fc from "fast-check";
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { MaskedOrgInMemory, NO_FACTS, play } from "../../../../tests/support/masking.ts";
import { anyAct } from "../../../../tests/support/masking_acts.ts";
import { holds } from "../../../../tests/support/property.ts";
import { type Leg, relay, type Relayed, type RelayFacts, type ThreadFacts } from "./relay.ts";

const leg = (id: string, role: Leg["role"], more: Partial<Leg> = {}): Leg => ({
  id,
  threadId: "t",
  contactId: `of ${id}`,
  role,
  numberId: "n",
  ...more,
});
const client = leg("client", "client"),
  sitter = leg("sitter", "sitter"),
  second = leg("second", "sitter", { numberId: null });
const active = { legId: "sitter", state: "active", from: "2026-12-01T08:00:00Z" } as const;
const thread: ThreadFacts = {
  id: "t",
  numberClass: "pool",
  live: true,
  legs: [client, sitter],
  windows: [active],
};
const fromClient: Partial<RelayFacts> = { senderLegs: [client], thread };
const fromSitter: Partial<RelayFacts> = { senderLegs: [sitter], thread };
const block = { outcome: "block", types: ["phone"] } as const;

const CASES: readonly (readonly [
  what: string,
  facts: Partial<RelayFacts>,
  answer: Partial<Relayed> & { heard?: string[] },
])[] = [
  ["a client's text", fromClient, { to: "leg", reason: "relayed", heard: ["sitter"] }],
  ["a sitter's text", fromSitter, { to: "leg", reason: "relayed", heard: ["client"] }],
  ["one of our numbers", { ...fromClient, fromOurs: true }, { to: "held", reason: "loop" }],
  ["STOP", { ...fromClient, kind: "keyword" }, { to: "held", reason: "keyword", threadId: "t" }],
  ["messaging off", { ...fromClient, on: { core: false, sitter: true } }, { to: "held", reason: "off" }],
  ["a keyword while messaging is off", {
    ...fromClient,
    kind: "keyword",
    on: { core: false, sitter: true },
  }, { to: "held", reason: "keyword" }],
  ["a group text", { ...fromClient, kind: "group" }, { to: "owner_inbox", reason: "group" }],
  ["a short code", { kind: "short_code" }, { to: "owner_inbox", reason: "short_code" }],
  ["a stranger to a number of the pool", {}, {
    to: "owner_inbox",
    reason: "unknown_sender",
    threadId: null,
  }],
  ["a stranger to the front desk", { numberClass: "front_desk" }, {
    to: "owner_inbox",
    reason: "front_desk",
    threadId: null,
  }],
  ["a late text", { pastThreadId: "old" }, { to: "owner_inbox", reason: "late", threadId: "old" }],
  ["client and sitter on one phone", { senderLegs: [client, leg("x", "sitter", { threadId: "u" })] }, {
    to: "owner_inbox",
    reason: "both_sides",
  }],
  ["an ended thread", { ...fromClient, thread: { ...thread, live: false } }, {
    to: "owner_inbox",
    reason: "late",
    threadId: "t",
  }],
  ["another thread than the leg's", { ...fromClient, thread: { ...thread, id: "u" } }, {
    to: "owner_inbox",
    reason: "late",
    threadId: "t",
  }],
  ["a sitter who left", { ...fromSitter, thread: { ...thread, legs: [client] } }, {
    to: "owner_inbox",
    reason: "not_assigned",
  }],
  ["texts of sitters off", { ...fromSitter, on: { core: true, sitter: false } }, {
    to: "owner_inbox",
    reason: "sitter_off",
  }],
  ["a client while texts of sitters are off", { ...fromClient, on: { core: true, sitter: false } }, {
    to: "owner_inbox",
    reason: "sitter_off",
  }],
  [
    "a sitter before the window",
    {
      ...fromSitter,
      thread: {
        ...thread,
        windows: [{ ...active, state: "upcoming" }, {
          ...active,
          state: "upcoming",
          from: "2026-11-30T08:00:00Z",
        }],
      },
    },
    { to: "held", reason: "no_active_window", next: "2026-11-30T08:00:00Z" },
  ],
  ["a sitter after the last window", {
    ...fromSitter,
    thread: { ...thread, windows: [{ ...active, state: "past" }] },
  }, { to: "held", reason: "no_active_window" }],
  ["a sitter in another's window", {
    ...fromSitter,
    thread: { ...thread, legs: [client, sitter, second], windows: [{ ...active, legId: "second" }] },
  }, { to: "held", reason: "no_active_window" }],
  ["a client outside of windows", { ...fromClient, thread: { ...thread, windows: [] } }, {
    to: "owner_inbox",
    reason: "no_active_window",
  }],
  ["a client without a sitter", { ...fromClient, thread: { ...thread, legs: [client], windows: [] } }, {
    to: "owner_inbox",
    reason: "no_sitter",
  }],
  ["a client at the front desk", { ...fromClient, thread: { ...thread, numberClass: "front_desk" } }, {
    to: "owner_inbox",
    reason: "front_desk",
  }],
  ["a sitter at the front desk", { ...fromSitter, thread: { ...thread, numberClass: "front_desk" } }, {
    to: "owner_inbox",
    reason: "front_desk",
  }],
  ["a client who said stop", {
    ...fromSitter,
    thread: { ...thread, legs: [{ ...client, optedOut: true }, sitter] },
  }, { to: "held", reason: "opted_out" }],
  ["the only sitter said stop", {
    ...fromClient,
    thread: { ...thread, legs: [client, { ...sitter, optedOut: true }] },
  }, { to: "owner_inbox", reason: "no_sitter" }],
  [
    "a hand-over",
    {
      ...fromClient,
      thread: {
        ...thread,
        legs: [client, sitter, second],
        windows: [active, { ...active, legId: "second" }],
      },
    },
    { to: "leg", heard: ["sitter", "second"] },
  ],
  ["a sitter in a hand-over", {
    ...fromSitter,
    thread: {
      ...thread,
      legs: [client, sitter, second],
      windows: [active, { ...active, legId: "second" }],
    },
  }, { to: "leg", heard: ["client"] }],
  ["a blocked text", { ...fromSitter, verdict: block }, {
    to: "blocked",
    reason: "anti_poaching",
    types: ["phone"],
  }],
  ["a text with a warning", { ...fromSitter, verdict: { ...block, outcome: "warn" } }, {
    to: "leg",
    reason: "relayed",
  }],
  ["a blocked text that the owner forced", { ...fromSitter, verdict: block, forced: true }, {
    to: "leg",
    reason: "forced",
    heard: ["client"],
  }],
  ["a blocked text outside of windows", {
    ...fromClient,
    verdict: block,
    thread: { ...thread, windows: [] },
  }, { to: "owner_inbox", reason: "no_active_window" }],
  ["the owner", { fromOwner: true, thread: { ...thread, windows: [] }, verdict: block }, {
    to: "leg",
    reason: "owner",
    heard: ["client"],
  }],
  ["the owner to a client who said stop", {
    fromOwner: true,
    thread: { ...thread, legs: [{ ...client, optedOut: true }] },
  }, { to: "held", reason: "opted_out" }],
  ["the owner in an ended thread", { fromOwner: true, thread: { ...thread, live: false } }, {
    to: "held",
    reason: "no_client",
  }],
];

for (const [what, facts, { heard, ...answer }] of CASES) {
  Deno.test(`relay(): ${what}`, () => {
    const relayed = relay({ ...NO_FACTS, ...facts });
    assertEquals(
      Object.fromEntries(Object.keys(answer).map((key) => [key, relayed[key as keyof Relayed]])),
      answer,
    );
    if (heard !== undefined) assertEquals(relayed.to === "leg" && relayed.legs.map(({ id }) => id), heard);
  });
}

Deno.test("relay(): ten thousand random opens, assignments, releases and texts, and nobody hears a stranger", async () => {
  let texts = 0;
  await holds(
    fc.asyncProperty(fc.array(anyAct, { minLength: 100, maxLength: 100, size: "max" }), async (acts) => {
      const { strangers, relayed } = await play(new MaskedOrgInMemory(), acts);
      texts += relayed;
      assertEquals(strangers, []);
    }),
    { cases: 1000 },
  );
  // The property would hold of a system that relays nothing.
  assert(texts > 100, `${texts} texts were relayed`);
});

Deno.test("relay(): whatever the facts, who hears is on the sender's thread, and is not the sender", () =>
  holds(
    fc.property(
      fc.record({
        on: fc.record({ core: fc.boolean(), sitter: fc.boolean() }),
        kind: fc.constantFrom("text", "keyword", "group", "short_code"),
        fromOurs: fc.boolean(),
        fromOwner: fc.boolean(),
        forced: fc.boolean(),
        numberClass: fc.constantFrom("front_desk", "sitter", "pool", null),
        pastThreadId: fc.constantFrom(null, "old"),
        senderLegs: fc.array(fc.constantFrom(client, sitter, leg("far", "client", { threadId: "u" })), {
          maxLength: 2,
        }),
        thread: fc.option(fc.record({
          id: fc.constantFrom("t", "u"),
          numberClass: fc.constantFrom("front_desk", "sitter", "pool"),
          live: fc.boolean(),
          legs: fc.subarray([client, sitter, second, leg("far", "client", { threadId: "u" })]),
          windows: fc.subarray([active, { ...active, legId: "second" }, {
            ...active,
            legId: "sitter",
            state: "past" as const,
          }]),
        })),
      }),
      (facts) => {
        const relayed = relay(facts as RelayFacts);
        if (relayed.to !== "leg") return;
        const from = facts.senderLegs.map(({ id }) => id);
        for (const one of relayed.legs) {
          assertEquals(one.threadId, relayed.threadId);
          assert(facts.fromOwner || facts.senderLegs[0].threadId === one.threadId && !from.includes(one.id));
        }
        assert(facts.on.core && facts.thread!.live && !facts.fromOurs && facts.kind === "text");
      },
    ),
    { cases: 2000 },
  ));
