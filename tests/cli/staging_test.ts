/** A second stack: gates that ask it, and flags that are carried to it. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, folder, gatelink, NOBODY, sql, stack } from "../support/cli.ts";

const FLAG = "checkout.enabled";
const key = () => ({ env: { STAGING_SECRET_KEY: stack.secretKey } });

async function gate(
  id: string,
  url = stack.url,
  options = key(),
): Promise<{ status: string; detail: string }> {
  const ran = await gatelink(`gates ${FLAG} --staging-url ${url} --json`, options);
  return ran.json().gates.find((gate: { id: string }) => gate.id === id);
}

Deno.test("gates --staging-url: the flag, its use, migrations and a reverse are asked for there", async () => {
  assertMatch((await gate("staging_flag")).detail, /does not exist there/);
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false') on conflict (key) do nothing`;
  assertEquals((await gate("staging_flag")).detail, "it is off there");
  await sql`update public.settings set value = 'true' where key = ${FLAG}`;
  assertEquals((await gate("staging_flag")).status, "passed");
  assertEquals((await gate("staging_migrations")).status, "passed");
  assertMatch((await gate("staging_load")).detail, /^0 outcomes/);
  await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
    values (${FLAG}, now(), 'on', 20, 0, 0, 0, array_fill(0, array[27]))`;
  assertEquals((await gate("staging_load")).status, "passed");
  assertMatch((await gate("staging_reverse")).detail, /has never been reversed there/);
  await sql`insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by) values
    (4, '20261129002100', 'a test', true, '[]', 5, now(), 'x')`;
  assertEquals((await gate("staging_reverse")).status, "passed");
});

Deno.test("gates --staging-url: a stack that cannot be asked leaves its gates open and says why", async () => {
  const away = await gate("staging_migrations", NOBODY);
  assertEquals(away.status, "open");
  assertMatch(away.detail, /^staging cannot be asked: .*does not answer/);
  assertMatch(
    (await gate("staging_flag", stack.url, { env: { STAGING_SECRET_KEY: "" } })).detail,
    /STAGING_SECRET_KEY is not set/,
  );
  assertMatch(
    (await gate("staging_flag", stack.url, { env: { STAGING_SECRET_KEY: "sb_secret_no" } })).detail,
    /does not accept the key/,
  );
  const without = (await gatelink(`gates ${FLAG} --json`)).json();
  assertEquals(without.gates.some(({ id }: { id: string }) => id.startsWith("staging")), false);
});

interface Step {
  what: string;
  outcome: string;
  detail: string;
}

Deno.test("flags export and import: what is carried is shown first, then changed; people and state only if asked for", async () => {
  await sql`insert into public.segments (key, description) values ('testers', 'who asked')`;
  await sql`insert into public.segment_members (segment_key, subject_id) values ('testers', 'u1'), ('testers', 'u2')`;
  await sql`insert into public.settings (key, value, metadata) values ('carried.enabled', 'true', ${
    sql.json({
      rollout_percentage: 30,
      target_segments: ["testers"],
      target_user_ids: ["u9"],
      description: "carried",
    })
  })`;
  await sql`select public.create_rollout('carried.enabled', private.rollout_template('canary', '[]', '[]'))`;
  const path = `${folder}/flags.json`;
  const ran = await gatelink(`flags export carried --file ${path}`);
  assertMatch(ran.out, /^1 flag, 1 segment and 1 plan are in /);
  assert(!/u1|u9/.test(await Deno.readTextFile(path)), "people stay");

  const rehearse = async (options = "") =>
    (await gatelink(`flags import ${path} ${options} --json`)).json() as Step[];
  const said = (steps: Step[]) => steps.map(({ what, outcome }) => `${outcome} ${what}`);
  assertEquals(said(await rehearse()), [
    "same segment testers",
    "same flag carried.enabled",
    "same plan canary of carried.enabled",
  ]);

  // The other stack: it has none of it.
  await sql`delete from public.settings where key = 'carried.enabled'`;
  await sql`alter table public.rollout_events disable trigger append_only`;
  await sql`delete from public.rollout_events; delete from public.rollout_stages; delete from public.rollouts`
    .simple();
  await sql`alter table public.rollout_events enable trigger append_only`;
  await sql`select public.remove_segment('testers', (select version from public.segments where key = 'testers'))`;
  assertEquals(said(await rehearse()), [
    "create segment testers",
    "create flag carried.enabled",
    "create plan canary of carried.enabled",
  ]);
  assertEquals(
    (await sql`select from public.settings where key = 'carried.enabled'`).length,
    0,
    "nothing without --apply",
  );
  await fails(`flags import ${path} --apply`, 2, "usage", /needs --why/);
  const done = await document<Step[]>(`flags import ${path} --apply --why "as on staging"`);
  assertEquals(done.map(({ outcome }) => outcome), ["done", "done", "done"]);
  const [flag] = await sql`select value, metadata from public.settings where key = 'carried.enabled'`;
  assertEquals([flag.value, flag.metadata], ["false", {
    description: "carried",
    rollout_percentage: 0,
    target_segments: ["testers"],
    target_user_ids: [],
  }]);
  assertEquals(
    (await sql`select state from public.rollouts where flag_key = 'carried.enabled'`)[0].state,
    "draft",
  );

  const [state] = (await rehearse("--with-state")).filter(({ what }) => what.startsWith("flag"));
  assertMatch(state.detail, /off -> on; rollout_percentage: 0 -> 30/);
  const [{ id }] = await sql`select id from public.rollouts where flag_key = 'carried.enabled'`;
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  const busy = await gatelink(`flags import ${path} --with-state --apply --why "again" --json`);
  assertEquals([busy.code, busy.json().find(({ what }: Step) => what.startsWith("flag")).outcome], [
    1,
    "conflict",
  ]);
  await fails(`flags import ${path}.none`, 2, "usage", /cannot be read/);
});

Deno.test("flags list: has every flag, however many there are", async () => {
  await sql`insert into public.settings (key, value) select format('many-%s.enabled', n), 'false' from generate_series(1, 1200) n`;
  const all = await document("flags list");
  assertEquals(all.filter(({ key }: { key: string }) => key.startsWith("many-")).length, 1200);
  await sql`delete from public.settings where key like 'many-%'`;
});

Deno.test("routes add: warns of a flag that does not exist, and health names it", async () => {
  await sql`select public.add_destination('typo', 'http://127.0.0.1:9999/x')`;
  const added = await gatelink(`routes add --to typo --flag chekout.enabled --when '{"type":"any"}'`);
  assertEquals(added.code, 0, added.err);
  assertMatch(added.out, /Warning: there is no flag chekout\.enabled/);
  const [{ health }] = await sql`select private.config_health() as health`;
  assertEquals([health.status, health.figures.unknown_flags], ["degraded", ["chekout.enabled"]]);
  await sql`delete from public.routes where flag_key = 'chekout.enabled'`;
});

Deno.test("flags export and import: carry every segment and the last plan of every flag, however many there are", async () => {
  await sql`insert into public.segments (key) select format('bulk-%s', lpad(n::text, 4, '0')) from generate_series(1, 1100) n`;
  await sql`insert into public.settings (key, value) select format('bulk-%s.enabled', lpad(n::text, 4, '0')), 'false' from generate_series(1, 1100) n`;
  const plan = sql.json({
    name: "bulk",
    stages: [{
      name: "all",
      percentage: 100,
      hold_minutes: 60,
      min_samples: 1,
      advance_when: {},
      roll_back_when: { error_rate_above: 0.5 },
    }],
  });
  await sql`select public.create_rollout(key, ${plan}) from public.settings where key like 'bulk-%'`;
  const path = `${folder}/bulk.json`;
  assertEquals((await gatelink(`flags export --file ${path}`)).code, 0);
  const carried = JSON.parse(await Deno.readTextFile(path));
  const bulk = (list: { key?: string; flag_key?: string }[]) =>
    list.filter(({ key, flag_key }) => (key ?? flag_key)!.startsWith("bulk-")).length;
  assertEquals([bulk(carried.flags), bulk(carried.segments), bulk(carried.plans)], [1100, 1100, 1100]);
  assertEquals(carried.plans.find(({ name }: { name: string }) => name === "bulk").stages.length, 1);
  const steps = (await gatelink(`flags import ${path} --json`)).json() as Step[];
  assertEquals(steps.filter(({ what, outcome }) => what.includes("bulk-") && outcome !== "same"), []);
});
