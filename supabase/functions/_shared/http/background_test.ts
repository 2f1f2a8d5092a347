import { assertEquals } from "../../../../tests/support/assert.ts";
import { postpone } from "./background.ts";

Deno.test("postpone(): work requested many times runs once, and again when requested again", async () => {
  let times = 0;
  let done = Promise.withResolvers<void>();
  const { begin } = postpone(0, () => Promise.resolve(done.resolve(void times++)));
  for (const expected of [1, 2]) {
    done = Promise.withResolvers();
    begin();
    begin();
    assertEquals(times, expected - 1);
    // The timer itself keeps no process alive.
    const alive = setInterval(() => {}, 1000);
    await done.promise.finally(() => clearInterval(alive));
    assertEquals(times, expected);
  }
});

Deno.test("postpone(): cancelled work has ended for the platform too, and can be requested again", async () => {
  const works: Promise<unknown>[] = [];
  globalThis.EdgeRuntime = { waitUntil: (work) => void works.push(work) };
  try {
    const { begin, cancel } = postpone(1e9, () => Promise.reject(new Error("not to be done")));
    cancel();
    begin();
    cancel();
    begin();
    cancel();
    assertEquals(works.length, 2);
    await Promise.all(works);
  } finally {
    delete globalThis.EdgeRuntime;
  }
});
