/** Colleagues who are invited by mail: they join by its link, and one whose invitation was revoked does not. */
import { assertEquals } from "../support/assert.ts";
import { join } from "../../lib/paths.ts";
import { answer, go, panelTest, seesOverview } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

panelTest(
  "admin: a colleague is invited by mail and joins by its link; a revoked invitation leads nowhere",
  async (
    { stack, sql, open, signIn },
  ) => {
    const page = await signIn("admin");
    await go(page, "/settings?tab=team", "Settings");
    const address = page.getByRole("textbox", { name: "Email address of the new member" });
    const invitations = page.getByRole("region", { name: "Invitations" });
    const linkTo = (email: string) =>
      until("the mail", async () => {
        const mails = await Deno.readTextFile(join(stack.dir, "mails.txt")).catch(() => "");
        const mail = mails.split(/^To: /m).findLast((mail) => mail.startsWith(email));
        return /http:\S*verify\S*/.exec(mail ?? "")?.[0];
      });
    for (const email of ["grace@example.com", "mallory@example.com"]) {
      await address.fill(email);
      await page.getByRole("combobox", { name: "Role of the new member" }).click();
      await page.getByRole("option", { name: /^Viewer/ }).click();
      await page.getByRole("button", { name: "Add", exact: true }).click();
      await page.getByRole("button", { name: `Invite ${email} by mail` }).click();
      await invitations.getByText(email).waitFor();
      assertEquals(await address.inputValue(), "");
    }
    await isWell(page);

    // Grace opens the mail.
    const grace = await open();
    await grace.goto(await linkTo("grace@example.com"));
    await seesOverview(grace);
    const [{ role }] = await sql`
    select m.role from public.team_members m join auth.users u on u.id = m.user_id where u.email = 'grace@example.com'`;
    assertEquals(role, "viewer");

    const link = await linkTo("mallory@example.com");
    await page.getByRole("button", { name: "Revoke the invitation of mallory@example.com" }).click();
    await answer(page, "Revoke");
    await page.getByText("The invitation of mallory@example.com was revoked.").waitFor();
    const mallory = await open();
    await mallory.goto(link);
    await mallory.getByRole("heading", { name: "You are not on the team" }).waitFor();

    await go(page, "/audit", "Audit");
    for (const what of ["revoked", "accepted", "sent"]) {
      await page.getByText(new RegExp(`^Invitation of [gm]…@example\\.com ${what}$`)).first().waitFor();
    }
    await sql`delete from auth.users where email in ('grace@example.com', 'mallory@example.com')`;
  },
);
