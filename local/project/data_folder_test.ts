import { assertEquals, assertRejects } from "../../tests/support/assert.ts";
import { openDataFolder } from "./data_folder.ts";
import { join } from "../../lib/paths.ts";
import { UserError } from "../../lib/user_error.ts";

Deno.test("openDataFolder: fresh removes what a stack created, and nothing else", async () => {
  const path = await Deno.makeTempDir();
  try {
    (await openDataFolder(path)).release();
    for (const name of ["postgres", "deployed"]) await Deno.mkdir(join(path, name));
    for (const name of ["simulator.jsonl", "deployed.json", "postgres.password"]) {
      await Deno.writeTextFile(join(path, name), "{}");
    }
    const keys = await Deno.readTextFile(join(path, "keys.json"));
    // Somebody's project may have a keys.json too.
    await Deno.writeTextFile(join(path, "thesis.txt"), "years of work");
    const error = await assertRejects(() => openDataFolder(path, { fresh: true }), UserError);
    assertEquals(/thesis\.txt/.test(error.message), true, error.message);
    assertEquals(await Deno.readTextFile(join(path, "keys.json")), keys);
    await Deno.remove(join(path, "thesis.txt"));

    (await openDataFolder(path, { fresh: true })).release();
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), ["keys.json", "lock"]);
    assertEquals(await Deno.readTextFile(join(path, "keys.json")) === keys, false);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
