import { assertEquals } from "../../../../tests/support/assert.ts";
import { SCHEMA_VERSION } from "./schema.ts";

Deno.test("SCHEMA_VERSION is the newest migration", () => {
  const folder = new URL("../../../migrations/", import.meta.url);
  const versions = [...Deno.readDirSync(folder)].flatMap(({ name }) =>
    /^(\d+)_.*\.sql$/.exec(name)?.[1] ?? []
  );
  assertEquals(SCHEMA_VERSION, versions.sort().at(-1));
});
