import { assert, assertEquals } from "../support/assert.ts";
import { isRunning } from "../../lib/processes.ts";
import { until } from "../support/until.ts";
import { descendants, endAll } from "./descendants.ts";

Deno.test({
  name: "endAll(): ends a process and its descendants, also those that ignore the signal",
  ignore: Deno.build.os === "windows",
  async fn() {
    const stubborn = `trap "" TERM; while :; do sleep 0.1; done`;
    const child = new Deno.Command("sh", { args: ["-c", `sh -c 'sleep 600; :' & ${stubborn}`] }).spawn();
    const pids = await until("all three", () => {
      const found = [child.pid, ...descendants(child.pid)];
      return found.length >= 3 && found;
    });
    assert(pids.every(isRunning));
    await endAll(pids, 0);
    await child.status;
    assertEquals(pids.filter(isRunning), []);
  },
});
