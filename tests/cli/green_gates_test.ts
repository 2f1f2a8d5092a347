/** The gates of a ramp to green: before, during and after it, on a stack that has no green. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { runGates } from "../../cli/commands/gates/run.ts";
import { GREEN_ENTRIES, GREEN_SIGN_OFFS } from "../../supabase/functions/_shared/rollouts/green_gates.ts";
import { document, fails, file, gatelink, sql } from "../support/cli.ts";
import { testSession } from "../support/gatelink.ts";

const SESSION = testSession({ env: { GATELINK_STACK: file } });
const FLAG = "green.enabled";
const IDS = [...GREEN_ENTRIES, ...GREEN_SIGN_OFFS].map(({ id }) => id);

/** Status and detail of each gate of green, by its id without `green_`. */
async function all(): Promise<Record<string, string>> {
  const results = await runGates(SESSION, FLAG, { only: IDS });
  assertEquals(results.length, IDS.length);
  return Object.fromEntries(
    results.map(({ id, status, detail }) => [id.slice("green_".length), `${status}: ${detail}`]),
  );
}

async function moved(id: string, stage: number, minutesAgo: number): Promise<void> {
  const at = new Date(Date.now() - minutesAgo * 60_000);
  await sql`update public.rollout_stages set left_at = ${at} where rollout_id = ${id} and position = ${
    stage - 1
  }`;
  await sql`update public.rollout_stages set entered_at = ${at} where rollout_id = ${id} and position = ${stage}`;
  await sql`update public.rollouts set stage = ${stage} where id = ${id}`;
}

Deno.test("gates of green: each list is asked when it is due", async () => {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false') on conflict do nothing`;
  const lead = crypto.randomUUID(), email = `${lead}@example.com`;
  await sql`insert into auth.users (id, email, email_confirmed_at) values (${lead}, ${email}, now())`;
  await sql`insert into public.team_members (user_id, role, approvals) values (${lead}, 'viewer', '{engineering}')`;
  const sign = `gates sign green --role engineering --as ${email}`;

  const before = await all();
  assertEquals(before.infrastructure, "open: green does not answer");
  assertMatch(before.dashboards, /^passed: \d+ panels/);
  assertMatch(before.status_page, /^passed/);
  assertMatch(before.rehearsed, /^open: no rollback worked within 90 days/);
  assertEquals(before.load, "open: not signed");
  for (const id of ["phase_one", "metrics", "functionality"]) {
    assertEquals(before[id], "not_applicable: not due before the ramp", id);
  }
  for (const id of ["health", "logs_reviewed", "retired"]) {
    assertEquals(before[id], "not_applicable: not due before the ramp is over", id);
  }

  assertMatch(before.contacts, /^open: not reached: /);
  await sql`select public.allow_host('hooks.example.com', 'forward')`;
  await sql`select public.add_notification_endpoint('oncall', 'slack', 'https://hooks.example.com/c', array['incident_escalated'])`;
  assertMatch((await all()).contacts, /^passed: .* after 5 min/);

  await document(`${sign} --gate green_load --note "850 requests/s"`);
  assertMatch((await all()).load, /^passed: .*850 requests/);
  await fails(
    `gates sign checkout --role engineering --as ${email} --gate green_load`,
    2,
    "usage",
    /of green.enabled alone/,
  );
  await fails(`${sign} --gate green_phase_one`, 2, "usage", /is checked, not signed/);

  const [{ id }] = await sql`select (public.create_rollout(${FLAG}, '{"template": "canary"}')).id`;
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  await moved(id, 2, 10);
  const during = await all();
  assertMatch(during.phase_one, /^passed: from /);
  assertMatch(during.phase_two, /^open: under way since /);
  assertEquals(during.phase_three, "open: not reached yet");
  assertEquals(during.no_alerts, "passed: nobody was paged during this ramp");
  assertEquals(during.functionality, "open: not signed");
  assertMatch(during.retired, /^not_applicable/);
  await document(`${sign} --gate green_functionality`);
  assertMatch((await all()).functionality, /^passed/);

  await moved(id, 6, 130);
  await sql`update public.rollouts set state = 'completed', finished_at = clock_timestamp() where id = ${id}`;
  const [{ number }] = await sql`
    select (public.open_incident('Green was slow', 'performance', 'P2', ${FLAG})).number::int as number`;
  const after = await all();
  assertMatch(after.phase_six, /^passed/);
  assertEquals(after.functionality, "not_applicable: the ramp is over");
  assertMatch(after.health, /^passed: 1[23]\d minutes with everybody on green/);
  assertEquals(after.post_mortem, `open: without a date: incident ${number}`);
  assertEquals(after.logs_reviewed, "open: not signed");
  assert(after.load.startsWith("open"), "the next release is another one");
  await document(`${sign} --gate green_logs_reviewed`);
  await document(`incident postmortem ${number} --on 2026-12-03`);
  const mended = await all();
  assertEquals(mended.post_mortem, "passed: scheduled for 1 incident");
  assertMatch(mended.logs_reviewed, /^passed/);

  const { ramps, figures } = await document("traffic ramps");
  assertEquals([ramps[0].id, ramps[0].state], [id, "completed"]);
  assertEquals([figures.completed, figures.success_rate, figures.rollback_rate], [1, 1, 0]);
  assertMatch((await gatelink("traffic ramps")).out, /Success rate 100 %, rollback rate 0 %/);
});
