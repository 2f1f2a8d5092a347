/** On which port a stack listens, and what is there to be read once it answers. */
import { assert, assertEquals } from "../support/assert.ts";
import { parseOptions } from "../../local/options.ts";
import { join } from "../../lib/paths.ts";
import { freePort } from "../../lib/postgres/postgres.ts";
import { startStack } from "../../local/stack.ts";
import { testDatabase } from "../support/postgres.ts";
import { functionsFolder, startStack as startProcess, temporaryFolder } from "../support/stack.ts";

/** Health that is well only where stack.json is to be read already. */
const HEALTH = `export default { fetch: () => {
  try {
    JSON.parse(Deno.readTextFileSync(Deno.env.get("STACK_JSON")));
    return Response.json({ status: "ok" });
  } catch (error) {
    return Response.json({ status: String(error) }, { status: 503 });
  }
} };`;

Deno.test("start: stack.json exists as soon as health answers 200", async () => {
  await using folder = await temporaryFolder();
  const database = await testDatabase();
  const data = join(folder.path, "data");
  const stack = await startProcess({
    data,
    functions: await functionsFolder(folder.path, { health: HEALTH }),
    args: ["--no-seed"],
    env: { DATABASE_URL: database.url, STACK_JSON: join(data, "stack.json") },
  });
  try {
    assertEquals(stack.stack.url, stack.url);
  } finally {
    await stack.stop();
    await database.drop();
  }
});

Deno.test(
  "start: with --port 0, a port that another program took meanwhile is left to it",
  async () => {
    await using folder = await temporaryFolder();
    const database = await testDatabase();
    // Another stack, as far as its health says: it must not be taken for the one that is being started.
    const other = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => Response.json({ status: "ok" }),
    );
    const chosen = [other.addr.port];
    const stack = await startStack(
      parseOptions(
        [
          ...["--port", "0", "--data", join(folder.path, "data"), "--no-seed"],
          ...["--functions", await functionsFolder(folder.path, {})],
        ],
        { get: (name) => name === "DATABASE_URL" ? database.url : undefined },
      ),
      () => {},
      () => chosen.shift() ?? freePort(),
    );
    try {
      assertEquals(chosen, []);
      assert(stack.file.url !== `http://127.0.0.1:${other.addr.port}`);
      const health = await fetch(`${stack.file.url}/functions/v1/health`);
      assertEquals([health.status, await health.json()], [200, { status: "ok" }]);
    } finally {
      await stack.stop();
      await other.shutdown();
      await database.drop();
    }
  },
);
