import { assertEquals } from "../../../../../tests/support/assert.ts";
import { type Audience, audience, setShareOf, shareOf } from "./flags.ts";

Deno.test("audience(), shareOf(): whom a flag is on for, in words and as a percentage", () => {
  const cases: [Audience, words: string, share: number][] = [
    [{ value: "false", metadata: { rollout_percentage: 100 } }, "nobody", 0],
    [{ value: "TRUE", metadata: {} }, "nobody", 0],
    [{ value: "true", metadata: {} }, "everybody", 100],
    [{ value: "true", metadata: { rollout_percentage: 100, target_user_ids: ["a"] } }, "everybody", 100],
    [{ value: "true", metadata: { rollout_percentage: 0 } }, "nobody", 0],
    [{ value: "true", metadata: { target_user_ids: [] } }, "nobody", 0],
    [{ value: "true", metadata: { target_segments: [] } }, "nobody", 0],
    [{ value: "true", metadata: { target_user_ids: ["a"] } }, "1 person", 0],
    [
      { value: "true", metadata: { rollout_percentage: 0.5, target_segments: ["beta"] } },
      "0.5 %, segment beta",
      0.5,
    ],
    [
      { value: "true", metadata: { target_user_ids: ["a", "b"], target_segments: ["beta", "team"] } },
      "2 people, segments beta, team",
      0,
    ],
  ];
  for (const [flag, words, share] of cases) {
    assertEquals([audience(flag), shareOf(flag)], [words, share], JSON.stringify(flag));
  }
});

Deno.test("setShareOf(): the configured percentage of a flag that is off", () => {
  assertEquals(setShareOf({}), 100);
  assertEquals(setShareOf({ rollout_percentage: 5 }), 5);
  assertEquals(setShareOf({ target_segments: [] }), 0);
});
