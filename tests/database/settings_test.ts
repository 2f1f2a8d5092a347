/** Settings on the database: the operating manual's own SQL, versioned writes, history. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const CREATE = `
INSERT INTO settings (key, value, metadata) VALUES (
  'deeplinks.enabled',
  'false',
  jsonb_build_object(
    'rollout_percentage', 0,
    'target_user_ids', ARRAY[]::uuid[],
    'launched_at', NULL
  )
);`;
const INTERNAL = `
UPDATE settings 
SET 
  value = 'true',
  metadata = jsonb_set(
    metadata,
    '{target_user_ids}',
    '["uuid1", "uuid2"]'::jsonb
  )
WHERE key = 'deeplinks.enabled';`;
const QUARTER = `
UPDATE settings 
SET metadata = jsonb_set(metadata, '{rollout_percentage}', '25')
WHERE key = 'deeplinks.enabled';`;
const FULL = `
UPDATE settings 
SET 
  value = 'true',
  metadata = jsonb_set(metadata, '{rollout_percentage}', '100')
WHERE key = 'deeplinks.enabled';`;
const OFF = `UPDATE settings SET value = 'false' WHERE key = 'deeplinks.enabled';`;

async function history(sql: Sql, key: string) {
  return await sql`
    select version::int, before, after, changed_by, reason from public.settings_history
    where key = ${key} order by version`;
}

databaseTest("the operating manual's SQL takes a flag from creation to launch and back", async (sql) => {
  // How many of 1,000 ids have it, beside the two internal users.
  const reach = async () => {
    const [row] = await sql`
      select count(*) filter (where (private.evaluate_flag('deeplinks.enabled', 'user-' || i)).value)::int as users,
        (private.evaluate_flag('deeplinks.enabled', 'uuid1')).value
          and (private.evaluate_flag('deeplinks.enabled', 'uuid2')).value as internal
      from generate_series(1, 1000) i`;
    return { ...row };
  };
  assertEquals(await reach(), { users: 0, internal: false });
  await sql.unsafe(CREATE);
  assertEquals(await reach(), { users: 0, internal: false });
  await sql.unsafe(INTERNAL);
  assertEquals(await reach(), { users: 0, internal: true });
  await sql.unsafe(QUARTER);
  const quarter = await reach();
  assert(quarter.internal && quarter.users > 200 && quarter.users < 300, `${quarter.users} of 1000 at 25 %`);
  await sql.unsafe(FULL);
  assertEquals(await reach(), { users: 1000, internal: true });
  await sql.unsafe(OFF);
  assertEquals(await reach(), { users: 0, internal: false });

  const states = [
    { value: "false", metadata: { rollout_percentage: 0, target_user_ids: [], launched_at: null } },
    ...[["true", 0], ["true", 25], ["true", 100], ["false", 100]].map(([value, rollout_percentage]) => ({
      value,
      metadata: { rollout_percentage, target_user_ids: ["uuid1", "uuid2"], launched_at: null },
    })),
  ];
  assertEquals(
    [...await history(sql, "deeplinks.enabled")],
    states.map((after, i) => ({
      version: i + 1,
      before: i === 0 ? null : states[i - 1],
      after,
      changed_by: sql.options.user,
      reason: null,
    })),
  );
});

databaseTest("a write sets version, updated_at and updated_by, whatever the statement says", async (sql) => {
  await sql`insert into public.settings (key, value, version, updated_at, updated_by)
    values ('a', '1', 77, 'epoch', 'somebody')`;
  await sql`update public.settings set version = 5, updated_by = 'somebody', updated_at = 'epoch', value = '2'`;
  const [row] = await sql`
    select version::int, updated_by, updated_at > now() - interval '1 minute' as fresh from public.settings`;
  assertEquals({ ...row }, { version: 2, updated_by: sql.options.user, fresh: true });
});

databaseTest("plain SQL gives its reason in gatelink.reason, for its own transaction only", async (sql) => {
  await sql.begin(async (sql) => {
    await sql`select set_config('gatelink.reason', 'incident 42', true)`;
    await sql`insert into public.settings (key, value) values ('a', '1')`;
  });
  await sql`update public.settings set value = '2'`;
  assertEquals((await history(sql, "a")).map((row) => row.reason), ["incident 42", null]);
});

databaseTest("set_setting(): writes at the version that was read, and returns the new row", async (sql) => {
  const operator = await signedIn(sql, "operator");
  const set = (value: string, metadata: unknown, version: number | null, reason: string) =>
    as(sql, operator, async (sql) => {
      const [row] = await sql`
        select key, value, metadata, version::int, updated_by from public.set_setting(
          'a.enabled', ${value}, ${JSON.stringify(metadata)}::text::jsonb, ${version}, ${reason})`;
      return { ...row };
    });
  const row = { key: "a.enabled", metadata: { rollout_percentage: 10 }, updated_by: operator.sub };
  assertEquals(await set("true", { rollout_percentage: 10 }, 0, "beta"), {
    ...row,
    value: "true",
    version: 1,
  });
  assertEquals(await refusal(set("false", {}, 0, "again")), "GL409");
  assertEquals(await refusal(set("false", {}, 2, "from the future")), "GL409");
  assertEquals(await refusal(set("false", {}, null, "no version")), "GL409");
  // A null of SQL keeps the metadata.
  const [kept] = await as(sql, operator, (sql) =>
    sql`
    select value, metadata, version::int from public.set_setting('a.enabled', 'false', null, 1, 'errors')`);
  assertEquals({ ...kept }, { value: "false", metadata: row.metadata, version: 2 });
  assertEquals(await refusal(set("true", {}, 1, "stale")), "GL409");

  const rows = await history(sql, "a.enabled");
  assertEquals(rows.map(({ version, changed_by, reason }) => ({ version, changed_by, reason })), [
    { version: 1, changed_by: operator.sub, reason: "beta" },
    { version: 2, changed_by: operator.sub, reason: "errors" },
  ]);
});

databaseTest("set_setting(): reports the current version on a conflict", async (sql) => {
  await sql`insert into public.settings (key, value) values ('a', '1')`;
  await sql`update public.settings set value = '2'`;
  let message = "";
  try {
    await sql`select public.set_setting('a', '3', null, 1)`;
  } catch (error) {
    message = (error as Error).message;
  }
  assertEquals(message, "setting a is at version 2, not 1");
});

databaseTest("set_setting(): of many writers with the same version exactly one succeeds", async (sql) => {
  const writers = (version: number) =>
    Promise.all(Array.from({ length: 8 }, (_, i) =>
      refusal(
        as(sql, SERVICE, (sql) => sql`select public.set_setting('a', ${String(i)}, null, ${version})`),
      )));
  for (const version of [0, 1]) {
    const outcomes = await writers(version);
    assertEquals(outcomes.filter((code) => code === undefined).length, 1, `at version ${version}`);
    assertEquals(outcomes.filter((code) => code === "GL409").length, 7, `at version ${version}`);
  }
  assertEquals((await history(sql, "a")).length, 2);
});

databaseTest("set_setting(): its reason applies to its own write only", async (sql) => {
  await sql.begin(async (sql) => {
    await sql`select set_config('gatelink.reason', 'outer', true)`;
    await sql`select public.set_setting('a', '1', null, 0, 'inner')`;
    await sql`select public.set_setting('a', '2', null, 1)`;
    await sql`update public.settings set value = '3'`;
  });
  assertEquals((await history(sql, "a")).map((row) => row.reason), ["inner", "outer", "outer"]);
});

databaseTest(
  "a deleted setting keeps its history, and its version continues when it is recreated",
  async (sql) => {
    await sql`select public.set_setting('a', '1', null, 0)`;
    await sql`delete from public.settings where key = 'a'`;
    assertEquals(await refusal(sql`select public.set_setting('a', '2', null, 1)`), "GL409");
    await sql`select public.set_setting('a', '2', null, 0)`;
    assertEquals(
      (await history(sql, "a")).map((row) => [row.version, row.before?.value, row.after?.value]),
      [[1, undefined, "1"], [2, "1", undefined], [3, undefined, "2"]],
    );
    const [{ version }] = await sql`select version::int from public.settings`;
    assertEquals(version, 3);
  },
);

databaseTest("invalid settings are refused by name", async (sql) => {
  const cases: [key: string, value: string, metadata: string, constraint: string][] = [
    ["", "1", "{}", "settings_key_length"],
    ["a".repeat(201), "1", "{}", "settings_key_length"],
    ["a.enabled", "TRUE", "{}", "settings_enabled_true_or_false"],
    ["a.enabled", "", "{}", "settings_enabled_true_or_false"],
    ["a", "1", "[]", "settings_metadata_object"],
    ["a", "1", `"text"`, "settings_metadata_object"],
    ...["-0.01", "100.01", "0.001", "33.333", "1e3", `"25"`, `"abc"`, "null", "true", "[25]", "{}"].map(
      (p): [string, string, string, string] => [
        "a",
        "true",
        `{"rollout_percentage": ${p}}`,
        "settings_rollout_percentage",
      ],
    ),
    ...["null", `"u1"`, "{}", "[1]", `["u1", null]`, `["u1", ["u2"]]`, "[[]]", "[{}]"].map(
      (ids): [string, string, string, string] => [
        "a",
        "true",
        `{"target_user_ids": ${ids}}`,
        "settings_target_user_ids",
      ],
    ),
    ["a", "1", `{"salt": 1}`, "settings_salt"],
    ["a", "1", `{"salt": null}`, "settings_salt"],
    ...["soon", "5", "[]", `["5"]`, "[-1]", "[null]", "{}", "[1,]", `[${"1,".repeat(20)}1]`].map(
      (waits): [string, string, string, string] => [
        "forward.retry_seconds",
        waits,
        "{}",
        "settings_forward_retry_seconds",
      ],
    ),
    ...["1", "[]", "{}", `{"type": "text"}`].map(
      (message): [string, string, string, string] => [
        "wa_send.window_fallback",
        message,
        "{}",
        "settings_wa_send_window_fallback",
      ],
    ),
    ...["", "a month", "-1", "1.5"].map(
      (days): [string, string, string, string] => ["retention.event_days", days, "{}", "settings_retention"],
    ),
  ];
  for (const [key, value, metadata, constraint] of cases) {
    let refused: unknown;
    try {
      await sql`insert into public.settings (key, value, metadata) values (${key}, ${value}, ${metadata}::text::jsonb)`;
    } catch (error) {
      refused = (error as { constraint_name?: string }).constraint_name;
    }
    assertEquals(refused, constraint, `${key} ${value} ${metadata}`);
  }
  for (const p of ["0", "0.01", "12.340", "25", "99.99", "100", "100.0", "1e1"]) {
    await sql`select public.set_setting(${`at ${p}`}, 'true', ${`{"rollout_percentage": ${p}}`}::text::jsonb, 0)`;
  }
  for (
    const [key, value] of [
      ["forward.retry_seconds", "[0.5, 60 ,7200]"],
      ["wa_send.window_fallback", `{"type": "template"}`],
      ["retention.event_days", "90"],
    ]
  ) await sql`select public.set_setting(${key}, ${value}, null, 0)`;
  assertEquals(
    await refusal(sql`update public.settings set value = 'hello' where key = 'wa_send.window_fallback'`),
    "22P02",
  );
  assertEquals(await refusal(sql`update public.settings set metadata = null where key = 'at 0'`), "23502");
  assertEquals(await refusal(sql`update public.settings set key = 'b' where key = 'at 0'`), "23514");
});

databaseTest("the history is append-only for everybody", async (sql) => {
  await sql`insert into public.settings (key, value) values ('a', '1')`;
  const attempts = [
    "update public.settings_history set reason = 'better so'",
    "delete from public.settings_history",
    "truncate public.settings_history",
    "truncate public.settings",
    "truncate public.settings, public.settings_history",
  ];
  // The owner may do all that a grant can give; even so.
  await sql`grant all on public.settings, public.settings_history to service_role`;
  for (const attempt of attempts) {
    assertEquals(await refusal(sql.unsafe(attempt)), "42501", `owner: ${attempt}`);
    assertEquals(
      await refusal(as(sql, SERVICE, (sql) => sql.unsafe(attempt))),
      "42501",
      `service_role: ${attempt}`,
    );
  }
  assertEquals((await history(sql, "a")).length, 1);
});

databaseTest("each write of a setting makes a new revision, a refused one does not", async (sql) => {
  const revision = async () => Number((await sql`select revision from private.config_revision`)[0].revision);
  const writes = [
    "insert into public.settings (key, value) values ('a', '1'), ('b', '1')",
    "update public.settings set value = '2' where key = 'a'",
    "select public.set_setting('a', '3', null, 2)",
    "delete from public.settings where key = 'b'",
  ];
  let before = await revision();
  for (const write of writes) {
    await sql.unsafe(write);
    const after = await revision();
    assert(after > before, write);
    before = after;
  }
  assertEquals(await refusal(sql`select public.set_setting('a', '4', null, 2)`), "GL409");
  assertEquals(await revision(), before);
});

databaseTest(
  "config_settings(): returns all settings in order; an empty array if there are none",
  async (sql) => {
    const read = async () => (await sql`select private.config_settings() as settings`)[0].settings;
    assertEquals(await read(), []);
    await sql`insert into public.settings (key, value, metadata) values ('b', 'x', '{"salt": "s"}'), ('a', 'true', '{}')`;
    assertEquals(await read(), [
      { key: "a", value: "true", metadata: {}, version: 1 },
      { key: "b", value: "x", metadata: { salt: "s" }, version: 1 },
    ]);
  },
);
