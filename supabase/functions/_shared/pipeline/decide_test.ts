import { assert, assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import type { WaitingConversation } from "../contract/answers/pipeline.ts";
import { DbError, type Rpc } from "../db/client.ts";
import { evaluate, prepareFlags } from "../flags/evaluate.ts";
import { Problem } from "../http/problem.ts";
import { compileRoutes, type RouteRow } from "../routing/routes.ts";
import { route } from "../../../../tests/support/routing_samples.ts";
import { createDecider, decide, type DecidedConversation, type Rules } from "./decide.ts";
import { routerFlag } from "./routed_channels.ts";
import { holds } from "../../../../tests/support/property.ts";

const NOW = new Date("2026-03-02T10:00:00Z");
const at = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000).toISOString();

async function rules(
  routes: readonly RouteRow[],
  metadata: Record<string, unknown> | undefined = {},
): Promise<Rules> {
  const flags = prepareFlags(
    metadata ? [{ key: routerFlag("whatsapp"), value: "true", metadata, version: 1 }] : [],
  );
  return { revision: 7, flags, routes: await compileRoutes(routes), marked: new Set() };
}

Deno.test("decide(): while a person has the conversation, only destinations that want it marked get its messages", async () => {
  const routes: RouteRow[] = [{
    id: "r1",
    name: "both",
    priority: 1,
    condition: { type: "any" },
    mode: "all",
    destination_ids: ["bot", "crm"],
  }];
  const now = new Date("2026-11-21T12:00:00Z");
  const decided = (marked: string[], taken_until: string | null) =>
    rules(routes).then((rules) =>
      decide(waiting(["hi"], { taken_until }), { ...rules, marked: new Set(marked) }, now).decisions[0]
    );
  const cases: [marked: string[], taken_until: string | null, reason: string, to: string[]][] = [
    [[], null, "matched", ["bot", "crm"]],
    [[], "2026-11-21T12:00:01Z", "taken_over", []],
    [["crm"], "2026-11-21T12:00:01Z", "matched", ["crm"]],
    [["crm"], "2026-11-21T12:00:00Z", "matched", ["bot", "crm"]],
  ];
  for (const [marked, until, reason, to] of cases) {
    const { reason: found, destination_ids } = await decided(marked, until);
    assertEquals([found, destination_ids], [reason, to]);
  }
});

function waiting(texts: (string | null)[], changes: Partial<WaitingConversation> = {}): WaitingConversation {
  return {
    id: "c1",
    channel: "whatsapp",
    number_id: "106540352242922",
    contact_id: "p1",
    phone: "16505551234",
    group: null,
    sticky_route_id: null,
    sticky_until: null,
    messages: texts.map((text, i) => ({
      id: `m${i}`,
      seq: 10 + i,
      type: "text",
      text,
      choice: null,
      referral: null,
      link_token: null,
      link: null,
      flow: null,
      created_at: at(-1),
    })),
    ...changes,
  };
}

const SALES = route({
  id: "sales",
  name: "sales",
  condition: { type: "text", match: "keywords", value: "sales" },
  destination_ids: ["crm"],
  sticky_minutes: 30,
});
const REST = route({ id: "rest", name: "rest", condition: { type: "default" }, destination_ids: ["desk"] });

const taken = ({ decisions }: DecidedConversation) =>
  decisions.map(({ message_id, reason, route_id }) => `${message_id} ${reason} ${route_id}`);

Deno.test("decide(): one decision per message, in order, in its stored form", async () => {
  const decided = decide(waiting(["sales", null]), await rules([SALES, REST]), NOW);
  assertEquals(decided, {
    id: "c1",
    held: false,
    through_seq: 11,
    sticky_route_id: "sales",
    sticky_until: at(30),
    decisions: [
      {
        message_id: "m0",
        route_id: "sales",
        route_name: "sales",
        reason: "matched",
        destination_ids: ["crm"],
        contact: "…1234",
        explanation: [
          { route: "sales", name: "sales", matched: true, why: 'condition: text has "sales"' },
          { route: "rest", name: "rest", matched: false, why: "not reached" },
        ],
      },
      {
        message_id: "m1",
        route_id: "sales",
        route_name: "sales",
        reason: "sticky",
        destination_ids: ["crm"],
        contact: "…1234",
        explanation: [
          { route: "sales", name: "sales", matched: true, why: `sticky until ${at(30)}` },
          { route: "rest", name: "rest", matched: false, why: "not reached" },
        ],
      },
    ],
  });
});

Deno.test("decide(): passes stickiness on between messages", async () => {
  const cases: [
    name: string,
    texts: string[],
    before: [string, string] | null,
    taken: string[],
    after: unknown[],
  ][] = [
    ["none before, none taken", ["hi"], null, ["m0 default rest"], [null, null]],
    ["begins with a match, within the same batch", ["hi", "sales", "hi"], null, [
      "m0 default rest",
      "m1 matched sales",
      "m2 sticky sales",
    ], ["sales", at(30)]],
    ["is renewed by each message", ["hi"], ["sales", at(1)], ["m0 sticky sales"], ["sales", at(30)]],
    ["ends at its time", ["hi"], ["sales", at(0)], ["m0 default rest"], [null, null]],
    ["ends when its route is gone", ["hi"], ["gone", at(9)], ["m0 default rest"], [null, null]],
  ];
  const both = await rules([SALES, REST]);
  for (const [name, texts, before, expected, after] of cases) {
    const conversation = waiting(
      texts,
      before ? { sticky_route_id: before[0], sticky_until: before[1] } : {},
    );
    const decided = decide(conversation, both, NOW);
    assertEquals([taken(decided), [decided.sticky_route_id, decided.sticky_until]], [expected, after], name);
  }
});

Deno.test("decide(): without a match a decision is made all the same, and stickiness is unchanged", async () => {
  const decided = decide(
    waiting(["hi"], { sticky_route_id: "gone", sticky_until: at(5) }),
    await rules([SALES]),
    NOW,
  );
  assertEquals(taken(decided), ["m0 no_match null"]);
  assertEquals(decided.decisions[0].destination_ids, []);
  assertEquals([decided.through_seq, decided.sticky_route_id, decided.sticky_until], [10, "gone", at(5)]);
});

Deno.test("decide(): with the flag off for the contact nothing is decided or changed", async () => {
  const sticky = { sticky_route_id: "sales", sticky_until: at(5) };
  for (const metadata of [{ rollout_percentage: 0 }, { target_user_ids: ["p2"] }, undefined]) {
    const off = await rules([SALES], metadata ?? {});
    const held = decide(
      waiting(["hi"], sticky),
      metadata === undefined ? { ...off, flags: new Map() } : off,
      NOW,
    );
    assertEquals(held, { id: "c1", held: true, through_seq: null, ...sticky, decisions: [] });
  }
  const target = decide(waiting(["hi"]), await rules([REST], { target_user_ids: ["p1"] }), NOW);
  assertEquals(target.held, false);
});

Deno.test("decide(): a message's facts reach the conditions", async () => {
  const facts = { type: "interactive", choice: "size-l", referral: { source_id: "7" }, link_token: "abc" };
  const conversation = waiting([null]);
  Object.assign(conversation.messages[0], facts);
  const conditions: [unknown, boolean][] = [
    [{ type: "message_type", in: ["interactive"] }, true],
    [{ type: "choice", ids: ["size-l"] }, true],
    [{ type: "referral", source_id: "7" }, true],
    [{ type: "link_token", present: true }, true],
    [{ type: "number", ids: ["106540352242922"] }, true],
    [{ type: "contacts", phones: ["16505551234"] }, true],
    [{ type: "text", match: "regex", value: ".*" }, false],
  ];
  for (const [condition, holds] of conditions) {
    const { decisions } = decide(conversation, await rules([route({ condition })]), NOW);
    assertEquals(decisions[0].reason, holds ? "matched" : "no_match", JSON.stringify(condition));
  }
});

const someRoutes = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom("a", "b", "c", "d"),
    priority: fc.integer({ min: 0, max: 3 }),
    condition: fc.constantFrom<unknown>(
      { type: "any" },
      { type: "default" },
      { type: "text", match: "exact", value: "x" },
      { type: "not", of: { type: "text", match: "exact", value: "x" } },
      { type: "unknown" },
    ),
    mode: fc.constantFrom<"first" | "all">("first", "all"),
    destination_ids: fc.subarray(["d1", "d2", "d3"]),
    sticky_minutes: fc.option(fc.integer({ min: 1, max: 60 })),
    flag_key: fc.option(fc.constantFrom("on.enabled", "off.enabled")),
  }).map((changes) => route({ ...changes, name: `route ${changes.id}` })),
  { selector: ({ id }) => id },
);
const someTexts = fc.array(fc.option(fc.constantFrom("x", "y")), { minLength: 1, maxLength: 6 });

Deno.test("decide(): deciding in two calls equals deciding in one", async () => {
  await holds(fc.asyncProperty(someRoutes, someTexts, fc.nat(6), async (routes, texts, cut) => {
    const by = await rules(routes);
    const whole = decide(waiting(texts), by, NOW);
    const { messages } = waiting(texts);
    const first = decide(waiting([], { messages: messages.slice(0, cut) }), by, NOW);
    const { sticky_route_id, sticky_until } = first;
    const second = decide(
      waiting([], { messages: messages.slice(cut), sticky_route_id, sticky_until }),
      by,
      NOW,
    );
    assertEquals([...first.decisions, ...second.decisions], whole.decisions);
    assertEquals(
      [second.sticky_route_id, second.sticky_until],
      [whole.sticky_route_id, whole.sticky_until],
    );
  }));
});

Deno.test("decide(): every message is decided once, to destinations of the one route that the reasons name", async () => {
  await holds(fc.asyncProperty(someRoutes, someTexts, async (routes, texts) => {
    const conversation = waiting(texts);
    const { decisions } = decide(conversation, await rules(routes), NOW);
    assertEquals(decisions.map(({ message_id }) => message_id), conversation.messages.map(({ id }) => id));
    for (const { route_id, route_name, destination_ids, reason, explanation } of decisions) {
      const findings = explanation as { route: string; name: string; matched: boolean }[];
      const matched = findings.filter((finding) => finding.matched);
      assertEquals(findings.length, routes.length);
      if (route_id === null) {
        assertEquals([matched, destination_ids, reason, route_name], [[], [], "no_match", null]);
        continue;
      }
      const row = routes.find(({ id }) => id === route_id)!;
      assertEquals(matched.map(({ route, name }) => [route, name]), [[route_id, route_name]]);
      assertEquals(
        destination_ids,
        row.mode === "all" ? row.destination_ids : row.destination_ids.slice(0, 1),
      );
      assert(destination_ids.length > 0 && row.flag_key == null);
    }
  }));
});

Deno.test("decide(): exactly the contacts without the flag are held", async () => {
  await holds(
    fc.asyncProperty(fc.uuid(), fc.integer({ min: 0, max: 10_000 }), async (contact_id, hundredths) => {
      const by = await rules([REST], { rollout_percentage: hundredths / 100 });
      const { held, decisions } = decide(waiting(["hi"], { contact_id }), by, NOW);
      assertEquals(held, !evaluate(by.flags, routerFlag("whatsapp"), contact_id).value);
      assertEquals(decisions.length, held ? 0 : 1);
    }),
  );
});

/** A database that gives these conversations, and what was asked of it. */
function database(...claims: WaitingConversation[][]) {
  const calls: [name: string, args: unknown][] = [];
  const rpc = ((name: string, args?: object) => {
    calls.push([name, args]);
    const result = name === "claim_unrouted" ? claims.shift() ?? [] : { decided: 1, deliveries: 1 };
    return Promise.resolve(result);
  }) as Rpc;
  return { rpc, calls };
}

Deno.test("createDecider(): claims only channels that may be routed, and makes no call if there are none", async () => {
  const on = await rules([REST]);
  const claimed = async (channels: string[]) => {
    const { rpc, calls } = database([]);
    const round = createDecider({
      rpc,
      routed: () => Promise.resolve(channels),
      rules: () => Promise.resolve(on),
      now: () => NOW,
      places: () => Promise.resolve(undefined),
      onDecided: () => {},
      onError: () => {},
    });
    assertEquals(await round(), { more: false });
    return calls.map(([, args]) => (args as { p_channels: string[] }).p_channels);
  };
  assertEquals(await claimed([]), []);
  assertEquals(await claimed(["whatsapp", "sms"]), [["whatsapp", "sms"]]);
});

Deno.test("createDecider(): claims, decides, writes and reports; continues while claims come back full", async () => {
  const by = await rules([REST]);
  const long = waiting(Array.from({ length: 20 }, () => "hi"));
  const { rpc, calls } = database(
    [waiting(["hi"])],
    [long],
    Array.from({ length: 200 }, () => waiting(["hi"])),
  );
  const told: number[][] = [];
  let rounds = 0;
  const round = createDecider({
    routed: () => Promise.resolve(["whatsapp"]),
    rpc,
    rules: () => Promise.resolve(by),
    now: () => new Date(NOW.getTime() + 250 * rounds++),
    places: () => Promise.resolve(undefined),
    onDecided: (...counts) => told.push(counts),
    onError: (message, error) => {
      throw new Error(message, { cause: error });
    },
  });
  assertEquals([await round(), await round(), await round(), await round()], [
    { more: false },
    { more: true },
    { more: true },
    { more: false },
  ]);
  assertEquals(calls.slice(0, 2), [
    ["claim_unrouted", { p_revision: 7, p_conversations: 200, p_each: 20, p_channels: ["whatsapp"] }],
    ["record_decisions", { p_revision: 7, p_conversations: [decide(waiting(["hi"]), by, NOW)] }],
  ]);
  assertEquals(told, [[1, 1], [1, 1], [1, 1]]);
});

Deno.test("createDecider(): a conversation that cannot be stored is reported and delays no other", async () => {
  const by = await rules([REST]);
  const bad = "c13";
  const stored: string[] = [];
  const rpc = ((name: string, args?: object) => {
    if (name === "claim_unrouted") {
      return Promise.resolve(Array.from({ length: 200 }, (_, i) => waiting(["hi"], { id: `c${i}` })));
    }
    const ids = (args as { p_conversations: DecidedConversation[] }).p_conversations.map(({ id }) => id);
    if (ids.includes(bad)) return Promise.reject(new DbError(name, "22P05", "the data was refused"));
    stored.push(...ids);
    return Promise.resolve({ decided: ids.length, deliveries: ids.length });
  }) as Rpc;
  const told: unknown[] = [];
  const deps = {
    routed: () => Promise.resolve(["whatsapp"]),
    rpc,
    rules: () => Promise.resolve(by),
    now: () => NOW,
    places: () => Promise.resolve(undefined),
    onDecided: (...counts: number[]) => told.push(counts),
    onError: (message: string) => told.push(message),
  };
  // Not at once again, though the claim came back full.
  assertEquals(await createDecider(deps)(), { more: false });
  assertEquals(stored, Array.from({ length: 200 }, (_, i) => `c${i}`).filter((id) => id !== bad));
  assertEquals(told, ["the decisions of a conversation were not stored", [199, 199]]);

  const away = createDecider({
    ...deps,
    rpc: ((name: string) =>
      name === "claim_unrouted"
        ? Promise.resolve([waiting(["hi"]), waiting(["hi"], { id: "c2" })])
        : Promise.reject(new Problem("database_unavailable"))) as Rpc,
  });
  await assertRejects(() => away(), Problem);
});

Deno.test("createDecider(): claims deliveries with the decision; without free places it waits, but not forever", async () => {
  const by = await rules([REST]);
  const begun: unknown[] = [];
  const claim = { limit: 40, free: 40, lease_seconds: 60, busy: {}, channels: ["whatsapp"] };
  const claimed = { deliveries: [{}], destinations: [] };
  const calls: [string, Record<string, unknown>][] = [];
  let at = NOW.getTime();
  let hasPlaces = true;
  const told: number[][] = [];
  const round = createDecider({
    routed: () => Promise.resolve(["whatsapp"]),
    rpc: ((name: string, args?: object) => {
      calls.push([name, args as Record<string, unknown>]);
      return Promise.resolve(
        name === "claim_unrouted" ? [waiting(["hi"])] : { decided: 1, deliveries: 3, claim: claimed },
      );
    }) as Rpc,
    rules: () => Promise.resolve(by),
    now: () => new Date(at),
    places: () =>
      Promise.resolve(
        hasPlaces ? { claim, use: (given) => (begun.push(given), { more: false }) } : undefined,
      ),
    onDecided: (...counts) => told.push(counts),
    onError: () => {},
  });
  await round();
  assertEquals(calls.map(([, { p_conversations, p_claim }]) => p_claim ?? p_conversations), [40, claim]);
  // Two of the three could not begin with it.
  assertEquals([begun, told], [[claimed], [[1, 2]]]);

  hasPlaces = false;
  at += 100;
  assertEquals(await round(), { more: false, nextDueMs: 150 });
  at += 150;
  await round();
  assertEquals(
    calls.slice(2).map(([name, { p_conversations, p_claim }]) => [name, p_claim ?? p_conversations])[0],
    [
      "claim_unrouted",
      200,
    ],
  );
  assertEquals("p_claim" in calls[3][1], false);
});

Deno.test("createDecider(): returns places that no decision used", async () => {
  const by = await rules([REST]);
  const begun: unknown[] = [];
  const claim = { limit: 40, free: 40, lease_seconds: 60, busy: {}, channels: ["whatsapp"] };
  const deps = {
    routed: () => Promise.resolve(["whatsapp"]),
    rules: () => Promise.resolve(by),
    now: () => NOW,
    places: () => Promise.resolve({ claim, use: (given: unknown) => (begun.push(given), { more: false }) }),
    onDecided: () => {},
    onError: () => {},
  };
  await createDecider({ ...deps, rpc: (() => Promise.resolve([])) as Rpc })();
  await assertRejects(() => createDecider({ ...deps, rpc: () => Promise.reject(new Error("away")) })());
  assertEquals(begun, [undefined, undefined]);
});
