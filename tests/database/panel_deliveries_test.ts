/** What the panel shows of destinations and dead letters, on Postgres, by role. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

interface Health {
  name: string;
  state: string;
  open: number;
  dead: number;
  routes: string[];
  secrets: { expires_at: string | null }[];
  attempts: number;
  delivered: number;
  p50_ms: number | null;
  p95_ms: number | null;
  retry_seconds: number[] | null;
}

interface DeadLetter {
  id: string;
  destination: string;
  last_four: string;
  last_error: string;
  dropped_reason: string | null;
  updated_at: string;
}

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

/** Two services; what came in went to both, and each died there at its own time with its own error. */
async function scene(sql: Sql) {
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  for (const name of ["crm", "orders"]) {
    await sql`select public.add_destination(${name}, 'http://localhost/')`;
  }
  await sql`select public.add_route('{crm}', '{"type": "any"}', 100, '{"name": "everything"}')`;
  await ingest(sql, ...Array.from({ length: 5 }, () => message({ phone: "4915100000001" })));
  await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, last_error, updated_at)
    select m.id, d.id, m.conversation_id, m.seq, 'dead', case when d.name = 'crm' then 'status: 500' else 'timeout: 15 s' end,
      '2026-11-21 12:00Z'::timestamptz + interval '1 minute' * (row_number() over (order by m.seq) / 2)
    from public.messages m cross join public.destinations d`;
  return {
    viewer: await signedIn(sql, "viewer"),
    operator: await signedIn(sql, "operator"),
    stranger: await signedIn(sql),
  };
}

databaseTest(
  "list_dead_letters: pages leave nothing out, however many died in the same moment",
  async (sql) => {
    const { viewer } = await scene(sql);
    const seen: DeadLetter[] = [];
    for (let filter = {};;) {
      const page = await call<DeadLetter[]>(
        sql,
        viewer,
        `public.list_dead_letters('${JSON.stringify(filter)}', 3)`,
      );
      if (page.length === 0) break;
      seen.push(...page);
      assert(seen.length <= 10, "a page has what was on the one before");
      filter = { before_at: page.at(-1)!.updated_at, before_id: page.at(-1)!.id };
    }
    assertEquals(seen.length, 10);
    assertEquals(new Set(seen.map(({ id }) => id)).size, 10);
    assertEquals(
      seen.map(({ updated_at }) => updated_at),
      seen.map(({ updated_at }) => updated_at).sort().reverse(),
    );
    assertEquals(new Set(seen.map(({ last_four }) => last_four)), new Set(["0001"]));
  },
);

databaseTest("list_dead_letters: by destination, error, and whether somebody dropped them", async (sql) => {
  const { viewer, operator } = await scene(sql);
  const list = (filter: Record<string, string>) =>
    call<DeadLetter[]>(sql, viewer, `public.list_dead_letters('${JSON.stringify(filter)}')`);
  const crm = await list({ destination: "crm" });
  assertEquals([crm.length, new Set(crm.map(({ destination }) => destination))], [5, new Set(["crm"])]);
  assertEquals(
    (await list({ error: "TimeOut" })).map(({ destination }) => destination),
    Array(5).fill("orders"),
  );
  assertEquals(await list({ destination: "nobody" }), []);
  await call(sql, operator, `public.drop_deliveries('{${crm[0].id}}', 'sent by hand')`);
  assertEquals((await list({ destination: "crm" })).length, 4);
  const [dropped] = await list({ dropped: "true" });
  assertEquals([dropped.id, dropped.dropped_reason], [crm[0].id, `sent by hand (${operator.sub})`]);
  await call(sql, operator, `public.retry_deliveries('{${crm[1].id},${crm[2].id}}')`);
  assertEquals((await list({ destination: "crm" })).length, 2);
});

databaseTest("destination_health: state, queue, dead letters, success and latency", async (sql) => {
  const { viewer, operator } = await scene(sql);
  const health = async () =>
    Object.fromEntries(
      (await call<Health[]>(sql, viewer, "public.destination_health()")).map((one) => [one.name, one]),
    );
  let { crm, orders } = await health();
  assertEquals([crm.state, crm.dead, crm.open, crm.routes, crm.attempts, crm.p50_ms], [
    "active",
    5,
    0,
    ["everything"],
    0,
    null,
  ]);
  assertEquals([orders.routes, crm.secrets.length], [[], 1]);
  // Its own waits come before the setting's; where there is neither, the built-in ones hold.
  assertEquals([crm.retry_seconds, orders.retry_seconds], [null, null]);
  await sql`insert into public.settings (key, value) values ('forward.retry_seconds', '[1, 2]')`;
  await sql`update public.destinations set retry_seconds = '{60, 0.5}' where name = 'orders'`;
  ({ crm, orders } = await health());
  assertEquals([crm.retry_seconds, orders.retry_seconds], [[1, 2], [60, 0.5]]);
  await sql`
    insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms)
    select d.id, n, case when n = 2 then 'delivered' else 'retry' end, 200, n * 100
    from public.deliveries d join public.destinations t on t.id = d.destination_id, generate_series(1, 2) n
    where t.name = 'crm'`;
  await sql`update public.deliveries set state = 'pending' where id in (
    select d.id from public.deliveries d join public.destinations t on t.id = d.destination_id
    where t.name = 'crm' limit 2)`;
  await sql`update public.destinations set circuit_open_until = now() + interval '1 minute' where name = 'orders'`;
  await call(sql, operator, "public.rotate_destination_secret('crm')");
  ({ crm, orders } = await health());
  assertEquals([crm.dead, crm.open, crm.attempts, crm.delivered, crm.p50_ms], [3, 2, 10, 5, 150]);
  assertEquals([crm.secrets.length, crm.secrets.filter(({ expires_at }) => expires_at).length], [2, 1]);
  assertEquals(orders.state, "circuit_open");
  await call(sql, operator, "public.set_destination_state('orders', 'paused')");
  assertEquals((await health()).orders.state, "paused");
  assertEquals(JSON.stringify(await health()).includes("whsec_"), false);
});

databaseTest(
  "destinations and dead letters: anon and strangers get nothing, viewers change nothing",
  async (sql) => {
    const { stranger, viewer } = await scene(sql);
    for (const caller of [ANON, stranger]) {
      for (const statement of ["public.destination_health()", "public.list_dead_letters()"]) {
        assertEquals(await refusal(call(sql, caller, statement)), "42501", statement);
      }
    }
    for (
      const statement of [
        "public.retry_deliveries('{}')",
        "public.drop_deliveries('{}', 'x')",
        "public.set_destination_state('crm', 'paused')",
        "public.rotate_destination_secret('crm')",
      ]
    ) assertEquals(await refusal(call(sql, viewer, statement)), "42501", statement);
  },
);

databaseTest("list_dead_letters: indexes serve each filter", async (sql) => {
  for (
    const statement of [
      "select from public.deliveries d where d.state = 'dead' order by d.updated_at desc, d.id desc limit 50",
      `select from public.deliveries d where d.state = 'dead' and d.destination_id = '00000000-0000-7000-8000-0000000000d1'
        and (d.updated_at, d.id) < (now(), '00000000-0000-7000-8000-0000000000d1') order by d.updated_at desc, d.id desc`,
    ]
  ) {
    const [{ tables }] = await sql`select private.reads_whole_tables(${statement}) as tables`;
    assertEquals(tables, [], statement);
  }
});

databaseTest(
  "list_waiting: the first of each conversation, with what waits behind it, without words",
  async (sql) => {
    const { viewer, stranger } = await scene(sql);
    await sql`update public.deliveries set state = 'pending', attempt = 0, last_error = null`;
    await sql`
    insert into private.delivery_lanes (destination_id, conversation_id, due_at)
    select distinct destination_id, conversation_id, '2026-11-21 12:00Z'::timestamptz from public.deliveries`;
    await sql`update private.delivery_lanes l set due_at = '2026-11-21 13:00Z' from public.destinations d
    where d.id = l.destination_id and d.name = 'orders'`;
    interface Waits {
      destination: string;
      behind: number;
      last_four: string;
    }
    const list = (filter: string) => call<Waits[]>(sql, viewer, `public.list_waiting('${filter}')`);
    const all = await list("{}");
    assertEquals(all.map(({ destination, behind, last_four }) => [destination, behind, last_four]), [
      ["orders", 4, "0001"],
      ["crm", 4, "0001"],
    ]);
    assertEquals((await list('{"destination": "crm"}')).map(({ destination }) => destination), ["crm"]);
    assertEquals(await list('{"destination": "nobody"}'), []);
    assertEquals(await refusal(call(sql, stranger, "public.list_waiting()")), "42501");
  },
);
