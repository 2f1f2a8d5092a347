/** Mails among the conversations of the panel: their faces, what was decided about them and why, by role. */
import type { Sql } from "postgres";
import { assertEquals } from "../support/assert.ts";
import { addIdentity, ALEX, mailOn } from "../support/mail_stack.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";
import type { RunningStack } from "../support/stack.ts";
import { until } from "../support/until.ts";

/** A mail to Casey, her answer with an attachment, which was forwarded, and one that somebody forged. */
async function correspondence(stack: RunningStack, sql: Sql) {
  await addIdentity(sql);
  const mail = mailOn(stack, sql);
  const { body } = await mail.send({
    user_id: ALEX.user,
    to: { address: "casey@example.org", name: "Casey Brooks" },
    subject: "Your order is ready",
    html: "<p>Your order <b>1042</b> is ready.</p>",
  });
  const sent = await mail.mailTo("casey@example.org");
  const toAlex = {
    to: sent.replyTo!.email,
    subject: "Re: Your order is ready",
    inReplyTo: sent.headers["Message-ID"],
  };
  await mail.receive({
    ...toAlex,
    from: { address: "casey@example.org", name: "Casey Brooks" },
    text: "Can I come on Saturday?\n\nOn Tue, Alex wrote:\n> Your order 1042 is ready.",
    html: `<p>Can I come on Saturday?</p><script>fetch("https://evil.example/")</script>` +
      `<img src="https://evil.example/open.gif">`,
    messageId: "answer-1@example.org",
    attachments: [{ name: "map.pdf", type: "application/pdf", content: btoa("%PDF-1.7 a map") }],
  });
  await mail.receive({
    ...toAlex,
    from: { address: "casey@example.org", name: "Casey Brooks" },
    text: "Send the parcel elsewhere.",
    messageId: "forged-1@example.org",
  }, { spf: "fail", dkim: null });
  await until(
    "the forward",
    async () => (await sql`select from public.deliveries where state = 'delivered'`).length > 0 || undefined,
  );
  return { mail, sent: String(body.id) };
}

panelTest("admin: mails stand beside chats, and tell why they were forwarded or not", async (panel) => {
  const { stack, sql, signIn } = panel;
  await says(stack, await somebody(stack, "Ada Lovelace", "4915100004711"), "A chat.");
  await correspondence(stack, sql);
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, colorScheme });
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /^WhatsApp,.*4711/ }).waitFor();
    await page.getByRole("button", { name: /^E-mail,.*@example\.org/ }).click();
    await page.getByText(`with ${ALEX.from}`).waitFor();
    const list = page.getByRole("group", { name: "Conversation" });
    await list.getByText("Can I come on Saturday?", { exact: true }).waitFor();
    assertEquals(await list.getByText("Your order is ready", { exact: true }).count(), 1);
    assertEquals(await list.getByText("Re: Your order is ready", { exact: true }).count(), 2);
    assertEquals(await list.getByText("verified", { exact: true }).count(), 1);
    assertEquals(await list.getByText("unverified", { exact: true }).count(), 1);
    await list.getByText("1 attachment").waitFor();
    await list.getByText("possible forgery").waitFor();
    await page.getByText("Mails are answered in the identity's inbox").waitFor();
    assertEquals(await page.getByRole("textbox", { name: "Reply" }).count(), 0);
    await isWell(page);

    await list.getByRole("button", { name: "Details of Can I come on Saturday?" }).click();
    const story = page.getByRole("dialog", { name: "Message history" });
    await story.getByText("Forwarded to inbox-alex.").waitFor();
    await story.getByText("Found its message by: reply token.").waitFor();
    await story.getByRole("list", { name: "Reasons" }).getByRole("listitem").first().waitFor();
    await isWell(page);
    await story.getByRole("button", { name: "Read the whole mail" }).click();
    const question = page.getByRole("dialog", { name: "Read the whole mail?" });
    await question.getByLabel("Reason", { exact: false }).fill("She asked about it");
    await question.getByRole("button", { name: "Read", exact: true }).click();
    const whole = page.getByRole("dialog", { name: "Mail", exact: true });
    await whole.getByText(/> Your order 1042 is ready\./).waitFor();
    await whole.getByRole("tab", { name: "HTML" }).click();
    await whole.getByText("One image of another server is not loaded").waitFor();
    const frame = whole.frameLocator("iframe");
    await frame.getByText("Can I come on Saturday?").waitFor();
    assertEquals(await frame.locator("img, script").count(), 0);
    await isWell(page);
    // No such server answers a test; what the page does with images that were loaded is the same.
    await whole.getByRole("button", { name: "Load images" }).click();
    await whole.getByText("0 of 1 image of other servers loaded.").waitFor();
    assertEquals(await frame.locator("img").getAttribute("src"), "data:,");
    await isWell(page);
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      whole.getByRole("button", { name: "Download map.pdf" }).click(),
    ]);
    assertEquals(file.suggestedFilename(), "map.pdf");
    await whole.getByRole("button", { name: "Close mail" }).click();
    await story.getByRole("button", { name: "Close" }).click();
    await list.getByRole("button", { name: "Details of Send the parcel elsewhere." }).click();
    await story.getByText("Kept with a warning. It is neither forwarded nor relayed.").waitFor();
    await story.getByText(/routes were not asked/).waitFor();
    await story.getByRole("button", { name: "Close" }).click();
    await page.context().close();
  }
});

panelTest("admin: opens and clicks of a mail with verdict and reasons, corrected by hand", async (panel) => {
  const { stack, sql, signIn } = panel;
  await addIdentity(sql);
  const { body } = await mailOn(stack, sql).send({
    user_id: ALEX.user,
    to: "casey@example.org",
    subject: "Read this",
    html: "<p>Hello</p>",
  });
  const id = String(body.id);
  // Accesses are judged again when the provider tells of the delivery: not after they were written here.
  await until("the mail is delivered", async () => {
    const [event] =
      await sql`select from public.email_events where message_id = ${id} and event_type = 'delivered'`;
    return event !== undefined;
  });
  await sql`insert into private.mail_link_sets (hash, links, used_at)
    values ('\\x01', '{https://www.example.com/a-rather-long-path/of-a-page}', now())`;
  await sql`insert into private.mail_tickets (message_id, contact_id, link_set, mode, created_at)
    select m.id, c.contact_id, s.id, 'individual', now()
    from public.messages m join public.conversations c on c.id = m.conversation_id, private.mail_link_sets s where m.id = ${id}`;
  await sql`insert into public.email_opens (ticket, message_id, at, verdict, reasons, client, signs, judged)
    select t.id, t.message_id, now(), 'machine', 'apple_prefetch', 'apple', 'm.apple_prefetch,p.browser', true
    from private.mail_tickets t where t.message_id = ${id}`;
  await sql`insert into public.email_clicks (ticket, message_id, at, link, verdict, reasons, client, signs, judged)
    select t.id, t.message_id, now(), 1, 'unsure', 'network_proofpoint old_browser', 'chrome', 'p.browser', true
    from private.mail_tickets t where t.message_id = ${id}`;
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await signIn(colorScheme === "light" ? "operator" : "viewer", {
      viewport: { width: 390, height: 844 },
      colorScheme,
    });
    await go(page, `/messages?message=${id}`, "Messages");
    const list = page.getByRole("list", { name: "Opens and clicks" });
    await list.getByText("Apple loads images of mails that nobody looks at").waitFor();
    if (colorScheme === "light") {
      await list.getByText("Followed https://www.example.com/a-rather-long-path/of-a-page").waitFor();
      await list.getByText("from the network of proofpoint, a security service; a browser of years ago")
        .waitFor();
      await isWell(page);
      await list.getByRole("button", { name: /^Correct: Followed/ }).click();
      await page.getByRole("menuitem", { name: "It was a person" }).click();
      await list.getByText("person", { exact: true }).waitFor();
      await list.getByText("corrected by you").waitFor();
      assertEquals((await sql`select verdict from public.email_clicks`)[0].verdict, "human");
    } else {
      await list.getByText("Followed https://www.example.com", { exact: true }).waitFor();
      assertEquals(await list.getByRole("button").count(), 0);
    }
    await isWell(page);
    await page.context().close();
  }
});

panelTest(
  "admin: a viewer sees what mails are, and neither subjects nor words",
  async ({ stack, sql, signIn }) => {
    const { sent } = await correspondence(stack, sql);
    const page = await signIn("viewer");
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /^E-mail,.*@example\.org/ }).click();
    const list = page.getByRole("group", { name: "Conversation" });
    await list.getByText("Mail, text hidden").first().waitFor();
    await list.getByText("possible forgery").waitFor();
    await go(page, `/messages?message=${sent}`, "Messages");
    await page.getByRole("dialog", { name: "Message history" }).getByText("Only operators can see the text.")
      .waitFor();
    const html = await page.content();
    for (const secret of ["Saturday", "order is ready", "casey", "Casey", ALEX.inbox]) {
      assertEquals(html.includes(secret), false, secret);
    }
  },
);
