import { assertEquals, assertRejects } from "../../tests/support/assert.ts";
import { freePort } from "../../lib/postgres/postgres.ts";
import { fetchStack } from "./fetch_stack.ts";

Deno.test("fetchStack(): what a running local stack refuses is asked again until it listens", async () => {
  const port = freePort();
  const asked = fetchStack({ supervisor: Deno.pid }, `http://127.0.0.1:${port}/`);
  // Begun later and refused already, so the one above was refused, too.
  await assertRejects(() => fetch(`http://127.0.0.1:${port}/`));
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, () => new Response("here"));
  assertEquals(await (await asked).text(), "here");
  await server.shutdown();
});

Deno.test("fetchStack(): one whose process is gone, and a hosted one, refuse at once", async () => {
  const { pid, status } = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await status;
  for (const supervisor of [pid, undefined]) {
    await assertRejects(() => fetchStack({ supervisor }, `http://127.0.0.1:${freePort()}/`));
  }
});
