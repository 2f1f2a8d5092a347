/** The Supabase CLI itself takes the migrations forward and records the way back, as docs/deploy.md says. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { listMigrations, migrate } from "../../lib/migrate.ts";
import { MIGRATIONS, ROOT } from "../../lib/paths.ts";
import { npx, SUPABASE } from "../../lib/programs.ts";
import { testDatabase } from "../support/postgres.ts";

async function supabase(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await npx(SUPABASE, ["--workdir", ROOT, "--yes", ...args], {
    env: { SUPABASE_NO_UPDATE_NOTIFIER: "1", SUPABASE_TELEMETRY_DISABLED: "1", NO_COLOR: "1" },
  });
  assertEquals(code, 0, stdout + stderr);
  return stdout + stderr;
}

Deno.test("supabase db push: applies all migrations to an empty database and none to a current one", async () => {
  const db = await testDatabase({ empty: true });
  const versions = async () =>
    (await db.sql`select version from supabase_migrations.schema_migrations order by version`)
      .map(({ version }) => version);
  try {
    // What a new Supabase project already has.
    await bootstrap(db.sql);
    const all = listMigrations().map(({ version }) => version);
    const pushed = await supabase("db", "push", `--remote=${db.url}`);
    assert(!/^\s*warn/im.test(pushed), pushed);
    assertEquals(await versions(), all);
    assertEquals(await migrate(db.sql), [], "the local stack goes on where the CLI stopped");
    assert(/up to date/i.test(await supabase("db", "push", `--remote=${db.url}`)));

    // One step back, as docs/deploy.md says; `psql -1` is one transaction.
    const last = listMigrations().at(-1)!;
    const reverse = await Deno.readTextFile(join(MIGRATIONS, "reverse", `${last.version}_${last.name}.sql`));
    await db.sql.begin((sql) => sql.unsafe(reverse));
    await supabase("migration", "repair", last.version, "--status", "reverted", `--remote=${db.url}`);
    assertEquals(await versions(), all.slice(0, -1));
    await supabase("db", "push", `--remote=${db.url}`);
    assertEquals(await versions(), all);
  } finally {
    await db.drop();
  }
});
