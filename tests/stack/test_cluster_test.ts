/** The Postgres of the tests themselves. */
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { join } from "../../lib/paths.ts";
import { UserError } from "../../lib/user_error.ts";
import { startOnCopy } from "../support/kept_cluster.ts";
import { temporaryFolder } from "../support/stack.ts";

Deno.test("startOnCopy(): the kept cluster is created once, and again if it was damaged", async () => {
  await using folder = await temporaryFolder();
  const kept = join(folder.path, "kept");
  const start = async (name: string) => {
    const began = performance.now();
    const server = await startOnCopy(join(folder.path, name), kept);
    await server.stop();
    return performance.now() - began;
  };
  const cluster = () =>
    Array.from(Deno.readDirSync(kept)).find(({ name }) => name.startsWith("postgres-"))!.name;
  await start("first");
  const made = (name: string) => Deno.statSync(join(kept, cluster(), name)).ino;
  const before = made("PG_VERSION");
  await start("second");
  assertEquals(made("PG_VERSION"), before);
  await Deno.remove(join(kept, cluster(), "global", "pg_control"));
  await start("third");
  assert(made("global/pg_control"));
});

Deno.test("startOnCopy(): names a folder that cannot be used", async () => {
  await using folder = await temporaryFolder();
  const kept = join(folder.path, "kept");
  await Deno.writeTextFile(kept, "");
  const error = await assertRejects(() => startOnCopy(join(folder.path, "data"), kept), UserError);
  assert(error.message.includes(kept), error.message);
});
