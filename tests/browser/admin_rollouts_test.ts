/** A rollout in the panel, from its plan to its end. */
import { assertEquals } from "../support/assert.ts";
import { countsOf } from "../support/rollout_traffic.ts";
import { writeMinutes } from "../support/rollouts.ts";
import { until } from "../support/until.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

const FLAG = "checkout.enabled";

panelTest(
  "admin: a rollout is planned, signed off, started, paused, resumed and rolled back",
  async (panel) => {
    const { sql, signIn } = panel;
    await sql`select public.set_flag(${FLAG}, '{"on": false, "percentage": 0, "description": "Pay inside the chat."}', 0)`;
    const state = async () => {
      const [row] = await sql`
      select r.state, r.stage, s.value, (s.metadata ->> 'rollout_percentage')::float8 as share
      from public.rollouts r join public.settings s on s.key = r.flag_key where r.flag_key = ${FLAG}`;
      return { ...row };
    };
    const page = await signIn("operator", { clock: true });
    await go(page, `/rollouts/new?flag=${FLAG}`, "New rollout");
    await page.getByLabel("Outcomes per minute").fill("100");
    await page.getByRole("rowheader", { name: "25 %" }).waitFor();
    await isWell(page);
    await page.getByLabel("Reason").fill("the new checkout");
    await page.getByRole("button", { name: "Create rollout" }).click();
    await page.getByRole("heading", { name: FLAG, level: 1 }).waitFor();

    // The operator may sign for engineering and product, and for nobody else.
    await page.getByText("Approved by the CTO").waitFor();
    assertEquals(await page.getByRole("button", { name: "Sign: Approved by the CTO" }).count(), 0);
    const status = page.getByRole("region", { name: "Status" });
    await status.getByText(/^Waiting for \d signatures: engineering, .*CTO; \d+ other gates are open\.$/)
      .waitFor();
    await page.getByText(/^You hold engineering and product, but each role needs another person/).waitFor();
    await page.getByRole("button", { name: "Sign: Edge cases validated" }).click();
    await answer(page, "Sign", "tried with empty carts");
    await page.getByText("tried with empty carts").waitFor();
    await isWell(page);

    // Who has approved in one role is told so, and not offered the other, which would be refused.
    await page.getByRole("button", { name: "Sign: Approved by the Product Manager" }).waitFor();
    await page.getByRole("button", { name: "Sign: Approved by the Engineering Lead" }).click();
    await answer(page, "Sign");
    await page.getByText(/^You approved as engineering, and each role needs another person/).waitFor();
    assertEquals(
      await page.getByRole("button", { name: "Sign: Approved by the Product Manager" }).count(),
      0,
    );
    await status.getByText(/^Waiting for \d signatures: (?!.*engineering)/).waitFor();

    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("dialog").getByText("Approved by the CTO").waitFor();
    await answer(page, "Start anyway", "the CTO said so on the phone");
    await until("it runs", async () => (await state()).state === "running");
    assertEquals(await state(), { state: "running", stage: 1, value: "true", share: 1 });

    // Half an hour of it, of which the guard has seen nothing yet.
    const [{ minute }] = await sql`
    update public.rollouts r set stage_started_at = now() - interval '30 minutes', started_at = now() - interval '30 minutes',
      checkpoint = b.state, guard = b.state
    from (select private.guard_begin(floor(extract(epoch from now()) / 60)::bigint - 29) as state) b
    where r.flag_key = ${FLAG} returning (b.state ->> 'minute')::int + 1 as minute`;
    const counts = (n: number, failed: number) =>
      countsOf({ n, failed, timed: n, slow: 0, late: 0, ms: n * 40 });
    await writeMinutes(
      sql,
      FLAG,
      Array.from(
        { length: 20 },
        (_, i) => ({ minute: minute + i, on: counts(10, i % 10 === 9 ? 1 : 0), off: counts(990, 1) }),
      ),
    );
    await inTime(
      page.getByRole("progressbar", { name: /^more failures than without the flag: evidence [1-9]/ }),
    );
    await inTime(page.getByRole("rowheader", { name: "with the flag", exact: true }).first());
    await isWell(page);

    await page.getByRole("button", { name: "Pause" }).click();
    await answer(page, "Pause", "a look at the logs");
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await status.getByText(/^Paused at 1 %: people who have the feature keep it/).waitFor();
    await until("it is paused", async () => (await state()).state === "paused");
    await page.getByRole("button", { name: "Resume" }).click();
    await answer(page, "Resume", "all is well");
    await until("it goes on", async () => (await state()).state === "running");
    await page.getByRole("button", { name: "Advance" }).click();
    await answer(page, "Advance", "enough was seen");
    await until("the second stage", async () => (await state()).stage === 2);
    assertEquals((await state()).share, 5);
    await page.getByText("enough was seen").waitFor();

    await page.getByRole("button", { name: "Roll back" }).click();
    await answer(page, "Roll back", "people pay twice");
    await status.getByText("Rolled back by hand: the flag is off.").waitFor();
    // The page foresees it.
    await until("it is over", async () => (await state()).state === "rolled_back");
    assertEquals(await state(), { state: "rolled_back", stage: 2, value: "false", share: 0 });
    await page.getByText("people pay twice").waitFor();
    await page.getByRole("button", { name: "Evidence" }).first().click();
    await page.getByText("agrees", { exact: true }).first().waitFor();
    await isWell(page);
  },
);

panelTest("admin: the list and the page of a rollout say in one sentence how it is doing", async (panel) => {
  const { sql, signIn } = panel;
  await sql`select public.set_flag(${FLAG}, '{"on": false, "percentage": 0}', 0)`;
  const [{ id }] = await sql`
    select (public.create_rollout(${FLAG}, '{"template": "canary"}')).id`;
  await sql`update public.rollout_stages set percentage = 25, hold_minutes = 120, min_samples = 3000,
    advance_when = '{"error_rate_below": 0.01}' where rollout_id = ${id}`;
  const page = await signIn("viewer", { clock: true });
  await go(page, "/rollouts", "Rollouts");
  const row = page.getByRole("list", { name: "Rollouts" }).getByRole("listitem");
  await row.getByText("Not started", { exact: true }).waitFor();
  await sql`update public.rollouts r set state = 'running', stage = 1, hold_reason = 'samples',
      started_at = now() - interval '2 hours', stage_started_at = now() - interval '1 hour',
      guard = jsonb_build_object('seen', jsonb_build_object('n', 1100, 'failed', 0, 'timed', 0, 'late', 0))
    where id = ${id}`;
  await inTime(row.getByText(/^Too few outcomes: 1,100 of 3,000, next stage about \d\d:\d\d$/));
  await sql`update public.rollouts set hold_reason = 'hold_time' where id = ${id}`;
  await inTime(row.getByText(/^Going well: 1,100 of 3,000 outcomes, next stage about \d\d:\d\d$/));
  await isWell(page);
  await row.getByRole("link", { name: FLAG }).click();
  const status = page.getByRole("region", { name: "Status" });
  await status.getByText(/^Going well: 1,100 of 3,000 outcomes, next stage about \d\d:\d\d\.$/).waitFor();
  await sql`update public.rollouts set hold_reason = 'control_silent' where id = ${id}`;
  await inTime(status.getByText(/^Held: no control, because nobody without the flag reports outcomes/));
  await sql`update public.rollouts set hold_reason = 'hold_time',
    guard = jsonb_set(guard, '{seen,failed}', '200') where id = ${id}`;
  await inTime(status.getByText(/^At risk: 200 of 1,100 outcomes failed \(limit 1 %\)\.$/));
  await isWell(page);
});

panelTest("admin: a template's stages are edited, and each gate shows its evidence", async (panel) => {
  const { sql, signIn } = panel;
  await sql`select public.set_flag(${FLAG}, '{"on": false, "percentage": 0}', 0)`;
  const page = await signIn("operator");
  await go(page, `/rollouts/new?flag=${FLAG}`, "New rollout");
  await page.getByRole("button", { name: "Edit stages" }).click();
  const figure = (name: string) => page.getByRole("textbox", { name, exact: true });
  await figure("Stage 1: share").fill("2.5");
  await figure("Stage 1: name").fill("first of all");
  await figure("Stage 1: minimum duration").fill("45");
  await figure("Stage 1: minimum outcomes").fill("500");
  await figure("Stage 1: advance when failures are below").fill("2");
  await page.getByText("must not be above roll_back_when.error_rate_above").waitFor();
  assertEquals(await page.getByRole("button", { name: "Create rollout" }).isDisabled(), true);
  await figure("Stage 1: advance when failures are below").fill("0.5");
  await page.getByRole("combobox", { name: "Stage 1: roll back when p95 exceeds", exact: true }).click();
  await page.getByRole("option", { name: "750 ms" }).click();
  for (let stage = 6; stage > 2; stage--) {
    await page.getByRole("button", { name: `Remove stage ${stage}` }).click();
  }
  await page.getByText("the last stage must be 100 %").waitFor();
  await figure("Stage 2: share").fill("100");
  await page.getByRole("rowheader", { name: "first of all" }).waitFor();
  await isWell(page);
  await page.setViewportSize({ width: 360, height: 740 });
  await isWell(page);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("button", { name: "Create rollout" }).click();
  await page.getByRole("heading", { name: FLAG, level: 1 }).waitFor();
  const stages = await sql`
    select name, percentage::float8 as share, hold_minutes, min_samples, advance_when, roll_back_when
    from public.rollout_stages order by position`;
  const plain = { minutes: 5, min_samples: 20, mean_ms_above: 500 };
  assertEquals(stages.map((stage) => ({ ...stage })), [
    {
      name: "first of all",
      share: 2.5,
      hold_minutes: 45,
      min_samples: 500,
      advance_when: { error_rate_below: 0.005 },
      roll_back_when: { error_rate_above: 0.01, p95_ms_above: 750, plain },
    },
    {
      name: "5 %",
      share: 100,
      hold_minutes: 30,
      min_samples: 3000,
      advance_when: { error_rate_below: 0.001 },
      roll_back_when: { error_rate_above: 0.01, plain },
    },
  ]);

  // What the database tells stands there with what it saw; what needs a checkout names the command.
  const gates = page.getByRole("region", { name: "Launch gates" });
  const gate = (title: string) => gates.getByRole("listitem").filter({ hasText: title });
  await gate("Indexes verified").getByRole("img", { name: "Passed" }).waitFor();
  await gate("Indexes verified").getByText("hot queries use indexes").waitFor();
  await gate("Default value set").getByRole("img", { name: "Passed" }).waitFor();
  await gate("All CI checks passing").getByRole("img", { name: "Checked by the CLI" }).waitFor();
  await gates.getByText("gatelink gates checkout").waitFor();
  await isWell(page);
  await sql`update public.settings set value = 'true', metadata = '{"rollout_percentage": 100}', version = version + 1
    where key = ${FLAG}`;
  await sql`select public.sign_gate(${FLAG}, 'engineering', 'ci', 'nothing is built for it', false, 'operator@example.com')`;
  await page.reload();
  await gate("Default value set").getByText("It is on for everybody.").waitFor();
  await gate("Default value set").getByRole("img", { name: "Open" }).waitFor();
  await gate("All CI checks passing").getByText("not applicable: nothing is built for it").waitFor();
  await gate("All CI checks passing").getByRole("img", { name: "Passed" }).waitFor();
  await isWell(page);
});
