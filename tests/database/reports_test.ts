/** Reports: their rhythm, their figures, what they say is to be looked at; each once, and told. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { holds } from "../support/property.ts";
import fc from "fast-check";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const FLAG = "checkout.enabled";
/** A Wednesday. */
const T0 = Date.UTC(2026, 10, 25, 12);
const at = (hours: number) => new Date(T0 + hours * 3_600_000).toISOString();

/** Installed at T0, with a rollout that began then. */
async function running(sql: Sql): Promise<string> {
  await sql`update private.config_revision set installed_at = ${at(0)}`;
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
  // A flag is new by its history, which nothing may rewrite, and whose time is not the test's.
  await sql.unsafe(`
    set session_replication_role = replica;
    update public.settings_history set changed_at = '${at(0)}' where key = '${FLAG}';
    set session_replication_role = origin`);
  const plan = {
    name: "two",
    stages: [10, 100].map((percentage) => ({
      name: `${percentage} %`,
      percentage,
      hold_minutes: 60,
      min_samples: 10,
      advance_when: {},
      roll_back_when: { error_rate_above: 0.05, p95_ms_above: 500 },
    })),
  };
  const [{ id }] = await sql`select id from public.create_rollout(${FLAG}, ${sql.json(plan)})`;
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  await sql`update public.rollouts set started_at = ${at(0)} where id = ${id}`;
  return id;
}

const write = async (sql: Sql, hours: number) =>
  (await sql`select private.write_reports(${at(hours)}) as n`)[0].n as number;

const kinds = async (sql: Sql) =>
  (await sql`select kind from public.reports order by due_at, kind`).map(({ kind }) => kind);

/** Outcomes of an hour, all of them taking about so many milliseconds. */
async function outcomes(
  sql: Sql,
  hours: number,
  arm: string,
  n: number,
  failed: number,
  ms = 40,
): Promise<void> {
  const edges = (await sql`select private.latency_edges() as edges`)[0].edges as number[];
  await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le) values
    (${FLAG}, ${at(hours)}, ${arm}, ${n}, ${failed}, ${n}, ${n * ms}, ${
    edges.map((edge) => ms <= edge ? n : 0)
  })`;
}

databaseTest(
  "reports: every two hours on the first day, daily in the first week, then none of a rollout",
  async (sql) => {
    await running(sql);
    assertEquals(await write(sql, 1.9), 0);
    const written: Record<string, number> = { first_day: 0, daily: 0, weekly: 0 };
    for (let hours = 2; hours < 24 * 20; hours++) await write(sql, hours);
    for (const kind of await kinds(sql)) written[kind]++;
    // Two Mondays lie between.
    assertEquals(written, { first_day: 12, daily: 6, weekly: 3 });
    const due =
      (await sql`select extract(epoch from due_at - ${at(0)}::timestamptz) / 3600 as hours from public.reports
    where kind <> 'weekly' order by due_at`).map(({ hours }) => Number(hours));
    assertEquals(due, [...Array.from({ length: 12 }, (_, n) => 2 * n + 2), 48, 72, 96, 120, 144, 168]);
  },
);

databaseTest(
  "reports: the rhythm begins again with the launch, and ends when a rollout is taken back",
  async (sql) => {
    const id = await running(sql);
    await sql`update public.rollouts set state = 'completed', finished_at = ${at(100)} where id = ${id}`;
    assertEquals(
      [await write(sql, 101), await write(sql, 102)],
      [0, 1],
    );
    await sql`delete from public.reports`;
    await sql`update public.rollouts set state = 'rolled_back'`;
    await write(sql, 104);
    assertEquals((await kinds(sql)).filter((kind) => kind !== "weekly"), []);
  },
);

databaseTest(
  "report_slot(): what was due last is due by then, lies at most a day back, and grows with time",
  async (sql) => {
    await holds(
      fc.asyncProperty(fc.double({ min: 0, max: 400, noNaN: true }), async (hours) => {
        const [slot] = await sql`select kind, extract(epoch from due_at - ${
          at(0)
        }::timestamptz) / 3600 as due,
        extract(epoch from due_at - period_from) / 3600 as length from private.report_slot(${at(0)}, ${
          at(hours)
        })`;
        const due = Number(slot.due);
        if (slot.kind === null) return hours < 2.001 || hours > 191.999;
        return due <= hours + 0.001 && hours - due <= 24.001 &&
          Number(slot.length) === (slot.kind === "daily" ? 24 : 2);
      }),
    );
  },
);

databaseTest("reports: a report says how both arms did, compares, and says what to look at", async (sql) => {
  await running(sql);
  await outcomes(sql, 2.5, "on", 200, 1, 40);
  await outcomes(sql, 4.5, "on", 100, 20, 700);
  await outcomes(sql, 4.5, "off", 900, 9, 40);
  await write(sql, 4.1);
  await write(sql, 6.1);
  const reports = await sql`select figures, look from public.reports order by due_at`;
  const [well, bad] = reports.slice(-2);
  assertEquals(well.look, []);
  assertEquals([well.figures.on.n, well.figures.on.error_rate], [200, 0.005]);
  assertEquals(bad.look, ["error_rate", "p95", "worse"]);
  assertEquals([bad.figures.on.error_rate, bad.figures.off.error_rate, bad.figures.before.n], [
    0.2,
    0.01,
    200,
  ]);
  assertEquals(bad.figures.on.p95_ms > 600 && bad.figures.on.p95_ms <= 750, true, `${bad.figures.on.p95_ms}`);
  assertEquals(bad.figures.stage, { position: 1, name: "10 %", percentage: 10 });
  await sql`select private.open_incident('It fails', 'bug', 'P2', ${FLAG}, null, false, null, null, null, null, ${
    at(7)
  })`;
  await write(sql, 8);
  const [last] = await sql`select figures, look from public.reports order by due_at desc limit 1`;
  assertEquals([last.look, last.figures.incidents_open], [["silent", "incident"], 1]);
});

databaseTest(
  "reports: the weekly one has adoption, trends and what can be tidied up, in the team's zone",
  async (sql) => {
    await running(sql);
    await sql`insert into public.settings (key, value) values ('team.zone', 'Europe/Berlin')`;
    await outcomes(sql, 10, "on", 100, 1);
    await outcomes(sql, 10, "off", 900, 9);
    await outcomes(sql, 24 * 7, "on", 300, 30, 400);
    await outcomes(sql, 24 * 7, "off", 300, 3);
    // Monday at 8 in Berlin is 7 o'clock in winter.
    assertEquals(await write(sql, 24 * 4 + 18.9), 1, "a daily one");
    assertEquals(await write(sql, 24 * 4 + 19), 1);
    const weekly = async () =>
      (await sql`select * from public.reports where kind = 'weekly' order by due_at desc limit 1`)[0];
    assertEquals((await weekly()).due_at.toISOString(), "2026-11-30T07:00:00.000Z");
    await write(sql, 24 * 12);
    const { figures, look, flag_key } = await weekly();
    assertEquals([flag_key, look], [null, ["worse", "debt"]]);
    const [feature] = figures.features;
    assertEquals([feature.flag_key, feature.adoption, feature.adoption_before, feature.worse], [
      FLAG,
      0.5,
      0.1,
      true,
    ]);
    assertEquals(
      figures.debt.some((one: { flag_key: string; why: string }) => one.why === "never_evaluated"),
      true,
    );
  },
);

databaseTest(
  "reports: complaints of people who had the feature are looked at, others' are not; metrics stand beside the days before",
  async (sql) => {
    const id = await running(sql);
    await sql`insert into public.business_metrics (name, created_at) values ('checkout.completed', now())`;
    await sql`insert into public.metric_days (name, day, slot, n, value) values
      ('checkout.completed', '2026-11-23', 0, 4, 4), ('checkout.completed', '2026-11-24', 0, 5, 5),
      ('checkout.completed', '2026-11-24', 1, 2, 2), ('checkout.completed', '2026-11-25', 0, 100, 100)`;
    const complain = async (subject: string, arm: string, hours: number) => {
      const [{ feedback }] = await sql`
        insert into public.feedback (at, kind, subject_id, positive, source) values (${
        at(hours)
      }, 'complaint', ${subject}, false, 'api')
        returning id as feedback`;
      await sql`insert into public.rollout_feedback (rollout_id, feedback_id, stage, arm) values (${id}, ${feedback}, 0, ${arm})`;
    };
    await complain("without", "off", 1);
    await write(sql, 2);
    await complain("with", "on", 3);
    await complain("with", "on", 3.5);
    await write(sql, 4);
    const reports =
      await sql`select figures, look from public.reports where kind = 'first_day' order by due_at`;
    assertEquals(reports.map(({ figures }) => [figures.complaints, figures.ratings]), [[0, 0], [1, 0]]);
    assertEquals(reports.map(({ look }) => look.includes("complaints")), [false, true]);
    assertEquals(reports[0].figures.metrics, [{ name: "checkout.completed", n: 7, before: 4 }]);
  },
);

databaseTest("reports: those who want are told once, with what the report says", async (sql) => {
  await running(sql);
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('hooks.example.com', 'forward')`;
  await sql`select public.add_notification_endpoint('team', 'webhook', 'https://hooks.example.com/in')`;
  await sql`select public.add_notification_endpoint('pages', 'webhook', 'https://hooks.example.com/in', '{paged}')`;
  await sql`delete from public.notifications`;
  await write(sql, 2);
  await write(sql, 2.5);
  const told =
    await sql`select n.payload, e.name from public.notifications n join public.notification_endpoints e on e.id = n.endpoint_id`;
  assertEquals(
    told.map(({ name, payload }) => [name, payload.kind, payload.report.kind, payload.report.flag_key]),
    [
      ["team", "report", "first_day", FLAG],
    ],
  );
});

databaseTest(
  "report_now(): what would be written now, kept nowhere; who has not started is told so",
  async (sql) => {
    await running(sql);
    const [{ report }] = await sql`select private.report_now(${FLAG}, ${at(1)}) as report`;
    assertEquals([report.id, report.kind, report.look], [null, "first_day", ["silent"]]);
    assertEquals((await sql`select private.report_now(null, ${at(1)}) as r`)[0].r.kind, "weekly");
    assertEquals(await kinds(sql), []);
    assertEquals(await refusal(sql`select public.report_now('none.enabled')`), "GL404");
    assertEquals(await refusal(sql`select public.read_report(${crypto.randomUUID()})`), "GL404");
  },
);

databaseTest(
  "stale_flags(): off for a month, launched a month ago, and on after its end; the days can be set",
  async (sql) => {
    await sql`insert into public.settings (key, value, metadata) values
    ('off.enabled', 'false', '{}'), ('none.enabled', 'true', '{"rollout_percentage": 0}'),
    ('some.enabled', 'true', '{"rollout_percentage": 0, "target_user_ids": ["u1"]}'),
    ('launched.enabled', 'true', ${
      sql.json({ launched_at: new Date().toISOString(), rollout_percentage: 50 })
    }),
    ('ended.enabled', 'true', ${
      sql.json({ schedule: { off_at: new Date().toISOString() }, rollout_percentage: 50 })
    })`;
    await sql`insert into public.flag_evaluations (flag_key, first_at, last_at)
    select key, now() + interval '1000 days', now() + interval '1000 days' from public.settings`;
    await sql`update public.settings set value = value`;
    const stale = async (days: number) =>
      (await sql`select key, why from private.stale_flags(now() + make_interval(days => ${days}))`)
        .map(({ key, why }) => `${key.split(".")[0]} ${why}`);
    assertEquals(await stale(29), ["ended past_end"]);
    assertEquals(await stale(31), ["ended past_end", "launched past_end", "none fully_off", "off fully_off"]);
    await sql`insert into public.settings (key, value) values ('flags.stale_days', '60')`;
    assertEquals(await stale(31), ["ended past_end"]);
    assertEquals(
      await refusal(sql`update public.settings set value = '0' where key = 'flags.stale_days'`),
      "23514",
    );
  },
);
