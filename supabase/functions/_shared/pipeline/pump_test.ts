import { assertEquals } from "../../../../tests/support/assert.ts";
import { createPump, type Round, roundOf, type Track } from "./pump.ts";
import { until } from "../../../../tests/support/until.ts";

/** A round under the test's control: each call waits for its answer. */
function controlled() {
  const rounds: {
    finish(round: Round): void;
    fail(error: unknown): void;
    track: Track;
  }[] = [];
  const round = (track: Track) => new Promise<Round>((finish, fail) => rounds.push({ finish, fail, track }));
  return { round, rounds };
}

const turn = () => new Promise((resolve) => setTimeout(resolve));
const nothing: Round = { more: false };

Deno.test("createPump: rounds never overlap, and a poke during a round causes another", async () => {
  const { round, rounds } = controlled();
  const pump = createPump({ round, lingerMs: 0, onError: () => {} });
  pump.poke();
  pump.poke();
  pump.poke();
  assertEquals(rounds.length, 1);
  rounds[0].finish(nothing);
  await turn();
  assertEquals(rounds.length, 2);
  rounds[1].finish(nothing);
  await pump.idle();
  assertEquals(rounds.length, 2);
});

Deno.test("createPump: continues while a round reports more work", async () => {
  const { round, rounds } = controlled();
  const pump = createPump({ round, lingerMs: 0, onError: () => {} });
  pump.poke();
  rounds[0].finish({ more: true });
  await turn();
  assertEquals(rounds.length, 2);
  rounds[1].finish(nothing);
  await pump.idle();
});

Deno.test("createPump: the end of tracked work starts a round, and idle waits for both", async () => {
  const { round, rounds } = controlled();
  const pump = createPump({ round, lingerMs: 0, onError: () => {} });
  let idle = false;
  const work = Promise.withResolvers<void>();
  pump.poke();
  rounds[0].track(work.promise);
  rounds[0].finish(nothing);
  const waiting = pump.idle().then(() => idle = true);
  await turn();
  assertEquals([rounds.length, idle], [1, false]);
  work.reject(new Error("work may fail"));
  await turn();
  assertEquals([rounds.length, idle], [2, false]);
  rounds[1].finish(nothing);
  await waiting;
});

Deno.test("createPump: waits for work due within the linger time, not for later work", async () => {
  const { round, rounds } = controlled();
  const pump = createPump({ round, lingerMs: 50, onError: () => {} });
  pump.poke();
  rounds[0].finish({ more: false, nextDueMs: 1 });
  while (rounds.length < 2) await turn();
  rounds[1].finish({ more: false, nextDueMs: 51 });
  await pump.idle();
  assertEquals(rounds.length, 2);
});

Deno.test("createPump: work that claimed its successor decides whether another round is needed", async () => {
  const { round, rounds } = controlled();
  const pump = createPump({ round, lingerMs: 60_000, onError: () => {} });
  pump.track(Promise.resolve(nothing));
  await pump.idle();
  pump.track(Promise.resolve({ more: false, nextDueMs: 60_001 }));
  await pump.idle();
  assertEquals(rounds.length, 0);
  // The sooner of two counts.
  pump.track(Promise.resolve({ more: false, nextDueMs: 59_000 }));
  pump.track(Promise.resolve({ more: false, nextDueMs: 1 }));
  await until("a round", () => rounds.length === 1);
  rounds[0].finish(nothing);
  await pump.idle();
  pump.track(Promise.resolve({ more: true }));
  await turn();
  assertEquals(rounds.length, 2);
  rounds[1].finish(nothing);
  await pump.idle();
});

Deno.test("createPump: a failed round is reported and stops the loop until the next poke", async () => {
  const { round, rounds } = controlled();
  const errors: unknown[] = [];
  const pump = createPump({ round, lingerMs: 50, onError: (error) => errors.push(error) });
  pump.poke();
  rounds[0].fail("away");
  await pump.idle();
  assertEquals([rounds.length, errors], [1, ["away"]]);
  pump.poke();
  rounds[1].finish(nothing);
  await pump.idle();
});

Deno.test("roundOf: due work that could not be claimed never causes a busy loop", () => {
  assertEquals(roundOf(null, false), { more: false });
  assertEquals(roundOf(-5, true), { more: false });
  assertEquals(roundOf(0, false), { more: false, nextDueMs: 200 });
  assertEquals(roundOf(1234, true), { more: false, nextDueMs: 1234 });
});
