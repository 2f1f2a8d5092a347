/** What has a way back besides brakes: links, members, limits, suppressions, takeovers, canned replies, waiting deliveries. */
import { assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { configKnown } from "../support/file_stack.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { route, says, somebody } from "../support/people.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";
import { until } from "../support/until.ts";

/** Undoes what the message tells of, and waits for what is said then. */
async function undo(page: Page, said: string | RegExp, then: string | RegExp): Promise<void> {
  await page.getByRole("alert").filter({ hasText: said }).getByRole("button", { name: "Undo" }).click();
  await page.getByRole("alert").filter({ hasText: then }).waitFor();
}

panelTest("admin: a link, a limit and a restored flag go back to what they were", async ({ sql, signIn }) => {
  await sql`select public.create_links(${
    sql.json([{ code: "poster-7", request_hash: "x", default_url: "https://www.example.com/" }])
  }, 'test')`;
  const page = await signIn("operator");
  const state = async () => (await sql`select state from public.links where code = 'poster-7'`)[0].state;
  await go(page, "/links/at/poster-7", /poster-7/);
  await page.getByRole("button", { name: "Turn off" }).click();
  await answer(page, "Turn off");
  await undo(page, "The link is off.", "Undone: link poster-7 is on again.");
  assertEquals(
    await page.getByRole("button", { name: "Turn off" }).isVisible(),
    true,
    "what is said is shown: a next change and its way back begin from it",
  );
  assertEquals(await state(), "active");
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByLabel("Type poster-7 to confirm").fill("poster-7");
  await answer(page, "Delete");
  await until("it is deleted", async () => await state() === "deleted");
  await page.getByRole("alert").filter({ hasText: "poster-7 was deleted" })
    .getByRole("button", { name: "Undo" }).click();
  await until("it is back", async () => await state() === "active");

  await sql`select public.set_setting('wa_send.rate_per_second', '20', null, 0, 'a test')`;
  await go(page, "/settings?tab=limits", "Settings");
  await page.getByRole("textbox", { name: "Sending", exact: true }).fill("30");
  await page.getByRole("button", { name: "Save Sending", exact: true }).click();
  await answer(page, "Change");
  await undo(page, "Sending: 30 per second", "Undone: Sending is 20 per second again.");
  assertEquals(
    (await sql`select value from public.settings where key = 'wa_send.rate_per_second'`)[0].value,
    "20",
  );

  const flag = "restored.enabled";
  await sql`select public.set_flag(${flag}, '{"on": false, "percentage": 5}', 0)`;
  await sql`select public.set_flag(${flag}, '{"percentage": 60}', 1)`;
  await go(page, `/flags/${flag}`, flag);
  await page.getByRole("list", { name: "History" }).getByRole("button", { name: /Restore/ }).first().click();
  await answer(page, "Restore");
  const share = async () =>
    Number(
      (await sql`select metadata -> 'rollout_percentage' as n from public.settings where key = ${flag}`)[0].n,
    );
  await until("it is restored", async () => await share() === 5);
  await undo(page, `${flag} was restored to version 1.`, `Undone: ${flag} is off, as before.`);
  assertEquals(await share(), 60);
});

panelTest("admin: a member who was removed, and an address on the list, go back", async ({ sql, signIn }) => {
  const page = await signIn("admin");
  const member = async () =>
    (await sql`
      select m.role, m.approvals from public.team_members m join auth.users u on u.id = m.user_id
      where u.email = 'viewer@example.com'`)[0];
  const before = await member();
  await go(page, "/settings?tab=team", "Settings");
  await page.getByRole("button", { name: "Remove viewer@example.com from the team" }).click();
  await answer(page, "Remove");
  await undo(page, "viewer@example.com was removed", "Undone: viewer@example.com is viewer again.");
  assertEquals({ ...await member() }, { ...before });

  await go(page, "/mail?tab=suppressions", "E-mail");
  const listed = async () =>
    (await sql`select reason, scope from public.suppressions where address = 'ada@example.com'`)
      .map(({ reason, scope }) => `${reason} ${scope}`);
  await page.getByRole("textbox", { name: "Address", exact: true }).fill("ada@example.com");
  await page.getByRole("button", { name: "Look up" }).click();
  await page.getByText("This address gets mail.").waitFor();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await until("it is on the list", async () => (await listed()).length === 1);
  await undo(page, "Added.", "Undone: the address is not on the list any more.");
  assertEquals(await listed(), []);
  await sql`select public.add_suppression('ada@example.com', 'bounce', 'bulk')`;
  await page.getByRole("button", { name: "Look up" }).click();
  await page.getByRole("button", { name: "Remove", exact: true }).click();
  await answer(page, "Remove");
  await until("it is gone", async () => (await listed()).length === 0);
  await undo(page, "Removed from the list.", "Undone: the address is on the list again");
  assertEquals(await listed(), ["bounce bulk"]);
});

panelTest("admin: a takeover, a canned reply and skipped deliveries go back", async (panel) => {
  const { stack, sql, signIn } = panel;
  await using service = startService();
  service.answers(() => new Response("", { status: 503 }));
  await addDestination(sql, "orders", service, { retry_seconds: [3600] });
  await addRoute(sql, ["orders"], { type: "any" }, { priority: 1 });
  await configKnown(stack, sql);
  await says(stack, await somebody(stack, "Ada Lovelace", "4915100004711"), "hello");
  await until("it waits", async () => {
    await route(stack);
    const [row] = await sql`select attempt, state from public.deliveries`;
    return row?.attempt === 1 && row.state === "pending";
  });
  const state = async () => (await sql`select state from public.deliveries`)[0].state;

  const page = await signIn("operator");
  await go(page, "/deliveries?tab=waiting", "Deliveries");
  await page.getByRole("list", { name: "Waiting deliveries" }).getByRole("checkbox").check();
  await page.getByRole("button", { name: "Skip", exact: true }).click();
  await answer(page, "Skip");
  await until("it is skipped", async () => await state() === "dead");
  await undo(page, /skipped/, /^Undone: /);
  await until("it waits again", async () => {
    await route(stack);
    return await state() === "pending";
  });

  await go(page, "/messages", "Messages");
  await page.getByRole("button", { name: /4711/ }).click();
  const taken = async () =>
    (await sql`select from public.conversations where taken_until > now()`).length === 1;
  const takeOver = async () => {
    await page.getByRole("button", { name: "Take over" }).click();
    await page.getByRole("menuitem").first().click();
    await until("it is taken", taken);
  };
  await takeOver();
  await undo(page, "You have the conversation.", "Undone: the services have the conversation again.");
  assertEquals(await taken(), false);
  await takeOver();
  await page.getByRole("button", { name: "Release" }).click();
  await until("it is released", async () => !await taken());
  await undo(page, "The services have the conversation again.", "Undone: you have the conversation again.");
  assertEquals(await taken(), true);

  await sql`select public.set_canned_reply('hours', 'We open at nine.')`;
  await page.reload();
  await page.getByRole("button", { name: "Canned replies" }).click();
  await page.getByRole("menuitem", { name: "Change or remove" }).click();
  const form = page.getByRole("dialog", { name: "Canned reply" });
  await form.getByRole("textbox", { name: "Text" }).fill("We open at ten.");
  await form.getByRole("button", { name: "Save" }).click();
  const text = async () => (await sql`select text from public.canned_replies where name = 'hours'`)[0]?.text;
  await until("it is changed", async () => await text() === "We open at ten.");
  await undo(page, "hours was saved.", "Undone: hours is as before.");
  assertEquals(await text(), "We open at nine.");
});
