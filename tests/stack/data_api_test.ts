import { assert, assertEquals } from "../support/assert.ts";
import { testDatabase } from "../support/postgres.ts";
import { createDataApi, type DataApi } from "../../local/data_api/data_api.ts";
import { until } from "../support/until.ts";

const SECRET = "sb_secret_test", PUBLISHABLE = "sb_publishable_test";

interface Caller {
  key?: string;
  token?: string;
  method?: string;
  body?: unknown;
}

/** A database of its own with the Data API on it; `call` gives status and body. */
function apiTest(
  name: string,
  schema: string,
  test: (
    call: (path: string, caller?: Caller) => Promise<[status: number, body: unknown]>,
    use: { api: DataApi; sql: Awaited<ReturnType<typeof testDatabase>>["sql"] },
  ) => Promise<void>,
): void {
  Deno.test(`createDataApi: ${name}`, async () => {
    const db = await testDatabase();
    await db.sql.unsafe(schema);
    const api = createDataApi({
      dbUrl: db.url,
      jwtSecret: "a-secret-that-is-at-least-32-characters-long",
      publishableKey: PUBLISHABLE,
      secretKey: SECRET,
      connections: 5,
    });
    try {
      await test(async (path, { key = SECRET, token, method, body } = {}) => {
        const headers = new Headers({ "content-type": "application/json" });
        if (key) headers.set("apikey", key);
        if (token) headers.set("authorization", `Bearer ${token}`);
        const init = {
          headers,
          method: method ?? (body === undefined ? "GET" : "POST"),
          body: JSON.stringify(body),
        };
        const response = await api.fetch(new Request(`http://127.0.0.1${path}`, init));
        const text = await response.text();
        return [response.status, text === "" ? null : JSON.parse(text)];
      }, { api, sql: db.sql });
    } finally {
      await api.close();
      await db.drop();
    }
  });
}

const ECHO = `create function public.echo(p jsonb, n int default 3) returns jsonb language sql as $$
    select jsonb_build_object('type', jsonb_typeof(p), 'value', p, 'n', n, 'role', current_user) $$;
  grant execute on function public.echo(jsonb, int) to anon, authenticated, service_role;`;

apiTest("JSON arguments of rpc() arrive unchanged, for each key", ECHO, async (call) => {
  for (const [key, role] of [[SECRET, "service_role"], [PUBLISHABLE, "anon"]]) {
    for (
      const [value, type] of [[[{ a: "ü" }, 1], "array"], [{ b: null }, "object"], [5, "number"], [
        true,
        "boolean",
      ]]
    ) {
      assertEquals(await call("/rest/v1/rpc/echo", { key, body: { p: value } }), [200, {
        type,
        value,
        n: 3,
        role,
      }]);
    }
  }
});

apiTest(
  "rpc() returns results by return type, running each function once per call, for each key",
  `create table public.runs (n int);
   create function public.nothing() returns void language sql as $$ insert into public.runs values (1) $$;
   create function public.nobody() returns jsonb language sql as $$ select null::jsonb $$;
   create function public.words(p text) returns text language sql as $$ select 'a "' || p $$;
   create function public.person() returns public.wa_numbers language sql as $$
     select row('7', '155', 80, 6, 45, null, '2026-01-02T03:04:05Z')::public.wa_numbers $$;
   create function public.several(p_many int) returns table (n int, square int) language sql volatile as $$
     insert into public.runs values (1); select i, i * i from generate_series(1, p_many) i $$;
   create function public.numbers(p_many int default 2) returns setof int language sql as $$
     select generate_series(1, p_many) $$;
   grant all on public.runs to anon, service_role;`,
  async (call, { sql }) => {
    for (const key of [SECRET, PUBLISHABLE]) {
      const rpc = (name: string, body: unknown = {}) => call(`/rest/v1/rpc/${name}`, { key, body });
      assertEquals(await rpc("nothing"), [204, null]);
      assertEquals(await rpc("nobody"), [200, null]);
      assertEquals(await rpc("words", { p: "ü" }), [200, 'a "ü']);
      const [, person] = await rpc("person");
      assertEquals([(person as { id: string }).id, (person as { max_per_second: number }).max_per_second], [
        "7",
        80,
      ]);
      assertEquals(await rpc("several", { p_many: 2 }), [200, [{ n: 1, square: 1 }, { n: 2, square: 4 }]]);
      assertEquals(await rpc("several", { p_many: 0 }), [200, []]);
      assertEquals(await rpc("numbers"), [200, [1, 2]]);
      assertEquals(await rpc("numbers", { p_many: 3 }), [200, [1, 2, 3]]);
      assertEquals((await rpc("numbers", { p_other: 3 }))[0], 404);
    }
    assertEquals((await sql`select count(*)::int as n from public.runs`)[0].n, 6);
  },
);

apiTest("an argument that earlier calls omitted arrives, for each key", ECHO, async (call) => {
  for (const key of [SECRET, PUBLISHABLE]) {
    const seen = [];
    for (const body of [{ p: [1] }, { p: [1], n: 5 }, { p: [1] }]) {
      const [, answer] = await call("/rest/v1/rpc/echo", { key, body });
      seen.push((answer as { n: number }).n);
    }
    assertEquals(seen, [3, 5, 3]);
  }
});

apiTest("requests without a valid key are refused", ECHO, async (call) => {
  for (const key of ["", "sb_secret_wrong"]) {
    assertEquals((await call("/rest/v1/rpc/echo", { key, body: { p: 1 } }))[0], 401);
    assertEquals((await call("/rest/v1/settings", { key }))[0], 401);
  }
});

apiTest(
  "grants and policies of the migrations apply unchanged",
  `create table public.closed (id int primary key); alter table public.closed enable row level security;
   create table public.mine (id uuid primary key); alter table public.mine enable row level security;
   grant select on public.mine to authenticated;
   create policy mine on public.mine to authenticated using (id = (select auth.uid()));`,
  async (call, { sql }) => {
    const grants = () =>
      sql`select grantee, table_schema, table_name, privilege_type from information_schema.role_table_grants
        where grantee in ('anon', 'authenticated', 'service_role', 'PUBLIC') and table_schema <> 'auth' order by 1, 2, 3, 4`;
    const defaults = () =>
      sql`select defaclnamespace::regnamespace::text as schema, defaclacl::text from pg_default_acl`;
    const before = [await grants(), await defaults()];
    const [status, session] = await call("/auth/v1/signup", {
      key: PUBLISHABLE,
      body: { email: "a@example.com", password: "correct-horse-9" },
    });
    assertEquals(status, 200);
    const { access_token: token, user } = session as { access_token: string; user: { id: string } };
    await sql`insert into public.mine values (${user.id}), (${crypto.randomUUID()})`;
    assertEquals(await call("/rest/v1/mine?select=id", { key: PUBLISHABLE, token }), [200, [{
      id: user.id,
    }]]);
    for (const caller of [{ key: PUBLISHABLE }, { key: PUBLISHABLE, token }, { key: SECRET }]) {
      const [status, body] = await call("/rest/v1/closed", caller);
      assertEquals((body as { code: string }).code, "42501");
      assert(status === 401 || status === 403);
    }
    assertEquals([await grants(), await defaults()], before);
  },
);

apiTest("only the schema public is exposed", "", async (call) => {
  for (const path of ["users", "schema_migrations", "destination_secrets", "rpc/clock_jobs"]) {
    assertEquals((await call(`/rest/v1/${path}`))[0], 404, path);
  }
});

/** As PostgREST answers: https://docs.postgrest.org/en/v13/references/errors.html */
const ERRORS: [sqlstate: string, status: number][] = [
  ["P0001", 400],
  ["GL409", 400],
  ["PT418", 418],
  ["22023", 400],
  ["23505", 409],
  ["23514", 400],
  ["28000", 403],
  ["40001", 500],
  ["42501", 403],
  ["53400", 503],
  ["57014", 500],
];
apiTest(
  "an error raised in SQL keeps its code, detail and hint, with PostgREST's status",
  `create function public.fail(state text) returns void language plpgsql as $$ begin
     raise exception 'no' using errcode = state, detail = 'because', hint = 'try'; end $$;
   grant execute on function public.fail(text) to anon, service_role;`,
  async (call) => {
    for (const [code, status] of ERRORS) {
      for (const key of [SECRET, PUBLISHABLE]) {
        // What one is not allowed without having signed in is 401.
        const expected = code === "42501" && key === PUBLISHABLE ? 401 : status;
        const [got, body] = await call("/rest/v1/rpc/fail", { key, body: { state: code } });
        assertEquals(got, expected, `${code} with ${key}`);
        assertEquals([(body as { code: string }).code, (body as { message: string }).message], [code, "no"]);
      }
    }
  },
);

apiTest(
  "told that the database is lost, it answers pending requests and serves the next",
  ECHO,
  async (call, use) => {
    await use.sql.unsafe(
      `create function public.slow() returns int language sql as $$ select pg_sleep(30); select 1 $$;
    grant execute on function public.slow() to anon, service_role`,
    );
    const waiting = [SECRET, PUBLISHABLE].map((key) => call("/rest/v1/rpc/slow", { key, body: {} }));
    await until("both are under way", async () => {
      const [{ n }] = await use.sql`
        select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
      return n === 2;
    });
    use.api.lost();
    const [, immediately] = await call("/rest/v1/rpc/echo", { body: { p: 1 } });
    for (const answer of [...await Promise.all(waiting), [503, immediately]]) {
      assertEquals([answer[0], (answer[1] as { code: string }).code], [503, "PGRST001"]);
    }
    await until("it serves again", async () => {
      const [status] = await call("/rest/v1/rpc/echo", { body: { p: 1 } });
      assert(status === 200 || status === 503, String(status));
      return status === 200;
    });
  },
);

Deno.test("createDataApi: without a database it answers 503 like PostgREST, without the database's address", async () => {
  for (const path of ["settings", "rpc/status"]) {
    // For each path another, since one rests for a while after it found no database.
    const api = createDataApi({
      dbUrl: "postgresql://postgres:secret@127.0.0.1:1/postgres",
      jwtSecret: "a-secret-that-is-at-least-32-characters-long",
      publishableKey: PUBLISHABLE,
      secretKey: SECRET,
    });
    const response = await api.fetch(
      new Request(`http://127.0.0.1/rest/v1/${path}`, { headers: { apikey: SECRET } }),
    );
    const text = await response.text();
    assertEquals(response.status, 503, text);
    assertEquals(JSON.parse(text).code, "PGRST001");
    assert(!text.includes("127.0.0.1"));
    await api.close();
  }
});
