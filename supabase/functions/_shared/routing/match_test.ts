import { assertEquals, assertStringIncludes } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import type { MessageFacts } from "./facts.ts";
import { type Decision, match, MAX_FINDINGS, type RoutingContext } from "./match.ts";
import { compileRoutes, type RouteRow } from "./routes.ts";
import { message, route } from "../../../../tests/support/routing_samples.ts";
import { holds } from "../../../../tests/support/property.ts";

const now = new Date("2026-03-02T10:00:00Z");
const later = new Date("2026-03-02T10:00:01Z");
const context: RoutingContext = { now, flagOn: () => true };
const never = { type: "not", of: { type: "any" } };

const ask = async (
  rows: RouteRow[],
  facts: Partial<MessageFacts> = {},
  changes: Partial<RoutingContext> = {},
) => match(await compileRoutes(rows), message(facts), { ...context, ...changes });
const whys = (decision: Decision) => decision.explanation.map((f) => `${f.route} ${f.matched} ${f.why}`);

Deno.test("match(): which route takes the message, and why", async () => {
  const cases: {
    name: string;
    rows: RouteRow[];
    facts?: Partial<MessageFacts>;
    context?: Partial<RoutingContext>;
    routeId: string | null;
    reason: Decision["reason"];
    whys: string[];
  }[] = [
    { name: "no routes at all", rows: [], routeId: null, reason: "no_match", whys: [] },
    {
      name: "the first that matches",
      rows: [
        route({ id: "a", condition: { type: "text", match: "exact", value: "bye" } }),
        route({ id: "b", condition: { type: "text", match: "prefix", value: "hel" } }),
        route({ id: "c" }),
      ],
      routeId: "b",
      reason: "matched",
      whys: [
        'a false condition: text is "bye"',
        'b true condition: text starts with "hel"',
        "c false not reached",
      ],
    },
    {
      name: "another channel's message goes to the routes that name the channel, their flags alone asked",
      rows: [
        route({ id: "a", flag_key: "chats" }),
        route({ id: "b", channels: ["whatsapp", "sms"] }),
      ],
      facts: { channel: "sms" },
      context: {
        flagOn: (key) => {
          throw new Error(`${key} was asked`);
        },
      },
      routeId: "b",
      reason: "matched",
      whys: ["a false not for sms", "b true condition: any message"],
    },
    {
      name: "a conversation does not stay with a route that is not for its channel any more",
      rows: [route({ id: "a" })],
      facts: { channel: "sms" },
      context: { sticky: { routeId: "a", until: later } },
      routeId: null,
      reason: "no_match",
      whys: ["a false not for sms"],
    },
    {
      name: "none matches",
      rows: [route({ id: "a", condition: never })],
      routeId: null,
      reason: "no_match",
      whys: ["a false condition: not (any message)"],
    },
    {
      name: "a fallback, though its priority is the smallest",
      rows: [
        route({ id: "a", condition: { type: "default" }, priority: 0 }),
        route({ id: "b", condition: never }),
      ],
      routeId: "a",
      reason: "default",
      whys: ["b false condition: not (any message)", "a true condition: no other route"],
    },
    {
      name: "routes that are closed, each for its own reason",
      rows: [
        route({ id: "a", active: false }),
        route({ id: "b", flag_key: "b.enabled" }),
        route({ id: "c", destination_ids: [] }),
        route({ id: "d", condition: { type: "choice", ids: [] } }),
        route({ id: "e", flag_key: "e.enabled" }),
      ],
      context: { flagOn: (key) => key === "e.enabled" },
      routeId: "e",
      reason: "matched",
      whys: [
        "a false inactive",
        "b false flag off: b.enabled",
        "c false no destination",
        "d false invalid condition: ids: must not be empty",
        "e true condition: any message",
      ],
    },
    {
      name: "sticky goes first and is not asked again",
      rows: [route({ id: "a" }), route({ id: "b", condition: never })],
      context: { sticky: { routeId: "b", until: later } },
      routeId: "b",
      reason: "sticky",
      whys: ["b true sticky until 2026-03-02T10:00:01.000Z", "a false not reached"],
    },
    {
      name: "sticky that has run out",
      rows: [route({ id: "a" }), route({ id: "b" })],
      context: { sticky: { routeId: "b", until: now } },
      routeId: "a",
      reason: "matched",
      whys: ["a true condition: any message", "b false not reached"],
    },
    {
      name: "sticky to a route that is gone",
      rows: [route({ id: "a" })],
      context: { sticky: { routeId: "b", until: later } },
      routeId: "a",
      reason: "matched",
      whys: ["a true condition: any message"],
    },
    {
      name: "sticky to a route whose flag is off",
      rows: [route({ id: "a" }), route({ id: "b", flag_key: "b.enabled" })],
      context: { sticky: { routeId: "b", until: later }, flagOn: () => false },
      routeId: "a",
      reason: "matched",
      whys: ["a true condition: any message", "b false not reached"],
    },
  ];
  for (const { name, rows, facts, context, routeId, reason, whys: expected } of cases) {
    const decision = await ask(rows, facts, context);
    assertEquals([decision.routeId, decision.reason], [routeId, reason], name);
    assertEquals(whys(decision), expected, name);
  }
});

Deno.test("match(): evaluates a flag with the contact, once per route", async () => {
  const asked: string[] = [];
  await ask([route({ id: "a", flag_key: "a.enabled" }), route({ id: "b" })], {}, {
    sticky: { routeId: "a", until: later },
    flagOn: (key, contactId) => (asked.push(`${key} ${contactId}`), false),
  });
  assertEquals(asked, ["a.enabled 01968f00-0000-7000-8000-0000000000c1"]);
});

Deno.test("match(): fan-out stays within the route", async () => {
  const decision = await ask([
    route({ id: "a", mode: "all", destination_ids: ["x", "y"] }),
    route({ id: "b", destination_ids: ["z"] }),
  ]);
  assertEquals(decision.destinationIds, ["x", "y"]);
});

Deno.test("match(): a sticky route sets an end time, and each message renews it", async () => {
  const rows = [route({ id: "a", sticky_minutes: 30 })];
  assertEquals((await ask(rows)).stickyUntil, "2026-03-02T10:30:00.000Z");
  const again = await ask(rows, {}, { sticky: { routeId: "a", until: later } });
  assertEquals([again.reason, again.stickyUntil], ["sticky", "2026-03-02T10:30:00.000Z"]);
  assertEquals("stickyUntil" in await ask([route()]), false);
});

Deno.test("match(): a condition that throws does not match, and the next route is tried", async () => {
  const [broken, good] = await compileRoutes([route({ id: "a" }), route({ id: "b" })]);
  const throws = { ...broken, test: () => assertEquals(1, 2) as never };
  const decision = match([throws, good], message(), context);
  assertEquals(whys(decision), ["a false condition failed: any message", "b true condition: any message"]);
});

Deno.test("match(): the explanation is cut, and still contains the matching route", async () => {
  const rows = Array.from(
    { length: 80 },
    (_, i) => route({ id: `r${String(i).padStart(2, "0")}`, condition: i === 70 ? { type: "any" } : never }),
  );
  const decision = await ask(rows);
  assertEquals(decision.routeId, "r70");
  assertEquals([decision.explanation.length, decision.omitted], [MAX_FINDINGS, 30]);
  assertEquals(decision.explanation.at(-1)?.route, "r70");
  assertEquals(decision.explanation.filter((f) => f.matched).length, 1);
});

Deno.test("match(): a decision contains no phone, no contact and no text", async () => {
  const phones = [["16505551234", "…1234"], ["+16505551234", "…1234"], ["12345", undefined], [
    undefined,
    undefined,
  ]];
  for (const [phone, shown] of phones) {
    const contact = { id: "01968f00-0000-7000-8000-0000000000c1", ...(phone ? { phone } : {}) };
    const decision = await ask([
      route({ id: "a", condition: { type: "contacts", phones: ["16505551235"], ids: [contact.id] } }),
    ], { contact, body: "my secret" });
    assertEquals(decision.contact, shown);
    const stored = JSON.stringify(decision);
    for (const secret of ["1650555", "12345", contact.id, "secret"]) {
      assertEquals(stored.includes(secret), false, `${secret} in ${stored}`);
    }
    assertStringIncludes(stored, "contact is in a list of 2");
  }
});

const rowsOf = fc.uniqueArray(
  fc.record({
    id: fc.uuid(),
    priority: fc.integer({ min: 0, max: 5 }),
    active: fc.boolean(),
    mode: fc.constantFrom<"first" | "all">("first", "all"),
    flag_key: fc.constantFrom(null, "on", "off"),
    sticky_minutes: fc.constantFrom(null, 30),
    condition: fc.constantFrom<unknown>({ type: "any" }, { type: "default" }, never, { type: "broken" }),
    destination_ids: fc.uniqueArray(fc.constantFrom("x", "y", "z")),
  }),
  { selector: (row) => row.id, maxLength: 10 },
).map((rows) => rows.map((row) => route(row)));

Deno.test("match(): picks the first route that may take the message, and sticky never opens a closed one", async () => {
  await holds(
    fc.asyncProperty(rowsOf, fc.nat(), fc.boolean(), async (rows, pick, stuck) => {
      const stickyTo = stuck ? rows[pick % Math.max(rows.length, 1)]?.id : undefined;
      const decision = await ask(rows, {}, {
        flagOn: (key) => key === "on",
        ...(stickyTo ? { sticky: { routeId: stickyTo, until: later } } : {}),
      });
      // The rule again, in the plainest words.
      const type = (row: RouteRow) => (row.condition as { type: string }).type;
      const open = rows.filter((row) =>
        row.active && row.flag_key !== "off" && row.destination_ids.length > 0 && type(row) !== "broken"
      );
      const rank = (row: RouteRow) => `${type(row) === "default" ? 1 : 0} ${row.priority} ${row.id}`;
      const willing = open.filter((row) => type(row) !== "not").sort((a, b) => rank(a) < rank(b) ? -1 : 1);
      const expected = open.find((row) => row.id === stickyTo) ?? willing[0];

      assertEquals(decision.routeId, expected?.id ?? null);
      assertEquals(
        decision.destinationIds,
        expected === undefined
          ? []
          : expected.destination_ids.slice(0, expected.mode === "first" ? 1 : undefined),
      );
      assertEquals(decision.stickyUntil !== undefined, expected?.sticky_minutes === 30);
      assertEquals(decision.explanation.length, rows.length);
      assertEquals(
        decision.explanation.filter((f) => f.matched).map((f) => f.route),
        expected ? [expected.id] : [],
      );
      assertEquals(JSON.parse(JSON.stringify(decision)), decision, "plain JSON");
    }),
    { cases: 500 },
  );
});
