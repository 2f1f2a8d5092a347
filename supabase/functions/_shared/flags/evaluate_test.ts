import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { bucket, BUCKETS } from "./bucket.ts";
import { evaluate, type Evaluation, onForAnybody, prepareFlags, type Setting } from "./evaluate.ts";
import { murmur3 } from "../crypto/murmur3.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("murmur3() returns the published values", () => {
  const vectors: [text: string, seed: number, hash: number][] = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["aaaa", 0x9747b28c, 0x5a97808a],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["ππππππππ", 0x9747b28c, 0xd58063c1],
    ["My 🚀 is full of 🦎.", 0, 1818098979],
    // flagd's keys at the edges of the range.
    ["ejOoVL", 0, 0x00000000],
    ["bY9fO-", 0, 0x00000001],
    ["SI7p-", 0, 0x7fffffff],
    ["6LvT0", 0, 0x80000000],
    ["ceQdGm", 0, 0xffffffff],
  ];
  for (const [text, seed, hash] of vectors) assertEquals(murmur3(bytes(text), seed), hash, text);
});

Deno.test("bucket() puts the ends of the range into the first and the last bucket", () => {
  assertEquals(["ejOoVL", "SI7p-", "6LvT0", "ceQdGm"].map((id) => bucket("", id)), [0, 4999, 5000, 9999]);
});

Deno.test("bucket() hashes the same bytes whether or not the text is ASCII, at any length", () => {
  for (const id of ["", "é", "a".repeat(1000), "a".repeat(500) + "é".repeat(500), "🚀".repeat(300)]) {
    assertEquals(bucket("salt:", id), Math.floor(murmur3(bytes("salt:" + id)) * BUCKETS / 2 ** 32), id);
  }
});

const flag = (value: string, metadata: Record<string, unknown> = {}): Setting => ({
  key: "x.enabled",
  value,
  metadata,
  version: 1,
});

Deno.test("evaluate() decides in order: kill switch, off, target id, percentage", () => {
  const [off, on]: Evaluation[] = [{ value: false, reason: "STATIC" }, { value: true, reason: "STATIC" }];
  const disabled: Evaluation = { value: false, reason: "DISABLED" };
  const target: Evaluation = { value: true, reason: "TARGETING_MATCH" };
  const keyMissing: Evaluation = { value: false, reason: "ERROR", errorCode: "TARGETING_KEY_MISSING" };
  const unreadable: Evaluation = { value: false, reason: "ERROR", errorCode: "PARSE_ERROR" };
  const only = { rollout_percentage: 0, target_user_ids: ["u1", "u2"] };
  const most = { rollout_percentage: 99.99, target_user_ids: ["u1"] };
  const cases: [Setting, id: string | undefined, killed: boolean, Evaluation][] = [
    [flag("true"), "u1", true, disabled],
    [flag("true", only), "u1", true, disabled],
    [flag("false", only), "u1", false, disabled],
    [flag("false", { rollout_percentage: 100 }), "u1", false, disabled],
    ...["", "TRUE", "1", "on", "true "].map((value): [Setting, string, boolean, Evaluation] => [
      flag(value, { rollout_percentage: 100 }),
      "u1",
      false,
      disabled,
    ]),
    [flag("true"), "u1", false, on],
    [flag("true"), undefined, false, on],
    [flag("true", only), "u2", false, target],
    [flag("true", only), "u3", false, off],
    [flag("true", only), undefined, false, off],
    [flag("true", { target_user_ids: ["u1"] }), "u1", false, target],
    [flag("true", { target_user_ids: ["u1"] }), "u3", false, off],
    [flag("true", { target_user_ids: [] }), "u3", false, off],
    [flag("true", { target_user_ids: [""], rollout_percentage: 0 }), "", false, off],
    [flag("true", { rollout_percentage: 100 }), undefined, false, on],
    [flag("true", { rollout_percentage: 0 }), "u1", false, off],
    [flag("true", most), "u1", false, target],
    [flag("true", most), undefined, false, keyMissing],
    [flag("true", most), "", false, keyMissing],
    ...["25", null, NaN, -1, 100.01, [25], true].map((p): [Setting, string, boolean, Evaluation] => [
      flag("true", { rollout_percentage: p }),
      "u1",
      false,
      unreadable,
    ]),
  ];
  for (const [setting, id, killed, expected] of cases) {
    const actual = evaluate(prepareFlags([setting]), "x.enabled", id, killed);
    assertEquals(actual, expected, `${JSON.stringify(setting)} for ${id}, killed ${killed}`);
  }
});

Deno.test("evaluate() is on for members of a flag's segments, and of no others", () => {
  const segments = { beta: ["b1", "b2"], team: ["t1"], empty: [] };
  const flags = prepareFlags([
    {
      ...flag("true", { target_segments: ["beta", "empty", "gone"], rollout_percentage: 0 }),
      key: "a.enabled",
    },
    { ...flag("true", { target_segments: ["team"] }), key: "b.enabled" },
    { ...flag("false", { target_segments: ["team"] }), key: "c.enabled" },
    { ...flag("true", { target_segments: ["gone"] }), key: "d.enabled" },
    { ...flag("true", { target_segments: ["team", 7, null] }), key: "e.enabled" },
  ], segments);
  const on = (key: string) => ["b1", "b2", "t1", "x", ""].filter((id) => evaluate(flags, key, id).value);
  assertEquals(on("a.enabled"), ["b1", "b2"]);
  assertEquals(on("b.enabled"), ["t1"]);
  assertEquals(on("c.enabled"), []);
  assertEquals(on("d.enabled"), []);
  assertEquals(on("e.enabled"), ["t1"]);
  assertEquals(evaluate(flags, "a.enabled", "b1").reason, "TARGETING_MATCH");
  assertEquals(["a", "b", "c", "d"].map((key) => onForAnybody(flags, `${key}.enabled`)), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("evaluate() is off if a prerequisite is not on for the same id, for any reason", () => {
  const make = (key: string, value: string, metadata: Record<string, unknown> = {}) => ({
    key: `${key}.enabled`,
    value,
    metadata: {
      ...metadata,
      ...(metadata.needs ? { prerequisites: (metadata.needs as string[]).map((k) => `${k}.enabled`) } : {}),
    },
    version: 1,
  });
  const flags = prepareFlags([
    make("base", "true", { target_user_ids: ["u1"], rollout_percentage: 0 }),
    make("top", "true", { needs: ["base"] }),
    make("far", "true", { needs: ["top"], target_user_ids: ["u1", "u2"] }),
    make("off", "false"),
    make("needs_off", "true", { needs: ["base", "off"] }),
    make("needs_gone", "true", { needs: ["gone"] }),
    make("half", "true", { rollout_percentage: 50 }),
    make("needs_half", "true", { needs: ["half"] }),
    // Circles, and what leads into one.
    make("self", "true", { needs: ["self"] }),
    make("a", "true", { needs: ["b"] }),
    make("b", "true", { needs: ["c"] }),
    make("c", "true", { needs: ["a"] }),
    make("into", "true", { needs: ["c"] }),
  ]);
  const answer = (key: string, id?: string, killed?: (key: string) => boolean) => {
    const { value, reason } = evaluate(flags, `${key}.enabled`, id, killed);
    return `${value} ${reason}`;
  };
  assertEquals(answer("top", "u1"), "true STATIC");
  assertEquals(answer("top", "u2"), "false DISABLED");
  assertEquals(answer("far", "u1"), "true TARGETING_MATCH");
  assertEquals(answer("far", "u2"), "false DISABLED");
  for (const key of ["needs_off", "needs_gone", "self", "a", "b", "c", "into"]) {
    assertEquals(answer(key, "u1"), "false DISABLED", key);
  }
  assertEquals(answer("needs_half"), "false DISABLED"); // nobody to ask the half for
  assertEquals(answer("top", "u1", (key) => key === "base.enabled"), "false DISABLED");
  assertEquals(answer("base", "u1", (key) => key === "top.enabled"), "true TARGETING_MATCH");
});

Deno.test("evaluate(): evaluates each flag once, however many paths lead to it, and none beyond depth eight", () => {
  const ladder = Array.from({ length: 22 }, (_, i) => ({
    key: `${i}.enabled`,
    value: "true",
    metadata: i === 0 ? {} : { prerequisites: [`${i - 1}.enabled`, `${i - 1}.enabled`] },
    version: 1,
  }));
  const flags = prepareFlags(ladder);
  for (const [step, on] of [[0, true], [8, true], [9, false], [21, false]] as const) {
    let asked = 0;
    const { value } = evaluate(flags, `${step}.enabled`, "u1", () => {
      asked++;
      return false;
    });
    assertEquals([value, asked <= step + 1], [on, true], `step ${step}, asked ${asked} times`);
  }
});

Deno.test("evaluate() is off for a flag that does not exist", () => {
  const expected: Evaluation = { value: false, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" };
  assertEquals(evaluate(prepareFlags([]), "x.enabled", "u1"), expected);
});

Deno.test("evaluate() splits exactly at the bucket", () => {
  const at = (percentage: number, id: string) =>
    evaluate(prepareFlags([flag("true", { rollout_percentage: percentage, salt: "" })]), "x.enabled", id);
  const [on, off]: Evaluation[] = [{ value: true, reason: "SPLIT" }, { value: false, reason: "SPLIT" }];
  assertEquals(at(0.01, "ejOoVL"), on); // bucket 0
  assertEquals(at(49.99, "SI7p-"), off); // bucket 4999
  assertEquals(at(50, "SI7p-"), on);
  assertEquals(at(50, "6LvT0"), off); // bucket 5000
  assertEquals(at(50.01, "6LvT0"), on);
  assertEquals(at(99.99, "ceQdGm"), off); // bucket 9999
});

Deno.test("prepareFlags() converts each of the 10001 percentages into that many buckets", () => {
  for (let n = 0; n <= BUCKETS; n++) {
    const metadata = JSON.parse(`{"rollout_percentage": ${(n / 100).toFixed(2)}}`);
    assertEquals(prepareFlags([flag("true", metadata)]).get("x.enabled")?.threshold, n);
  }
});

const IDS = Array.from({ length: 100_000 }, (_, i) => `user-${i}`);

function enabled(metadata: Record<string, unknown>, key = "x.enabled"): Set<string> {
  const flags = prepareFlags([{ ...flag("true", metadata), key }]);
  return new Set(IDS.filter((id) => evaluate(flags, key, id).value));
}

Deno.test("evaluate() never loses anybody while the percentage grows", () => {
  let before = new Set<string>();
  for (const rollout_percentage of [0, 0.01, 1, 10, 24.99, 25, 50, 75, 99.99, 100]) {
    const now = enabled({ rollout_percentage });
    assert(before.isSubsetOf(now), `${rollout_percentage} % lost somebody`);
    assert(Math.abs(now.size / 1000 - rollout_percentage) <= 0.5, `${now.size} at ${rollout_percentage} %`);
    before = now;
  }
});

Deno.test("evaluate() selects other people for another salt, and the key is the default salt", () => {
  const quarter = { rollout_percentage: 25 };
  const a = enabled(quarter, "a.enabled");
  assertEquals(enabled({ ...quarter, salt: "a.enabled" }, "b.enabled"), a);
  const both = enabled(quarter, "b.enabled").intersection(a).size;
  // Independent draws share a sixteenth of all.
  assert(Math.abs(both / IDS.length - 1 / 16) < 0.005, `${both} are in both quarters`);
});
