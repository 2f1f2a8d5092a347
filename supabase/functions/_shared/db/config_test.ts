import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../../../../tests/support/assert.ts";
import { Problem } from "../http/problem.ts";
import { type Rpc } from "./client.ts";
import { createConfigLoader } from "./config.ts";

const FULL = {
  revision: 7,
  settings: [{ key: "wa_router.enabled", value: "true", metadata: { rollout_percentage: 10 }, version: 2 }],
  segments: { beta: ["c1", "c2"] },
  routes: [{
    id: "r1",
    name: "all",
    priority: 100,
    condition: { type: "any" },
    mode: "first",
    destination_ids: ["d1"],
    flag_key: null,
    sticky_minutes: null,
    active: true,
  }],
  destinations: [{
    id: "d1",
    name: "demo",
    url: "https://demo.example/hook",
    state: "active",
    circuit_open: false,
    when_taken: "mark",
  }],
  allowlist: [{ pattern: "*.example", purpose: "forward" }],
};

/** What is made of it. */
const READ = { ...FULL, unreadable: [] };

/** A loader over a database that gives what `state.answer` gives, with a clock of its own. */
function world(answer: () => unknown = () => FULL) {
  const state = { now: 0, answer, calls: [] as unknown[] };
  const call = (async (name: string, args?: object) => {
    state.calls.push({ name, ...args });
    return await state.answer();
  }) as Rpc;
  return { state, load: createConfigLoader(call, () => state.now) };
}

async function printed<T>(run: () => Promise<T>): Promise<{ result: T; text: string }> {
  const { warn, error } = console;
  let text = "";
  console.warn = console.error = (line: string) => text += line + "\n";
  try {
    return { result: await run(), text };
  } finally {
    Object.assign(console, { warn, error });
  }
}

Deno.test("loadConfig() loads the whole configuration in one call", async () => {
  const { state, load } = world();
  assertEquals(await load(), READ as unknown as Awaited<ReturnType<typeof load>>);
  assertEquals(state.calls, [{ name: "load_config", p_revision: null }]);
});

Deno.test("loadConfig() treats a database without the segments feature as one without segments", async () => {
  const { segments: _, ...before } = FULL;
  assertEquals((await world(() => before).load()).segments, {});
});

Deno.test("loadConfig() sends its revision, and an unchanged configuration stays the same object", async () => {
  const { state, load } = world();
  const first = await load();
  state.answer = () => ({ revision: 7, unchanged: true });
  state.now = 5000;
  assertStrictEquals(await load(), first);
  assertEquals(state.calls.at(-1), { name: "load_config", p_revision: 7 });
});

Deno.test("loadConfig() shows a change within 5 s", async () => {
  const { state, load } = world();
  await load();
  state.answer = () => ({ ...FULL, revision: 8, settings: [{ ...FULL.settings[0], value: "false" }] });
  state.now = 5000;
  assertEquals((await load()).settings[0].value, "false");
});

Deno.test("loadConfig() keeps the last configuration while the database is unavailable, and says so", async () => {
  const { state, load } = world();
  const first = await load();
  state.now = 3_600_000;
  state.answer = () => Promise.reject(new Problem("database_unavailable"));
  const { result, text } = await printed(load);
  assertStrictEquals(result, first);
  assertStringIncludes(text, "3600000");
});

Deno.test("loadConfig() fails if there is nothing to fall back to", async () => {
  const { load } = world(() => Promise.reject(new Problem("database_unavailable")));
  await assertRejects(load, Problem);
});

Deno.test("loadConfig() refuses an answer of another shape as a whole", async () => {
  for (
    const strange of [null, [], "x", { revision: 7 }, { ...FULL, routes: null }, {
      revision: 7,
      unchanged: true,
    }]
  ) {
    await assertRejects(world(() => strange).load, Error, "it");
  }
});

Deno.test("loadConfig() leaves out an unreadable item, keeps the others, and names it", async () => {
  const { load } = world(() => ({
    ...FULL,
    settings: [...FULL.settings, { key: "broken", value: true, metadata: {}, version: 1 }],
    segments: { team: "c1", ...FULL.segments, odd: ["c1", 2] },
    routes: [{ ...FULL.routes[0], id: "r2", mode: "some" }, ...FULL.routes],
    allowlist: [null],
  }));
  const { result, text } = await printed(load);
  assertEquals(result.settings.map(({ key }) => key), ["wa_router.enabled"]);
  assertEquals(result.routes.map(({ id }) => id), ["r1"]);
  assertEquals(result.allowlist, []);
  assertEquals(result.segments, FULL.segments);
  assertEquals(result.unreadable.map(({ kind, item }) => [kind, item]), [
    ["setting", "broken"],
    ["segment", "team"],
    ["segment", "odd"],
    ["route", "r2"],
    ["allowlist entry", undefined],
  ]);
  assertStringIncludes(text, '"row":"broken","faults":["value:');
  assertStringIncludes(text, '"row":"r2"');
});
