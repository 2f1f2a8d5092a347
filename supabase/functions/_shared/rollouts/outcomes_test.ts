import { assertEquals } from "../../../../tests/support/assert.ts";
import { DbError } from "../db/client.ts";
import { prepareFlags, type Setting } from "../flags/evaluate.ts";
import { Problem } from "../http/problem.ts";
import { EDGES_MS } from "./latency.ts";
import { armOf, observe } from "./observe.ts";
import { createOutcomes, type OutcomesOptions, type OutcomeSum } from "./outcomes.ts";

const MINUTE = 29_000_000;

/** Outcomes on a clock of their own, whose groups are sent when told. */
function world(options: Partial<OutcomesOptions> = {}) {
  const state = { now: MINUTE * 60_000, fail: undefined as Error | undefined };
  const groups: { outcomes: OutcomeSum[]; evaluated: string[] }[] = [];
  const outcomes = createOutcomes({
    send(outcomes, evaluated) {
      if (state.fail) return Promise.reject(state.fail);
      groups.push({ outcomes: structuredClone(outcomes), evaluated });
      return Promise.resolve();
    },
    now: () => state.now,
    // Groups go when a test flushes.
    delayMs: 1e9,
    ...options,
  });
  return { state, groups, ...outcomes };
}

const OK = { failed: false };
const short = (sums: OutcomeSum[]) =>
  sums.map(({ flag, arm, minute, n, failed }) => [flag, arm, minute - MINUTE, n, failed]);

async function quietly(run: () => Promise<void>): Promise<void> {
  const { warn, error } = console;
  console.warn = console.error = () => {};
  try {
    await run();
  } finally {
    Object.assign(console, { warn, error });
  }
}

Deno.test("outcome() counts a person once per flag and minute, the first time", async () => {
  const { state, groups, outcome, flush } = world();
  outcome("a", "on", "u1", OK);
  outcome("a", "on", "u1", { failed: true });
  outcome("a", "off", "u1", { failed: true }); // the flag was flipped meanwhile
  outcome("b", "on", "u1", { failed: true });
  outcome("a", "on", "u2", OK);
  state.now += 60_000;
  outcome("a", "on", "u1", { failed: true });
  await flush();
  assertEquals(short(groups[0].outcomes), [["a", "on", 0, 2, 0], ["b", "on", 0, 1, 1], ["a", "on", 1, 1, 1]]);
});

Deno.test("outcome() remembers who was counted after a group was sent", async () => {
  const { groups, outcome, flush } = world();
  outcome("a", "on", "u1", OK);
  await flush();
  outcome("a", "on", "u1", { failed: true });
  outcome("a", "on", "u2", { failed: true });
  await flush();
  assertEquals(groups.map(({ outcomes }) => short(outcomes)), [[["a", "on", 0, 1, 0]], [[
    "a",
    "on",
    0,
    1,
    1,
  ]]]);
});

Deno.test("outcome() adds each latency to a cumulative histogram, edges included", async () => {
  const { groups, outcome, flush } = world();
  const latencies = [0, 5, 5.4, 400, 401, 30_000, 30_001, -3];
  latencies.forEach((latencyMs, i) => outcome("a", "on", `u${i}`, { failed: false, latencyMs }));
  outcome("a", "on", "untimed", OK);
  await flush();
  const [{ n, timed, ms, le }] = groups[0].outcomes;
  assertEquals([n, timed, ms], [9, 8, 60_812]);
  const within = (edge: number) => le[EDGES_MS.indexOf(edge)];
  assertEquals([5, 10, 300, 400, 500, 20_000, 30_000].map(within), [4, 4, 4, 5, 6, 6, 7]);
});

Deno.test("flush() keeps a group that could not be sent, and adds later outcomes", async () => {
  const { state, groups, outcome, evaluated, flush } = world();
  outcome("a", "on", "u1", { failed: true, latencyMs: 100 });
  evaluated("a");
  state.fail = new Problem("database_unavailable");
  await quietly(flush);
  outcome("a", "on", "u2", { failed: false, latencyMs: 100 });
  state.fail = undefined;
  await flush();
  const [{ outcomes, evaluated: flags }] = groups;
  assertEquals(short(outcomes), [["a", "on", 0, 2, 1]]);
  assertEquals([outcomes[0].ms, outcomes[0].le.at(-1), flags], [200, 2, ["a"]]);
});

Deno.test("flush() drops a group that the database refused for its data", async () => {
  const { state, groups, outcome, flush } = world();
  outcome("a", "on", "u1", OK);
  state.fail = new DbError("record_outcomes", "23514", "no");
  await quietly(flush);
  state.fail = undefined;
  await flush();
  assertEquals(groups, []);
});

Deno.test("outcome() limits the people of a minute, and the waiting sums", async () => {
  const people = world({ maxSubjects: 2 });
  for (let i = 0; i < 5; i++) people.outcome("a", "on", `u${i}`, OK);
  await people.flush();
  assertEquals(people.groups[0].outcomes[0].n, 2);
  const sums = world({ maxSums: 2 });
  for (let i = 0; i < 5; i++) sums.outcome(`f${i}`, "on", "u1", OK);
  await sums.flush();
  assertEquals(sums.groups[0].outcomes.length, 2);
});

Deno.test("evaluated() records a flag once an hour", async () => {
  const { state, groups, evaluated, flush } = world();
  evaluated("a");
  evaluated("a");
  evaluated("b");
  await flush();
  state.now += 3_599_000;
  evaluated("a");
  await flush();
  state.now += 1000;
  evaluated("a");
  await flush();
  assertEquals(groups.map(({ evaluated }) => evaluated), [["a", "b"], ["a"]]);
});

const setting = (key: string, value: string, metadata = {}): Setting => ({
  key,
  value,
  metadata,
  version: 1,
});
const FLAGS = prepareFlags([
  setting("off", "false"),
  setting("ids", "true", { target_user_ids: ["u1"], rollout_percentage: 0 }),
  setting("half", "true", { rollout_percentage: 50 }),
  setting("needs", "true", { prerequisites: ["off"] }),
]);

Deno.test("armOf() returns a person's arm, or nothing if it says nothing about the flag", () => {
  assertEquals(armOf(FLAGS, "off", "u1"), "off"); // before a rollout: the traffic of the forecast
  assertEquals([armOf(FLAGS, "ids", "u1"), armOf(FLAGS, "ids", "u2")], ["on", "off"]);
  assertEquals(armOf(FLAGS, "needs", "u1"), undefined); // kept out by another flag
  assertEquals(armOf(FLAGS, "half", ""), undefined); // cannot be decided
  assertEquals(armOf(FLAGS, "gone", "u1"), undefined);
});

Deno.test("armOf(): a person without the feature because of a kill switch is in the control, one without a prerequisite in neither arm", () => {
  assertEquals(armOf(FLAGS, "ids", "u1", (key) => key === "ids"), "off");
  assertEquals(armOf(FLAGS, "ids", "u1", () => false), "on");
});

Deno.test("observe() counts the value that a person had, if the caller knows it, whatever the flag says now", async () => {
  const { groups, flush, ...into } = world();
  observe(FLAGS, ["off"], "u1", { failed: true }, { into, had: "on" });
  await flush();
  assertEquals(short(groups[0].outcomes), [["off", "on", 0, 1, 1]]);
});

Deno.test("outcomes name who failed or waited long, and how many edges it exceeded", async () => {
  const { groups, flush, ...into } = world();
  into.outcome("ids", "on", "u1", { failed: true });
  into.outcome("ids", "on", "u2", { failed: false, latencyMs: 40 });
  into.outcome("ids", "on", "u3", { failed: false, latencyMs: 700 });
  await flush();
  assertEquals(groups[0].outcomes[0].people, [["u1", true, 0], ["u3", false, 13]]);
});

Deno.test("observe() counts for each flag that affected the result", async () => {
  const { groups, flush, ...into } = world();
  observe(FLAGS, ["ids", "off", "needs", "gone"], "u1", { failed: true }, { into });
  await flush();
  assertEquals(short(groups[0].outcomes), [["ids", "on", 0, 1, 1], ["off", "off", 0, 1, 1]]);
  assertEquals(groups[0].evaluated, ["ids", "off", "needs", "gone"]);
});
