/** Changing and moving routes by version, on Postgres, by role. */
import { assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";

interface Route {
  id: string;
  name: string;
  priority: number;
  version: number;
}

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

const ordered = async (sql: Sql, fallback = false): Promise<Route[]> =>
  await sql<Route[]>`
    select id, name, priority, version from public.routes
    where private.is_fallback(condition) = ${fallback} order by priority, id`;

/** Routes a, b, c of the same priority, and a fallback. */
async function scene(sql: Sql) {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  for (const name of ["crm", "orders"]) {
    await sql`select public.add_destination(${name}, 'http://localhost/')`;
  }
  for (const name of ["a", "b", "c"]) {
    await sql`select public.add_route('{crm}', '{"type": "any"}', 100, ${sql.json({ name })})`;
  }
  await sql`select public.add_route('{crm}', '{"type": "default"}', 100, '{"name": "fallback"}')`;
  return { viewer: await signedIn(sql, "viewer"), operator: await signedIn(sql, "operator") };
}

const move = (sql: Sql, caller: Caller, route: Route, before?: Route) =>
  call(
    sql,
    caller,
    `public.move_route('${route.id}', ${route.version}, ${before ? `'${before.id}'` : "null"})`,
  );

const names = (routes: Route[]) => routes.map(({ name }) => name).join("");

databaseTest(
  "move_route: before another, to the end, and into a gap without changing others",
  async (sql) => {
    const { operator } = await scene(sql);
    let [a, b, c] = await ordered(sql);
    await move(sql, operator, c, a);
    assertEquals(names(await ordered(sql)), "cab");
    [c, a, b] = await ordered(sql);
    await move(sql, operator, c);
    assertEquals(names(await ordered(sql)), "abc");
    // Of three with the same number none fits between two: all get new ones, with room.
    [a, b, c] = await ordered(sql);
    await move(sql, operator, c, b);
    const before = await ordered(sql);
    assertEquals([names(before), before.map(({ priority }) => priority)], ["acb", [10, 20, 30]]);
    await move(sql, operator, before[2], before[1]);
    const after = await ordered(sql);
    assertEquals([names(after), after.map(({ priority }) => priority)], ["abc", [10, 15, 20]]);
    const untouched = (routes: Route[]) =>
      routes.filter(({ name }) => name !== "b").map(({ version }) => version);
    assertEquals(untouched(after), untouched(before));
  },
);

databaseTest("move_route: any sequence of moves gives the same order as moving list items", async (sql) => {
  const { operator } = await scene(sql);
  const step = fc.record({ from: fc.nat(2), to: fc.nat(3) });
  await holds(
    fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
      for (const { from, to } of steps) {
        const routes = await ordered(sql);
        const [moved] = routes.slice(from, from + 1);
        const target = routes[to];
        if (target === moved) continue;
        const expected = routes.filter((route) => route !== moved);
        expected.splice(target ? expected.indexOf(target) : expected.length, 0, moved);
        await move(sql, operator, moved, target);
        assertEquals(names(await ordered(sql)), names(expected));
      }
    }),
    { cases: 15 },
  );
});

databaseTest("move_route: fallbacks stay last; a stale version is refused", async (sql) => {
  const { operator, viewer } = await scene(sql);
  const [a, b] = await ordered(sql);
  const [fallback] = await ordered(sql, true);
  assertEquals(await refusal(move(sql, operator, fallback, a)), "GL422");
  assertEquals(await refusal(move(sql, operator, a, fallback)), "GL422");
  assertEquals(await refusal(move(sql, viewer, a, b)), "42501");
  assertEquals(await refusal(move(sql, ANON, a, b)), "42501");
  await move(sql, operator, a);
  assertEquals(await refusal(move(sql, operator, a)), "GL409");
});

databaseTest("set_route: changes the given members by version, and keeps the others", async (sql) => {
  const { operator, viewer } = await scene(sql);
  const [a] = await ordered(sql);
  const set = (caller: Caller, version: number, changes: unknown) =>
    call<Route & { mode: string; sticky_minutes: number | null }>(
      sql,
      caller,
      `public.set_route('${a.id}', ${version}, '${JSON.stringify(changes)}')`,
    );
  assertEquals(await refusal(set(viewer, 1, { name: "x" })), "42501");
  const changed = await set(operator, 1, { sticky_minutes: 30, destinations: ["orders", "crm", "orders"] });
  assertEquals([changed.version, changed.sticky_minutes, changed.mode, changed.name], [2, 30, "first", "a"]);
  assertEquals(await refusal(set(operator, 1, { name: "late" })), "GL409");
  await set(operator, 2, { sticky_minutes: null, active: false });
  const history = await as(sql, viewer, (sql) =>
    sql`
    select version, sticky_minutes, active, destinations, changed_by from public.route_history
    where route_id = ${a.id} order by version`);
  assertEquals(
    history.map(({ version, sticky_minutes, active, destinations }) => [
      version,
      sticky_minutes,
      active,
      destinations,
    ]),
    [
      [1, null, true, ["crm"]],
      [2, 30, true, ["orders", "crm"]],
      [3, null, false, ["orders", "crm"]],
    ],
  );
  assertEquals(history[1].changed_by, operator.sub);
});

databaseTest("set_route: refuses invalid values and then changes nothing", async (sql) => {
  const { operator } = await scene(sql);
  const [a] = await ordered(sql);
  const cases: [unknown, string][] = [
    [{ priority: 1 }, "GL422"],
    [{ destinations: [] }, "GL422"],
    [{ destinations: ["nobody"] }, "GL404"],
    [{ name: "b" }, "23505"],
    [{ mode: "some" }, "23514"],
    [{ condition: { no: "type" } }, "23514"],
    [{ sticky_minutes: 0 }, "23514"],
  ];
  for (const [changes, code] of cases) {
    const statement = `public.set_route('${a.id}', 1, '${JSON.stringify(changes)}')`;
    assertEquals(await refusal(call(sql, operator, statement)), code, statement);
  }
  assertEquals(
    await refusal(call(sql, operator, `public.set_route('${crypto.randomUUID()}', 1, '{}')`)),
    "GL404",
  );
  assertEquals((await ordered(sql))[0].version, 1);
  assertEquals((await sql`select from public.route_history`).length, 0);
});
