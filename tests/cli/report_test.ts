/** `gatelink report` on a real stack: what was written, one of them, and what would be written now. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql } from "../support/cli.ts";

const FLAG = "checkout.enabled";

Deno.test("gatelink report: lists, shows, and says how it is now", async () => {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
  const [{ id }] = await sql`select (public.create_rollout(${FLAG}, '{"template": "canary"}')).id`;
  await fails("report now checkout", 4, "not_found", /No rollout of checkout.enabled has been started/);
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
    values (${FLAG}, now() - interval '1 minute', 'on', 100, 40, 100, 4000, array_fill(100, array[27]))`;
  assertEquals(await document("report list"), []);
  const now = await gatelink("report now checkout");
  assertMatch(now.out, /With the feature: 100 outcomes, 40 % failed, p50 2 ms, p95 5 ms, p99 5 ms\./);
  assertMatch(now.out, /Look: more fail than the stage allows\./);
  assertMatch(now.out, /gatelink rollback 1 checkout\.enabled/);

  await sql`update public.flag_metrics set minute = minute + interval '10 minutes' where flag_key = ${FLAG}`;
  await sql`select private.write_reports(now() + interval '2 hours')`;
  const [report] = await document("report list checkout");
  assertEquals([report.kind, report.flag_key, report.look], ["first_day", FLAG, ["error_rate"]]);
  assertMatch((await gatelink(`report show ${report.id}`)).out, /^checkout\.enabled, the last two hours: /);
  await sql`update public.flag_metrics set minute = minute - interval '10 minutes' where flag_key = ${FLAG}`;
  const week = await gatelink("report now");
  assertMatch(week.out, /^The week: /);
  assertMatch(week.out, /Rollouts: 1 started, 0 completed, 0 rolled back, 1 under way\./);
  assertMatch(week.out, /checkout\.enabled: 100 % had it/);
  await fails(`report show ${id}`, 4, "not_found", /no such report/);
});
