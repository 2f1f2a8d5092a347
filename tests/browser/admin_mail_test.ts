/** The page of e-mail: identities and their codes, suppressions, unknown outcomes, figures; by role. */
import type { Sql } from "postgres";
import type { Page } from "playwright-core";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { addIdentity, ALEX, mailOn } from "../support/mail_stack.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

/** Calls a function of the database as a service does. */
async function asService(sql: Sql, call: string): Promise<void> {
  await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    await sql.unsafe(`select ${call}`);
  });
}

const codeIn = (text: string) => /^(\d{8}) /.exec(text)?.[1] ?? "";

/** Mails a code to an address, and returns it as it arrives there. */
async function mailedCode(page: Page, mail: ReturnType<typeof mailOn>, address: string): Promise<string> {
  await page.getByRole("button", { name: "Mail a code" }).last().click();
  const { text } = await mail.mailTo(address);
  assertMatch(text!, /^\d{8} confirms/);
  return codeIn(text!);
}

panelTest(
  "admin: an identity is added, verified by a mailed code, and its inbox confirmed by another",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    const mail = mailOn(stack, sql);
    const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
    await go(page, "/mail?tab=identities", "E-mail");
    await page.getByText("No identities yet").waitFor();
    await page.getByRole("button", { name: "Add identity" }).click();
    const dialog = page.getByRole("dialog", { name: "Add identity" });
    await dialog.getByLabel("Address").fill("desk@example.com");
    await dialog.getByLabel("Display name").fill("Desk");
    await isWell(page);
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    const desk = page.getByRole("region", { name: "desk@example.com" });
    await desk.getByText("unverified", { exact: true }).waitFor();
    await desk.getByText("default", { exact: true }).waitFor();

    const code = await mailedCode(page, mail, "desk@example.com");
    const wrong = code === "00000000" ? "11111111" : "00000000";
    await desk.getByLabel("Code for desk@example.com").fill(wrong);
    await desk.getByRole("button", { name: "Confirm" }).click();
    await desk.getByText("This code is wrong. 4 tries are left.").waitFor();
    await desk.getByLabel("Code for desk@example.com").fill(code);
    await desk.getByRole("button", { name: "Confirm" }).click();
    await desk.getByText("active", { exact: true }).waitFor();

    await desk.getByRole("button", { name: "Set inbox" }).click();
    await desk.getByLabel("Inbox for answers").fill("desk@example.com");
    await desk.getByRole("button", { name: "Save" }).click();
    await desk.getByText(/answers cannot go to an identity/i).waitFor();
    await desk.getByLabel("Inbox for answers").fill("owner@corp.example");
    await desk.getByRole("button", { name: "Save" }).click();
    await desk.getByText("The inbox is not confirmed yet").waitFor();
    await desk.getByText("Answers are kept, and forwarded to nobody.").waitFor();
    await isWell(page);
    const other = await mailedCode(page, mail, "owner@corp.example");
    await desk.getByLabel("Code for owner@corp.example").fill(other);
    await desk.getByRole("button", { name: "Confirm" }).click();
    await desk.getByText("Answers go to owner@corp.example.").waitFor();

    await desk.getByRole("button", { name: "Pause" }).click();
    await answer(page, "Pause");
    await desk.getByText("paused", { exact: true }).waitFor();
    await desk.getByRole("button", { name: "Resume" }).click();
    await desk.getByText("active", { exact: true }).waitFor();
    await desk.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("dialog").getByLabel("Type desk@example.com to confirm").fill("desk@example.com");
    await answer(page, "Remove");
    await page.getByText("No identities yet").waitFor();
  },
);

panelTest(
  "admin: an address is looked up, suppressed and taken off; the list shows none whole",
  async (panel) => {
    const { sql, signIn } = panel;
    await asService(sql, "public.add_suppression('gone@example.org', 'bounce', 'all')");
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await go(page, "/mail?tab=suppressions", "E-mail");
    const list = page.getByRole("list", { name: "Suppressions" });
    await list.getByText("g…@example.org").waitFor();
    assertEquals((await page.content()).includes("gone@"), false);
    await page.getByRole("textbox", { name: "Address" }).fill("Casey@Example.org");
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByText("This address gets mail.").waitFor();
    await isWell(page);
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText(/^Gets no mail at all: added by the team/).waitFor();
    await list.getByText("c…@example.org").waitFor();
    assertEquals(
      (await sql`select reason, source from public.suppressions where address = 'casey@example.org'`)[0],
      {
        reason: "manual",
        source: "team",
      },
    );
    await page.getByRole("button", { name: "Remove" }).click();
    await answer(page, "Remove");
    await page.getByText("This address gets mail.").waitFor();
    assertEquals(page.url().includes("asey"), false);
  },
);

panelTest(
  "admin: a mail whose answer was lost is decided about by a person, with a reason",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    await addIdentity(sql);
    const mail = mailOn(stack, sql);
    const { body } = await mail.send({
      user_id: ALEX.user,
      to: "casey@example.org",
      subject: "Hello",
      text: "Hello",
    });
    await mail.mailTo("casey@example.org");
    await until(
      "it is delivered",
      async () =>
        (await sql`select from public.messages where id = ${String(body.id)} and status = 'delivered'`)
            .length > 0 ||
        undefined,
    );
    await sql`update public.messages set status = 'unknown', status_rank = 0 where id = ${String(body.id)}`;
    await sql`
    update public.outbound_messages set state = 'unknown', updated_at = now() - interval '20 minutes'
    where message_id = ${String(body.id)}`;
    const page = await signIn("operator");
    await go(page, "/mail?tab=unknown", "E-mail");
    const item = page.getByRole("article", { name: `message as ${ALEX.from}` });
    await item.getByText("decide", { exact: true }).waitFor();
    await isWell(page);
    await item.getByRole("button", { name: "Mark as sent" }).click();
    await answer(page, "Mark as sent", "The provider's log shows it");
    await page.getByText("No unknown outcomes").waitFor();
    assertEquals((await sql`select state from public.outbound_messages`)[0].state, "sent");
    assertEquals(
      (await sql`select act, reason from public.contact_acts`).map(({ act, reason }) => [act, reason]),
      [["resolved", "The provider's log shows it"]],
    );
  },
);

panelTest(
  "admin: figures of mail and its answers; a viewer sees them and can change nothing",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    await addIdentity(sql);
    const mail = mailOn(stack, sql);
    await mail.send({ user_id: ALEX.user, to: "casey@example.org", subject: "Hello", text: "Hello" });
    const sent = await mail.mailTo("casey@example.org");
    await mail.receive({
      from: { address: "casey@example.org", name: "Casey" },
      to: sent.replyTo!.email,
      subject: "Re: Hello",
      text: "An answer.",
    });
    await until(
      "the forward",
      async () =>
        (await sql`select from public.email_replies where forwarded_at is not null`).length > 0 || undefined,
    );
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await signIn("viewer", { viewport: { width: 390, height: 844 }, colorScheme });
      await go(page, "/mail", "E-mail");
      const found = page.getByRole("region", { name: "How replies found their message" });
      await found.getByRole("row", { name: "reply token 1 100 %" }).waitFor();
      await page.getByRole("region", { name: "By identity" }).getByRole("row", {
        name: `${ALEX.from} 1 100 %`,
      })
        .waitFor();
      await isWell(page);
      await page.getByRole("tab", { name: "Identities" }).click();
      await page.getByText("Answers go to a…@corp.example.").waitFor();
      assertEquals(await page.getByRole("button", { name: /Add identity|Pause|Remove|inbox/ }).count(), 0);
      await page.getByRole("tab", { name: "Suppressions" }).click();
      await page.getByText("No suppressed addresses").waitFor();
      assertEquals(await page.getByRole("textbox", { name: "Address" }).count(), 0);
      assertEquals((await page.content()).includes(ALEX.inbox), false);
      await page.context().close();
    }
  },
);
