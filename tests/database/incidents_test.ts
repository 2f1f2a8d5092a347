/** Incidents: who may what, escalation until somebody has it in hand, what an open one stops, and what the public reads. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { ANON, as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";
import { until } from "../support/until.ts";
import {
  KINDS,
  PLACEHOLDERS,
  SEVERITIES,
  STATUSES,
  templateFaults,
  TEMPLATES,
} from "../../supabase/functions/_shared/contract/incidents.ts";

const FLAG = "checkout.enabled";
const T0 = Date.UTC(2026, 10, 29, 3);
const at = (minutes: number) => new Date(T0 + minutes * 60_000).toISOString();

interface Row {
  number: number;
  version: number;
  severity: string;
  status: string;
  kind: string;
  flag_key: string | null;
  acknowledged_by: string | null;
  rollout_id: string | null;
  rollback_id: string | null;
}

async function incidents(sql: Sql): Promise<Row[]> {
  const rows = await sql<Row[]>`
    select number::int, version::int, severity, status, kind, flag_key, acknowledged_by, rollout_id, rollback_id
    from public.incidents order by number`;
  return rows.map((row) => ({ ...row }));
}

/** Opens one, minutes after T0, and answers its number. */
async function open(
  sql: Sql,
  minute: number,
  { kind = "error_rate", severity = null, flag = null, open = false }: {
    kind?: string;
    severity?: string | null;
    flag?: string | null;
    open?: boolean;
  } = {},
): Promise<number> {
  const [{ number }] =
    await sql`select (private.open_incident('It fails', ${kind}, ${severity}, ${flag}, null, ${open}, null, null, null,
    null, ${at(minute)})).number::int as number`;
  return number;
}

async function kinds(sql: Sql, number: number): Promise<string[]> {
  const rows =
    await sql`select u.kind from public.incident_updates u join public.incidents i on i.id = u.incident_id
    where i.number = ${number} order by u.at, u.id`;
  return rows.map(({ kind }) => kind);
}

/** A flag whose rollout is in its first stage. */
async function running(sql: Sql, flag = FLAG): Promise<string> {
  await sql`insert into public.settings (key, value) values (${flag}, 'false')`;
  const plan = {
    name: "short",
    stages: [10, 100].map((percentage) => ({
      name: `${percentage} %`,
      percentage,
      hold_minutes: 1,
      min_samples: 0,
      advance_when: {},
      roll_back_when: { error_rate_above: 0.05 },
    })),
  };
  const [{ id }] = await sql`select id from public.create_rollout(${flag}, ${sql.json(plan)})`;
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  return id;
}

async function stateOf(sql: Sql, id: string) {
  const [row] =
    await sql`select state, hold_reason, version::int, (select value from public.settings where key = flag_key) as flag
    from public.rollouts where id = ${id}`;
  return { ...row } as { state: string; hold_reason: string | null; version: number; flag: string };
}

databaseTest(
  "incidents: severities, kinds, statuses and templates are those of the contract",
  async (sql) => {
    assertEquals(
      (await sql`select * from private.incident_severities()`).map((row) => ({ ...row })),
      SEVERITIES.map(({ severity, acknowledgeMinutes, repeatMinutes }) => ({
        severity: severity as string,
        acknowledge_minutes: acknowledgeMinutes,
        repeat_minutes: repeatMinutes,
      })),
    );
    assertEquals(
      (await sql`select * from private.incident_kinds()`).map((row) => ({ ...row })),
      KINDS.map(({ kind, severity }) => ({ kind, severity: severity as string })),
    );
    for (
      const [column, known] of [["kind", KINDS.map(({ kind }) => kind)], ["status", [...STATUSES]]] as const
    ) {
      const [{ taken }] = await sql`select pg_get_constraintdef(oid) as taken from pg_constraint
      where conname = ${`incidents_${column}_known`}`;
      assertEquals([...taken.matchAll(/'(\w+)'/g)].map(([, word]) => word), [...known]);
    }
    for (const { severity, acknowledgeMinutes } of SEVERITIES) {
      const [{ first }] =
        await sql`select min(after_minutes) as first from public.escalation_steps where severity = ${severity}`;
      assertEquals(first, acknowledgeMinutes, "the first is called when nobody acknowledged in time");
    }
  },
);

databaseTest(
  "incident templates: database and contract accept the same texts",
  async (sql) => {
    const part = fc.oneof(
      fc.constantFrom(
        ...PLACEHOLDERS.map((name) => `{{${name}}}`),
        "{{",
        "}}",
        "{{x}}",
        "{{ title }}",
        "{",
        "}",
        "\n",
      ),
      fc.string({ unit: "grapheme-ascii", maxLength: 5 }),
    );
    const name = fc.constantFrom(...Object.keys(TEMPLATES), "unheard_of");
    const write = (name: string, text: string) =>
      refusal(sql`insert into public.settings (key, value) values (${`incident_template.${name}`}, ${text})
      on conflict (key) do update set value = excluded.value`);
    for (const [name, { text }] of Object.entries(TEMPLATES)) {
      assertEquals([templateFaults(name, text), await write(name, text)], [[], undefined], name);
    }
    await holds(
      fc.asyncProperty(name, fc.array(part, { minLength: 1, maxLength: 5 }), async (name, parts) => {
        const text = parts.join("").replaceAll("\0", "");
        const faults = templateFaults(name, text);
        assertEquals(await write(name, text), faults.length === 0 ? undefined : "23514", `${faults} ${text}`);
      }),
    );
  },
);

databaseTest(
  "incidents: operators manage them, viewers read them, and nobody else sees them",
  async (sql) => {
    const [viewer, operator, stranger] = [
      await signedIn(sql, "viewer"),
      await signedIn(sql, "operator"),
      await signedIn(sql),
    ];
    const number = await open(sql, 0, { severity: "P2", kind: "bug" });
    const doors: [string, string][] = [
      ["read", "select public.list_incidents()"],
      ["read", `select public.read_incident(${number})`],
      ["lead", "select public.open_incident('It fails')"],
      ["lead", `select public.update_incident(${number}, 1, '{}', 'seen')`],
      ["lead", `select public.acknowledge_incident(${number})`],
      ["lead", `select public.resolve_incident(${number}, 3)`],
      ["set", "select public.set_escalation('P0', '[]')"],
    ];
    for (const [what, statement] of doors) {
      for (const caller of [ANON, stranger, viewer]) {
        const allowed = what === "read" && caller === viewer;
        const code = await refusal(as(sql, caller, (tx) => tx.unsafe(statement)));
        assertEquals(code, allowed ? undefined : "42501", `${caller.role} ${statement}`);
      }
      const caller = what === "set" ? SERVICE : operator;
      assertEquals(await refusal(as(sql, caller, (tx) => tx.unsafe(statement))), undefined, statement);
    }
    assertEquals((await incidents(sql))[0].acknowledged_by, operator.sub);
    const [{ actors }] = await sql`select array_agg(distinct actor) as actors from public.incident_updates
    where kind in ('noted', 'acknowledged', 'resolved')`;
    assertEquals(actors, [operator.sub], "each step is on record with who took it");
  },
);

databaseTest("update_incident: of two writers with the same version one is told to reload", async (sql) => {
  const number = await open(sql, 0);
  const update = (version: number, changes: Record<string, unknown>) =>
    refusal(sql`select public.update_incident(${number}, ${version}, ${sql.json(changes as never)})`);
  assertEquals(await update(1, { status: "identified" }), undefined);
  assertEquals(await update(1, { status: "monitoring" }), "GL409");
  assertEquals(await update(2, { status: "resolved" }), "GL422", "that is resolve_incident's");
  assertEquals(await update(2, { opened_by: "me" }), "GL422");
  assertEquals(await update(2, { severity: "P9" }), "23514");
  for (
    const wrong of [
      { title: { a: 1 } },
      { title: null },
      { status: null },
      { severity: 1 },
      { public: null },
      { public: "true" },
      { flag_key: ["x.enabled"] },
      { rollback_id: "abc" },
    ]
  ) assertEquals(await update(2, wrong), "GL422", JSON.stringify(wrong));
  assertEquals(await refusal(sql`select public.resolve_incident(${number}, 1)`), "GL409");
  assertEquals(await refusal(sql`select public.resolve_incident(${number}, 2)`), undefined);
  assertEquals(await refusal(sql`select public.resolve_incident(${number}, 3)`), "GL409");
  assertEquals(await update(3, { status: "investigating" }), undefined, "it is opened again");
  assertEquals((await incidents(sql))[0].status, "investigating");
  assertEquals(await refusal(sql`delete from public.incident_updates`), "42501");
});

/** Who was called by when: minute, endpoint, role. */
async function calls(sql: Sql, minutes: Iterable<number>): Promise<string[]> {
  const said: string[] = [];
  for (const minute of minutes) {
    await sql`select private.escalate_incidents(${at(minute)})`;
    const rows = await sql`delete from public.notifications n using public.notification_endpoints e
      where e.id = n.endpoint_id and n.payload ->> 'kind' = 'incident_escalated' returning e.name, n.payload ->> 'role' as role`;
    said.push(...rows.map(({ name, role }) => `${minute} ${name} ${role}`).sort());
  }
  return said;
}
const upTo = (minutes: number) => Array.from({ length: minutes + 1 }, (_, i) => i);

async function endpoints(sql: Sql): Promise<void> {
  await sql`insert into public.notification_endpoints (name, kind, host, events) values
    ('chat', 'slack', 'h', '{incident_opened,incident_escalated}'), ('boss', 'webhook', 'h', '{paged}')`;
}

databaseTest(
  "escalation: calls the next role, then repeats the last one until somebody acknowledges",
  async (sql) => {
    await endpoints(sql);
    await sql`select public.set_escalation('P0', '[{"after_minutes": 5, "role": "lead"}, {"after_minutes": 15, "role": "CTO", "endpoint": "boss"}]')`;
    const number = await open(sql, 0);
    assertEquals(await calls(sql, upTo(76)), ["5 chat lead", "15 boss CTO", "45 boss CTO", "75 boss CTO"]);
    await sql`select private.acknowledge_incident(${number}, ${at(77)})`;
    await sql`select private.acknowledge_incident(${number}, ${at(90)})`;
    assertEquals(await calls(sql, upTo(300).slice(78)), []);
    assertEquals(await kinds(sql, number), ["opened", ...Array(4).fill("escalated"), "acknowledged"]);
  },
);

databaseTest(
  "escalation: calls nobody if acknowledged or resolved in time, and nobody for P2",
  async (sql) => {
    await endpoints(sql);
    const [first, second] = [await open(sql, 0), await open(sql, 0)];
    await open(sql, 0, { kind: "bug" });
    await sql`select private.acknowledge_incident(${first}, ${at(4)})`;
    await sql`select private.resolve_incident(${second}, null, null, null, ${at(4)})`;
    assertEquals(await calls(sql, upTo(600)), []);
  },
);

databaseTest("escalation: restarts when an incident is reopened", async (sql) => {
  await endpoints(sql);
  await sql`select public.set_escalation('P0', '[{"after_minutes": 5, "role": "lead"}]')`;
  const number = await open(sql, 0);
  const again = (minute: number) =>
    sql`select private.change_incident(${number}, null, '{"status": "investigating"}', null, null, ${
      at(minute)
    })`;
  assertEquals(await calls(sql, upTo(6)), ["5 chat lead"]);
  await sql`select private.resolve_incident(${number}, null, null, null, ${at(10)})`;
  await again(100);
  assertEquals(await calls(sql, upTo(106).slice(10)), ["105 chat lead"], "nobody has it in hand");
  await sql`select private.acknowledge_incident(${number}, ${at(107)})`;
  await sql`select private.resolve_incident(${number}, null, null, null, ${at(110)})`;
  await again(200);
  assertEquals(await calls(sql, upTo(300).slice(110)), [], "whoever had it in hand has it again");
});

databaseTest("escalation: a step whose endpoint is paused or removed still reaches somebody", async (sql) => {
  await endpoints(sql);
  await sql`select public.set_escalation('P0', '[{"after_minutes": 5, "role": "CTO", "endpoint": "boss"}]')`;
  await open(sql, 0);
  await sql`select public.set_notification_state('boss', 'paused')`;
  assertEquals(await calls(sql, upTo(5)), ["5 chat CTO"]);
  await sql`select public.remove_notification_endpoint('boss')`;
  assertEquals(await calls(sql, upTo(40)), ["35 chat CTO"]);
  assertEquals(
    await refusal(
      sql`select public.set_escalation('P0', '[{"after_minutes": 5, "role": "CTO", "endpoint": "boss"}]')`,
    ),
    "GL404",
  );
  for (
    const wrong of [
      "{}",
      '[{"role": "x"}]',
      '[{"after_minutes": 5}]',
      '[{"after_minutes": 1.5, "role": "x"}]',
      '[{"after_minutes": 5, "role": "x"}, {"after_minutes": 5, "role": "y"}]',
    ]
  ) {
    assertEquals(
      await refusal(sql`select public.set_escalation('P0', ${wrong}::text::jsonb)`),
      "GL422",
      wrong,
    );
  }
});

databaseTest(
  "escalation: within 24 hours of a launch the first role is called at once, and a degraded component opens an incident",
  async (sql) => {
    await endpoints(sql);
    const launched = (minutes: number) =>
      sql`insert into public.rollouts (flag_key, plan, state, finished_at) values
    (${FLAG}, 'short', 'completed', ${at(minutes)})`;
    await launched(-24 * 60 - 1);
    await open(sql, 0);
    assertEquals(await calls(sql, [0]), []);
    await launched(-24 * 60 + 1);
    await open(sql, 0, { flag: FLAG });
    await open(sql, 0, { flag: "other.enabled" });
    assertEquals(await calls(sql, [0, 4]), ["0 chat engineering lead"], "of the feature that was launched");
    await sql.unsafe(
      `create or replace function private.health(p_now timestamptz) returns jsonb language sql stable as
    'select ''[{"component": "queue", "status": "degraded", "because": "x", "figures": {}}]''::jsonb'`,
    );
    await sql`select private.watch(${at(0)})`;
    assertEquals(
      (await incidents(sql)).map(({ kind }) => kind).at(-1),
      "outage",
      "told at once, not after two minutes",
    );
  },
);

databaseTest(
  "open_incident: a severe one rolls back its flag's rollout, a mild one does not",
  async (sql) => {
    for (const [i, { kind, severity }] of KINDS.entries()) {
      const flag = `feature${i}.enabled`;
      const id = await running(sql, flag);
      await open(sql, 0, { kind, flag });
      const taken = severity !== "P2";
      assertEquals((await stateOf(sql, id)).state, taken ? "rolled_back" : "running", kind);
      assertEquals((await incidents(sql)).at(-1)!.rollout_id, taken ? id : null);
    }
    const [{ reason }] =
      await sql`select reason from public.rollout_events where kind = 'rolled_back' order by id limit 1`;
    assertEquals(reason, "incident 1: It fails");
  },
);

databaseTest(
  "incidents: security and critical bugs roll back at any severity, others once they become severe",
  async (sql) => {
    const [first, second, third] = [
      await running(sql, "a.enabled"),
      await running(sql, "b.enabled"),
      await running(sql, "c.enabled"),
    ];
    await open(sql, 0, { kind: "security", severity: "P2", flag: "a.enabled" });
    assertEquals((await stateOf(sql, first)).state, "rolled_back");
    const number = await open(sql, 0, { kind: "bug", flag: "b.enabled" });
    await sql`select public.update_incident(${number}, 1, '{"severity": "P1"}')`;
    assertEquals(await stateOf(sql, second).then(({ state, flag }) => [state, flag]), [
      "rolled_back",
      "false",
    ]);
    assertEquals(await kinds(sql, number), ["opened", "changed", "taken_back"]);
    assertEquals((await stateOf(sql, third)).state, "running", "another feature's go on");
  },
);

databaseTest(
  "open_incident: opens the incident even if the rollout cannot be rolled back, and says so",
  async (sql) => {
    const id = await running(sql);
    const other = await sql.reserve();
    await other`begin`;
    await other`select from public.settings where key = ${FLAG} for update`;
    const opened = await sql`select public.open_incident('It fails', 'error_rate', null, ${FLAG})`;
    await other`rollback`;
    other.release();
    assertEquals([opened.length, (await stateOf(sql, id)).state], [1, "running"]);
    const [{ text }] = await sql`select text from public.incident_updates where kind = 'noted'`;
    assertEquals(text, `The rollout of ${FLAG} could not be taken back (GL423): take the flag itself back.`);
  },
);

databaseTest(
  "a severe open incident blocks a launch through every entry point until it is resolved",
  async (sql) => {
    const id = await running(sql);
    await sql`insert into public.settings (key, value, metadata) values
      ('old.enabled', 'true', '{}'), ('braked.enabled', 'true', '{"rollout_percentage": 100}'), ('half.enabled', 'true',
      '{"rollout_percentage": 50}'), ('few.enabled', 'true', '{"target_user_ids": ["u1"]}'), ('gone.enabled', 'true', '{}')`;
    await sql`update public.settings set value = 'false' where key in ('old.enabled', 'braked.enabled')`;
    const number = await open(sql, 0, { kind: "outage" });
    const { version } = await stateOf(sql, id);
    const [{ v }] = await sql`select version::int as v from public.settings where key = ${FLAG}`;
    const doors: [string, Promise<unknown>][] = [
      ["complete_rollout", sql`select public.complete_rollout(${id}, ${version}, 'enough')`],
      ["advance_rollout", sql`select public.advance_rollout(${id}, ${version}, 'enough')`],
      ["set_flag", sql`select public.set_flag(${FLAG}, '{"percentage": 100}', ${v}, 'enough')`],
      [
        "update",
        sql`update public.settings set metadata = metadata || '{"rollout_percentage": 100}' where key = ${FLAG}`,
      ],
      [
        "launched",
        sql`update public.settings set metadata = metadata || '{"launched_at": "2026-11-29"}' where key = ${FLAG}`,
      ],
    ];
    const made = (key: string, metadata: string) =>
      sql`insert into public.settings (key, value, metadata) values (${key}, 'true', ${metadata}::text::jsonb)`;
    doors.push(
      ["made at 100 %", made("made.enabled", '{"rollout_percentage": 100}')],
      ["made on", made("made.enabled", "{}")],
      ["made as launched", made("made.enabled", '{"launched_at": "2026-11-29", "rollout_percentage": 1}')],
      ["set_flag, new", sql`select public.set_flag('made.enabled', '{"on": true}', 0, 'now')`],
      [
        "from targets",
        sql`update public.settings set metadata = metadata || '{"rollout_percentage": 100}' where key = 'few.enabled'`,
      ],
      [
        "no percentage any more",
        sql`update public.settings set metadata = '{}' where key in ('half.enabled', 'few.enabled')`,
      ],
    );
    for (const [door, tried] of doors) assertEquals(await refusal(tried), "GL409", door);
    const transactions: [string, () => Promise<unknown>][] = [
      [
        "made off and turned on",
        () =>
          sql.begin(async (sql) => {
            await sql`insert into public.settings (key, value) values ('made.enabled', 'false')`;
            await sql`update public.settings set value = 'true' where key = 'made.enabled'`;
          }),
      ],
      [
        "deleted and made anew",
        () =>
          sql.begin(async (sql) => {
            await sql`delete from public.settings where key = 'gone.enabled'`;
            await sql`insert into public.settings (key, value) values ('gone.enabled', 'true')`;
          }),
      ],
    ];
    for (const [door, tried] of transactions) assertEquals(await refusal(tried()), "GL409", door);
    await sql`select public.set_flag('new.enabled', '{"on": false}', 0)`;
    assertEquals(
      await refusal(sql`select public.set_flag('new.enabled', '{"on": true, "percentage": 100}', 1)`),
      "GL409",
      "a flag that never had a percentage",
    );
    await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
      select ${FLAG}, date_trunc('minute', now()) + make_interval(mins => m), 'on', 10, 0, 0, 0, array_fill(0, array[27])
      from generate_series(1, 12) m`;
    await sql`select private.advance_rollouts(now() + interval '10 minutes')`;
    assertEquals(await stateOf(sql, id).then(({ state, hold_reason }) => [state, hold_reason]), [
      "running",
      "incident",
    ]);
    // What people do in an emergency goes through: a flag that is a mere switch, and off.
    await sql`update public.settings set value = 'true' where key in ('old.enabled', 'braked.enabled')`;
    await sql`insert into public.settings (key, value) values ('email_send.enabled', 'true'), ('wa_router.enabled', 'false')`;
    await sql`update public.settings set value = 'true' where key = 'wa_router.enabled'`;
    await sql`insert into public.settings (key, value, metadata) values ('part.enabled', 'true', '{"rollout_percentage": 99}')`;
    await sql`select public.update_incident(${number}, 1, '{"severity": "P2"}', 'not that bad')`;
    await sql`select private.advance_rollouts(now() + interval '11 minutes')`;
    const after = await sql`select stage, state from public.rollouts where id = ${id}`;
    assertEquals({ ...after[0] }, { stage: 2, state: "running" });
  },
);

databaseTest(
  "a launch that was written before an incident was opened is refused when it commits",
  async (sql) => {
    await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
    const other = await sql.reserve();
    try {
      await other`begin`;
      await other`update public.settings set value = 'true' where key = ${FLAG}`;
      await open(sql, 0, { flag: FLAG });
      assertEquals(await refusal(other`commit`), "GL409");
      assertEquals((await sql`select value from public.settings where key = ${FLAG}`)[0].value, "false");
    } finally {
      other.release();
    }
  },
);

databaseTest("set_escalation: two at once are one after the other, and the later one stands", async (sql) => {
  const other = await sql.reserve();
  try {
    await other`begin`;
    await other`select public.set_escalation('P0', '[{"after_minutes": 5, "role": "one"}]')`;
    const second = sql`select public.set_escalation('P0', '[{"after_minutes": 5, "role": "two"}]')`.execute();
    await until(
      "the second waits for the first",
      async () =>
        (await sql`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%set_escalation%'`)
          .length > 0,
    );
    await other`commit`;
    assertEquals(await refusal(second), undefined);
    const steps = await sql`select role from public.escalation_steps where severity = 'P0'`;
    assertEquals(steps.map(({ role }) => role), ["two"]);
  } finally {
    other.release();
  }
});

databaseTest("the guard's rollback opens one incident, with a severity by its figures", async (sql) => {
  for (const [flag, failed, severity] of [["a.enabled", 6, "P0"], ["b.enabled", 4, "P1"]] as const) {
    const id = await running(sql, flag);
    await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
      values (${flag}, date_trunc('minute', now()), 'on', 100, ${failed}, 0, 0, array_fill(0, array[27]))`;
    const event = () =>
      sql`insert into public.rollout_events (rollout_id, at, kind, stage, verdict, rule, figures, rollout_version)
      values (${id}, now(), 'rolled_back', 1, 'roll_back', 'error_rate_absolute', '{}', 3)`;
    await event();
    await event();
    const found = (await incidents(sql)).filter(({ flag_key }) => flag_key === flag);
    assertEquals(
      found.map(({ severity, kind, status, rollout_id }) => [severity, kind, status, rollout_id]),
      [
        [severity, "error_rate", "identified", id],
      ],
    );
  }
  await sql`insert into public.rollout_events (rollout_id, at, kind, stage, rule, figures, rollout_version)
    select id, now(), 'rolled_back', 1, 'by_hand', '{}', 3 from public.rollouts limit 1`;
  assertEquals((await incidents(sql)).length, 2, "who takes it back by hand knows");
});

databaseTest(
  "a component that is down has one incident until it recovers; an acknowledged one is monitored, not closed",
  async (sql) => {
    await sql.unsafe(`create table public.parts (status text); insert into public.parts values ('down');
    create or replace function private.health(p_now timestamptz) returns jsonb language sql stable as
      'select jsonb_agg(jsonb_build_object(''component'', ''graph'', ''status'', status, ''because'', ''x'', ''figures'', ''{}''::jsonb)) from public.parts'`);
    const looked = async (status: string, ...minutes: number[]) => {
      await sql`update public.parts set status = ${status}`;
      for (const minute of minutes) await sql`select private.watch(${at(minute)})`;
      return (await incidents(sql)).map(({ status }) => status);
    };
    assertEquals(await looked("down", 0, 1), [], "it may have been a moment");
    assertEquals(await looked("down", 2, 3, 4), ["investigating"]);
    assertEquals(await looked("healthy", 5, 11), ["resolved"]);
    assertEquals(await looked("down", 12, 14), ["resolved", "investigating"]);
    await sql`select private.acknowledge_incident(2, ${at(15)})`;
    assertEquals(await looked("healthy", 16, 22), ["resolved", "monitoring"]);
    assertEquals(await looked("down", 23, 24), ["resolved", "monitoring"], "it may have been a moment");
    assertEquals(await looked("down", 25), ["resolved", "investigating"], "it is down again");
    await sql`select private.change_incident(2, null, '{"status": "monitoring"}', null, null, ${at(26)})`;
    assertEquals(await looked("down", 27), ["resolved", "monitoring"], "as somebody said meanwhile");
  },
);

databaseTest(
  "record_rollback: links a successful rollback with the incident of its flag, or the named one",
  async (sql) => {
    await sql`insert into public.settings (key, value) values (${FLAG}, 'true')`;
    const [mine, other, named] = [await open(sql, 0, { flag: FLAG }), await open(sql, 0), await open(sql, 0)];
    const record = (level: number, target: string, reason: string, ok = true) =>
      sql`select public.record_rollback(${
        sql.json({ level, target, reason, ok, steps: [], took_ms: 5, began_at: at(1) })
      }) as id`;
    await record(1, FLAG, "6 % errors", false);
    const [{ id }] = await record(1, FLAG, "6 % errors");
    const [{ id: code }] = await record(3, "abc1234", `incident ${named}`);
    assertEquals((await incidents(sql)).map(({ number, rollback_id }) => [number, rollback_id]), [
      [mine, id],
      [other, null],
      [named, code],
    ]);
    const [{ read }] = await sql`select public.read_incident(${mine}) as read`;
    assertEquals([read.rollback.id, read.rollback.level, "steps" in read.rollback], [id, 1, false]);
  },
);

/** What must never be read outside, in the forms in which it could stand there. */
const formsOf = (secret: string) => [
  secret,
  encodeURIComponent(secret),
  btoa(secret).replace(/=+$/, "").slice(0, -1),
  [...new TextEncoder().encode(secret)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  secret.replace(/[^0-9a-z]/gi, ""),
];

databaseTest(
  "status_page: never shows a note, person, id or flag, whatever happens to incidents",
  async (sql) => {
    const operator = await signedIn(sql, "operator");
    await sql`insert into public.settings (key, value) values (${FLAG}, 'true')`;
    const secrets = ["+49 151 9988 7766", "note for the team only", FLAG, operator.sub!, "postgres-of-ours"];
    const step = fc.constantFrom(
      "note",
      "status",
      "public",
      "private",
      "publish",
      "acknowledge",
      "resolve",
      "escalate",
    );
    await holds(
      fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 8 }), async (open, steps) => {
        const [{ number }] = await as(
          sql,
          operator,
          (tx) =>
            tx`select (public.open_incident('Replies come late', 'error_rate', null, ${FLAG},
      'postgres-of-ours', ${open}, ${secrets[1]})).number::int as number`,
        );
        for (const step of steps) {
          const [{ version, public: isPublic, status }] =
            await sql`select version::int, public, status from public.incidents where number = ${number}`;
          await as(sql, operator, (tx) => {
            const update = (changes: Record<string, unknown>, note: string | null, text: string | null) =>
              tx`select public.update_incident(${number}, ${version}, ${
                sql.json(changes as never)
              }, ${note}, ${text})`;
            if (step === "note") return update({}, `${secrets[1]}, call ${secrets[0]}`, null);
            if (step === "status") {
              return update({ status: "identified" }, secrets[1], null);
            }
            if (step === "public" || step === "private") {
              return update({ public: step === "public" }, secrets[1], null);
            }
            if (step === "publish") {
              return update({}, secrets[1], isPublic ? "We are on it." : null);
            }
            if (step === "acknowledge") {
              return tx`select public.acknowledge_incident(${number})`;
            }
            if (step === "resolve" && status !== "resolved") {
              return tx`select public.resolve_incident(${number}, ${version}, ${secrets[1]})`;
            }
            return tx`select 1`;
          });
          if (step === "escalate") await sql`select private.escalate_incidents(now() + interval '1 day')`;
        }
        const [{ page }] = await as(sql, SERVICE, (tx) => tx`select public.status_page() as page`);
        const text = JSON.stringify(page);
        for (const secret of secrets) {
          for (const form of formsOf(secret)) assert(!text.includes(form), `${form} in ${text}`);
        }
        const [{ shown }] = await sql`select public as shown from public.incidents where number = ${number}`;
        assertEquals(page.incidents.some((one: { number: number }) => one.number === number), shown);
      }),
    );
  },
);

databaseTest(
  "claim_status_posts: posts an incident's updates in order, each once, and none if no page is configured",
  async (sql) => {
    const number = await open(sql, -60, { open: true });
    await sql`select private.change_incident(${number}, null, '{"status": "identified"}', null, 'It is the disk.', ${
      at(-50)
    })`;
    await sql`select private.resolve_incident(${number}, null, null, null, ${at(-40)})`;
    await sql`update private.status_posts set next_attempt_at = now() - interval '1 minute'`;
    const claim = () =>
      as(sql, SERVICE, async (tx) => (await tx`select public.claim_status_posts() as posts`)[0].posts);
    const settle = (id: string, lease: string, outcome: string, page: string | null) =>
      as(
        sql,
        SERVICE,
        async (tx) =>
          (await tx`select public.settle_status_posts(${
            sql.json([{ id, lease, outcome, status_page_id: page }])
          }) as n`)[0].n,
      );
    const seen: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const [post, ...more] = await claim();
      assertEquals([more, await claim()], [[], []], "the next waits for this one");
      seen.push([post.update.status, post.update.text, post.incident.status_page_id]);
      assertEquals(await settle(post.id, crypto.randomUUID(), "delivered", null), 0, "a lease that is over");
      assertEquals(await settle(post.id, post.lease, round === 0 ? "retry" : "delivered", "p1"), 1);
      if (round === 0) assertEquals(await settle(post.id, post.lease, "delivered", null), 0);
    }
    assertEquals(seen, [["investigating", null, null], ["investigating", null, "p1"], [
      "identified",
      "It is the disk.",
      "p1",
    ]]);
    const [last] = await claim();
    assertEquals([last.update.status, await settle(last.id, last.lease, "skipped", null)], ["resolved", 1]);
    const [{ left }] =
      await sql`select count(*)::int as left from private.status_posts where state <> 'delivered'`;
    assertEquals(left, 0);
  },
);

databaseTest("a rollback is recorded even if its incident cannot be opened", async (sql) => {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
  await sql`select public.open_incident('broken', 'bug', 'P2', ${FLAG})`;
  await sql`
    create function private.test_fails() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`;
  await sql`create trigger test_fails before update on public.incidents for each row execute function private.test_fails()`;
  await sql`insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by)
    values (1, ${FLAG}, 'a test', true, '[]', 5, now(), 'postgres')`;
  assertEquals((await sql`select from public.rollback_events`).length, 1);
});
