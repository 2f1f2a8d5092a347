/** People, times and texts in the panel as their readers know them. */
import { assert } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { addDestination } from "../support/service.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest("admin: a target shows whom one chose, to a viewer without the name", async (panel) => {
  const { stack, sql, signIn } = panel;
  await says(stack, await somebody(stack, "Ada Lovelace", "4915100004711"), "hello");
  const id = await until(
    "the contact",
    async () => (await sql`select id from public.contacts`)[0]?.id as string | undefined,
  );
  const stranger = crypto.randomUUID();
  await sql`select public.set_flag('spring.enabled', '{"on": false, "percentage": 0}', 0)`;
  await sql`select public.add_flag_targets('spring.enabled', 1, ${[id, "beta-tester", stranger]})`;
  const page = await signIn("operator");
  await go(page, "/flags/spring.enabled", "spring.enabled");
  const targets = page.getByRole("list", { name: "Targets by id" });
  await targets.getByText("A. ···· 4711", { exact: true }).waitFor();
  await targets.getByText("beta-tester", { exact: true }).waitFor();
  await targets.getByText(`Unknown contact ${stranger.slice(0, 8)}…`, { exact: true }).waitFor();
  await page.getByRole("button", { name: "Remove A. ···· 4711 from the targets" }).waitFor();
  await isWell(page);
  const viewer = await signIn("viewer");
  await go(viewer, "/flags/spring.enabled", "spring.enabled");
  await viewer.getByRole("list", { name: "Targets by id" }).getByText("···· 4711", { exact: true }).waitFor();
});

panelTest("admin: a conflict is told in words", async (panel) => {
  const { sql, signIn } = panel;
  const page = await signIn("operator");
  const flag = "wa_send.enabled";
  await go(page, `/flags/${flag}`, flag);
  await page.getByRole("slider", { name: `Percentage of ${flag}` }).focus();
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("button", { name: "Set 99 %" }).waitFor();
  await sql`select public.set_flag(${flag}, '{"percentage": 50, "prerequisites": ["wa_router.enabled"]}',
    (select version from public.settings where key = ${flag}))`;
  await page.getByRole("button", { name: "Set 99 %" }).click();
  await answer(page, "Change", "a trial");
  const conflict = page.getByRole("alert").filter({ hasText: "somebody else changed this flag" });
  await conflict.getByText("Your change: set the percentage to 99 %.").waitFor();
  await conflict.getByText("50 %").waitFor();
  const text = await conflict.innerText();
  assert(!/[{}[\]"]|rollout_percentage/.test(text), text);
});

panelTest(
  "admin: times are in the reader's zone, in sentences too, and texts in their own direction",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "مرحبا، أين طلبي؟");
    await until("it is stored", async () => (await sql`select id from public.messages`)[0]?.id);
    await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at)
    select m.id, d.id, m.conversation_id, m.seq, 'pending', 1, now() from public.messages m, public.destinations d
    where d.name = 'crm'`;
    await sql`update public.destinations set circuit_trips = 1, circuit_open_until = '2099-01-01T22:30:00Z' where name = 'crm'`;
    const page = await signIn("operator", { timezoneId: "Asia/Kolkata", clock: true });
    const queues = page.getByRole("region", { name: "Queues" });
    await inTime(queues.getByText(/one delivery probes it at/));
    const why = await queues.getByText(/one delivery probes it at/).innerText();
    // Half past ten in the evening, UTC, is four in the morning there.
    assert(/Jan 2, 2099/.test(why) && /4:00/.test(why) && !/T22:30/.test(why), why);

    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    const bubble = page.getByRole("group", { name: "Conversation" }).getByText("مرحبا، أين طلبي؟", {
      exact: true,
    });
    await bubble.and(page.locator(":dir(rtl)")).waitFor();
    await page.getByRole("textbox", { name: "Reply" }).fill("سيصل غدا");
    await page.getByRole("textbox", { name: "Reply" }).and(page.locator(":dir(rtl)")).waitFor();
    await isWell(page);
  },
);
