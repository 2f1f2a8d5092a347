/** The functions' way to the database, over the local stack's Data API and real Postgres. */
import { assertEquals, assertRejects } from "../support/assert.ts";
import { createDataApi } from "../../local/data_api/data_api.ts";
import { createRpc, DbError, type Rpc, type RpcOptions } from "../../supabase/functions/_shared/db/client.ts";
import { createConfigLoader } from "../../supabase/functions/_shared/db/config.ts";
import { requireRate } from "../../supabase/functions/_shared/gates/rate_limit.ts";
import { Problem } from "../../supabase/functions/_shared/http/problem.ts";
import "../support/flushed.ts";
import { type TestDatabase, testDatabase } from "../support/postgres.ts";

/** For functions that a test makes, or that are not there. */
const untyped = (rpc: Rpc) =>
  rpc as unknown as (name: string, args: object, options?: RpcOptions) => Promise<unknown>;

const SECRET = "sb_secret_test";

function stackTest(name: string, test: (rpc: Rpc, db: TestDatabase, url: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const db = await testDatabase();
    const api = createDataApi({
      dbUrl: db.url,
      jwtSecret: "a-secret-that-is-at-least-32-characters-long",
      publishableKey: "sb_publishable_test",
      secretKey: SECRET,
      connections: 10,
    });
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => api.fetch(request),
    );
    const url = `http://127.0.0.1:${server.addr.port}`;
    try {
      await test(createRpc({ endpoint: () => ({ url, key: SECRET }), backoffMs: () => 5 }), db, url);
    } finally {
      await server.shutdown();
      await api.close();
      await db.drop();
    }
  });
}

stackTest("rpc: returns results, and null for a function without one", async (rpc, { sql }) => {
  assertEquals(await rpc("add_counts", { p_counts: [{ name: "a", n: 2 }] }), null);
  assertEquals((await sql`select sum(value)::int as n from public.counters`)[0].n, 2);
  assertEquals(await rpc("take_rate", { p_key: "k", p_rate: 0.5, p_burst: 2 }), {
    allowed: true,
    limit: 2,
    remaining: 1,
    reset_ms: 2000,
    retry_after_ms: 0,
  });
  assertEquals(typeof await rpc("schema_version", {}), "string");
});

stackTest("rpc: a Postgres error keeps its SQLSTATE", async (rpc, _db, url) => {
  const code = async (run: Promise<unknown>) => (await assertRejects(() => run, DbError) as DbError).code;
  assertEquals(await code(rpc("take_rate", { p_key: "k", p_rate: 0, p_burst: 2 })), "22023");
  assertEquals(await code(rpc("take_rate", { p_key: "", p_rate: 1, p_burst: 2 })), "23514");
  assertEquals(await code(rpc("add_counts", { p_counts: [{ name: "a", n: "x" }] })), "22P02");
  const unknown = await assertRejects(() => untyped(rpc)("no_such_function", {}), Problem);
  assertEquals([unknown.code, (unknown.cause as DbError).code], ["schema_outdated", "PGRST202"]);
  const stranger = createRpc({ endpoint: () => ({ url, key: "sb_publishable_test" }) });
  assertEquals(await code(stranger("add_counts", { p_counts: [] })), "42501");
});

stackTest("rpc: deadlocks and serialization failures are retried until they pass", async (rpc, { sql }) => {
  await sql.unsafe(`
    create sequence public.attempts;
    create function public.flaky(p_times int, p_code text) returns bigint language plpgsql as $$
    declare n bigint := nextval('public.attempts');
    begin
      if n <= p_times then raise exception 'again' using errcode = p_code; end if;
      return n;
    end $$;
    grant usage on sequence public.attempts to service_role;
    grant execute on function public.flaky(int, text) to service_role`);
  assertEquals(await untyped(rpc)("flaky", { p_times: 2, p_code: "40001" }), 3);
  await sql`select setval('public.attempts', 1, false)`;
  assertEquals(await untyped(rpc)("flaky", { p_times: 1, p_code: "40P01" }), 2);
});

stackTest(
  "rpc: a call that takes too long counts as an outage, and so does an overloaded server",
  async (rpc, { sql }) => {
    await sql.unsafe(`
    create function public.slow() returns int language sql as 'select 1 from pg_sleep(1)';
    create function public.full_up() returns int language plpgsql as $$ begin raise exception 'x' using errcode = '53300'; end $$;
    grant execute on all functions in schema public to service_role`);
    for (const [name, timeoutMs] of [["slow", 100], ["full_up", 5000]] as const) {
      const problem = await assertRejects(() => untyped(rpc)(name, {}, { timeoutMs }), Problem);
      assertEquals(problem.code, "database_unavailable", name);
    }
  },
);

stackTest("requireRate: a caller gets its burst and is then told when to retry", async (rpc) => {
  const limit = { name: "test", perSecond: 0.1, burst: 2 };
  assertEquals(await requireRate(limit, "caller", 1, rpc), {
    "ratelimit-policy": '"test";q=2;w=20',
    ratelimit: '"test";r=1;t=10',
  });
  await requireRate(limit, "caller", 1, rpc);
  const problem = await assertRejects(() => requireRate(limit, "caller", 1, rpc), Problem);
  assertEquals([problem.status, problem.headers["retry-after"]], [429, "10"]);
  await requireRate(limit, "another", 1, rpc);
});

stackTest("loadConfig: returns settings as written, and a change within 5 s", async (rpc, { sql }) => {
  let now = 0;
  const load = createConfigLoader(rpc, () => now);
  await sql`insert into public.settings (key, value, metadata) values ('x.enabled', 'false', '{"salt": "s"}')`;
  const before = await load();
  const { version, ...rest } = before.settings.find(({ key }) => key === "x.enabled")!;
  assertEquals([rest, typeof version], [
    { key: "x.enabled", value: "false", metadata: { salt: "s" } },
    "number",
  ]);
  now = 5000;
  assertEquals(await load() === before, true);
  await sql`update public.settings set value = 'true' where key = 'x.enabled'`;
  now = 10_000;
  assertEquals((await load()).settings.find(({ key }) => key === "x.enabled")?.value, "true");
});

Deno.test("rpc: connection refused gives database_unavailable at once", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response());
  const url = `http://127.0.0.1:${server.addr.port}`;
  await server.shutdown();
  const rpc = createRpc({ endpoint: () => ({ url, key: SECRET }) });
  const problem = await assertRejects(() => rpc("take_rate", { p_key: "k", p_rate: 1, p_burst: 1 }), Problem);
  assertEquals(problem.code, "database_unavailable");
});
