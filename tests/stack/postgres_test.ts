import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import postgres from "postgres";
import { join, ROOT } from "../../lib/paths.ts";
import { freePort, startPostgres } from "../../lib/postgres/postgres.ts";
import { isRunning } from "../../lib/processes.ts";
import { UserError } from "../../lib/user_error.ts";
import { until } from "../support/until.ts";

async function folder(): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "gatelink-test-postgres-" });
  await Deno.chmod(path, 0o755);
  return path;
}

async function ask(url: string, question: string): Promise<unknown> {
  const sql = postgres(url, { max: 1 });
  try {
    const [row] = await sql.unsafe(question);
    return Object.values(row)[0];
  } finally {
    await sql.end();
  }
}

/** Resolves when the server has been started again. */
async function restarted(server: { pid(): number }, before: number): Promise<void> {
  await until("it was started again", () => server.pid() !== before);
}

Deno.test("startPostgres: after kill -9 it restarts on the same address with all committed data", async () => {
  const dir = await folder();
  const events: string[] = [];
  const server = await startPostgres({
    dataDir: join(dir, "postgres"),
    password: "p@ss:word/",
    onRestart: (event) => events.push(event),
  });
  try {
    await ask(server.url, "create table kept (n int); insert into kept values (42) returning n");
    for (let i = 0; i < 2; i++) {
      const before = server.pid();
      Deno.kill(before, "SIGKILL");
      await restarted(server, before);
      assertEquals(await ask(server.url, "select n from kept"), 42);
    }
    assertEquals(events, ["died", "back", "died", "back"]);
  } finally {
    await server.stop();
  }
  assert(!isRunning(server.pid()));
  assertEquals(await Deno.stat(join(dir, "postgres", "postmaster.pid")).catch(() => "gone"), "gone");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("startPostgres: stopped during a restart, it stays stopped", async () => {
  const dir = await folder();
  const server = await startPostgres({ dataDir: join(dir, "postgres"), password: "x", durable: false });
  Deno.kill(server.pid(), "SIGKILL");
  await server.stop();
  assert(!isRunning(server.pid()));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("startPostgres: a port that another program took meanwhile is left to it", async () => {
  const dir = await folder();
  const options = { password: "x", durable: false };
  // One of ours, of which a connection alone does not tell that it is the wrong one.
  const first = await startPostgres({ ...options, dataDir: join(dir, "first") });
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const chosen = [first.port, other.addr.port];
    const dataDir = join(dir, "second");
    const second = await startPostgres({ ...options, dataDir }, () => chosen.shift() ?? freePort());
    try {
      assertEquals(chosen, []);
      assert(second.port !== first.port && second.port !== other.addr.port);
      assertEquals(await ask(second.url, "select current_setting('data_directory')"), dataDir);
    } finally {
      await second.stop();
    }
    const error = await assertRejects(
      () => startPostgres({ ...options, dataDir }, () => first.port),
      UserError,
    );
    assert(error.message.includes(`Port ${first.port}`), error.message);
  } finally {
    other.close();
    await first.stop();
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("startPostgres: has durable settings for real data, and fast ones for throw-away data", async () => {
  for (const [durable, value] of [[true, "on"], [false, "off"]] as const) {
    const dir = await folder();
    const server = await startPostgres({ dataDir: join(dir, "postgres"), password: "x", durable });
    for (const name of ["fsync", "synchronous_commit", "full_page_writes"]) {
      assertEquals(await ask(server.url, `select current_setting('${name}')`), value, name);
    }
    assertEquals(await ask(server.url, "select lower('ÄÖ')"), "äö");
    await server.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("startPostgres: takes over from a server that a killed program left running on the folder", async () => {
  const dir = await folder();
  const program = `
    import { startPostgres } from ${
    JSON.stringify(new URL("../../lib/postgres/postgres.ts", import.meta.url).href)
  };
    const server = await startPostgres({ dataDir: ${JSON.stringify(join(dir, "postgres"))}, password: "x" });
    console.log(server.pid(), server.port);
    Deno.kill(Deno.pid, "SIGKILL");`;
  const file = join(dir, "program.ts");
  await Deno.writeTextFile(file, program);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `--config=${join(ROOT, "deno.json")}`, file],
  }).output();
  const [left, port] = new TextDecoder().decode(stdout).split(" ").map(Number);
  assert(isRunning(left), "the server outlived its program");
  const server = await startPostgres({ dataDir: join(dir, "postgres"), password: "x", port });
  assert(!isRunning(left));
  assertEquals(server.port, port);
  await server.stop();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("startPostgres: ignores a postmaster.pid whose number belongs to another program", async () => {
  const dir = await folder();
  const dataDir = join(dir, "postgres");
  await (await startPostgres({ dataDir, password: "x", durable: false })).stop();
  await Deno.writeTextFile(join(dataDir, "postmaster.pid"), `${Deno.pid}\n${dataDir}\n`);
  const server = await startPostgres({ dataDir, password: "x", durable: false });
  await server.stop();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("startPostgres: a server that cannot run reports why, and is given up", async () => {
  const dir = await folder();
  const dataDir = join(dir, "postgres");
  const server = await startPostgres({ dataDir, password: "x", durable: false });
  // Without its control file it can't start again.
  await Deno.remove(join(dataDir, "global", "pg_control"));
  Deno.kill(server.pid(), "SIGKILL");
  // The server keeps no program alive, and a test that waits for it alone would end.
  const alive = setInterval(() => {}, 1_000);
  const error = await assertRejects(() => server.failed, UserError);
  clearInterval(alive);
  assert(error.message.includes("--fresh"), error.message);
  await server.stop();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("startPostgres: a first start that was killed half-way does not block the next", async () => {
  const dir = await folder();
  const dataDir = join(dir, "postgres");
  await Deno.mkdir(`${dataDir}.new`);
  await Deno.writeTextFile(join(`${dataDir}.new`, "PG_VERSION"), "17\n");
  const server = await startPostgres({ dataDir, password: "x", durable: false });
  assertEquals(await ask(server.url, "select 1"), 1);
  await server.stop();
  await Deno.remove(dir, { recursive: true });
});
