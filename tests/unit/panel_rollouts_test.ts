/** How the panel words a rollout's verdict, and who may sign. */
import { assert, assertEquals } from "../support/assert.ts";
import { type RolloutFacts, verdictOf } from "../../admin/src/words/rollout_verdict.ts";
import { madeBy } from "../../admin/src/words/actors.ts";
import { signingInWords } from "../../admin/src/words/signatures.ts";

// Times in the reader's zone, whichever it is here.
const at = (hour: number, minute: number, day = 29) => new Date(2026, 10, day, hour, minute).getTime();
const NOW = at(2, 10);
/** One hour of a stage of two hours that needs 3,000 outcomes. */
const RUNNING: RolloutFacts = {
  state: "running",
  holdReason: "hold_time",
  stage: 2,
  stages: 5,
  stageStartedAt: at(1, 10),
  holdMinutes: 120,
  minSamples: 3000,
  percentage: 25,
  seen: { n: 1600, failed: 2 },
};
const said = (change: Partial<RolloutFacts>, now = NOW) => verdictOf({ ...RUNNING, ...change }, now).text;

Deno.test("a verdict: going well, with what is missing and when the next stage is", () => {
  assertEquals(verdictOf(RUNNING, NOW), {
    text: "Going well: 1,600 of 3,000 outcomes, next stage about 03:10",
    tone: "good",
  });
  assertEquals(
    said({ seen: { n: 1000, failed: 0 } }),
    "Going well: 1,000 of 3,000 outcomes, next stage about 04:10",
  );
  assertEquals(said({ seen: { n: 3001, failed: 0 } }), "Going well: 3,001 outcomes, next stage about 03:10");
  assertEquals(
    said({ minSamples: 0, seen: { n: 1, failed: 0 } }),
    "Going well: 1 outcome, next stage about 03:10",
  );
  assertEquals(said({ stage: 5 }), "Going well: 1,600 of 3,000 outcomes, complete about 03:10");
  assertEquals(
    said({ seen: { n: 60, failed: 0 } }),
    "Going well: 60 of 3,000 outcomes, next stage about 1 Dec, 03:10",
    "a day or more ahead with its date",
  );
  assertEquals(said({ stageStartedAt: undefined }), "Going well: 1,600 of 3,000 outcomes");
});

Deno.test("a verdict: no time is promised that nothing is known about, and none that is over", () => {
  assertEquals(said({ holdReason: null, seen: undefined }), "No outcomes yet");
  assertEquals(said({ seen: { n: 0, failed: 0 } }), "No outcomes yet");
  assertEquals(said({ seen: { n: 0, failed: 0 }, minSamples: 0 }), "No outcomes yet, next stage about 03:10");
  assertEquals(
    said({ seen: { n: 3000, failed: 0 } }, at(4, 30)),
    "Going well: 3,000 outcomes, next stage about 04:30",
  );
});

Deno.test("a verdict: figures that were not read are not told as none", () => {
  const unread = { isRead: false, seen: undefined, stages: undefined, percentage: undefined };
  assertEquals(said(unread), "Running, stage 2");
  assertEquals(said({ ...unread, holdReason: "samples" }), "Too few outcomes");
  assertEquals(said({ ...unread, killed: true }), said({ killed: true, seen: undefined, stages: undefined }));
});

Deno.test("a verdict: beyond the stage's limits it is at risk, however few the outcomes are", () => {
  const limits = { errorRate: 0.001, p95Ms: 500 };
  assertEquals(verdictOf({ ...RUNNING, limits, seen: { n: 20, failed: 1 } }, NOW), {
    text: "At risk: 1 of 20 outcomes failed (limit 0.1 %)",
    tone: "warn",
  });
  assertEquals(
    said({ limits: { errorRate: 0 }, seen: { n: 1, failed: 1 } }),
    "At risk: 1 of 1 outcome failed (limit 0 %)",
  );
  assertEquals(
    said({ limits, seen: { n: 2000, failed: 2, timed: 1000, late: 51 } }),
    "At risk: 51 of 1,000 outcomes took longer than 500 ms (limit 5 %)",
  );
  assertEquals(
    said({ limits, seen: { n: 2000, failed: 2, timed: 1000, late: 50 } }),
    "Going well: 2,000 of 3,000 outcomes, next stage about 03:10",
    "at the limits, not beyond them",
  );
});

Deno.test("a verdict: too few outcomes, held, no control, stopped", () => {
  assertEquals(verdictOf({ ...RUNNING, holdReason: "samples", seen: { n: 1500, failed: 0 } }, at(3, 10)), {
    text: "Too few outcomes: 1,500 of 3,000, next stage about 05:10",
    tone: "warn",
  });
  assertEquals(
    said({ holdReason: "control_silent" }),
    "Held: no control, because nobody without the flag reports outcomes (1,600 of 3,000 outcomes, 2 failed)",
  );
  assertEquals(verdictOf({ ...RUNNING, holdReason: "incident", seen: undefined }, NOW), {
    text: "Held: a severe incident is open",
    tone: "bad",
  });
  assertEquals(
    said({ killed: true, seen: undefined }),
    "Held: the kill switch is set, so nobody has the feature",
    "whatever the guard said last",
  );
  assertEquals(said({ holdReason: "of_tomorrow", seen: undefined }), "Held: of tomorrow");
});

Deno.test("a verdict: each reason to hold has words of its own", () => {
  const reasons = ("no_data silent control_silent sample_ratio error_rate p95 kill_switch incident overdue " +
    "complaints people guardrail guardrail_unclear goal share ratings feedback").split(" ");
  const words = reasons.map((holdReason) => said({ holdReason, seen: undefined }));
  assertEquals(new Set(words).size, reasons.length);
  for (const [index, text] of words.entries()) {
    assert(text !== `Held: ${reasons[index].replaceAll("_", " ")}`, reasons[index]);
    assert(!text.includes("Going well"), text);
  }
});

Deno.test("a verdict: paused, completed, rolled back", () => {
  const paused = { state: "paused", holdReason: "paused" } as const;
  assertEquals(
    said(paused),
    "Paused at 25 %: people who have the feature keep it (1,600 of 3,000 outcomes, 2 failed)",
  );
  assertEquals(
    said({ ...paused, percentage: undefined, seen: undefined }),
    "Paused: people who have the feature keep it",
  );
  assertEquals(said({ state: "completed" }), "Completed: the flag is on for everybody");
  assertEquals(said({ state: "rolled_back" }), "Rolled back: the flag is off");
  assertEquals(
    said({ state: "rolled_back", because: "more than 1 % fail: the flag is off" }),
    "Rolled back: more than 1 % fail: the flag is off",
  );
  assertEquals(
    said({ state: "rolled_back", because: "rolled back by hand: the flag is off" }),
    "Rolled back by hand: the flag is off",
  );
});

Deno.test("a verdict: a draft waits for signatures, then for gates, then for nothing", () => {
  const draft = (gates: RolloutFacts["gates"]) => said({ state: "draft", stage: 0, gates });
  assertEquals(draft(undefined), "Not started");
  assertEquals(draft({ unsigned: ["engineering"], open: 0 }), "Waiting for a signature: engineering");
  assertEquals(
    draft({ unsigned: ["engineering", "cto"], open: 2 }),
    "Waiting for 2 signatures: engineering, CTO; 2 other gates are open",
  );
  assertEquals(draft({ unsigned: [], open: 1 }), "Not started: 1 gate is open");
  assertEquals(draft({ unsigned: [], open: 0 }), "Ready to start");
});

Deno.test("signing: who would sign for several roles is told before, and whom they need", () => {
  const signing = { missing: ["engineering", "security", "cto"], mine: ["engineering", "cto"], alone: false };
  assertEquals(
    signingInWords({ ...signing, others: ["cto"] }),
    "You hold engineering and CTO, but each role needs another person: you can approve as one of them.",
  );
  assertEquals(
    signingInWords({ ...signing, others: [] }),
    "You hold engineering and CTO, but each role needs another person: you can approve as one of them. " +
      "Nobody else holds engineering or CTO: give a colleague the role in Settings, Team, or turn on gates.one_person_many_roles.",
  );
  assertEquals(
    signingInWords({ ...signing, missing: ["cto"], signedAs: "engineering", others: [] }),
    "You approved as engineering, and each role needs another person. " +
      "Nobody else holds CTO: give a colleague the role in Settings, Team, or turn on gates.one_person_many_roles.",
  );
  assertEquals(
    signingInWords({ ...signing, alone: true, others: [] }),
    "You may approve as engineering and CTO: gates.one_person_many_roles is on.",
  );
  for (const mine of [[], ["cto"], ["product"]]) {
    assertEquals(signingInWords({ ...signing, mine, others: [] }), undefined, "nothing to be told");
  }
});

Deno.test("madeBy: what the guard did by a rule is automatic, what a person did is theirs with its reason", () => {
  const by = (kind: string, why: string | null, figures = {}) =>
    madeBy({ kind, why, figures, who: "postgres" }, (who) => `<${who}>`);
  assertEquals(by("rollout", "samples", { rule: "samples" }), { by: "automatic", why: null });
  assertEquals(by("rollout", null, { rule: "samples" }), { by: "automatic", why: null });
  assertEquals(by("rollout", "people pay twice", { rule: "by_hand" }), {
    by: "by <postgres>",
    why: "people pay twice",
  });
  assertEquals(by("rollout", null, { rule: null }), { by: "by <postgres>", why: null });
  assertEquals(by("setting", "samples"), { by: "by <postgres>", why: "samples" });
});
