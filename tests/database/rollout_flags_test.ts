/** Flags as people write them: versioned, with their history; targets, segments, schedules, and which went stale. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const FLAG = "checkout.enabled";
const PHONE = "4915100000001";

async function flagOf(sql: Sql, key = FLAG) {
  const [row] = await sql`select value, metadata, version::int from public.settings where key = ${key}`;
  return { ...row } as { value: string; metadata: Record<string, unknown>; version: number };
}

const set = (sql: Sql, changes: unknown, version: number, key = FLAG, reason: string | null = "a test") =>
  refusal(
    sql`select public.set_flag(${key}, ${sql.json(changes as never)}, ${version}, ${reason})`.then(() => {}),
  );

async function contact(sql: Sql, phone = PHONE): Promise<string> {
  const [{ id }] = await sql`insert into public.contacts default values returning id`;
  await sql`insert into public.contact_identities (contact_id, kind, value) values (${id}, 'phone', ${phone})`;
  return id;
}

const isOn = async (sql: Sql, id: string, key = FLAG) =>
  (await sql`select value from private.evaluate_flag(${key}, ${id})`)[0].value as boolean;

databaseTest(
  "set_flag(): creates a flag as off, changes the given members, and keeps the rest",
  async (sql) => {
    assertEquals(await set(sql, {}, 0, FLAG, "planned"), undefined);
    assertEquals(await flagOf(sql), { value: "false", metadata: {}, version: 1 });
    assertEquals(await set(sql, { on: true, percentage: 12.5, description: "New checkout" }, 1), undefined);
    await sql`update public.settings set metadata = metadata || '{"salt": "s", "launched_at": null}' where key = ${FLAG}`;
    assertEquals(
      await set(sql, { on_at: "2096-12-01T08:00:00Z", off_at: "2096-12-02T08:00+01:00" }, 3),
      undefined,
    );
    assertEquals((await flagOf(sql)).metadata, {
      rollout_percentage: 12.5,
      description: "New checkout",
      salt: "s",
      launched_at: null,
      schedule: { on_at: "2096-12-01T08:00:00Z", off_at: "2096-12-02T08:00+01:00" },
    });
    assertEquals(await set(sql, { percentage: null, on_at: null, description: null }, 4), undefined);
    assertEquals(await flagOf(sql), {
      value: "true",
      metadata: { salt: "s", launched_at: null, schedule: { off_at: "2096-12-02T08:00+01:00" } },
      version: 5,
    });
    const [{ reason }] =
      await sql`select reason from public.settings_history where key = ${FLAG} and version = 1`;
    assertEquals(reason, "planned");
  },
);

databaseTest("set_flag(): refuses a stale version and invalid values", async (sql) => {
  await set(sql, {}, 0);
  const cases: [unknown, number, string, code: string][] = [
    [{ on: true }, 0, FLAG, "GL409"],
    [{ on: true }, 2, FLAG, "GL409"],
    [{ on: true }, 0, "checkout", "GL422"],
    [{ on: "true" }, 1, FLAG, "GL422"],
    [{ enabled: true }, 1, FLAG, "GL422"],
    [[], 1, FLAG, "GL422"],
    [{ percentage: 101 }, 1, FLAG, "23514"],
    [{ percentage: 0.001 }, 1, FLAG, "23514"],
    [{ prerequisites: "a" }, 1, FLAG, "23514"],
    [{ prerequisites: [FLAG] }, 1, FLAG, "GL422"],
    [{ prerequisites: ["nothere.enabled"] }, 1, FLAG, "GL422"],
    [{ on_at: "2020-01-01T00:00:00Z" }, 1, FLAG, "GL422"],
    [{ off_at: new Date(Date.now() - 120_000).toISOString() }, 1, FLAG, "GL422"],
    [{ on_at: "tomorrow" }, 1, FLAG, "23514"],
    [{ on_at: "2096-12-01T08:00:00" }, 1, FLAG, "23514"],
    [{ on_at: "2096-02-31T08:00:00Z" }, 1, FLAG, "22008"],
    [{ on_at: 7 }, 1, FLAG, "23514"],
  ];
  for (const [changes, version, key, code] of cases) {
    assertEquals(await set(sql, changes, version, key), code, JSON.stringify(changes));
  }
  assertEquals(await set(sql, { on: true }, 1, FLAG, " \n"), "GL422");
  assertEquals((await flagOf(sql)).version, 1);
  // A circle over two flags.
  await set(sql, { prerequisites: [FLAG] }, 0, "b.enabled");
  assertEquals(await set(sql, { prerequisites: ["b.enabled"] }, 1), "GL422");
  assertEquals(await set(sql, { prerequisites: null }, 1, "b.enabled"), undefined);
  assertEquals((await flagOf(sql, "b.enabled")).metadata, {});
});

databaseTest(
  "targets: added by id, by phone (stored as the contact's id) and by segment, and removed in the same way",
  async (sql) => {
    const id = await contact(sql);
    await set(sql, { on: true, percentage: 0 }, 0);
    await sql`select public.set_segment('beta', 'testers', 0)`;
    await sql`select public.add_segment_members('beta', 1, array['b1'])`;
    await sql`select public.add_flag_targets(${FLAG}, 1, array['u1', 'u1'], array['+49 (151) 0000-0001'], array['beta'], 'first')`;
    const { metadata } = await flagOf(sql);
    assertEquals(metadata.target_user_ids, [id, "u1"].sort());
    assertEquals(metadata.target_segments, ["beta"]);
    assertEquals(JSON.stringify(metadata).includes(PHONE), false);
    for (const who of ["u1", id, "b1"]) assert(await isOn(sql, who), who);
    assertEquals(await isOn(sql, "u2"), false);
    await sql`select public.remove_flag_targets(${FLAG}, 2, array['u1', 'nobody'], array[${PHONE}], array['beta'])`;
    for (const who of ["u1", id, "b1"]) assertEquals(await isOn(sql, who), false, who);
    // The lists stay, empty: a flag without a percentage must not open to everybody.
    await set(sql, { percentage: null }, 3);
    assertEquals(await isOn(sql, "u1"), false);

    const add = (ids: string[], phones: string[], segments: string[], version = 4) =>
      refusal(
        sql`select public.add_flag_targets(${FLAG}, ${version}, ${ids}, ${phones}, ${segments})`.then(
          () => {},
        ),
      );
    assertEquals(await add([], ["491519999999"], []), "GL404");
    assertEquals(await add([], [], ["gone"]), "GL404");
    assertEquals(await add([""], [], []), "GL422");
    assertEquals(await add(["u1"], [], [], 3), "GL409");
  },
);

databaseTest("a targeted contact that is merged into an older one stays targeted", async (sql) => {
  const [older, younger] = [await contact(sql, "1"), await contact(sql, "2")];
  await sql`select public.set_segment('beta', '', 0)`;
  await sql`select public.add_segment_members('beta', 1, '{}', array['2'])`;
  await set(sql, { on: true }, 0);
  await sql`select public.add_flag_targets(${FLAG}, 1, '{}', array['2'])`;
  await set(sql, { on: true }, 0, "beta.enabled");
  await sql`select public.add_flag_targets('beta.enabled', 1, '{}', '{}', array['beta'])`;
  assertEquals([await isOn(sql, older), await isOn(sql, older, "beta.enabled")], [false, false]);
  await sql`select private.merge_contacts(${older}, ${younger}, now())`;
  assertEquals([await isOn(sql, older), await isOn(sql, older, "beta.enabled")], [true, true]);
  const [{ reason }] = await sql`
    select reason from public.settings_history where key = ${FLAG} order by version desc limit 1`;
  assertMatch(reason, /turned out to be contact/);
});

databaseTest("segments: versioned, with a history of members, also for plain SQL", async (sql) => {
  const operator = await signedIn(sql, "operator");
  const run = (statement: string) =>
    refusal(as(sql, operator, (sql) => sql.unsafe(statement)).then(() => {}));
  assertEquals(await run("select public.set_segment('Beta!', '', 0)"), "23514");
  assertEquals(await run("select public.set_segment('beta', 'testers', 0)"), undefined);
  assertEquals(await run("select public.set_segment('beta', 'testers', 0)"), "GL409");
  assertEquals(
    await run("select public.add_segment_members('beta', 1, array['a', 'b'], '{}', 'asked')"),
    undefined,
  );
  assertEquals(await run("select public.add_segment_members('beta', 1, array['c'])"), "GL409");
  assertEquals(await run("select public.remove_segment_members('beta', 2, array['a'])"), undefined);
  await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', 'd'), ('beta', 'e')`;
  const rows = await sql`
    select version::int, added, removed, changed_by, reason from public.segment_history order by version`;
  assertEquals([...rows].map((row) => ({ ...row })), [
    { version: 2, added: ["a", "b"], removed: [], changed_by: operator.sub, reason: "asked" },
    { version: 3, added: [], removed: ["a"], changed_by: operator.sub, reason: null },
    { version: 4, added: ["d", "e"], removed: [], changed_by: sql.options.user, reason: null },
  ]);
  const [{ segments }] = await sql`select public.load_config() -> 'segments' as segments`;
  assertEquals(segments, { beta: ["b", "d", "e"] });
  assertEquals(
    await refusal(sql`update public.segment_members set subject_id = 'x'`.then(() => {})),
    "42501",
  );
  assertEquals(await refusal(sql`delete from public.segment_history`.then(() => {})), "42501");
  assertEquals(
    await run(
      "select public.add_segment_members('beta', 4, array(select i::text from generate_series(1, 10001) i))",
    ),
    "GL422",
  );
  await set(sql, {}, 0);
  await sql`select public.add_flag_targets(${FLAG}, 1, '{}', '{}', array['beta'])`;
  assertEquals(await run("select public.remove_segment('beta', 4)"), "GL409");
  await sql`select public.remove_flag_targets(${FLAG}, 2, '{}', '{}', array['beta'])`;
  assertEquals(await run("select public.remove_segment('beta', 4, 'done')"), undefined);
  // One that comes back carries on counting.
  await sql`select public.set_segment('beta', '', 0)`;
  const [{ version }] = await sql`select version::int from public.segments`;
  assertEquals(version, 6);
});

databaseTest("a segment that plain SQL deletes and makes anew takes people again", async (sql) => {
  for (const round of [1, 2, 3]) {
    await sql`insert into public.segments (key) values ('beta')`;
    await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', 'a'), ('beta', 'b')`;
    await sql`delete from public.segment_members where segment_key = 'beta'`;
    await sql`delete from public.segments where key = 'beta'`;
    const [{ versions }] = await sql`
      select array_agg(version::int order by version) as versions from public.segment_history where segment_key = 'beta'`;
    assertEquals(new Set(versions).size, 2 * round);
  }
});

databaseTest("each change of a segment makes a new revision of the configuration", async (sql) => {
  const revision = async () => Number((await sql`select revision from private.config_revision`)[0].revision);
  let before = await revision();
  for (
    const change of [
      "select public.set_segment('beta', '', 0)",
      "select public.add_segment_members('beta', 1, array['a'])",
      "delete from public.segment_members",
      "select public.remove_segment('beta', 3)",
    ]
  ) {
    await sql.unsafe(change);
    const after = await revision();
    assert(after > before, change);
    before = after;
  }
});

databaseTest(
  "schedules: the clock turns a flag on and off, as versioned changes with a reason",
  async (sql) => {
    await set(sql, { on_at: "2096-12-01T08:00:00Z", off_at: "2096-12-02T08:00:00Z" }, 0);
    const clock = async (at: string) => (await sql`select private.apply_flag_schedules(${at}) as n`)[0].n;
    assertEquals(await clock("2096-12-01T07:59:59Z"), 0);
    assertEquals(await clock("2096-12-01T08:00:00Z"), 1);
    assertEquals(await flagOf(sql), {
      value: "true",
      metadata: { schedule: { off_at: "2096-12-02T08:00:00Z" } },
      version: 2,
    });
    assertEquals(await clock("2096-12-01T08:00:00Z"), 0);
    assertEquals(await clock("2096-12-03T00:00:00Z"), 1);
    assertEquals(await flagOf(sql), { value: "false", metadata: {}, version: 3 });
    // Both due at once, after an outage of the clock: in the order of their times.
    await set(sql, { off_at: "2096-12-04T08:00:00Z", on_at: "2096-12-05T08:00:00Z" }, 3);
    assertEquals(await clock("2096-12-06T00:00:00Z"), 2);
    assertEquals((await flagOf(sql)).value, "true");
    const rows =
      await sql`select reason from public.settings_history where key = ${FLAG} and reason <> 'a test'`;
    assert(rows.length === 4 && rows.every(({ reason }) => reason.startsWith("scheduled: ")));
  },
);

databaseTest("turning a flag off also cancels its scheduled start", async (sql) => {
  const on_at = "2096-12-01T08:00:00Z", off_at = "2096-12-02T08:00:00Z";
  const off = async () => (await sql`select public.switch_off(${FLAG}, 'it hurts') as version`)[0].version;
  await set(sql, { on: true, on_at, off_at }, 0);
  assertEquals(await off(), "2");
  assertEquals(await flagOf(sql), { value: "false", metadata: { schedule: { off_at } }, version: 2 });
  const [{ changes }] = await sql`select private.recent_changes(1) as changes`;
  assertEquals([changes[0].name, changes[0].change, changes[0].figures], [
    FLAG,
    "value",
    { from: "true", to: "false", start_taken_away: true },
  ]);
  assertEquals(await off(), null);
  // Off for now, on tomorrow: the brake means tomorrow too.
  await set(sql, { on_at, off_at: null }, 2);
  assertEquals(await off(), "4");
  assertEquals(await flagOf(sql), { value: "false", metadata: {}, version: 4 });

  await set(sql, { on: true, on_at }, 4);
  await set(sql, { on: false }, 5);
  assertEquals((await flagOf(sql)).metadata, {});
  await set(sql, { on: false, on_at }, 6);
  assertEquals((await flagOf(sql)).metadata, { schedule: { on_at } }, "off until then, as told");
  await set(sql, { percentage: 5 }, 7);
  assertEquals((await flagOf(sql)).metadata, { schedule: { on_at }, rollout_percentage: 5 });

  // A rollout whose flag somebody has turned off until then already: taken back, nobody would watch what the clock begins.
  const [{ id }] = await sql`select (public.create_rollout(${FLAG}, '{"template": "canary"}', 'launch')).id`;
  const [{ version }] = await sql`select (public.start_rollout(${id}, 1, 'a test')).version`;
  await set(sql, { on: false, on_at }, (await flagOf(sql)).version);
  await sql`select public.roll_back_rollout(${id}, ${version}, 'complaints')`;
  const { value, metadata } = await flagOf(sql);
  assertEquals([value, "schedule" in metadata], ["false", false]);
});

databaseTest(
  "stale_flags(): names flags that have been on for everybody for a month, and those that nothing evaluates",
  async (sql) => {
    await set(sql, { on: true }, 0, "done.enabled");
    await set(sql, { on: true, percentage: 100 }, 0, "full.enabled");
    await set(sql, { on: true, percentage: 50 }, 0, "half.enabled");
    await set(sql, { on: true, off_at: "2030-01-01T00:00:00Z" }, 0, "timed.enabled");
    await set(sql, {}, 0, "off.enabled");
    await sql`insert into public.settings (key, value) values ('greeting', 'true')`;
    const stale = async (days: number) => {
      const rows = await sql`
      select key, array_agg(why order by why) as why from public.stale_flags(now() + make_interval(days => ${days}))
      group by key order by key`;
      return Object.fromEntries(rows.map(({ key, why }) => [key.replace(".enabled", ""), why.join()]));
    };
    // What was made just now has not been deployed yet.
    assertEquals(await stale(0), {});
    assertEquals(await stale(6), {});
    assertEquals(await stale(8), {
      done: "never_evaluated",
      full: "never_evaluated",
      half: "never_evaluated",
      off: "never_evaluated",
      timed: "never_evaluated",
    });
    await sql`select public.record_outcomes('[]', array['done.enabled', 'half.enabled', 'timed.enabled', 'off.enabled'])`;
    assertEquals(await stale(29), { full: "never_evaluated" });
    assertEquals(await stale(31), {
      done: "fully_on,not_evaluated",
      full: "fully_on,never_evaluated",
      half: "not_evaluated",
      off: "fully_off,not_evaluated",
      timed: "not_evaluated",
    });
  },
);
