/** Starts that can't succeed: each is told in a sentence, with the way out, and ends with an exit code. */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { join } from "../../lib/paths.ts";
import { connect } from "../support/connect.ts";
import { clusterUrl, testDatabase } from "../support/postgres.ts";
import { type FailedStart, startStack, temporaryFolder, tryStack } from "../support/stack.ts";

/** Starts what must not start, and gives its last line. */
async function refusal(...args: Parameters<typeof tryStack>): Promise<FailedStart> {
  const result = await tryStack(...args);
  if ("url" in result) {
    await result.stop();
    throw new Error("it started");
  }
  assertEquals(result.code, 1);
  assert(!/\n\s+at /.test(result.output), `no stack trace: ${result.output}`);
  return result;
}

Deno.test("start: names a port in use, and the alternative", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  try {
    const { output } = await refusal({ port });
    assertStringIncludes(output, `Port ${port} is in use.`);
    assertStringIncludes(output, "--port");
  } finally {
    listener.close();
  }
});

Deno.test("start: refuses an unusable data folder with the reason", async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;

  const foreign = join(folder, "foreign");
  await Deno.mkdir(foreign);
  await Deno.writeTextFile(join(foreign, "thesis.tex"), "");
  for (const args of [[], ["--fresh"]]) {
    assertStringIncludes(
      (await refusal({ data: foreign, args })).output,
      "holds files that are not Gatelink's: thesis.tex",
    );
  }
  assertEquals([...Deno.readDirSync(foreign)].length, 1, "nothing was put there, and nothing removed");

  const file = join(folder, "file");
  await Deno.writeTextFile(file, "");
  assertStringIncludes((await refusal({ data: file })).output, `${file} is a file`);

  const broken = join(folder, "broken");
  await Deno.mkdir(broken);
  await Deno.writeTextFile(join(broken, "keys.json"), `{"publishableKey`);
  assertStringIncludes((await refusal({ data: broken })).output, "keys.json is broken");

  const ours = join(folder, "ours");
  const stack = await startStack({ data: ours });
  try {
    assertStringIncludes((await refusal({ data: ours })).output, "is already running on");
  } finally {
    await stack.stop();
  }
  const version = join(ours, "postgres", "PG_VERSION");
  await Deno.writeTextFile(version, "15\n");
  assertStringIncludes((await refusal({ data: ours })).output, "was written by Postgres 15");
  await Deno.remove(version);
  assertStringIncludes((await refusal({ data: ours })).output, "is not a Postgres data folder");
  const fresh = await startStack({ data: ours, args: ["--fresh"] });
  assertEquals(await fresh.stop(), 0);
});

Deno.test({
  name: "start: refuses a read-only data folder with the reason",
  // root writes everywhere but into what nobody can write.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const data = Deno.uid() === 0 ? "/proc/gatelink" : "/root/gatelink";
    assertStringIncludes((await refusal({ data })).output, data);
  },
});

Deno.test("start: DATABASE_URL uses an existing Postgres, and an invalid one is explained", async () => {
  const database = await testDatabase({ empty: true });
  try {
    const stack = await startStack({ env: { DATABASE_URL: database.url } });
    try {
      const answer = await stack.rpc("status");
      await answer.body?.cancel();
      assertEquals(answer.status, 200);
      assertEquals(stack.pids().postgres, undefined);
      assertEquals(stack.stack.dbUrl, database.url);
    } finally {
      await stack.stop();
    }
    // Another data folder has other keys; the admin's password is the new one's.
    const other = await startStack({ env: { DATABASE_URL: database.url } });
    try {
      const session = await fetch(`${other.url}/auth/v1/token?grant_type=password`, {
        method: "POST",
        headers: { apikey: other.stack.publishableKey, "content-type": "application/json" },
        body: JSON.stringify(other.stack.admin),
      });
      await session.body?.cancel();
      assertEquals(session.status, 200);
    } finally {
      await other.stop();
    }
  } finally {
    await database.drop();
  }

  const changed = (change: (url: URL) => void) => {
    const url = new URL(clusterUrl);
    change(url);
    return url.href;
  };
  const wrong: [string, string][] = [
    [changed((url) => url.password = "wrong"), "refuses the user or password"],
    [changed((url) => url.pathname = "/nowhere"), `database "nowhere" does not exist`],
    [changed((url) => url.port = "1"), "can't be reached"],
    ["localhost:5432", "is not of the form"],
    ["postgresql://postgres:x@db.abcdefgh.supabase.co:5432/postgres", "is a hosted Supabase project"],
  ];
  for (const [DATABASE_URL, reason] of wrong) {
    const { output } = await refusal({ env: { DATABASE_URL } });
    assertStringIncludes(output, reason);
    assert(!output.includes("wrong"), "the password is not printed");
  }
});

/** As the files before the fold left it: their record, in place of that of ours. */
const FOLDED = `
  update supabase_migrations.schema_migrations set version = '20261121' || substr(version, 9)`;

Deno.test("start: refuses a data folder with foreign migrations by name, and suggests --fresh", async () => {
  await using temporary = await temporaryFolder();
  const data = join(temporary.path, "data");
  const first = await startStack({ data, args: ["--no-seed"] });
  const sql = connect(first.stack.dbUrl);
  // The second is somebody else's, in the same project.
  await sql`insert into supabase_migrations.schema_migrations (version, name)
    values ('20991231000000', 'later'), ('20500101000000', 'own_table')`;
  await sql`insert into private.own_migrations (version) values ('20991231000000')`;
  await sql.end();
  assertEquals(await first.stop(), 0);

  const newer = await startStack({ data, args: ["--no-seed"] });
  assertStringIncludes(
    newer.output(),
    `The database in ${data} is from a newer version (migration 20991231000000)`,
  );
  const again = connect(newer.stack.dbUrl);
  await again`insert into private.schema_breaks (version, why) values ('20991231000000', 'codes are read otherwise')`;
  await again.end();
  assertEquals(await newer.stop(), 0);

  const broken = (await refusal({ data })).output;
  assertStringIncludes(
    broken,
    "migration 20991231000000 breaks older versions (codes are read otherwise)",
  );
  assertStringIncludes(broken, `The database in ${data} is from a newer version`);
  assertStringIncludes(broken, "--fresh");

  const other = join(temporary.path, "other");
  const folded = await startStack({ data: other, args: ["--no-seed"] });
  const record = connect(folded.stack.dbUrl);
  await record.unsafe(FOLDED);
  await record.end();
  assertEquals(await folded.stop(), 0);

  const { output } = await refusal({ data: other });
  assertStringIncludes(output, `The database in ${other} was created by different migrations`);
  assertStringIncludes(output, "20261121000100_foundation");
  assertStringIncludes(output, "--fresh");
  const fresh = await startStack({ data: other, args: ["--fresh", "--no-seed"] });
  assertEquals(await fresh.stop(), 0);
});

Deno.test("start: refuses an existing database with foreign migrations, and changes nothing in it", async () => {
  const database = await testDatabase({ empty: true });
  try {
    await database.sql.unsafe(`
      create schema supabase_migrations;
      create table supabase_migrations.schema_migrations (version text primary key);
      insert into supabase_migrations.schema_migrations values ('20200101000000')`);
    const { output } = await refusal({ env: { DATABASE_URL: database.url } });
    assertStringIncludes(output, `the database ${new URL(database.url).pathname.slice(1)} on `);
    assertStringIncludes(output, "it has 20200101000000, which supabase/migrations does not have");
    assertStringIncludes(output, "createdb");
    assert(!output.includes("--fresh"), "--fresh does not empty a database of one's own");
    const schemas = await database.sql`select nspname from pg_namespace where nspname in ('auth', 'private')`;
    assertEquals([...schemas], []);
  } finally {
    await database.drop();
  }
});

Deno.test("start: explains invalid arguments, and --help helps", async () => {
  assertStringIncludes((await refusal({ args: ["--prot", "1"] })).output, "--prot");
  const high = await refusal({ port: 70_000 });
  assertStringIncludes(high.output, "--port takes a number");
  const env = { DATABASE_URL: clusterUrl };
  assertStringIncludes((await refusal({ args: ["--fresh"], env })).output, "--fresh");
  const help = await tryStack({ args: ["--help"] });
  if ("url" in help) throw new Error("it started");
  assertEquals(help.code, 0);
  assertStringIncludes(help.output, "--no-seed");
});
