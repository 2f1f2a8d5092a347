import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { compileRoutes } from "./routes.ts";
import { route } from "../../../../tests/support/routing_samples.ts";
import { holds } from "../../../../tests/support/property.ts";

const idsOf = async (rows: Parameters<typeof compileRoutes>[0]) =>
  (await compileRoutes(rows)).map((r) => r.id);

Deno.test("compileRoutes() orders by priority, then creation, and default routes last", async () => {
  const fallback = { type: "default" };
  assertEquals(
    await idsOf([
      route({ id: "d1", priority: 1, condition: fallback }),
      route({ id: "c", priority: 300 }),
      route({ id: "d0", priority: 0, condition: fallback }),
      route({ id: "b", priority: 100 }),
      route({ id: "a", priority: 100 }),
      route({ id: "z", priority: -5 }),
      // Only a whole condition makes a fallback: inside another one, "default" is just "always".
      route({ id: "e", priority: 50, condition: { type: "all", of: [fallback] } }),
    ]),
    ["z", "e", "a", "b", "c", "d0", "d1"],
  );
});

Deno.test("compileRoutes() does not depend on the order of the rows", async () => {
  const rows = fc.uniqueArray(
    fc.record({ id: fc.uuid(), priority: fc.integer({ min: 0, max: 3 }), fallback: fc.boolean() }),
    { selector: (row) => row.id, maxLength: 12 },
  );
  await holds(fc.asyncProperty(rows, async (rows) => {
    const made = rows.map(({ fallback, ...row }) =>
      route({ ...row, condition: { type: fallback ? "default" : "any" } })
    );
    assertEquals(await idsOf(made), await idsOf(made.toReversed()));
  }));
});

Deno.test("compileRoutes() keeps the destinations that the mode requires", async () => {
  const [first, all, none] = await compileRoutes([
    route({ id: "a", mode: "first", destination_ids: ["x", "y"] }),
    route({ id: "b", mode: "all", destination_ids: ["x", "y", "x"] }),
    route({ id: "c", mode: "first", destination_ids: [] }),
  ]);
  assertEquals([first, all, none].map((r) => r.destinationIds), [["x"], ["x", "y"], []]);
});

Deno.test("compileRoutes() skips paused destinations in mode first, unless all are paused", async () => {
  const rows = [
    route({ id: "a", mode: "first", destination_ids: ["x", "y"] }),
    route({ id: "b", mode: "all", destination_ids: ["x", "y"] }),
  ];
  const idsWith = async (...paused: string[]) =>
    (await compileRoutes(rows, new Set(paused))).map((r) => r.destinationIds);
  assertEquals(await idsWith("x"), [["y"], ["x", "y"]]);
  assertEquals(await idsWith("x", "y"), [["x"], ["x", "y"]]);
});

Deno.test("compileRoutes() uses the spare if a circuit is open, but never a paused destination", async () => {
  const rows = [
    route({ id: "a", mode: "first", destination_ids: ["x", "y", "z"] }),
    route({ id: "b", mode: "all", destination_ids: ["x", "y", "z"] }),
  ];
  const first = async (paused: string[], failing: string[]) => {
    const [first, all] = await compileRoutes(rows, new Set(paused), new Set(failing));
    assertEquals(all.destinationIds, ["x", "y", "z"]);
    return first.destinationIds;
  };
  assertEquals(await first([], ["x"]), ["y"]);
  assertEquals(await first(["y"], ["x"]), ["z"]);
  assertEquals(await first([], ["x", "y", "z"]), ["x"]);
  assertEquals(await first(["x"], ["y", "z"]), ["y"]);
  assertEquals(await first(["x", "y", "z"], ["z"]), ["x"]);
});

Deno.test("compileRoutes() closes a route with an unusable condition, and only that one", async () => {
  const [good, unknown, pattern] = await compileRoutes([
    route({ id: "a" }),
    route({ id: "b", condition: { type: "sentiment" } }),
    route({ id: "c", condition: { type: "text", match: "regex", value: "(" } }),
  ]);
  assertEquals([good, unknown, pattern].map((r) => r.test !== undefined), [true, false, false]);
  assertEquals(unknown.description.startsWith("type: must be one of any, "), true);
  assertEquals(pattern.description, "values[0]: is not a regular expression of RE2: missing closing ): `(`");
});

Deno.test("compileRoutes() reports errors as texts that Postgres can store", async () => {
  // Cut between two characters, not through one, wherever the cut falls.
  for (let before = 0; before < 4; before++) {
    const value = `[${"a".repeat(before)}${"😀".repeat(200)}`;
    const [{ description }] = await compileRoutes([
      route({ condition: { type: "text", match: "regex", value } }),
    ]);
    assertEquals(description.isWellFormed(), true, description);
    assertEquals(Array.from(description).length, 160);
  }
  const [half] = await compileRoutes([
    route({ condition: { type: "text", match: "regex", value: "\\😀" } }),
  ]);
  assertEquals(half.description.isWellFormed(), true, half.description);
});
