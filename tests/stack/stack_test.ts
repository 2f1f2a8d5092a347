/** The local stack as a user meets it: started as a process, stopped, and killed in part and whole. */
import { assert, assertEquals } from "../support/assert.ts";
import postgres from "postgres";
import { join, ROOT } from "../../lib/paths.ts";
import { isRunning } from "../../lib/processes.ts";
import { functionsFolder, type RunningStack, startStack, temporaryFolder } from "../support/stack.ts";
import { until } from "../support/until.ts";

const gone = (pids: number[]) => until("its processes are gone", () => !pids.some(isRunning));

function processes(stack: RunningStack): number[] {
  return Object.values(stack.pids()).filter((pid) => pid !== undefined);
}

Deno.test("start: serves, keeps its data and keys over a restart, and leaves no process", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  const first = await startStack({ data });
  let second: RunningStack | undefined;
  try {
    assertEquals((await fetch(`${first.url}/functions/v1/health`)).status, 200);
    const mode = (await Deno.stat(join(data, "stack.json"))).mode! & 0o777;
    assertEquals(mode, 0o600);
    const sql = postgres(first.stack.dbUrl, { max: 1 });
    await sql`insert into public.settings (key, value) values ('stack.test', 'kept')`;
    // What a person turned off stays off, what they removed stays away.
    await sql`update public.settings set value = 'false' where key = 'wa_send.enabled'`;
    await sql`delete from public.routes`;
    await sql.end();
    const pids = processes(first);
    assertEquals(await first.stop(), 0);
    await gone(pids);
    assertEquals([...Deno.readDirSync(data)].map((entry) => entry.name).includes("stack.json"), false);

    // The second start makes nothing anew.
    const made = await Deno.stat(join(data, "postgres", "PG_VERSION"));
    second = await startStack({ data });
    assertEquals((await Deno.stat(join(data, "postgres", "PG_VERSION"))).ino, made.ino);
    assertEquals([first, second].map((stack) => /Applied \d+ migrations/.test(stack.output())), [
      true,
      false,
    ]);
    assertEquals(
      { ...second.stack, pids: 0, url: 0, dbUrl: 0 },
      { ...first.stack, pids: 0, url: 0, dbUrl: 0 },
    );
    const again = postgres(second.stack.dbUrl, { max: 1 });
    const rows =
      await again`select key, value from public.settings where key in ('stack.test', 'wa_send.enabled')
      order by key`;
    assertEquals(rows.map((row) => row.value), ["kept", "false"]);
    const [{ routes, url }] = await again`select (select count(*)::int from public.routes) as routes,
      (select url from public.destinations where name = 'echo') as url`;
    assertEquals([routes, url], [0, `${second.url}/demo/service`]);
    await again.end();
  } finally {
    await second?.stop();
  }
});

Deno.test("start: seeds flags, allowlist, number, demo route and an admin who can sign in", async () => {
  const stack = await startStack();
  try {
    const { stack: { admin, publishableKey, whatsapp } } = stack;
    const session = await fetch(`${stack.url}/auth/v1/token?grant_type=password`, {
      method: "POST",
      headers: { apikey: publishableKey, "content-type": "application/json" },
      body: JSON.stringify(admin),
    });
    const { access_token } = await session.json();
    // As a signed-in admin, by row level security.
    const read = async (path: string) => {
      const response = await fetch(`${stack.url}/rest/v1/${path}`, {
        headers: { apikey: publishableKey, authorization: `Bearer ${access_token}` },
      });
      return await response.json();
    };
    const flags = await read("settings?select=key,value&key=like.*.enabled") as {
      key: string;
      value: string;
    }[];
    for (const key of ["wa_router.enabled", "wa_send.enabled"]) {
      assert(flags.some((flag) => flag.key === key), key);
    }
    assertEquals(flags.filter(({ value }) => value !== "true"), []);
    assertEquals(
      await read("destination_allowlist?select=pattern,purpose&purpose=eq.forward&order=pattern"),
      [
        { pattern: "127.0.0.1", purpose: "forward" },
        { pattern: "localhost", purpose: "forward" },
      ],
    );
    assertEquals(await read("wa_numbers?select=id"), [{ id: whatsapp.phoneNumberId }]);
    assertEquals(await read("destinations?select=name,url"), [{
      name: "echo",
      url: `${stack.url}/demo/service`,
    }]);
    assertEquals(await read("routes?select=priority,condition"), [{
      priority: 1000,
      condition: { type: "any" },
    }]);
  } finally {
    await stack.stop();
  }
});

Deno.test("start --no-seed leaves the tables empty", async () => {
  const stack = await startStack({ args: ["--no-seed"] });
  try {
    const sql = postgres(stack.stack.dbUrl, { max: 1 });
    const [row] = await sql`select (select count(*)::int from public.settings) as settings,
      (select count(*)::int from public.destinations) as destinations, (select count(*)::int from auth.users) as users`;
    assertEquals({ ...row }, { settings: 0, destinations: 0, users: 0 });
    await sql.end();
  } finally {
    await stack.stop();
  }
});

Deno.test("a stack whose launcher is killed stops by itself", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  const launcher = new Deno.Command(Deno.execPath(), {
    args: ["task", "start", "--port", "0", "--data", data, "--no-seed"],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const { pids } = await until(
    "it is up",
    () => JSON.parse(Deno.readTextFileSync(join(data, "stack.json"))),
  );
  launcher.kill("SIGKILL");
  await launcher.status;
  await gone(Object.values(pids));
});

Deno.test("a stack of tests that are killed stops by itself", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data"), program = join(folder.path, "tests.ts");
  await Deno.writeTextFile(
    program,
    `import { startStack } from ${JSON.stringify(`file://${join(ROOT, "tests", "support", "stack.ts")}`)};
    await startStack({ data: ${JSON.stringify(data)}, args: ["--no-seed"], env: { DATABASE_URL: "" } });`,
  );
  const tests = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `--config=${join(ROOT, "deno.json")}`, program],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const { pids } = await until(
    "it is up",
    () => JSON.parse(Deno.readTextFileSync(join(data, "stack.json"))),
  );
  tests.kill("SIGKILL");
  await tests.status;
  await gone(Object.values(pids));
});

Deno.test("the functions host restarts after kill -9 with the same address", async () => {
  const stack = await startStack({ args: ["--no-seed"] });
  try {
    for (let i = 0; i < 2; i++) {
      const before = stack.pids().functions;
      Deno.kill(before, "SIGKILL");
      await until(
        "health answers again",
        async () => stack.pids().functions !== before && (await fetch(`${stack.url}/functions/v1/health`)).ok,
      );
    }
  } finally {
    await stack.stop();
  }
});

Deno.test("Postgres killed with -9 under load: every answer is a 200 or a clean 503, then all is well", async () => {
  const stack = await startStack();
  let ended = false;
  try {
    const statuses = new Set<number>();
    let answered = 0;
    const more = (n: number) => {
      const least = answered + n;
      return until("there is load", () => answered >= least);
    };
    const load = Array.from({ length: 8 }, async () => {
      while (!ended) {
        const response = await stack.rpc("add_counts", {
          p_counts: [{ name: "test", label: "", n: 1 }],
        });
        await response.body?.cancel();
        statuses.add(response.status);
        answered++;
      }
    });
    for (let i = 0; i < 2; i++) {
      await more(50);
      const before = stack.pids().postgres!;
      Deno.kill(before, "SIGKILL");
      await until(
        "the Data API answers again",
        async () => stack.pids().postgres !== before && (await stack.rpc("status")).ok,
      );
    }
    await more(50);
    ended = true;
    const stuck = Symbol();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise((done) => timer = setTimeout(() => done(stuck), 60_000));
    const done = await Promise.race([Promise.all(load), late]).finally(() => clearTimeout(timer));
    assert(done !== stuck, "no request is left without an answer");
    assertEquals([...statuses].filter((status) => status !== 204 && status !== 200 && status !== 503), []);
    assert(statuses.has(503), "the outage was noticed");
  } finally {
    ended = true;
    await stack.stop();
  }
});

Deno.test("a supervisor killed with -9 leaves nothing that blocks the next start", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  const hangs = join(folder.path, "hangs");
  // One that hangs in a function does not notice that its supervisor is gone.
  const functions = await functionsFolder(folder.path, {
    hangs: `export default { fetch() { Deno.writeTextFileSync(Deno.env.get("HANGS"), ""); for (;;); } };`,
  });
  const first = await startStack({ data, functions, env: { HANGS: hangs } });
  const port = Number(new URL(first.url).port);
  const pids = first.pids();
  fetch(`${first.url}/functions/v1/hangs`).catch(() => {});
  await until("it hangs", () => Deno.statSync(hangs).isFile);
  await first.kill9();
  assert(isRunning(pids.functions) && isRunning(pids.postgres!), "both live on");

  const second = await startStack({ data, port, functions });
  try {
    assertEquals([pids.functions, pids.postgres!].filter(isRunning), []);
    assertEquals((await fetch(`${second.url}/functions/v1/health`)).status, 200);
  } finally {
    await second.stop();
  }
});
