/** The local stack as a user meets it: started as a process, broken in every way that is promised to be survived. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import postgres from "postgres";
import { join, ROOT } from "../local/paths.ts";
import { isRunning } from "../local/processes.ts";
import { freePort } from "../local/postgres.ts";
import { clusterUrl, testDatabase } from "./support/postgres.ts";
import { type FailedStart, type RunningStack, startStack, tryStack } from "./support/stack.ts";

const HEALTH = `export default { fetch: () => Response.json({ status: "ok" }) };`;

/** A folder with these functions, by name; `health` comes by itself. */
async function functionsFolder(sources: Record<string, string>): Promise<string> {
  const folder = join(await Deno.makeTempDir({ prefix: "gatelink-test-functions-" }), "functions");
  for (const [name, source] of Object.entries({ health: HEALTH, ...sources })) {
    await Deno.mkdir(join(folder, name), { recursive: true });
    await Deno.writeTextFile(join(folder, name, "index.ts"), source);
  }
  return folder;
}

/** Asks again until the answer is as wanted, and fails after 20 s. */
async function eventually<T>(what: string, ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const answer = await Promise.resolve().then(ask).catch(() => undefined);
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

const gone = (pids: number[]) =>
  eventually("its processes are gone", () => pids.some(isRunning) ? undefined : true);

function processes(stack: RunningStack): number[] {
  return Object.values(stack.pids()).filter((pid) => pid !== undefined);
}

async function rpc(stack: RunningStack, name: string, args: unknown = {}): Promise<Response> {
  return await fetch(`${stack.url}/rest/v1/rpc/${name}`, {
    method: "POST",
    headers: { apikey: stack.stack.secretKey, "content-type": "application/json" },
    body: JSON.stringify(args),
  });
}

Deno.test("start: serves, keeps its data and keys over a stop, and leaves no process", async () => {
  const data = join(await Deno.makeTempDir(), "data");
  await Deno.chmod(join(data, ".."), 0o755);
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

    const began = performance.now();
    second = await startStack({ data });
    assert(performance.now() - began < 5_000, "the second start takes less than 5 s");
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
    assertEquals(await read("settings?select=key,value&key=like.*.enabled&order=key"), [
      { key: "wa_router.enabled", value: "true" },
      { key: "wa_send.enabled", value: "true" },
    ]);
    assertEquals(await read("destination_allowlist?select=pattern,purpose&order=pattern"), [
      { pattern: "127.0.0.1", purpose: "forward" },
      { pattern: "localhost", purpose: "forward" },
    ]);
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

Deno.test("functions: served as on the platform, and a failing one takes nothing with it", async () => {
  const functions = await functionsFolder({
    seen: `export default { fetch: (request) => Response.json({
      url: new URL(request.url).pathname + new URL(request.url).search,
      forwarded: request.headers.get("x-forwarded-for"),
      listed: [...request.headers.keys()].includes("x-forwarded-for"),
      names: Object.keys(Deno.env.toObject()).filter((name) => name.startsWith("SUPABASE_")).sort(),
      keys: [Deno.env.get("SUPABASE_PUBLISHABLE_KEYS"), Deno.env.get("SUPABASE_SECRET_KEYS")].map((k) => JSON.parse(k)),
      own: Deno.env.get("MY_SECRET"),
    }) };`,
    html:
      `export default { fetch: () => new Response("<b>x</b>", { headers: { "content-type": "text/html; charset=utf-8" } }) };`,
    echo:
      `export default { fetch: async (request) => new Response(await request.bytes(), { status: 201 }) };`,
    throws: `export default { fetch() { throw new Error("the secret of the house"); } };`,
    rejects:
      `export default { fetch() { Promise.reject(new Error("behind")); setTimeout(() => { throw new Error("later"); });
      EdgeRuntime.waitUntil(Promise.reject(new Error("after"))); return new Response("fine"); } };`,
    exits: `export default { fetch() { Deno.exit(3); } };`,
    deeplinks: `export default { fetch: (request) => new Response(request.url.replace(/.*?:.*?:\\d+/, ""),
      { headers: { "content-type": "text/html" } }) };`,
    nothing: `export default { fetch() {} };`,
    broken: `import "./missing.ts"; export default { fetch: () => new Response() };`,
    _shared: `throw new Error("not a function");`,
  });
  await Deno.writeTextFile(join(functions, ".env"), `MY_SECRET="a b"\n`);
  const stack = await startStack({ functions, args: ["--no-seed"] });
  const call = (path: string, init?: RequestInit) => fetch(`${stack.url}/functions/v1/${path}`, init);
  try {
    const host = stack.pids().functions;
    const seen = await (await call("seen/a/b?c=d", { headers: { "x-forwarded-for": "192.0.2.1" } })).json();
    const { publishableKey, secretKey } = stack.stack;
    assertEquals(seen, {
      url: "/seen/a/b?c=d",
      forwarded: "192.0.2.1, 127.0.0.1",
      listed: true,
      names: [
        "SUPABASE_DB_URL",
        "SUPABASE_JWKS",
        "SUPABASE_PUBLISHABLE_KEYS",
        "SUPABASE_SECRET_KEYS",
        "SUPABASE_URL",
      ],
      keys: [{ default: publishableKey }, { default: secretKey }],
      own: "a b",
    });

    for (
      const [method, type] of [["GET", "text/plain; charset=utf-8"], ["POST", "text/html; charset=utf-8"]]
    ) {
      const response = await call("html", { method });
      assertEquals([response.headers.get("content-type"), await response.text()], [type, "<b>x</b>"]);
    }
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const echo = await call("echo", { method: "POST", body: bytes });
    assertEquals([echo.status, await echo.bytes()], [201, bytes]);

    // As on a domain for links, which is a custom one: pages stay pages.
    for (const path of ["/l/AbC/x?y=z", "/.well-known/a.json"]) {
      const response = await fetch(stack.url + path);
      assertEquals([response.headers.get("content-type"), await response.text()], ["text/html", path]);
    }
    for (const name of ["throws", "exits", "nothing", "broken"]) {
      const response = await call(name);
      assertEquals(response.headers.get("content-type"), "application/problem+json", name);
      const { request_id, ...problem } = await response.json();
      assertMatch(request_id, /./);
      assertEquals(problem, {
        type: "urn:gatelink:problem:internal_error",
        title: "Something went wrong on our side.",
        status: 500,
        code: "internal_error",
      });
    }
    assertEquals(await (await call("rejects")).text(), "fine");
    await eventually(
      "what happened behind the answer is logged",
      () =>
        ["behind", "later", "after", "the secret of the house", "missing.ts"].every((word) =>
          stack.output().includes(word)
        ) || undefined,
    );
    for (const name of ["_shared", "unknown", "", "seen-not"]) {
      const response = await call(name);
      assertEquals([response.status, (await response.json()).code], [404, "not_found"], name);
    }
    assertEquals((await fetch(`${stack.url}/nowhere`)).status, 404);
    assertEquals((await call("health")).status, 200);
    assertEquals(stack.pids().functions, host, "one process served all of that");
  } finally {
    await stack.stop();
  }
});

Deno.test("functions: work after the answer is finished at a stop", async () => {
  const functions = await functionsFolder({
    late: `export default { fetch(request) {
      const file = new URL(request.url).searchParams.get("file");
      EdgeRuntime.waitUntil(new Promise((done) => setTimeout(done, 700)).then(() => Deno.writeTextFile(file, "done")));
      return new Response();
    } };`,
    last: `addEventListener("beforeunload", ({ detail }) => EdgeRuntime.waitUntil(
      new Promise((done) => setTimeout(done, 50)).then(() => Deno.writeTextFile(Deno.env.get("LAST"), detail.reason))));
      export default { fetch: () => new Response() };`,
  });
  const file = await Deno.makeTempFile(), last = await Deno.makeTempFile();
  const stack = await startStack({ functions, args: ["--no-seed"], env: { LAST: last } });
  await (await fetch(`${stack.url}/functions/v1/last`)).body?.cancel();
  await (await fetch(`${stack.url}/functions/v1/late?file=${file}`)).body?.cancel();
  assertEquals(await stack.stop(), 0);
  assertEquals([await Deno.readTextFile(file), await Deno.readTextFile(last)], ["done", "termination"]);
});

Deno.test("the simulator is for this machine alone, and an open page does not hold up a stop", async () => {
  const stack = await startStack();
  const page = await fetch(`${stack.url}/simulator/api/events`);
  const reader = page.body!.getReader();
  assertMatch(new TextDecoder().decode((await reader.read()).value), /^data: /);
  const client = Deno.createHttpClient({ allowHost: true });
  // A page of another site whose name was made to lead to this machine.
  const foreign = await fetch(`${stack.url}/simulator/outbox`, { headers: { host: "example.com" }, client });
  await foreign.body?.cancel();
  assertEquals(foreign.status, 403);
  client.close();
  const began = performance.now();
  assertEquals(await stack.stop(), 0);
  assert(performance.now() - began < 4_500, "less than the time that a stop gives to work in hand");
  await reader.cancel().catch(() => {});
});

Deno.test("a stack whose launcher is killed stops by itself", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  const data = join(dir, "data");
  const launcher = new Deno.Command(Deno.execPath(), {
    args: ["task", "start", "--port", String(freePort()), "--data", data, "--no-seed"],
    cwd: ROOT,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const { pids } = await eventually(
    "it is up",
    () => JSON.parse(Deno.readTextFileSync(join(data, "stack.json"))),
  );
  launcher.kill("SIGKILL");
  await launcher.status;
  await gone(Object.values(pids));
});

Deno.test("the functions host killed with -9 is back, with the same address", async () => {
  const stack = await startStack({ args: ["--no-seed"] });
  try {
    for (let i = 0; i < 2; i++) {
      const before = stack.pids().functions;
      Deno.kill(before, "SIGKILL");
      await eventually(
        "health answers again",
        async () =>
          stack.pids().functions !== before && (await fetch(`${stack.url}/functions/v1/health`)).ok ||
          undefined,
      );
    }
  } finally {
    await stack.stop();
  }
});

Deno.test("Postgres killed with -9 under load: every answer is a 200 or a clean 503, then all is well", async () => {
  const stack = await startStack();
  try {
    const statuses = new Set<number>();
    let ended = false;
    const load = Array.from({ length: 8 }, async () => {
      while (!ended) {
        const response = await rpc(stack, "add_counts", {
          p_counts: [{ name: "test", label: "", n: 1 }],
        });
        await response.body?.cancel();
        statuses.add(response.status);
      }
    });
    for (let i = 0; i < 2; i++) {
      await new Promise((done) => setTimeout(done, 300));
      const before = stack.pids().postgres!;
      Deno.kill(before, "SIGKILL");
      await eventually(
        "the Data API answers again",
        async () => stack.pids().postgres !== before && (await rpc(stack, "status")).ok || undefined,
      );
    }
    await new Promise((done) => setTimeout(done, 300));
    ended = true;
    const stuck = Symbol();
    const late = new Promise((done) => setTimeout(() => done(stuck), 5_000));
    assert(await Promise.race([Promise.all(load), late]) !== stuck, "no request is left without an answer");
    assertEquals([...statuses].filter((status) => status !== 204 && status !== 200 && status !== 503), []);
    assert(statuses.has(503), "the outage was noticed");
  } finally {
    await stack.stop();
  }
});

Deno.test("a supervisor killed with -9 leaves nothing that stops the next start", async () => {
  const data = join(await Deno.makeTempDir(), "data");
  await Deno.chmod(join(data, ".."), 0o755);
  const port = freePort();
  // One that hangs in a function does not notice that its supervisor is gone.
  const functions = await functionsFolder({ hangs: `export default { fetch() { for (;;); } };` });
  const first = await startStack({ data, port, functions });
  const pids = first.pids();
  fetch(`${first.url}/functions/v1/hangs`).catch(() => {});
  await new Promise((done) => setTimeout(done, 300));
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

Deno.test("start: a port in use is named, with the way out", async () => {
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

Deno.test("start: a data folder that can't be used is refused with a reason", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.chmod(folder, 0o755);

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
    assertStringIncludes((await refusal({ data: ours })).output, "is running on");
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
  name: "start: a data folder that can't be written is refused with a reason",
  // root writes everywhere but into what nobody can write.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const data = Deno.uid() === 0 ? "/proc/gatelink" : "/root/gatelink";
    assertStringIncludes((await refusal({ data })).output, data);
  },
});

Deno.test("start: DATABASE_URL uses one's own Postgres, and a wrong one is explained", async () => {
  const database = await testDatabase({ empty: true });
  try {
    const stack = await startStack({ env: { DATABASE_URL: database.url } });
    try {
      assertEquals((await rpc(stack, "status")).status, 200);
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
    [changed((url) => url.password = "wrong"), "refuses user or password"],
    [changed((url) => url.pathname = "/nowhere"), `database "nowhere" does not exist`],
    [changed((url) => url.port = String(freePort())), "can't be reached"],
    ["localhost:5432", "is not of the form"],
    ["postgresql://postgres:x@db.abcdefgh.supabase.co:5432/postgres", "is a hosted Supabase project"],
  ];
  for (const [DATABASE_URL, reason] of wrong) {
    const { output } = await refusal({ env: { DATABASE_URL } });
    assertStringIncludes(output, reason);
    assert(!output.includes("wrong"), "the password is not printed");
  }
});

Deno.test("start: wrong arguments are explained, and --help helps", async () => {
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
