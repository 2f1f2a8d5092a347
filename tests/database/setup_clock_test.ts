/** The clock step of `gatelink setup` on a database with a stand-in for Vault and pg_cron, which plain Postgres lacks. */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { clock } from "../../cli/commands/setup/clock.ts";
import { Inputs } from "../../cli/commands/setup/inputs.ts";
import { type Taken, walk } from "../../cli/commands/setup/walk.ts";
import { testSession } from "../support/gatelink.ts";
import { testDatabase } from "../support/postgres.ts";

const VAULT = `
  create schema vault;
  create table vault.secrets (id uuid primary key default gen_random_uuid(), name text unique, secret text);
  create view vault.decrypted_secrets as select id, name, secret as decrypted_secret from vault.secrets;
  create function vault.create_secret(p_secret text, p_name text) returns uuid language sql as
    'insert into vault.secrets (name, secret) values (p_name, p_secret) returning id';
  create function vault.update_secret(p_id uuid, p_secret text) returns void language sql as
    'update vault.secrets set secret = p_secret where id = p_id';
  create schema cron;
  create table cron.job (jobname text);
  insert into cron.job select name from private.clock_jobs();
`;

Deno.test("setup, clock: address and key go into Vault once, and are corrected when they are another project's", async () => {
  const db = await testDatabase();
  const { sql } = db;
  try {
    const run = async (url: string, env: Record<string, string>) => {
      const inputs = new Inputs({ env, secret: () => Promise.resolve(undefined) });
      const step = clock({ sql, inputs, words: "", stack: { url }, project: { local: false } });
      const { document } = await walk(testSession(), [step], {
        title: "",
        done: "",
        again: "gatelink setup",
      });
      return (document as { steps: Taken[] }).steps[0];
    };
    const kept = async () =>
      (await sql`select name, secret from vault.secrets order by name`).map(({ name, secret }) =>
        `${name} ${secret}`
      );

    const without = await run("https://a.supabase.co", {});
    assertEquals([without.state, without.detail], ["failed", "The database has no Vault."]);
    await sql.unsafe(VAULT);
    const unasked = await run("https://a.supabase.co", {});
    assertStringIncludes(unasked.detail, "GATELINK_CLOCK_KEY is missing");
    assertEquals(await kept(), [], "nothing is stored before everything is known");

    const env = { GATELINK_CLOCK_KEY: "sb_secret_one" };
    assertEquals((await run("https://a.supabase.co", env)).state, "done");
    assertEquals(await kept(), ["gatelink_secret_key sb_secret_one", "gatelink_url https://a.supabase.co"]);
    const again = await run("https://a.supabase.co", {});
    assertEquals(again.state, "found", "a repeated run asks for nothing");
    assert(!JSON.stringify(again).includes("sb_secret_one"));
    assertEquals((await run("https://b.supabase.co", { GATELINK_CLOCK_KEY: "sb_secret_two" })).state, "done");
    assertEquals(await kept(), ["gatelink_secret_key sb_secret_two", "gatelink_url https://b.supabase.co"]);

    await sql`delete from cron.job where jobname = 'gatelink_drain'`;
    const unscheduled = await run("https://b.supabase.co", env);
    assertEquals([unscheduled.state, unscheduled.detail], [
      "failed",
      "It was done, and still: 1 job to be scheduled",
    ]);
  } finally {
    await db.drop();
  }
});
