import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "../db/client.ts";
import { createSwitchReport } from "./switch_report.ts";

function world() {
  const told: unknown[] = [];
  const errors: unknown[] = [];
  const state = { set: [] as string[], now: 0, fails: false };
  const report = createSwitchReport({
    rpc: ((_: string, { p_flags }: { p_flags: string[] }) => {
      if (state.fails) return Promise.reject(new Error("away"));
      told.push(p_flags);
      return Promise.resolve(null);
    }) as unknown as Rpc,
    loadConfig: () =>
      Promise.resolve({ settings: [{ key: "b.enabled" }, { key: "a.enabled" }, { key: "a.colour" }] }),
    killed: (key) => state.set.includes(key),
    now: () => state.now,
    onError: (error) => errors.push(error),
  });
  return { told, errors, state, report };
}

Deno.test("createSwitchReport(): says at the beginning what is set, and then what has changed", async () => {
  const { told, state, report } = world();
  await report();
  await report();
  assertEquals(told, [[]]);
  state.set = ["b.enabled", "a.enabled", "a.colour"];
  await report();
  await report();
  assertEquals(told, [[], ["a.enabled", "b.enabled"]]);
  state.set = [];
  await report();
  assertEquals(told.at(-1), []);
});

Deno.test("createSwitchReport(): what is set is said again each minute, and a failure is no failure of the caller", async () => {
  const { told, errors, state, report } = world();
  state.set = ["a.enabled"];
  await report();
  state.now = 59_999;
  await report();
  assertEquals(told.length, 1);
  state.now = 60_000;
  state.fails = true;
  await report();
  assertEquals([told.length, errors.length], [1, 1]);
  state.fails = false;
  await report();
  assertEquals(told.length, 2);
});
