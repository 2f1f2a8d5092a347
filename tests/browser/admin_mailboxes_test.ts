/** The page of mailboxes: connecting at the stand-in for Google, what is said when it fails, and connecting again. */
import { assertEquals } from "../support/assert.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

panelTest(
  "admin: a mailbox is connected step by step, checked, lost, connected again and disconnected",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    const simulator = async (path: string, body: unknown) => {
      const response = await fetch(`${stack.url}/simulator/mailboxes/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      assertEquals(response.status, 200, await response.text());
    };
    const page = await signIn("admin", { viewport: { width: 390, height: 844 } });
    await go(page, "/mail?tab=mailboxes", "E-mail");
    await page.getByText("No mailbox is connected").waitFor();
    await isWell(page);

    await page.getByRole("button", { name: "Connect a mailbox at Google" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Access was not given.").waitFor();
    await isWell(page);

    await page.getByRole("button", { name: "Connect a mailbox at Google" }).click();
    await page.getByLabel("Let it read mail").uncheck();
    await page.getByRole("button", { name: "Sign in as sam@bakery.example" }).click();
    await page.getByText("A permission was not given.").waitFor();

    await page.getByRole("button", { name: "Connect a mailbox at Google" }).click();
    await page.getByRole("button", { name: "Sign in as sam@bakery.example" }).click();
    await page.getByText("sam@bakery.example is connected").waitFor();
    const mailbox = page.getByRole("list", { name: "Mailboxes" }).getByRole("listitem");
    await mailbox.getByText("connected", { exact: true }).waitFor();
    await mailbox.getByText(/sends as sam@bakery\.example/).waitFor();
    await isWell(page);
    await mailbox.getByRole("button", { name: "Check" }).click();
    await page.getByText("sam@bakery.example lets Gatelink in.").waitFor();

    await simulator("revoke", { address: "sam@bakery.example" });
    await sql`update private.mailbox_tokens set refresh_at = now(), expires_at = now()`;
    await mailbox.getByRole("button", { name: "Check" }).click();
    await mailbox.getByText("Google ended the access").waitFor();
    await isWell(page);
    await mailbox.getByRole("button", { name: "Connect again" }).click();
    await page.getByRole("button", { name: "Sign in as sam@bakery.example" }).click();
    await mailbox.getByText("connected", { exact: true }).waitFor();

    await mailbox.getByRole("button", { name: "Take all mail" }).click();
    await answer(page, "Take all");
    await mailbox.getByText(/all that comes in is taken/).waitFor();
    await mailbox.getByRole("button", { name: "Disconnect" }).click();
    await answer(page, "Disconnect");
    await page.getByText("No mailbox is connected").waitFor();
    await until(
      "the tokens are forgotten",
      async () => (await sql`select from private.mailbox_tokens`).length === 0,
    );
  },
);

panelTest("admin: who is no admin sees mailboxes and connects none", async (panel) => {
  const page = await panel.signIn("viewer");
  await go(page, "/mail?tab=mailboxes", "E-mail");
  await page.getByText("Only admins can connect a mailbox.").waitFor();
  assertEquals(await page.getByRole("button", { name: /Connect a mailbox/ }).count(), 0);
});
