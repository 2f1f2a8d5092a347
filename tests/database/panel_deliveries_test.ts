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
  "list_dead_letters: pages skip nothing, even if many died at the same moment",
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

databaseTest(
  "list_dead_letters: filters by destination, error and whether somebody dropped them",
  async (sql) => {
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
  },
);

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
  "destinations and dead letters: anon and outsiders get nothing, viewers change nothing",
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
  "list_waiting: the first delivery of each conversation, with the number behind it, without texts",
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

interface Log {
  attempts: {
    delivery_id: string;
    attempt: number;
    outcome: string;
    error: string | null;
    answer: string | null;
  }[];
  next: { at: string; id: string } | null;
}

databaseTest(
  "delivery_log: every attempt once, page by page, those that failed alone, answers to operators",
  async (sql) => {
    const { viewer, operator, stranger } = await scene(sql);
    await sql`
      insert into public.delivery_attempts (delivery_id, attempt, outcome, status, latency_ms, error, answer)
      select d.id, n, case when n = 3 then 'delivered' else 'retry' end, case when n = 3 then 200 else 500 end, 20,
        case when n < 3 then 'status: the service answered 500' end, 'no stock for 4915100000001, order 77'
      from public.deliveries d join public.destinations t on t.id = d.destination_id, generate_series(1, 3) n
      where t.name = 'crm'`;
    const log = (caller: Caller, filter: Record<string, unknown> = {}, limit = 50) =>
      call<Log>(sql, caller, `public.delivery_log('crm', '${JSON.stringify(filter)}', ${limit})`);
    const seen: Log["attempts"] = [];
    for (let filter = {}, pages = 0;; pages++) {
      assert(pages <= 5, "the pages do not end");
      const { attempts, next } = await log(viewer, filter, 4);
      seen.push(...attempts);
      if (next === null) break;
      filter = { before_at: next.at, before_id: next.id };
    }
    assertEquals(seen.length, 15);
    assertEquals(new Set(seen.map(({ delivery_id, attempt }) => `${delivery_id} ${attempt}`)).size, 15);
    assertEquals(new Set(seen.map(({ answer }) => answer)), new Set([null]));
    const failed = await log(operator, { outcome: "failed" });
    assertEquals(failed.attempts.length, 10);
    assertEquals(new Set(failed.attempts.map(({ answer }) => answer)), new Set(["no stock for …, order 77"]));
    assertEquals((await log(operator, { error: "ANSWERED 500" })).attempts.length, 10);
    assertEquals((await log(operator, { error: "200" })).attempts.length, 5);
    assertEquals((await log(operator, { error: "timeout" })).attempts, []);
    assertEquals(await refusal(call(sql, viewer, "public.delivery_log('nobody')")), "GL404");
    for (const caller of [ANON, stranger]) assertEquals(await refusal(log(caller)), "42501");
  },
);

databaseTest(
  "destination_figures and destination_health: what failed, how often, and what was answered last",
  async (sql) => {
    const { viewer, operator, stranger } = await scene(sql);
    await sql`
      insert into public.delivery_attempts (delivery_id, attempt, outcome, status, error, answer, at)
      select d.id, 1, 'dead', case when m.n <= 3 then 500 end,
        case when m.n <= 3 then 'status: the service answered 500' else 'timeout: 15 s' end, 'answer ' || m.n,
        now() - interval '1 minute' * m.n
      from (
        select d.id, row_number() over (order by d.seq) as n from public.deliveries d
        join public.destinations t on t.id = d.destination_id where t.name = 'crm'
      ) m join public.deliveries d on d.id = m.id`;
    await sql`
      insert into public.measurements (name, label, minute, n, last_at)
      select 'destination', label, date_trunc('minute', now()), n, now()
      from (values ('crm delivered', 7), ('crm dead', 5), ('crm-2 dead', 100), ('orders dead', 9)) as m (label, n)`;
    type Figures = {
      points: { at: string; delivered: number; failed: number }[];
      errors: { error: string; status: number | null; n: number }[];
    };
    const figures = await call<Figures>(sql, viewer, "public.destination_figures('crm', 6)");
    assertEquals(figures.errors.map(({ error, status, n }) => [error, status, n]), [
      ["status", 500, 3],
      ["timeout", null, 2],
    ]);
    const sum = (name: "delivered" | "failed") => figures.points.reduce((sum, point) => sum + point[name], 0);
    assertEquals([sum("delivered"), sum("failed"), figures.points.length], [7, 5, 72]);
    type Failing = { name: string; last_failure: { error: string; answer: string | null } | null };
    const failure = async (caller: Caller, name: string) =>
      (await call<Failing[]>(sql, caller, "public.destination_health()")).find((one) => one.name === name)!
        .last_failure;
    const last = await failure(operator, "crm");
    assertEquals([last?.error, last?.answer], ["status: the service answered 500", "answer 1"]);
    assertEquals((await failure(viewer, "crm"))?.answer, null);
    assertEquals(await failure(operator, "orders"), null);
    assertEquals(await refusal(call(sql, stranger, "public.destination_figures('crm')")), "42501");
  },
);

databaseTest("name_contacts: who targets are, redacted, merged ones too, and nobody else", async (sql) => {
  const { viewer, operator, stranger } = await scene(sql);
  const [{ id }] = await sql`select id from public.contacts`;
  await sql`update public.contacts set name = 'Ada' where id = ${id}`;
  const [{ id: merged }] =
    await sql`insert into public.contacts (name, merged_into) values ('Old', ${id}) returning id`;
  const named = (caller: Caller) =>
    call<{ id: string; last_four: string; name: string | null }[]>(
      sql,
      caller,
      `public.name_contacts(array['${id}', '${merged}', 'beta-tester', '${crypto.randomUUID()}'])`,
    );
  const byId = new Map((await named(operator)).map((one) => [one.id, one]));
  assertEquals(byId.size, 2);
  assertEquals(byId.get(id), { id, last_four: "0001", name: "Ada" });
  assertEquals(byId.get(merged), { id: merged, last_four: "0001", name: "Ada" });
  assertEquals(new Set((await named(viewer)).map(({ name }) => name)), new Set([null]));
  assertEquals(await refusal(named(stranger)), "42501");
});
