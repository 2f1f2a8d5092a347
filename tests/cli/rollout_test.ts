/** `gatelink rollout` on a real stack: plans, gates before the start, moves, evidence computed again. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { document, fails, gatelink, sql, unique, written } from "../support/cli.ts";

async function made(): Promise<string> {
  const key = `${unique("rollout")}.enabled`;
  await sql`insert into public.settings (key, value) values (${key}, 'false')`;
  return key;
}

const START = `--override "a test"`;

async function flagOf(key: string) {
  const [{ value, metadata }] = await sql`select value, metadata from public.settings where key = ${key}`;
  return { on: value === "true", percentage: metadata.rollout_percentage };
}

Deno.test("gatelink rollout create: the manual's templates, and the people of the first stage", async () => {
  const flag = await made();
  const standard = await document(
    `rollout create ${flag} --template standard --user u-1 --user u-2 --why "plan"`,
  );
  assertEquals(standard.stages.map(({ percentage }: { percentage: number }) => Number(percentage)), [
    0,
    10,
    25,
    50,
    75,
    100,
    100,
  ]);
  assertEquals([standard.state, standard.stages[0].user_ids], ["draft", ["u-1", "u-2"]]);
  const canary = await document(`rollout create ${flag} --template canary`);
  assertEquals(canary.stages.length, 6);
  assertEquals((await flagOf(flag)).on, false, "planned is not started");
  const { out } = await gatelink(`rollout show ${standard.id}`);
  assertMatch(
    out,
    /\n +beta +10 % +4 d +300 +error rate below 1 %, p95 below 500 ms +complaints above 5, error rate above 2 % \(first day: complaints above 3, error rate above 1 %\)/,
  );
});

Deno.test("gatelink rollout create: checks a custom plan before sending it", async () => {
  const flag = await made();
  const stage = {
    name: "all",
    percentage: 100,
    hold_minutes: 1,
    min_samples: 1,
    advance_when: { error_rate_below: 0.01 },
    roll_back_when: { error_rate_above: 0.02 },
  };
  const good = await written("plans/good.json", JSON.stringify({ name: "own", stages: [stage] }));
  assertEquals((await document(`rollout create ${flag} --plan ${good}`)).plan, "own");
  const bad = await written("plans/bad.json", JSON.stringify({ stages: [{ ...stage, percentage: 50 }] }));
  await fails(`rollout create ${flag} --plan ${bad}`, 4, "invalid", /the last stage must be 100 %/);
  await fails(`rollout create ${flag}`, 2, "usage", /--template or --plan/);
  await fails(`rollout create ${flag} --plan no/such.json`, 2, "usage", /cannot be read/);
  await fails(`rollout create gone.enabled --template canary`, 4, "not_found", /no flag gone/i);
});

Deno.test("gatelink rollout create --help: its sample plan creates a rollout", async () => {
  const { out } = await gatelink("rollout create --help");
  const plan = /\{"stages": [^]*?\]\}(?=\n\n)/.exec(out)?.[0] ?? "";
  assert(plan !== "", out);
  const file = await written("plans/help.json", plan);
  const { stages } = await document(`rollout create ${await made()} --plan ${file}`);
  assertEquals(stages.length, 2);
});

Deno.test("gatelink rollout start: refused while a gate is open, unless overridden, which is recorded", async () => {
  const flag = await made();
  const { id } = await document(`rollout create ${flag} --template canary`);
  await fails(`rollout start ${flag}`, 4, "refused", /is not ready: .*approval_engineering/);
  await fails(`rollout start ${flag} --override " "`, 2, "usage", /must not be empty/);
  assertEquals((await flagOf(flag)).on, false);

  const started = await document(`rollout start ${flag} --override "the old way is broken"`);
  assertEquals([started.state, started.stage], ["running", 1]);
  assert(started.overridden.includes("approval_engineering"));
  assertEquals(await flagOf(flag), { on: true, percentage: 1 });
  const [{ evidence, reason }] = await sql`
    select evidence, reason from public.rollout_events where rollout_id = ${id} and kind = 'started'`;
  assertEquals([evidence.override, reason], ["the old way is broken", "the old way is broken"]);
  const kept = evidence.gates.find((gate: { id: string }) => gate.id === "approval_engineering");
  assertEquals(kept.status, "open");
  await fails(`rollout start ${flag} ${START}`, 4, "conflict", /is running/);
});

Deno.test("gatelink rollout: pause, resume, advance and back take a reason and check the version", async () => {
  const flag = await made();
  const { id } = await document(`rollout create ${flag} --template canary`);
  await document(`rollout start ${id} ${START}`);
  const paused = await document(`rollout pause ${flag} --why "a customer complains"`);
  assertEquals(paused.state, "paused");
  await fails(`rollout resume ${id} --version 1`, 4, "conflict", /is at version \d+, not 1/);
  assertEquals((await document(`rollout resume ${id}`)).state, "running");
  await fails(`rollout advance ${id} --why " "`, 2, "usage", /must not be empty/);
  await fails(`rollout advance ${id}`, 2, "usage", /--why/);
  assertEquals((await document(`rollout advance ${id} --why "enough is known"`)).stage, 2);
  assertEquals(await flagOf(flag), { on: true, percentage: 5 });
  assertEquals((await document(`rollout back ${id} --why "wrong totals"`)).state, "rolled_back");
  assertEquals(await flagOf(flag), { on: false, percentage: 0 });
  const { events } = await document(`rollout show ${id}`);
  assertEquals(events.map(({ kind }: { kind: string }) => kind), [
    "created",
    "started",
    "paused",
    "resumed",
    "advanced",
    "rolled_back",
  ]);
  assertEquals(events.at(-1).reason, "wrong totals");
  await fails(`rollout pause ${id}`, 4, "conflict", /is rolled_back/);
});

Deno.test("gatelink rollout complete: the flag is on for everybody and marked as launched", async () => {
  const flag = await made();
  const { id } = await document(`rollout create ${flag} --template canary`);
  await document(`rollout start ${id} ${START}`);
  assertEquals((await document(`rollout complete ${flag} --why "tried long enough"`)).state, "completed");
  assertEquals(await flagOf(flag), { on: true, percentage: 100 });
});

Deno.test("gatelink rollback 1: also ends the flag's rollout, so that the guard does not interfere", async () => {
  const flag = await made();
  const { id } = await document(`rollout create ${flag} --template canary`);
  await document(`rollout start ${id} ${START}`);
  const done = await document(`rollback 1 ${flag} --why "6 % errors"`);
  assertEquals(done.ok, true);
  assertStringIncludes(done.steps[0].detail, id);
  assertEquals((await document(`rollout show ${id}`)).state, "rolled_back");
  assertEquals(await flagOf(flag), { on: false, percentage: 0 });
});

Deno.test("gatelink rollback 1 and rollout back: the suggested command restores the flag as it was", async () => {
  for (const back of ["rollback 1", "rollout back"]) {
    const flag = await made();
    const { id } = await document(`rollout create ${flag} --template canary`);
    await document(`rollout start ${id} ${START}`);
    const { out } = await gatelink(`${back} ${flag} --why "6 % errors"`);
    assertEquals(await flagOf(flag), { on: false, percentage: 0 });
    const [, advised] = out.match(/on again: gatelink (flags restore \S+ \d+) --why "…"/) ?? [];
    assert(advised !== undefined, out);
    await document(`${advised} --why "mended"`);
    assertEquals(await flagOf(flag), { on: true, percentage: 1 });
    // Off already, at no percent: on for everybody is what is left to advise.
    await sql`update public.settings set value = 'false', metadata = '{"rollout_percentage": 0}' where key = ${flag}`;
    const again = await gatelink(`rollback 1 ${flag} --why "once more"`);
    assertMatch(again.out, new RegExp(`on again: gatelink flags set ${flag} on --percentage 100 --why`));
  }
});

Deno.test("gatelink rollout forecast: computes from the given figures; exit code 1 if a stage cannot be passed", async () => {
  const flag = await made();
  const sound = await document(
    `rollout forecast ${flag} --template canary --per-minute 100 --failure-rate 0.01`,
  );
  assertEquals([sound.traffic, sound.passes, sound.stages.length], ["given", true, 6]);
  assert(sound.stages[5].minutes >= 120, "the hold time is the least");
  assert(sound.stages[3].caught_after_minutes["20%"] < 15, "20 % at 25 % is caught soon");
  const failing = await gatelink(
    `rollout forecast ${flag} --template canary --per-minute 100 --failure-rate 5`,
  );
  assertEquals(failing.code, 1);
  assertMatch(failing.out, /cannot be passed/);
  const unknown = await gatelink(`rollout forecast ${flag} --template canary`);
  assertEquals(unknown.code, 0, "what is not known does not fail");
  assertMatch(unknown.out, /No outcomes have been counted/);
});

Deno.test("gatelink rollout replay: recomputes the guard's verdicts from their evidence, and detects tampering", async () => {
  const flag = await made();
  const { id } = await document(`rollout create ${flag} --template canary`);
  await document(`rollout start ${id} ${START}`);
  // Half of those with the flag fail, for ten minutes that have passed.
  await sql`update public.rollouts set stage_started_at = now() - interval '20 minutes',
    guard = private.guard_begin(private.epoch_ms(now() - interval '20 minutes') / 60000),
    checkpoint = private.guard_begin(private.epoch_ms(now() - interval '20 minutes') / 60000) where id = ${id}`;
  const le = Array(27).fill(10);
  for (let back = 15; back > 5; back--) {
    for (const [arm, n, failed] of [["on", 10, 5], ["off", 10, 0]] as const) {
      await sql`insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le)
        values (${flag}, date_trunc('minute', now()) - make_interval(mins => ${back}), ${arm}, ${n}, ${failed}, 10, 100, ${le})`;
    }
  }
  const [verdict] = await sql`select * from private.advance_rollouts(now()) where rollout_id = ${id}`;
  assertEquals([verdict.verdict, verdict.rule], ["roll_back", "error_rate_relative"]);
  assertEquals(await flagOf(flag), { on: false, percentage: 0 });

  const replayed = await document(`rollout replay ${id}`);
  assertEquals(replayed.same, true);
  assertEquals(replayed.verdicts.at(-1).recomputed, { verdict: "roll_back", rule: "error_rate_relative" });

  await sql`alter table public.rollout_events disable trigger append_only`;
  await sql`update public.rollout_events set evidence = jsonb_set(evidence, '{minutes,0,2}', '0')
    where rollout_id = ${id} and kind = 'rolled_back'`;
  await sql`alter table public.rollout_events enable trigger append_only`;
  const tampered = await gatelink(`rollout replay ${id}`);
  assertEquals(tampered.code, 1);
  assertMatch(tampered.out, /FAILED .*path/);
});

Deno.test("gatelink rollout: unknown names are refused", async () => {
  await fails("rollout show no-such", 4, "not_found", /no rollout no-such/);
  await fails(`rollout pause ${crypto.randomUUID()}`, 4, "not_found", /no rollout/);
});

Deno.test("gatelink rollout notices: schedules the plan's own and those of a file, and lists them", async () => {
  await sql`insert into public.settings (key, value) values ('email_reply_tokens.enabled', 'false')
    on conflict (key) do nothing`;
  await document("rollout create email_reply_tokens --template replies");
  assertEquals(await document("rollout notices email_reply_tokens"), []);
  const planned = await document("rollout notices email_reply_tokens --day-0 8d");
  assertEquals(planned.map(({ day }: { day: number }) => day), [-7, -1, 0, 1, 7, 14, 30]);
  assertMatch(
    (await gatelink("rollout notices email_reply_tokens")).out,
    /Report of the first week\. \(with the report\)/,
  );
  await fails("rollout notices email_reply_tokens --file x.json", 2, "usage", /--file needs --day-0/);

  const file = await Deno.makeTempFile({ suffix: ".json" });
  await Deno.writeTextFile(file, JSON.stringify([{ day: 2, to: "Everybody", text: "It is there." }]));
  const own = await document(`rollout notices email_reply_tokens --day-0 8d --file ${file}`);
  assertEquals(own.map(({ to, state }: Record<string, string>) => [to, state]), [["Everybody", "planned"]]);
  await Deno.writeTextFile(file, "[{}]");
  await fails(
    `rollout notices email_reply_tokens --day-0 8d --file ${file}`,
    4,
    "invalid",
    /notices are 1 to 50/i,
  );
  await Deno.remove(file);

  const made = await document("rollout notify add team team@corp.example --kind email --events notice");
  assertEquals([made.kind, made.host, made.events], ["email", "corp.example", ["notice"]]);
  await fails("rollout notify add team nobody --kind email", 4, "invalid", /no mail address/);
  await fails("rollout notify add other ftp://corp.example", 2, "usage", /address/);
});

Deno.test("gatelink rollout notify: PagerDuty gets what pages somebody, and any endpoint a test", async () => {
  const pages = await document(`rollout notify add pages ${"k".repeat(32)} --kind pagerduty`);
  assertEquals([pages.kind, pages.host, pages.events.includes("notice")], [
    "pagerduty",
    "pagerduty.com",
    false,
  ]);
  await fails("rollout notify add wrong key --kind pagerduty", 4, "invalid", /no integration key/);
  assertMatch((await document("rollout notify test pages")).id, /^[0-9a-f-]{36}$/);
  await fails("rollout notify test nobody", 4, "not_found", /no endpoint named nobody/);
  await document("rollout notify remove pages");
});
