/** `gatelink incident` on a real stack: from the first call to the last word for the public. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, sql, stack } from "../support/cli.ts";

const FLAG = "checkout.enabled";

async function underWay(): Promise<string> {
  await sql`insert into public.settings (key, value) values (${FLAG}, 'false') on conflict (key) do nothing`;
  const [{ id }] = await sql`select (public.create_rollout(${FLAG}, '{"template": "canary"}')).id`;
  await sql`select public.start_rollout(${id}, 1, 'a test')`;
  return id;
}

Deno.test("gatelink incident: open rolls back the rollout; the incident is then acknowledged, updated and resolved", async () => {
  const rollout = await underWay();
  const opened = await gatelink(
    'incident open "Checkout fails" --kind error_rate --flag checkout --public --note "6 % since 3:00"',
  );
  assertEquals(opened.code, 0, opened.err);
  const number = Number(/^incident +(\d+)$/m.exec(opened.out)![1]);
  assertMatch(opened.out, /nobody: gatelink incident acknowledge/);
  assertMatch(opened.out, /Its rollout was rolled back: checkout.enabled is off/);
  assertMatch(
    opened.out,
    new RegExp(`gatelink rollback 1 checkout.enabled --why "incident ${number}" \\(within 1 min\\)`),
  );
  const [{ state }] = await sql`select state from public.rollouts where id = ${rollout}`;
  assertEquals(state, "rolled_back");

  const all = await document(`incident list --open`);
  assertEquals(all.map((one: { number: number }) => one.number), [number]);
  assertMatch((await gatelink("incident list")).out, /P0 +investigating +nobody +checkout.enabled/);
  assertMatch((await gatelink(`incident ack ${number}`)).out, /was acknowledged at/);
  await fails(`incident update ${number} --status identified --version 1`, 4, "conflict", /version/);
  await fails(`incident update ${number}`, 2, "usage", /change/);
  const updated = await document(`incident update ${number} --status identified --say "It is the disk."`);
  assertEquals([updated.status, updated.severity], ["identified", "P0"]);

  const text = await gatelink(`incident template affected_users --incident ${number}`);
  assertMatch(text.out, /Something did not work when you used it: Checkout fails\. .* is now identified/);

  const status = await (await fetch(`${stack.url}/functions/v1/health/status`)).json();
  const [shown] = status.incidents;
  assertEquals([shown.title, shown.status, shown.updates[0].text], [
    "Checkout fails",
    "identified",
    "It is the disk.",
  ]);
  assertMatch(shown.updates.at(-1).text, /^We are looking into it/);
  assert(!JSON.stringify(status).includes("6 % since"), "a note is for the team");

  assertMatch((await gatelink(`incident resolve ${number} --note "disk grown"`)).out, /is resolved/);
  await fails(`incident resolve ${number}`, 4, "conflict", /is resolved/);
  const story = await document(`incident show ${number}`);
  assertEquals(story.updates.map(({ kind }: { kind: string }) => kind), [
    "opened",
    "published",
    "taken_back",
    "acknowledged",
    "changed",
    "published",
    "resolved",
    "published",
  ]);
  const shownToTeam = (await gatelink(`incident show ${number}`)).out;
  assertMatch(shownToTeam, /its rollout was rolled back/);
  assertMatch(shownToTeam, /status: investigating -> identified/);
  await fails("incident show 999999", 4, "not_found", /no incident 999999/);
});

Deno.test("gatelink incident template: refuses a text with an unknown placeholder, and replaces the default with the team's text", async () => {
  const all = await document("incident template");
  assertEquals(all.find(({ name }: { name: string }) => name === "status_resolved").own, false);
  await fails('incident template status_resolved --set "{{role}} did it"', 4, "invalid", /\{\{role\}\}/);
  await fails("incident template status_resolvd", 4, "not_found", /no template/);
  await document('incident template status_resolved --set "All is well again."');
  await document('incident template status_resolved --set "All is well."');
  assertEquals((await gatelink("incident template status_resolved")).out.trim(), "All is well.");
});

Deno.test("gatelink incident escalation: shows the steps and replaces those of a severity", async () => {
  const usual = await document("incident escalation --severity P0");
  assertEquals(usual[0], { severity: "P0", after_minutes: 5, role: "engineering lead", endpoint: null });
  const set = await document('incident escalation --severity P0 --steps "3=night shift" 9=CTO');
  assertEquals(set.map((step: { after_minutes: number; role: string }) => [step.after_minutes, step.role]), [
    [3, "night shift"],
    [9, "CTO"],
  ]);
  await fails("incident escalation --severity P0 --steps 3=x@nowhere", 4, "not_found", /nowhere/);
  await fails("incident escalation --steps 3=x", 2, "usage", /severity/);
  await fails("incident escalation --severity P0 --steps soon=x", 2, "usage", /minutes=role/);
});

Deno.test("gatelink incident escalation: a policy sets all steps, with the endpoints that are named", async () => {
  await sql`select public.allow_host('hooks.example.com', 'forward')`;
  await sql`select public.add_notification_endpoint('board', 'slack', 'https://hooks.example.com/b', array['incident_escalated'])
    where not exists (select from public.notification_endpoints where name = 'board')`;
  const set = await document("incident escalation --policy four_levels --to executives=board");
  const steps = set.map((
    { severity, after_minutes, role, endpoint }: Record<string, unknown>,
  ) => `${severity} ${after_minutes} ${role}${endpoint === null ? "" : `@${endpoint}`}`);
  assertEquals(steps, [
    "P0 5 incident commander",
    "P0 15 engineering team",
    "P0 30 management",
    "P0 60 executives@board",
    "P1 15 engineering team",
    "P1 30 management",
    "P1 60 executives@board",
  ]);
  assertMatch((await gatelink("incident escalation")).out, /^Policy four_levels\n/);
  await fails("incident escalation --policy four_levels --to CTO=board", 2, "usage", /does not call CTO/);
  await fails("incident escalation --policy standard --severity P0", 2, "usage", /every severity/);
  await fails("incident escalation --to executives=board", 2, "usage", /--policy/);
  await document("incident escalation --policy standard");
  assertMatch((await gatelink("incident escalation")).out, /^Policy standard\n/);
  await document("incident escalation --severity P1 --steps 20=lead");
  assert(!(await gatelink("incident escalation")).out.includes("Policy"), "steps of the team's own");
});

Deno.test("gatelink incident say: the notices of a rollback, to the team and the public", async () => {
  await underWay();
  const opened = await document('incident open "Green fails" --kind error_rate --flag checkout --public');
  const shown = (await gatelink(`incident show ${opened.number}`)).out;
  assertMatch(shown, /runbooks +docs\/runbooks\/1-flag.md, docs\/runbooks\/traffic.md/);
  const words =
    `incident say ${opened.number} --template emergency_rollback --system Tracking --commander Ada`;
  const dry = await document(`${words} --dry-run`);
  assertEquals([dry.told, dry.public_text], [false, null]);
  const said = await document(`${words} --public`);
  assertMatch(said.text, /^🚨 EMERGENCY ROLLBACK - Tracking\n\nStatus: COMPLETED\nTime: .* UTC\n/);
  assertMatch(said.text, /Team: Ada$/);
  assert(!said.public_text.includes("Ada"), "the public reads no names");
  // The function keeps its answer for a moment.
  const [{ status }] = await sql`select private.status_page(clock_timestamp()) as status`;
  const page = status.incidents.find(({ number }: { number: number }) => number === opened.number);
  assertEquals(page.updates[0].text, said.public_text);
  const story = await document(`incident show ${opened.number}`);
  assertEquals(story.updates.some(({ text }: { text: string }) => text === said.text), true);

  const planned = await document(
    `incident say ${opened.number} --template planned_rollback --minutes 20 --phase 1 --lead Grace --dry-run`,
  );
  assertMatch(
    planned.text,
    /Expected Duration: 20 minutes\n[\s\S]*⏳ Phase 1[\s\S]*⏸️ Phase 2[\s\S]*Team: Grace$/,
  );
  await document('incident template planned_rollback --set "Rollback: [REASON], [X minutes], {{title}}"');
  const own = await document(
    `incident say ${opened.number} --template planned_rollback --reason slow --dry-run --minutes 5`,
  );
  assertEquals(own.text, "Rollback: slow, 5 minutes, Green fails");
  await fails('incident template planned_rollback --set "{{nobody}}"', 4, "invalid", /\{\{nobody\}\}/);
  await fails(`incident say ${opened.number}`, 2, "usage", /--template or --text/);
  await gatelink(`incident resolve ${opened.number}`);
});

Deno.test("gatelink incident postmortem: timeline, impact in figures, and what is left to people", async () => {
  await underWay();
  await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
    select ${FLAG}, date_trunc('minute', clock_timestamp()), arm, 200, failed, 0, 0, array_fill(0, array[27])
    from (values ('on', 12), ('off', 1)) as v (arm, failed)
    on conflict on constraint flag_metrics_pkey do update set n = excluded.n, failed = excluded.failed`;
  const { number } = await document(
    'incident open "It | # fails" --kind error_rate --flag checkout --note "[a](b)"',
  );
  await document(`incident ack ${number}`);
  await document(`incident resolve ${number} --note "the pool was full"`);
  const { markdown, minutes, outcomes, scheduled, timeline } = await document(
    `incident postmortem ${number}`,
  );
  assertEquals(scheduled, null);
  assertEquals(outcomes, { on: { n: 200, failed: 12 }, off: { n: 200, failed: 1 } });
  assertEquals(
    Object.values(minutes).every((value) => typeof value === "number"),
    true,
    JSON.stringify(minutes),
  );
  const whats = timeline.map(({ what }: { what: string }) => what).join("\n");
  for (
    const part of [
      /^opened: /m,
      /^acknowledged$/m,
      /the pool was full/,
      /^rollout rolled_back/m,
      /was set to off/,
    ]
  ) {
    assertMatch(whats, part);
  }
  assertEquals(
    [...timeline].map(({ at }: { at: string }) => Date.parse(at)).every((at, i, all) =>
      i === 0 || at >= all[i - 1]
    ),
    true,
  );
  assertMatch(markdown, /^# Post-mortem: incident \d+, It \\\| \\# fails\n/);
  assertMatch(markdown, /12 of 200 failed with checkout.enabled \(6 %\), 1 of 200 failed without/);
  for (
    const part of [
      "Timeline",
      "Impact",
      "Root cause",
      "Process improvements",
      "Action items",
      "Documentation updates",
    ]
  ) {
    assertMatch(markdown, new RegExp(`^## ${part}$`, "m"));
  }
  assertMatch((await gatelink(`incident postmortem ${number} --on 2026-12-03`)).out, /Held: 2026-12-03\./);
  await fails(`incident postmortem ${number} --on tomorrow`, 2, "usage", /2026-12-03/);
});
