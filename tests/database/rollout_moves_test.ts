/** Rollouts from plan to launch or back: what people and the guard do to the flag, and that the evidence proves it. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { type EventFacts, eventInWords } from "../../supabase/functions/_shared/contract/words/rollouts.ts";
import type { Minute } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { replay, type RolloutEvent } from "../../supabase/functions/_shared/rollouts/replay.ts";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { advance, writeMinutes } from "../support/rollouts.ts";
import { countsOf, minutesOfDay, type Traffic, xorshift } from "../support/rollout_traffic.ts";

const FLAG = "checkout.enabled";
const TRIGGERS = { error_rate_above: 0.02, p95_ms_above: 1000 };
const STAGES = [
  {
    name: "internal",
    percentage: 0,
    user_ids: ["t1", "t2"],
    hold_minutes: 30,
    min_samples: 20,
    advance_when: { no_errors: true },
    roll_back_when: { error_rate_above: 0.05 },
  },
  {
    name: "quarter",
    percentage: 25,
    hold_minutes: 60,
    min_samples: 300,
    overdue_minutes: 200,
    advance_when: { error_rate_below: 0.02, p95_ms_below: 400 },
    roll_back_when: TRIGGERS,
  },
  {
    name: "everybody",
    percentage: 100,
    hold_minutes: 60,
    min_samples: 300,
    advance_when: { error_rate_below: 0.02 },
    roll_back_when: TRIGGERS,
  },
];

interface Row {
  id: string;
  state: string;
  stage: number;
  version: number;
  hold_reason: string | null;
  started: Date;
}

async function rowOf(sql: Sql, id: string): Promise<Row> {
  const [row] = await sql<Row[]>`
    select id, state, stage, version::int, hold_reason, stage_started_at as started from public.rollouts where id = ${id}`;
  return { ...row };
}

async function flagOf(
  sql: Sql,
): Promise<{ value: string; metadata: Record<string, unknown>; version: number }> {
  const [row] = await sql`select value, metadata, version::int from public.settings where key = ${FLAG}`;
  return { value: row.value, metadata: row.metadata, version: row.version };
}

async function eventsOf(sql: Sql, id: string): Promise<(RolloutEvent & EventFacts)[]> {
  const events = await sql<(RolloutEvent & EventFacts)[]>`
    select id, at::text, kind, stage, verdict, rule, figures, evidence from public.rollout_events
    where rollout_id = ${id} order by id`;
  // What SQL writes, TypeScript has words for, and they want nothing that is not there.
  for (const event of events) {
    const words = eventInWords(event);
    assert(words.includes(" ") && !/undefined|null|NaN/.test(words), `${event.kind} ${event.rule}: ${words}`);
  }
  return events;
}

/** A flag that is off and a rollout of it, started unless told otherwise. */
async function make(sql: Sql, { start = true, stages = STAGES as unknown[] } = {}): Promise<Row> {
  await sql`select public.set_flag(${FLAG}, '{}', 0, 'new')`;
  const [{ id }] = await sql`select (public.create_rollout(${FLAG}, ${
    sql.json({ stages } as never)
  }, 'launch')).id`;
  if (start) await sql`select public.start_rollout(${id}, 1, 'go')`;
  return await rowOf(sql, id);
}

const HEALTHY: Traffic = {
  on: { perMinute: 20, failing: 0.002, slow: 0.01 },
  off: { perMinute: 40, failing: 0.002, slow: 0.01 },
};
const INTERNAL: Traffic = {
  on: { perMinute: 2, failing: 0, slow: 0 },
  off: { perMinute: 40, failing: 0.002, slow: 0.01 },
};

/** Traffic for a stage from its first whole minute on. */
async function traffic(sql: Sql, started: Date, what: Traffic | Minute[], minutes = 0): Promise<void> {
  const first = Math.floor(started.getTime() / 60_000);
  // A generator for each call: tests run in any order.
  const made = Array.isArray(what) ? what : [...minutesOfDay(xorshift(99), what, minutes)];
  await writeMinutes(sql, FLAG, made, first);
}

/** The clock's call so many minutes after a stage began, with what is said about the flag. */
async function tick(sql: Sql, { started }: Row, minutes: number): Promise<string | undefined> {
  const [said] = await advance(sql, started, minutes * 60 + 1);
  return said && `${said.verdict} ${said.rule}`;
}

/** Replays what the events say, which must agree. */
async function assertReplays(sql: Sql, id: string, atLeast: number): Promise<void> {
  const replayed = replay(await eventsOf(sql, id));
  for (const result of replayed) {
    assertEquals(
      result.differences,
      [],
      `${result.kind} ${JSON.stringify(result.recorded)} ${JSON.stringify(result.recomputed)}`,
    );
  }
  assert(replayed.length >= atLeast, `${replayed.length} events hold evidence`);
}

databaseTest(
  "a healthy rollout proceeds from its plan to everybody, with evidence for each step",
  async (sql) => {
    let row = await make(sql);
    const { id } = row;
    assertEquals(await flagOf(sql), {
      value: "true",
      metadata: { rollout_percentage: 0, target_user_ids: ["t1", "t2"] },
      version: 2,
    });
    assertEquals([row.state, row.stage, row.version], ["running", 1, 2]);

    await traffic(sql, row.started, INTERNAL, 40);
    assertEquals(await tick(sql, row, 10), "hold hold_time");
    assertEquals(await tick(sql, row, 29), "hold hold_time");
    assertEquals(await tick(sql, row, 32), "advance criteria_met");
    row = await rowOf(sql, id);
    // Whoever had it keeps it.
    assertEquals((await flagOf(sql)).metadata, { rollout_percentage: 25, target_user_ids: ["t1", "t2"] });

    await sql`truncate public.flag_metrics`;
    await traffic(sql, row.started, HEALTHY, 70);
    assertEquals(await tick(sql, row, 30), "hold hold_time");
    assertEquals(await tick(sql, row, 62), "advance criteria_met");
    row = await rowOf(sql, id);
    assertEquals((await flagOf(sql)).metadata.rollout_percentage, 100);

    await sql`truncate public.flag_metrics`;
    await traffic(sql, row.started, { on: HEALTHY.on }, 70);
    assertEquals(await tick(sql, row, 62), "advance criteria_met");
    row = await rowOf(sql, id);
    assertEquals([row.state, row.stage], ["completed", 3]);
    const { value, metadata } = await flagOf(sql);
    assertEquals([value, metadata.rollout_percentage, typeof metadata.launched_at], ["true", 100, "string"]);

    const events = await eventsOf(sql, id);
    assertEquals(events.map(({ kind }) => kind), ["created", "started", "advanced", "advanced", "completed"]);
    await assertReplays(sql, id, 3);
    const [{ entered, left }] = await sql`
    select count(entered_at)::int as entered, count(left_at)::int as left from public.rollout_stages where rollout_id = ${id}`;
    assertEquals([entered, left], [3, 3]);
    assertEquals(await tick(sql, row, 100), undefined);
  },
);

databaseTest("a faulty flag is turned off, with reason and evidence", async (sql) => {
  const row = await make(sql, { stages: STAGES.slice(1) });
  await traffic(sql, row.started, {
    on: { perMinute: 20, failing: 0.2 },
    off: { perMinute: 60, failing: 0.002 },
  }, 20);
  const began = await tick(sql, row, 3);
  const said = began === "hold hold_time" ? await tick(sql, row, 15) : began;
  assertEquals(said, "roll_back error_rate_relative");
  const { value, metadata } = await flagOf(sql);
  assertEquals([value, metadata.rollout_percentage], ["false", 0]);
  assertEquals((await rowOf(sql, row.id)).state, "rolled_back");
  const last = (await eventsOf(sql, row.id)).at(-1)!;
  assertEquals([last.kind, last.verdict, last.rule], ["rolled_back", "roll_back", "error_rate_relative"]);
  assertEquals(last.figures, {});
  await assertReplays(sql, row.id, 1);
  // Whoever changes a count, or the verdict, is found out.
  // deno-lint-ignore no-explicit-any
  const forge = (change: (event: any) => void) => {
    const forged = structuredClone({ ...last });
    change(forged);
    return replay([forged])[0].differences;
  };
  assert(forge(({ evidence }) => evidence.minutes.at(-1)[2] -= 1).includes("path"));
  assert(forge(({ evidence }) => evidence.minutes.pop()).includes("after"));
  assertEquals(forge((event) => event.verdict = "page"), ["verdict"]);
  assertEquals(forge((event) => event.rule = "p95_relative"), ["rule"]);
  const [{ reason }] = await sql`
    select reason from public.settings_history where key = ${FLAG} order by version desc limit 1`;
  assertEquals(reason, `rollout ${row.id}: rolled back`);
});

databaseTest("a shared incident pages, holds and restarts the stage; the flag stays on", async (sql) => {
  const row = await make(sql, { stages: STAGES.slice(1) });
  const failing = (minute: number) => minute <= 50 ? 0.15 : 0.001;
  await traffic(sql, row.started, {
    on: { perMinute: 20, failing, slow: 0.01 },
    off: { perMinute: 60, failing, slow: 0.01 },
  }, 180);
  assertEquals(await tick(sql, row, 55), "page error_rate_absolute");
  assertEquals(await tick(sql, row, 65), "hold hold_time"); // an hour from the incident, not from the start
  assertEquals((await flagOf(sql)).value, "true");
  assertEquals(await tick(sql, row, 120), "advance criteria_met");
  const kinds = (await eventsOf(sql, row.id)).map(({ kind }) => kind);
  assertEquals([kinds.includes("paged"), kinds.includes("rolled_back")], [true, false]);
  await assertReplays(sql, row.id, 2);
});

databaseTest(
  "if the control is too small, somebody is paged, and nobody is blamed",
  async (sql) => {
    const row = await make(sql, { stages: STAGES.slice(1) });
    await traffic(
      sql,
      row.started,
      Array.from({ length: 40 }, (_, i) => ({
        minute: i + 1,
        on: countsOf({ n: 20, failed: i < 10 ? 6 : 0, timed: 20, slow: 0, late: 0, ms: 1000 }),
        off: countsOf({ n: 1, failed: 0, timed: 1, slow: 0, late: 0, ms: 50 }),
      })),
    );
    assertEquals(await tick(sql, row, 11), "page error_rate_unclear");
    const paged = (await eventsOf(sql, row.id)).filter(({ kind }) => kind === "paged");
    assertEquals(paged[0].figures, { error_rate: 0.02 });
    assertEquals((await flagOf(sql)).value, "true");
    assertEquals(await tick(sql, row, 40), "hold hold_time");
    await assertReplays(sql, row.id, 1);
  },
);

databaseTest("without traffic a rollout never advances, and says why", async (sql) => {
  const row = await make(sql, { stages: STAGES.slice(1) });
  for (const minutes of [30, 70, 100, 199]) await tick(sql, row, minutes);
  assertEquals((await rowOf(sql, row.id)).hold_reason, "no_data");
  assertEquals(await tick(sql, row, 205), "page overdue");
  assertEquals(await tick(sql, row, 60 * 24 * 365), "hold overdue");
  assertEquals((await rowOf(sql, row.id)).stage, 1);
  const events = await eventsOf(sql, row.id);
  assertEquals(events.filter(({ kind }) => kind === "held").map(({ rule }) => rule), ["no_data"]);
  assertEquals(events.filter(({ kind }) => kind === "paged").map(({ rule }) => rule), ["overdue"]);
  await assertReplays(sql, row.id, 2);
});

databaseTest("too few samples, then too many failures: it holds and reports each once", async (sql) => {
  const row = await make(sql, { stages: STAGES.slice(1) });
  const quiet = (minute: number, n: number, failed = 0): Minute => ({
    minute,
    on: countsOf({ n, failed, timed: n, slow: 0, late: 0, ms: n * 50 }),
    off: countsOf({ n: 2 * n, failed: 2 * failed, timed: 2 * n, slow: 0, late: 0, ms: n * 100 }),
  });
  await traffic(sql, row.started, Array.from({ length: 70 }, (_, i) => quiet(i + 1, 2)));
  assertEquals(await tick(sql, row, 62), "hold samples");
  assertEquals(await tick(sql, row, 65), "hold samples");
  await traffic(
    sql,
    row.started,
    Array.from({ length: 20 }, (_, i) => quiet(i + 71, 10, i % 4 === 0 ? 1 : 0)),
  );
  assertEquals(await tick(sql, row, 92), "hold error_rate");
  const held = (await eventsOf(sql, row.id)).filter(({ kind }) => kind === "held");
  assertEquals(held.map(({ rule }) => rule), ["samples", "error_rate"]);
  assertEquals(Object.keys(held[0].figures).sort(), ["min_samples", "n"]);
  assertEquals(held[0].figures.min_samples, 300);
  assertEquals(Object.keys(held[1].figures).sort(), ["error_rate", "failed", "n"]);
  await assertReplays(sql, row.id, 2);
});

databaseTest(
  "a person's change to the flag has precedence: off ends the rollout, another percentage pauses it",
  async (sql) => {
    let row = await make(sql, { stages: STAGES.slice(1) });
    // A description is nobody's business.
    await sql`select public.set_flag(${FLAG}, '{"description": "new checkout"}', ${
      (await flagOf(sql)).version
    })`;
    assertEquals(await tick(sql, row, 5), "hold hold_time");
    await sql`update public.settings set metadata = jsonb_set(metadata, '{rollout_percentage}', '75') where key = ${FLAG}`;
    assertEquals(await tick(sql, row, 6), "page flag_changed_by_hand");
    row = await rowOf(sql, row.id);
    assertEquals(row.state, "paused");
    assertEquals((await flagOf(sql)).metadata.rollout_percentage, 75);
    await sql`select public.resume_rollout(${row.id}, ${row.version})`;
    row = await rowOf(sql, row.id);
    assertEquals([row.state, (await flagOf(sql)).metadata.rollout_percentage], ["running", 25]);
    // The manual's own emergency SQL.
    await sql`update settings set value = 'false' where key = ${FLAG}`;
    assertEquals(await tick(sql, row, 3), "roll_back flag_off_by_hand");
    assertEquals([(await rowOf(sql, row.id)).state, (await flagOf(sql)).value], ["rolled_back", "false"]);
    await assertReplays(sql, row.id, 1);
  },
);

databaseTest("a paused rollout does not advance, but can still roll back", async (sql) => {
  let row = await make(sql, { stages: STAGES.slice(1) });
  await sql`select public.pause_rollout(${row.id}, ${row.version}, 'looking')`;
  await traffic(sql, row.started, HEALTHY, 70);
  assertEquals(await tick(sql, row, 65), "hold paused");
  row = await rowOf(sql, row.id);
  await sql`truncate public.flag_metrics`;
  const bad = Array.from({ length: 10 }, (_, i): Minute => ({
    minute: i + 70,
    on: countsOf({ n: 20, failed: 10, timed: 20, slow: 0, late: 0, ms: 100 }),
    off: countsOf({ n: 60, failed: 0, timed: 60, slow: 0, late: 0, ms: 100 }),
  }));
  await traffic(sql, row.started, bad);
  assertEquals(await tick(sql, row, 85), "roll_back error_rate_relative");
  const [{ message }] = await sql`
    select message from public.rollout_events where rollout_id = ${row.id} and kind = 'rolled_back'`;
  assertEquals(message, "rolled_back: error_rate_relative");
});

databaseTest(
  "people move a rollout by its version, with a reason if they overrule the guard",
  async (sql) => {
    let row = await make(sql, { start: false });
    const call = async (name: string, version: number, reason: string | null = "because") => {
      const code = await refusal(
        sql`select ${sql(`public.${name}`)}(${row.id}, ${version}, ${reason})`.then(() => {}),
      );
      row = await rowOf(sql, row.id);
      return code;
    };
    for (
      const name of [
        "pause_rollout",
        "resume_rollout",
        "advance_rollout",
        "roll_back_rollout",
        "complete_rollout",
      ]
    ) {
      assertEquals(await call(name, 1), "GL409", `${name} of a draft`);
    }
    assertEquals(await call("start_rollout", 2), "GL409");
    assertEquals(await call("start_rollout", 1), undefined);
    assertEquals(await call("start_rollout", 2), "GL409");
    assertEquals(await call("advance_rollout", 1), "GL409");
    assertEquals(await call("advance_rollout", 2, " "), "GL422");
    assertEquals(await call("advance_rollout", 2), undefined);
    assertEquals([row.stage, row.version], [2, 3]);
    assertEquals(await call("pause_rollout", 3, " "), "GL422");
    assertEquals(await call("pause_rollout", 3), undefined);
    assertEquals(await call("resume_rollout", 4), undefined);
    assertEquals(await call("complete_rollout", 5, null), "GL422");
    assertEquals(await call("complete_rollout", 5), undefined);
    assertEquals([row.state, (await flagOf(sql)).metadata.rollout_percentage], ["completed", 100]);
    assertEquals(await call("roll_back_rollout", 6), "GL409");
    const unknown = refusal(sql`select public.pause_rollout(${crypto.randomUUID()}, 1)`.then(() => {}));
    assertEquals(await unknown, "GL404");
  },
);

databaseTest("a paused rollout that is advanced manually stays paused until it is resumed", async (sql) => {
  let row = await make(sql);
  const call = async (name: string) => {
    await sql`select ${sql(`public.${name}`)}(${row.id}, ${row.version}, 'because')`;
    row = await rowOf(sql, row.id);
    return [row.state, row.stage];
  };
  assertEquals(await call("pause_rollout"), ["paused", 1]);
  assertEquals(await call("advance_rollout"), ["paused", 2]);
  const [{ hold_reason, version, percentage, flag }] = await sql`
    select r.hold_reason, r.version::int, s.percentage::float, f.metadata -> 'rollout_percentage' as flag
    from public.rollouts r join public.rollout_stages s on s.rollout_id = r.id and s.position = r.stage
      join public.settings f on f.key = r.flag_key
    where r.id = ${row.id}`;
  assertEquals([hold_reason, version, flag], ["paused", row.version, percentage]);
  assertEquals((await eventsOf(sql, row.id)).at(-1)!.figures, {
    stage: "quarter",
    percentage: 25,
    paused: true,
  });
  assertEquals(await call("resume_rollout"), ["running", 2]);
});

databaseTest("a manual rollback turns the flag off, and the next rollout may begin", async (sql) => {
  const row = await make(sql);
  const [{ id }] = await sql`select (public.create_rollout(${FLAG}, '{"template": "canary"}')).id`;
  assertEquals(await refusal(sql`select public.start_rollout(${id}, 1, 'a test')`.then(() => {})), "GL409");
  await sql`select public.roll_back_rollout(${row.id}, ${row.version}, 'complaints')`;
  assertEquals((await flagOf(sql)).value, "false");
  await sql`select public.start_rollout(${id}, 1, 'again', '{"gates": [{"id": "ci", "status": "passed"}]}')`;
  assertEquals((await flagOf(sql)).metadata, { rollout_percentage: 1, target_user_ids: ["t1", "t2"] });
  const started = (await eventsOf(sql, id)).find(({ kind }) => kind === "started")!;
  assertEquals(started.evidence, { gates: [{ id: "ci", status: "passed" }], override: null, asked: true });
});

databaseTest(
  "a rollout never reduces a feature's audience, and needs a flag, a valid plan and known segments",
  async (sql) => {
    const create = (flag: string, plan: unknown) =>
      refusal(sql`select public.create_rollout(${flag}, ${sql.json(plan as never)})`.then(() => {}));
    assertEquals(await create(FLAG, { stages: STAGES }), "GL404");
    await sql`select public.set_flag(${FLAG}, '{"on": true, "percentage": 50}', 0)`;
    assertEquals(await create(FLAG, { stages: [] }), "GL422");
    assertEquals(await create(FLAG, { template: "standard" }), "GL422"); // for nobody
    assertEquals(await create(FLAG, { template: "other" }), "GL422");
    assertEquals(await create(FLAG, { template: "canary", stages: [] }), "GL422");
    assertEquals(await create(FLAG, { template: "standard", segments: ["beta"] }), "GL404");
    await sql`select public.set_segment('beta', 'testers', 0)`;
    assertEquals(await create(FLAG, { template: "standard", segments: ["beta"] }), undefined);
    const [{ id }] = await sql`select (public.create_rollout(${FLAG}, '{"template": "canary"}')).id`;
    assertEquals(await refusal(sql`select public.start_rollout(${id}, 1, 'a test')`.then(() => {})), "GL409");
  },
);

databaseTest("an error in one rollout is reported and does not affect the others", async (sql) => {
  const row = await make(sql, { stages: STAGES.slice(1) });
  await sql`select public.set_flag('other.enabled', '{}', 0)`;
  const [{ id }] = await sql`
    select (public.create_rollout('other.enabled', ${sql.json({ stages: STAGES.slice(1) } as never)})).id`;
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  await sql`update public.rollouts set guard = '{"minute": "not a number"}' where id = ${row.id}`;
  for (let minute = 2; minute < 5; minute++) {
    const said = await advance(sql, row.started, minute * 60);
    assertEquals(said.map(({ flag_key, rule }) => [flag_key, rule]), [[FLAG, "guard_failed"], [
      "other.enabled",
      "hold_time",
    ]]);
  }
  assertEquals((await eventsOf(sql, row.id)).filter(({ rule }) => rule === "guard_failed").length, 1);
});

databaseTest("evidence is written at least every six hours and only grows", async (sql) => {
  const row = await make(sql, { stages: [{ ...STAGES[2], hold_minutes: 2000 }] });
  await traffic(sql, row.started, { on: { perMinute: 5, failing: 0.002 } }, 800);
  for (let minutes = 100; minutes <= 800; minutes += 100) await tick(sql, row, minutes);
  const checked = (await eventsOf(sql, row.id)).filter(({ kind }) => kind === "checked");
  assertEquals(checked.length, 2);
  await assertReplays(sql, row.id, 2);
  for (
    const change of ["update public.rollout_events set figures = '{}'", "delete from public.rollout_events"]
  ) {
    assertEquals(await refusal(sql.unsafe(change)), "42501");
  }
});
