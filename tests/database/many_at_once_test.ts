/** Many at once: saved views by person and team, and what is done to all deliveries that match. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import { DELIVERIES } from "../../supabase/functions/_shared/contract/answers/deliveries.ts";

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

const seen = async (sql: Sql, caller: Caller) =>
  await as(
    sql,
    caller,
    async (sql) =>
      (await sql`select name, search from public.saved_views order by name, search`)
        .map(({ name, search }) => `${name}: ${search}`),
  );

databaseTest("save_view: a view is its author's, shared ones are the team's", async (sql) => {
  const viewer = await signedIn(sql, "viewer");
  const operator = await signedIn(sql, "operator");
  const admin = await signedIn(sql, "admin");
  const save = (caller: Caller, name: string, search: string, shared = false) =>
    call<{ id: string }>(sql, caller, `public.save_view('/flags', '${name}', '${search}', ${shared})`);
  await save(viewer, "mine", "state=on");
  const shared = await save(operator, "ours", "state=off", true);
  assertEquals(await seen(sql, viewer), ["mine: state=on", "ours: state=off"]);
  assertEquals(await seen(sql, operator), ["ours: state=off"]);

  // The name that one has is replaced; the same name of somebody else is another view.
  await save(viewer, " mine ", "q=router");
  await save(viewer, "ours", "q=mine");
  assertEquals(await seen(sql, viewer), ["mine: q=router", "ours: q=mine", "ours: state=off"]);

  assertEquals(await refusal(save(viewer, "for all", "state=on", true)), "42501");
  assertEquals(await refusal(save(viewer, "of a person", "q=4915100004711")), "GL422");
  assertEquals(await refusal(save(viewer, "", "state=on")), "23514");
  assertEquals(await refusal(save(viewer, "empty", "")), "23514");

  const remove = (caller: Caller) => call<boolean>(sql, caller, `public.remove_view('${shared.id}')`);
  assertEquals(await remove(viewer), false, "somebody else's");
  assertEquals(await remove(admin), true);
  await sql`delete from public.team_members where user_id = ${viewer.sub!}`;
  assertEquals((await sql`select from public.saved_views`).length, 0, "views go with their author");
});

databaseTest("save_view: of one list a person has fifty views", async (sql) => {
  const viewer = await signedIn(sql, "viewer");
  const save = (page: string, n: number) =>
    call(sql, viewer, `public.save_view('${page}', 'view ${n}', 'state=on')`);
  for (let n = 0; n < 50; n++) await save("/flags", n);
  assertEquals(await refusal(save("/flags", 50)), "GL422");
  await save("/flags", 49);
  await save("/links", 50);
});

const DEAD = 23;

/** Dead letters of two services, and one delivery of each that waits for an hour. */
async function scene(sql: Sql): Promise<void> {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  for (const name of ["crm", "orders"]) {
    await sql`select public.add_destination(${name}, 'http://localhost/')`;
  }
  const people = Array.from({ length: DEAD + 1 }, (_, n) => message({ phone: `49151000${10_000 + n}` }));
  await ingest(sql, ...people);
  await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, last_error, next_attempt_at, updated_at)
    select m.id, d.id, m.conversation_id, m.seq,
      case when m.seq = (select min(seq) from public.messages) then 'pending' else 'dead' end, 8,
      case when d.name = 'crm' then 'status: 500' else 'timeout: 15 s' end,
      now() + interval '1 hour', now() - interval '1 minute'
    from public.messages m cross join public.destinations d`;
  await sql`
    insert into private.delivery_lanes (destination_id, conversation_id, due_at)
    select destination_id, conversation_id, now() + interval '1 hour' from public.deliveries where state = 'pending'`;
}

const states = async (sql: Sql) =>
  Object.fromEntries(
    (await sql`
      select t.name || ' ' || d.state || case when d.dropped_reason is null then '' else ' dropped' end as what, count(*)::int as n
      from public.deliveries d join public.destinations t on t.id = d.destination_id group by 1 order by 1`)
      .map(({ what, n }) => [what, n]),
  );

databaseTest(
  "change_matching_deliveries: takes all that match, in portions, and nothing that fails meanwhile again",
  async (sql) => {
    await scene(sql);
    const operator = await signedIn(sql, "operator");
    const filter = `'{"destination": "crm", "error": "STATUS"}'`;
    const counted = DELIVERIES.count_matching_deliveries.parse(
      await call(sql, operator, `public.count_matching_deliveries('dead', ${filter})`),
    );
    assertEquals(counted.count, DEAD);
    const change = () =>
      call<number>(
        sql,
        operator,
        `public.change_matching_deliveries('retry', 'dead', ${filter}, '${counted.before}', null, 10)`,
      );
    const portions = [await change()];
    // One fails for good again before the others are asked for.
    await sql`
      update public.deliveries set state = 'dead', attempt = 8, updated_at = clock_timestamp() where id = (
        select d.id from public.deliveries d where d.state = 'pending' and d.attempt = 0 limit 1)`;
    for (let n; (n = await change()) > 0;) portions.push(n);
    assertEquals(portions, [10, 10, 3]);
    assertEquals(await states(sql), {
      "crm dead": 1,
      "crm pending": DEAD,
      "orders dead": DEAD,
      "orders pending": 1,
    });
  },
);

databaseTest(
  "change_matching_deliveries: what waits is made due, or dropped with a reason; viewers count only",
  async (sql) => {
    await scene(sql);
    const viewer = await signedIn(sql, "viewer");
    const operator = await signedIn(sql, "operator");
    const waiting = `public.count_matching_deliveries('waiting')`;
    const { count, before } = await call<{ count: number; before: string }>(sql, viewer, waiting);
    assertEquals(count, 2);
    const change = (act: string, filter: string, reason = "null") =>
      `public.change_matching_deliveries('${act}', 'waiting', '${filter}', '${before}', ${reason})`;
    assertEquals(await refusal(call(sql, viewer, change("retry", "{}"))), "42501");
    assertEquals(await call(sql, operator, change("retry", '{"destination": "crm"}')), 1);
    assertEquals((await call<{ count: number }>(sql, viewer, waiting)).count, 1, "it is due now");
    assertEquals(await refusal(call(sql, operator, change("drop", "{}"))), "GL422");
    assertEquals(await call(sql, operator, change("drop", "{}", "'a test'")), 1);
    const left = await states(sql);
    assertEquals([left["orders dead dropped"], left["crm pending"]], [1, 1]);
    assertEquals(await refusal(call(sql, operator, change("burn", "{}"))), "GL422");
    assert(await refusal(call(sql, operator, `public.count_matching_deliveries('all')`)) === "GL422");
  },
);
