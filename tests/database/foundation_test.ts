/** What every table stands on: ids, the team, the revision of the configuration. */
import { assert, assertEquals } from "../support/assert.ts";
import { ANON, as, type Caller, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { until } from "../support/until.ts";

databaseTest(
  "uuid_v7(): has the time, version and variant of RFC 9562, in order, without repetition",
  async (sql) => {
    const before = Date.now();
    const rows = await sql`select private.uuid_v7() as id from generate_series(1, 20000)`;
    const after = Date.now();
    const ids = rows.map((row) => row.id as string);
    for (const id of ids) {
      assert(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
      const millis = parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
      assert(millis >= before && millis <= after, `${id} says ${millis}, made from ${before} to ${after}`);
    }
    assertEquals(new Set(ids).size, ids.length);
    // Made within the same microsecond, two may change places; the rest of the order is that of the making.
    const micros = ids.map((id) => id.slice(0, 18));
    assertEquals(micros, micros.toSorted());
    const random = ids.map((id) => id.slice(19));
    assertEquals(new Set(random).size, ids.length);
  },
);

databaseTest(
  "uuid_v7(): stores the fraction of the millisecond in the 12 bits after the version",
  async (sql) => {
    // 4096 parts of a millisecond, counted in microseconds: up to 999 * 4096 / 1000 = 4091.
    const rows = await sql`select private.uuid_v7() as id from generate_series(1, 20000)`;
    const parts = rows.map((row) => parseInt((row.id as string).slice(15, 18), 16));
    assert(Math.max(...parts) <= 4091 && Math.max(...parts) > 3900 && Math.min(...parts) < 200);
  },
);

databaseTest("has_role(): roles are ordered, and the default is no role", async (sql) => {
  const roles = ["viewer", "operator", "admin", "owner", ""];
  const ask = (caller: Caller) =>
    as(sql, caller, async (sql) => {
      const rows = await sql`
        select role from unnest(${roles}::text[]) with ordinality as r(role, i) where private.has_role(role) order by i`;
      return rows.map((row) => row.role);
    });
  assertEquals(await ask(await signedIn(sql)), []);
  assertEquals(await ask(await signedIn(sql, "viewer")), ["viewer"]);
  assertEquals(await ask(await signedIn(sql, "operator")), ["viewer", "operator"]);
  assertEquals(await ask(await signedIn(sql, "admin")), ["viewer", "operator", "admin"]);
  assertEquals(await ask({ role: "authenticated" }), []);
});

databaseTest("removal from the team takes effect with the next request", async (sql) => {
  const admin = await signedIn(sql, "admin");
  const viewer = await signedIn(sql, "viewer");
  const sees = async () => (await as(sql, viewer, (sql) => sql`select from public.team_members`)).length;
  assertEquals(await sees(), 2);
  const remove = () =>
    as(
      sql,
      admin,
      async (sql) => (await sql`select public.remove_team_member(${viewer.sub!}) as was`)[0].was,
    );
  assertEquals(await remove(), true);
  assertEquals(await sees(), 0);
  assertEquals(await remove(), false);
});

databaseTest(
  "set_team_member(): adds and changes members, and keeps approver roles unless told otherwise",
  async (sql) => {
    const admin = await signedIn(sql, "admin");
    const { sub } = await signedIn(sql);
    const set = (role: string, approvals?: string[]) =>
      as(sql, admin, async (sql) => {
        const [row] = await sql`select role, approvals from public.set_team_member(${sub!}, ${role}, ${
          approvals ?? null
        })`;
        return { ...row };
      });
    assertEquals(await set("viewer"), { role: "viewer", approvals: [] });
    assertEquals(await set("viewer", ["cto", "product"]), { role: "viewer", approvals: ["cto", "product"] });
    assertEquals(await set("operator"), { role: "operator", approvals: ["cto", "product"] });
    assertEquals(await set("operator", []), { role: "operator", approvals: [] });
    assertEquals(await refusal(set("boss")), "23514");
    assertEquals(await refusal(set("viewer", ["ceo"])), "23514");
  },
);

databaseTest("set_team_member(): refuses an id without an account", async (sql) => {
  const set = as(sql, SERVICE, (sql) => sql`select public.set_team_member(${crypto.randomUUID()}, 'viewer')`);
  assertEquals(await refusal(set), "23503");
});

databaseTest("only admins and secret keys manage the team", async (sql) => {
  const { sub } = await signedIn(sql, "viewer");
  const attempts = (caller: Caller) =>
    Promise.all([
      refusal(as(sql, caller, (sql) => sql`select public.set_team_member(${sub!}, 'operator')`)),
      refusal(as(sql, caller, (sql) => sql`select public.remove_team_member(${crypto.randomUUID()})`)),
    ]);
  const callers = [
    [ANON, "42501"],
    [await signedIn(sql), "42501"],
    [await signedIn(sql, "viewer"), "42501"],
    [await signedIn(sql, "operator"), "42501"],
    [await signedIn(sql, "admin"), undefined],
    [SERVICE, undefined],
  ] as const;
  for (const [caller, code] of callers) {
    assertEquals(await attempts(caller), [code, code], JSON.stringify(caller));
  }
});

databaseTest(
  "the last admin cannot be removed, not even when two admins demote each other at once",
  async (sql) => {
    const first = await signedIn(sql, "admin");
    const demote = (by: Caller, whom: Caller) =>
      refusal(as(sql, by, (sql) => sql`select public.set_team_member(${whom.sub!}, 'viewer')`));
    const remove = (by: Caller, whom: Caller) =>
      refusal(as(sql, by, (sql) => sql`select public.remove_team_member(${whom.sub!})`));
    for (const by of [first, SERVICE]) {
      assertEquals(await demote(by, first), "GL409");
      assertEquals(await remove(by, first), "GL409");
    }
    const second = await signedIn(sql, "admin");
    // The second asks while the first one's transaction is open, and has to wait for its end.
    let later: Promise<string | undefined> | undefined;
    await as(sql, first, async (own) => {
      await own`select public.set_team_member(${second.sub!}, 'viewer')`;
      let settled = false;
      later = remove(second, first).finally(() => settled = true);
      const waiting = async () => {
        const [{ n }] = await sql`
        select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
        return n > 0;
      };
      await until("the second waits, or is through", async () => settled || await waiting());
    });
    assertEquals(await later, "GL409");
    const [{ admins }] =
      await sql`select count(*)::int as admins from public.team_members where role = 'admin'`;
    assertEquals(admins, 1);
  },
);

databaseTest("the revision is a single row that only grows", async (sql) => {
  assertEquals(await refusal(sql`insert into private.config_revision (only_row) values (false)`), "23514");
  assertEquals(await refusal(sql`insert into private.config_revision default values`), "23505");
  // Also when the clock was set back.
  await sql`update private.config_revision set revision = 9000000000000000`;
  await sql`insert into public.settings (key, value) values ('a', '1')`;
  const [{ revision }] = await sql`select revision::text from private.config_revision`;
  assertEquals(revision, "9000000000000001");
});

databaseTest("tables are written whatever columns a team adds to them", async (sql) => {
  // A row made as the type of a table lacks the columns of others; so does an insert without names.
  const found = await sql`
    select p.oid::regprocedure::text as function
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private') and (
      p.prosrc ~* '\\)\\s*::\\s*public\\.' or p.prosrc ~* 'insert\\s+into\\s+public\\.\\w+(\\s+as\\s+\\w+)?\\s+(select|values|table)\\y')
    order by 1`;
  assertEquals([...found], []);
});
