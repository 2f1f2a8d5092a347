import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { xorshift } from "../../../../tests/support/rollout_traffic.ts";
import { FALLEN, fallS } from "./signals.ts";

/** People who do it one after the other; answers whether the evidence was ever enough, and after how many. */
function stage(
  random: () => number,
  { share, fall, maxFall, people }: { share: number; fall: number; maxFall: number; people: number },
): number | undefined {
  const q = share * (1 - fall) / (share * (1 - fall) + (1 - share));
  let on = 0, off = 0;
  for (let n = 1; n <= people; n++) {
    if (random() < q) on++;
    else off++;
    if (fallS(share, maxFall, on * 1000, off * 1000) >= FALLEN) return n;
  }
}

/** Of so many stages, those whose metric counts as fallen. */
function fallen(stages: number, options: Parameters<typeof stage>[1]): number {
  let n = 0;
  for (let seed = 1; seed <= stages; seed++) if (stage(xorshift(seed), options) !== undefined) n++;
  return n;
}

Deno.test("fallS(): what falls by no more than is allowed is blamed in at most one of a thousand stages, however often one looks", () => {
  let blamed = 0, stages = 0;
  for (const share of [0.05, 0.5, 0.9]) {
    for (const [maxFall, fall] of [[0, 0], [0.05, 0.05], [0.05, 0], [0.3, 0.3], [0, -0.2]]) {
      blamed += fallen(300, { share, fall, maxFall, people: 400 });
      stages += 300;
    }
  }
  assert(blamed * 1000 <= stages, `${blamed} of ${stages}`);
});

Deno.test("fallS(): a metric that halves is found among some hundred people, one that falls by a quarter among some thousand", () => {
  assert(fallen(100, { share: 0.5, fall: 0.5, maxFall: 0.05, people: 400 }) >= 95);
  assert(fallen(100, { share: 0.5, fall: 0.25, maxFall: 0.05, people: 3000 }) >= 95);
  assert(fallen(100, { share: 0.05, fall: 0.5, maxFall: 0.05, people: 3000 }) >= 90);
});

Deno.test("fallS(): nobody is no evidence, and more people with the flag are none", () => {
  assertEquals(fallS(0.5, 0.05, 0, 0), 0);
  assertEquals(fallS(0.5, 0.05, 500_000, 400_000), 0);
  assert(fallS(0.5, 0.05, 0, 60_000) > FALLEN);
});
