import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "../db/client.ts";
import { createWatch } from "./watch.ts";

Deno.test("createWatch(): checks at most once a minute, sends due notifications, and never throws", async () => {
  let time = 0;
  const did: string[] = [];
  const answers: (boolean | Error)[] = [false, true, new Error("away"), true];
  const rpc = ((name: string) => {
    did.push(name);
    const answer = answers.shift()!;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }) as Rpc;
  const watch = createWatch({
    rpc,
    notify: () => Promise.resolve(did.push("notify")),
    now: () => time,
    onError: () => did.push("error"),
  });
  for (const at of [0, 59_999, 60_000, 119_999, 120_000, 180_000]) {
    time = at;
    await watch();
  }
  assertEquals(did, ["watch", "watch", "notify", "watch", "error", "watch", "notify"]);
});
