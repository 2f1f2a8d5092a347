/** The list of routes: pages, filters and neighbours of ten thousand, and who sees which. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

interface Listed {
  id: string;
  name: string;
  place: number;
  destinations: string[];
  above: string | null;
  below: string | null;
  beyond: string | null;
}

const list = async (sql: Sql, filter: Record<string, unknown> = {}, limit = 1000, caller: Caller = SERVICE) =>
  await as(
    sql,
    caller,
    async (sql) =>
      (await sql`select public.list_routes(${sql.json(filter as never)}, ${limit}) as answer`)[0]
        .answer as Listed[],
  );

/** Fallbacks are made first, and still come last. */
async function scene(sql: Sql, routes: number, fallbacks: number): Promise<void> {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  for (const name of ["crm", "orders"]) {
    await sql`select public.add_destination(${name}, 'http://localhost/')`;
  }
  await sql`
    insert into public.routes (name, priority, condition, active)
    select 'route ' || i, 1 + i % 3, case when i <= ${fallbacks} then '{"type": "default"}'::jsonb else '{"type": "any"}' end, i % 5 <> 0
    from generate_series(1, ${routes}::int) i`;
  await sql`
    insert into public.route_destinations (route_id, destination_id, position)
    select r.id, d.id, 1 from public.routes r join public.destinations d
      on d.name = case when r.priority = 1 then 'orders' else 'crm' end`;
}

databaseTest(
  "list_routes: pages of ten thousand hold each route once, in the router's order",
  async (sql) => {
    await scene(sql, 10_000, 3);
    const all: Listed[] = [];
    for (
      let page: Listed[];
      (page = await list(sql, all.length ? { after: all.at(-1)!.id } : {})).length > 0;
    ) {
      all.push(...page);
    }
    const expected = await sql`
    select id from public.routes order by private.is_fallback(condition), priority, id`;
    assertEquals(all.map(({ id }) => id), expected.map(({ id }) => id));
    assertEquals(all.map(({ place }) => place), all.map((_, index) => index + 1));
    // Neighbours are of the same kind: no route moves among the fallbacks.
    const ids = all.map(({ id }) => id), last = ids.length - 4;
    const neighbours = (index: number) => [all[index].above, all[index].below, all[index].beyond];
    assertEquals(neighbours(0), [null, ids[1], ids[2]]);
    assertEquals(neighbours(5000), [ids[4999], ids[5001], ids[5002]]);
    assertEquals(neighbours(last), [ids[last - 1], null, null]);
    assertEquals(neighbours(last + 1), [null, ids[last + 2], ids[last + 3]]);
  },
);

databaseTest("list_routes: filters go together, and the places stay those among all", async (sql) => {
  await scene(sql, 30, 1);
  const all = await list(sql);
  const named = (routes: Listed[]) => routes.map(({ name }) => name).sort();
  assertEquals(named(await list(sql, { search: "ROUTE 11" })), ["route 11"]);
  assertEquals(named(await list(sql, { search: '"default"' })), ["route 1"], "the condition is searched");
  assertEquals((await list(sql, { active: false })).length, 6);
  const orders = await list(sql, { destination: "orders", active: true });
  assertEquals(orders.every(({ destinations }) => destinations[0] === "orders"), true);
  assertEquals(orders, all.filter(({ id }) => orders.some((one) => one.id === id)));
  assertEquals(
    await list(sql, { destination: "orders", active: true, after: orders[2].id }, 2),
    orders.slice(3, 5),
  );
  assertEquals(await list(sql, { search: "nothing like it" }), []);
});

databaseTest("list_routes: routes for people's numbers are for operators", async (sql) => {
  await scene(sql, 2, 0);
  await sql`select public.add_route('{crm}', '{"type": "contacts", "phones": ["+4915100000001"]}', 1, '{"name": "vip"}')`;
  const seen = async (role: "viewer" | "operator", filter = {}) =>
    (await list(sql, filter, 10, await signedIn(sql, role))).map(({ name }) => name).includes("vip");
  assertEquals([await seen("viewer"), await seen("operator")], [false, true]);
  assertEquals([await seen("viewer", { search: "4915100" }), await seen("operator", { search: "4915100" })], [
    false,
    true,
  ]);
});
