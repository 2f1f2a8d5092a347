/** Rules of flags and launches hold at every door: plain SQL, each function, and what the panel and the command line call. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const FLAG = "checkout.enabled";
const ON_AT = "2096-12-01T08:00:00Z";
const OFF_AT = "2096-11-30T20:00:00Z";

interface Row {
  value: string;
  metadata: Record<string, unknown>;
  version: number;
}

async function flagOf(sql: Sql, key = FLAG): Promise<Row> {
  const [row] = await sql<
    Row[]
  >`select value, metadata, version::int from public.settings where key = ${key}`;
  return { ...row };
}

/** A flag as plain SQL writes it, whatever was there. */
async function given(sql: Sql, value: string, metadata: object, key = FLAG): Promise<Row> {
  await sql`delete from public.settings where key = ${key}`;
  await sql`insert into public.settings (key, value, metadata) values (${key}, ${value}, ${
    sql.json(metadata as never)
  })`;
  return await flagOf(sql, key);
}

databaseTest("turning a flag off cancels a scheduled start through every entry point", async (sql) => {
  const doors: Record<string, (before: Row) => Promise<unknown>> = {
    "the manual's statement": () => sql`update public.settings set value = 'false' where key = ${FLAG}`,
    "a statement that empties the percentage too": () =>
      sql`update public.settings set value = 'false', metadata = jsonb_set(metadata, '{rollout_percentage}', '0')
        where key = ${FLAG}`,
    "an upsert": () =>
      sql`insert into public.settings (key, value) values (${FLAG}, 'false') on conflict (key) do update set value = excluded.value`,
    "set_setting": ({ version }) => sql`select public.set_setting(${FLAG}, 'false', null, ${version})`,
    "set_setting with what was read": ({ version, metadata }) =>
      sql`select public.set_setting(${FLAG}, 'false', ${sql.json(metadata as never)}, ${version})`,
    "set_flag": ({ version }) => sql`select public.set_flag(${FLAG}, '{"on": false}', ${version})`,
    "switch_off": () => sql`select public.switch_off(${FLAG}, 'it hurts')`,
  };
  for (const [door, turnOff] of Object.entries(doors)) {
    for (const value of ["true", "false"]) {
      const before = await given(sql, value, { rollout_percentage: 0, schedule: { on_at: ON_AT } });
      // A statement that writes more than the value may be about something else where the flag is off already.
      if (value === "false" && door.includes("too")) continue;
      await turnOff(before);
      await sql`select private.apply_flag_schedules('2097-01-01')`;
      assertEquals(
        [(await flagOf(sql)).value, "schedule" in (await flagOf(sql)).metadata],
        ["false", false],
        door,
      );
    }
  }
});

databaseTest(
  "a scheduled start remains if nobody turns the flag off, or if it is set again",
  async (sql) => {
    const schedule = { on_at: ON_AT };
    const kept: Record<string, (version: number) => Promise<unknown>> = {
      "a description": (version) =>
        sql`select public.set_flag(${FLAG}, '{"description": "new"}', ${version})`,
      "another percentage": () =>
        sql`update public.settings set metadata = jsonb_set(metadata, '{rollout_percentage}', '5') where key = ${FLAG}`,
      "off until then": (version) =>
        sql`select public.set_flag(${FLAG}, ${sql.json({ on: false, on_at: ON_AT })}, ${version})`,
    };
    for (const [what, change] of Object.entries(kept)) {
      await change((await given(sql, "false", { rollout_percentage: 0, schedule })).version);
      assertEquals((await flagOf(sql)).metadata.schedule, schedule, what);
    }
    await given(sql, "true", { rollout_percentage: 0, schedule });
    await sql`select public.set_flag(${FLAG}, ${sql.json({ on: false, on_at: ON_AT })}, ${
      (await flagOf(sql)).version
    })`;
    assertEquals((await flagOf(sql)).metadata.schedule, schedule, "on, and off until then");
    // Off for the night, by the clock: on again in the morning.
    await given(sql, "true", { rollout_percentage: 0, schedule: { on_at: ON_AT, off_at: OFF_AT } });
    await sql`select private.apply_flag_schedules(${new Date(OFF_AT)})`;
    assertEquals(await flagOf(sql).then(({ value, metadata }) => [value, metadata.schedule]), [
      "false",
      schedule,
    ]);
    await sql`select private.apply_flag_schedules(${new Date(ON_AT)})`;
    assertEquals((await flagOf(sql)).value, "true");
  },
);

databaseTest(
  "turning a flag on for everybody without a rollout is recorded, and functions need a reason",
  async (sql) => {
    const last = async () => {
      const [row] = await sql`
      select gates, reason from public.settings_history where key = ${FLAG} order by version desc limit 1`;
      return [row.gates, row.reason];
    };
    const doors: Record<string, (version: number, reason: string | null) => Promise<unknown>> = {
      "set_flag on": (version, reason) =>
        sql`select public.set_flag(${FLAG}, '{"on": true, "percentage": 100}', ${version}, ${reason})`,
      "set_flag on, no percentage": (version, reason) =>
        sql`select public.set_flag(${FLAG}, '{"on": true, "percentage": null}', ${version}, ${reason})`,
      "set_flag scheduled": (version, reason) =>
        sql`select public.set_flag(${FLAG}, ${
          sql.json({ percentage: 100, on_at: ON_AT })
        }, ${version}, ${reason})`,
      "set_setting": (version, reason) =>
        sql`select public.set_setting(${FLAG}, 'true', '{}', ${version}, ${reason})`,
    };
    for (const [door, launch] of Object.entries(doors)) {
      const { version } = await given(sql, "false", { rollout_percentage: 5 });
      assertEquals(await refusal(launch(version, null).then(() => {})), "GL422", door);
      assertEquals((await flagOf(sql)).version, version, door);
      await launch(version, "the campaign begins");
      assertEquals(await last(), ["not_asked", "the campaign begins"], door);
    }
    await given(sql, "false", { rollout_percentage: 5 });
    await sql`update public.settings set value = 'true', metadata = '{}' where key = ${FLAG}`;
    assertEquals(await last(), ["not_asked", null], "plain SQL");
    // What was on for everybody stays so, and what is on for some is no launch.
    await sql`select public.set_flag(${FLAG}, '{"description": "x"}', ${(await flagOf(sql)).version})`;
    assertEquals((await last())[0], null);
    await sql`select public.set_flag(${FLAG}, '{"percentage": 99.99}', ${(await flagOf(sql)).version})`;
    assertEquals((await last())[0], null);
  },
);

const PLAN = {
  stages: [{
    name: "all",
    percentage: 100,
    hold_minutes: 1,
    min_samples: 0,
    advance_when: {},
    roll_back_when: { error_rate_above: 0.5 },
  }],
};

databaseTest("a start that skips the gates, or has none, needs a reason and is recorded", async (sql) => {
  const passed = { id: "ci", status: "passed", detail: "" },
    open = { id: "ci", status: "open", detail: "red" };
  const cases: [what: string, gates: unknown, reason: string | null, outcome: unknown][] = [
    ["not asked, no reason", null, null, "GL422"],
    ["not asked", null, "an incident", { asked: false, override: "an incident" }],
    ["none of them", { gates: [] }, null, "GL422"],
    ["no gates at all", { gates: "all signed" }, null, "GL422"],
    ["only looked away", { gates: [{ ...passed, status: "not_checked" }] }, null, "GL422"],
    ["open, no reason", { gates: [passed, open], override: null }, null, "GL422"],
    ["open, a blank reason", { gates: [open], override: " " }, null, "GL422"],
    ["open, overridden", { gates: [open], override: "an incident" }, null, {
      gates: [open],
      override: "an incident",
      asked: true,
    }],
    ["open, started for a reason", { gates: [open] }, "an incident", {
      gates: [open],
      override: "an incident",
      asked: true,
    }],
    ["closed", { gates: [passed] }, null, { gates: [passed], override: null, asked: true }],
  ];
  for (const [what, gates, reason, outcome] of cases) {
    await given(sql, "false", {});
    const [{ id }] = await sql`select (public.create_rollout(${FLAG}, ${sql.json(PLAN)})).id`;
    const started = sql`select public.start_rollout(${id}, 1, ${reason}, ${
      gates === null ? null : sql.json(gates as never)
    })`.then(() => {});
    if (typeof outcome === "string") {
      assertEquals(await refusal(started), outcome, what);
      continue;
    }
    await started;
    const [{ evidence }] = await sql`
      select evidence from public.rollout_events where rollout_id = ${id} and kind = 'started'`;
    assertEquals(evidence, { gates: null, ...outcome as object }, what);
    const [{ gates: history }] = await sql`
      select gates from public.settings_history where key = ${FLAG} order by version desc limit 1`;
    assertEquals(history, "rollout", what);
    await sql`select public.roll_back_rollout(${id}, 2, 'a test')`;
  }
});

databaseTest("an invalid flag key is refused at every entry point", async (sql) => {
  const refused = (call: PromiseLike<unknown>) => refusal(Promise.resolve(call));
  const never = [".enabled", "..enabled", " a.enabled", "a\n.enabled", "feature.enabled"];
  // OpenFeature clients may ask for any key: plain SQL makes such a flag, and functions change it.
  const odd = ["a b.enabled", "Checkout.enabled", "ä.enabled", "-a.enabled"];
  for (const key of [...never, ...odd]) {
    const doors = {
      set_setting: () => sql`select public.set_setting(${key}, 'false', '{}', 0)`,
      set_flag: () => sql`select public.set_flag(${key}, '{}', 0)`,
    };
    for (const [door, call] of Object.entries(doors)) {
      assertEquals(await refused(call()), "GL422", `${door} ${key}`);
    }
    assertEquals(await refused(sql`select public.create_rollout(${key}, ${sql.json(PLAN)})`), "GL404", key);
    assertEquals(
      await refused(sql`insert into public.settings (key, value) values (${key}, 'false')`),
      never.includes(key) ? "23514" : undefined,
      key,
    );
  }
  for (const key of odd) {
    assertEquals(await refused(sql`select public.set_flag(${key}, '{"percentage": 5}', 1)`), undefined);
  }
  for (const key of ["checkout", "checkout.enabled.", "enabled", ""]) {
    assertEquals(await refused(sql`select public.set_flag(${key}, '{}', 0)`), "GL422", key);
  }
});

databaseTest(
  "one person approves in one role, unless a setting permits several",
  async (sql) => {
    await given(sql, "false", {});
    const { sub } = await signedIn(sql, "admin");
    await sql`update public.team_members set approvals = '{engineering,security,product,cto}' where user_id = ${sub!}`;
    const email = `${sub}@example.com`;
    const sign = (role: string, gate: string) =>
      refusal(sql`select public.sign_gate(${FLAG}, ${role}, ${gate}, null, true, ${email})`.then(() => {}));
    assertEquals(await sign("engineering", "approval"), undefined);
    for (const role of ["security", "product", "cto"]) {
      assertEquals(
        await sign(role, "approval"),
        "GL403",
        role,
      );
    }
    assertEquals(
      await refusal(
        sql`select public.sign_gate(${FLAG}, 'cto', 'approval_cto', 'there is none', false, ${email})`.then(
          () => {},
        ),
      ),
      "GL403",
      "nor waives another's",
    );
    assertEquals(await sign("product", "smoke_tests"), undefined, "another gate");
    await sql`select public.set_setting('gates.one_person_many_roles', 'true', null, 0, 'we are two')`;
    assertEquals(await sign("security", "approval"), undefined);
    await sql`update public.settings set value = 'false' where key = 'gates.one_person_many_roles'`;
    assertEquals(await sign("product", "approval"), "GL403");
    assertEquals(
      await refusal(
        sql`update public.settings set value = 'yes' where key = 'gates.one_person_many_roles'`.then(
          () => {},
        ),
      ),
      "23514",
    );
  },
);
