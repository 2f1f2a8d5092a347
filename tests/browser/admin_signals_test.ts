/** What people say of a feature, in the panel: a complaint from a conversation, feedback on a rollout's page, a kill switch. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

const FLAG = "checkout.enabled";

panelTest(
  "admin: a message is recorded as a complaint, and counts for the rollout that its writer has",
  async ({ stack, sql, signIn }) => {
    const plan = {
      stages: [{
        name: "all",
        percentage: 100,
        hold_minutes: 60,
        min_samples: 20,
        advance_when: { complaints_at_most: 0 },
        roll_back_when: { error_rate_above: 0.05, complaints_above: 5 },
        metrics: [{ name: "order.paid", at_least_per_day: 5 }],
      }],
    };
    await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
    const [{ id }] = await sql`select id from public.create_rollout(${FLAG}, ${sql.json(plan)})`;
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
    await sql`select public.record_metrics('[{"name": "order.paid", "subject": "user-1"}]')`;
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "The total is wrong");

    const page = await signIn("operator", { clock: true });
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByText("The total is wrong", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Complaint" }).click();
    await answer(page, "Record complaint", "adds the fee twice");
    await page.getByText(`The complaint is recorded, and counts for ${FLAG}.`).waitFor();
    const kept = await sql`select f.text, f.source, o.arm from public.feedback f
      join public.rollout_feedback o on o.feedback_id = f.id where o.rollout_id = ${id}`;
    assertEquals(kept.map((row) => ({ ...row })), [{
      text: "adds the fee twice",
      source: "team",
      arm: "on",
    }]);

    await go(page, `/rollouts/${id}`, FLAG);
    const section = page.getByRole("region", { name: "People and business" });
    await inTime(section.getByText(/^1 with the feature complained in this stage, 0 without it/));
    await section.getByText(/complaint from ….*: adds the fee twice/).waitFor();
    await section.getByRole("cell", { name: "order.paid" }).waitFor();
    await page.getByText("at most 0 complaints").waitFor();
    await isWell(page);

    await section.getByText("Rating", { exact: true }).click();
    await section.getByLabel("Person").fill("user-7");
    await section.getByLabel("Comment").fill("quick");
    await section.getByRole("button", { name: "Record rating" }).click();
    await page.getByText("Recorded, and counted for this rollout.").waitFor();
    await until(
      "the rating is kept",
      async () =>
        (await sql`select from public.feedback where kind = 'rating' and subject_id = 'user-7' and rating = 5`)[
          0
        ],
    );
    await inTime(section.getByText(/1 of 1 who rated it are content/));

    // Again and again: the functions of the stack say now and then that none is set.
    const isKilled = (words: string) =>
      until(words, async () => {
        await sql`select private.report_kill_switches(${[FLAG]}, now())`;
        await page.clock.fastForward(10_000);
        return await page.getByText(words).isVisible();
      });
    await isKilled("The kill switch is set: nobody has the feature");
    await isWell(page);
    await go(page, "/", /./);
    await isKilled("kill switch set");
  },
);

panelTest(
  "admin: a viewer sees how many complained, and neither words nor a form",
  async ({ sql, signIn }) => {
    await sql`insert into public.settings (key, value) values (${FLAG}, 'false')`;
    const [{ id }] = await sql`select id from public.create_rollout(${FLAG}, '{"template": "canary"}')`;
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
    await sql`select public.record_feedback('[{"kind": "complaint", "subject": "visitor-1", "text": "swordfish"}]')`;
    const page = await signIn("viewer");
    await go(page, `/rollouts/${id}`, FLAG);
    const section = page.getByRole("region", { name: "People and business" });
    await section.getByText(/complaint from …or-1/).waitFor();
    assertEquals((await page.content()).includes("swordfish"), false);
    assertEquals(await section.getByRole("button", { name: "Record complaint" }).count(), 0);
  },
);

panelTest(
  "admin: stages of so many people, and limits on complaints, are planned in the form",
  async ({ sql, signIn }) => {
    await sql`select public.set_flag(${FLAG}, '{"on": false, "percentage": 0}', 0)`;
    const page = await signIn("operator");
    await go(page, `/rollouts/new?flag=${FLAG}`, "New rollout");
    await page.getByRole("button", { name: "Edit stages" }).click();
    await page.getByLabel("Stage 1: number of people").fill("10");
    await page.getByLabel("Stage 1: advance when complaints are at most").fill("0");
    await page.getByLabel("Stage 1: roll back when complaints exceed").fill("5");
    await isWell(page);
    await page.getByLabel("Reason").fill("ten first");
    await page.getByRole("button", { name: "Create rollout" }).click();
    await page.getByRole("heading", { name: FLAG, level: 1 }).waitFor();
    await page.getByText("10 people", { exact: true }).waitFor();
    const [stage] = await sql`select users, percentage::float8, advance_when -> 'complaints_at_most' as most,
    roll_back_when -> 'complaints_above' as above from public.rollout_stages where position = 1`;
    assertEquals({ ...stage }, { users: 10, percentage: 0, most: 0, above: 5 });
  },
);

panelTest(
  "admin: the notices of a rollout are scheduled from day 0, and mail is a kind of endpoint",
  async ({ sql, signIn }) => {
    await sql`insert into public.settings (key, value) values ('email_reply_tokens.enabled', 'false')
      on conflict (key) do nothing`;
    const [{ id }] = await sql`
      select id from public.create_rollout('email_reply_tokens.enabled', '{"template": "replies"}')`;
    const page = await signIn("operator");
    await go(page, `/rollouts/${id}`, "email_reply_tokens.enabled");
    const section = page.getByRole("region", { name: "Notices" });
    await section.getByText("Nothing is scheduled.").waitFor();
    await section.getByLabel("Day 0").fill("2027-01-08T08:00");
    await section.getByRole("button", { name: "Schedule" }).click();
    await inTime(
      section.getByRole("row", { name: /^7 All teams Report of the first week\. With the report\./ }),
    );
    await isWell(page);

    await go(page, "/settings?tab=notifications", /./);
    await page.getByRole("button", { name: "Add endpoint" }).click();
    const form = page.getByRole("dialog", { name: "Add notification endpoint" });
    await form.getByLabel("Name").fill("team");
    await form.getByText("Email", { exact: true }).click();
    await form.getByLabel("Address").fill("team@corp.example");
    await form.getByRole("button", { name: "Add", exact: true }).click();
    await inTime(page.getByText(/^corp\.example: /));
    const [endpoint] = await sql`select kind, host from public.notification_endpoints where name = 'team'`;
    assertEquals({ ...endpoint }, { kind: "email", host: "corp.example" });
  },
);
