/** Nothing that was typed in the panel is lost: not by a click beside it, another page, an ended session or a lost network. */
import { assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { join } from "../../lib/paths.ts";
import { until } from "../support/until.ts";
import { addDestination } from "../support/service.ts";
import { answer, fillSignIn, go, inTime, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

/** What the panel keeps of drafts in this tab. */
const drafts = (page: Page): Promise<string[]> =>
  page.evaluate(() => Object.keys(sessionStorage).filter((key) => key.startsWith("gatelink-draft:")));

panelTest(
  "admin: a click beside a form and another conversation lose nothing, and a save ends the draft",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
    const page = await signIn("operator");
    await go(page, "/routes", "Routes");
    const editor = page.getByRole("dialog");
    await page.getByRole("button", { name: "New route" }).click();
    await editor.getByRole("textbox", { name: "Name" }).fill("spring");
    // Beside the drawer.
    await page.mouse.click(20, 400);
    await editor.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "New route" }).click();
    assertEquals(await editor.getByRole("textbox", { name: "Name" }).inputValue(), "spring");
    await editor.getByText("Your unsaved draft was restored.").waitFor();
    await isWell(page);
    await editor.getByRole("combobox", { name: "Destinations" }).click();
    await page.getByRole("option", { name: "crm" }).click();
    await page.keyboard.press("Escape");
    await editor.getByRole("button", { name: "Add route" }).click();
    await editor.waitFor({ state: "hidden" });
    assertEquals(await drafts(page), []);

    // A change of a record that somebody else changes meanwhile stays a conflict, after a reload too.
    const [{ id }] = await sql`select id from public.routes where name = 'spring'`;
    await page.getByRole("button", { name: /^spring/ }).click();
    await editor.getByRole("textbox", { name: /^Keep the conversation/ }).fill("30");
    await sql`select public.set_route(${id}, 1, '{"mode": "all"}')`;
    await page.reload();
    await editor.getByRole("alert").filter({ hasText: "Somebody else changed this route" }).waitFor();
    assertEquals(await editor.getByRole("textbox", { name: /^Keep the conversation/ }).inputValue(), "30");
    await editor.getByRole("button", { name: "Discard draft" }).click();
    assertEquals(await editor.getByRole("textbox", { name: /^Keep the conversation/ }).inputValue(), "");

    for (const [name, phone] of [["Ada", "4915100004711"], ["Bob", "4915100004722"]]) {
      await says(stack, await somebody(stack, name, phone), "hello");
    }
    await until(
      "both wrote",
      async () => (await sql`select count(*)::int as n from public.conversations`)[0].n === 2,
    );
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByRole("textbox", { name: "Reply" }).fill("Dear Ada, your order");
    await page.getByRole("button", { name: /4722/ }).click();
    await until(
      "Bob's is empty",
      async () => await page.getByRole("textbox", { name: "Reply" }).inputValue() === "",
    );
    await page.getByRole("button", { name: /4711/ }).click();
    await until(
      "Ada's is still there",
      async () => await page.getByRole("textbox", { name: "Reply" }).inputValue() === "Dear Ada, your order",
    );
    assertEquals((await drafts(page)).length, 1);

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assertEquals(await drafts(page), []);
    assertEquals(await page.getByText("Your session has ended").count(), 0);
  },
);

panelTest(
  "admin: who signs in again after a session ended is where they were, with what they typed",
  async (panel) => {
    const { stack, sql, open, signIn } = panel;
    await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
    const page = await signIn("operator", { clock: true });
    await go(page, "/routes?edit=new", "Routes");
    const name = page.getByRole("dialog").getByRole("textbox", { name: "Name" });
    await name.fill("spring");
    // The project takes neither the token any more, nor the one that would renew it.
    await page.route("**/rest/v1/**", (asked) =>
      asked.fulfill({
        status: 401,
        json: { code: "PGRST303", message: "JWT expired", details: null, hint: null },
      }));
    await page.route("**/auth/v1/token**", (asked) =>
      asked.fulfill({
        status: 400,
        json: { code: 400, error_code: "refresh_token_not_found", msg: "Invalid Refresh Token" },
      }));
    await inTime(page.getByText("Your session has ended"));
    await isWell(page);
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await fillSignIn(page, "operator@example.com", stack.stack.admin.password);
    await name.waitFor();
    assertEquals(await name.inputValue(), "spring");
    assertEquals(new URL(page.url()).hash, "#/routes?edit=new");

    // A mailed link opens where it was asked for, in whichever tab.
    const asked = await open();
    await asked.evaluate(() => location.hash = "/settings?tab=team");
    await asked.getByRole("button", { name: "Use an email link instead" }).click();
    await asked.getByLabel("Email").fill("viewer@example.com");
    await asked.getByRole("button", { name: "Send sign-in link" }).click();
    await asked.getByText("we have sent a sign-in link").waitFor();
    const link = await until("the mail", async () => {
      const mails = await Deno.readTextFile(join(stack.dir, "mails.txt")).catch(() => "");
      return /http:\S*verify\S*/.exec(mails)?.[0];
    });
    const opened = await asked.context().newPage();
    await opened.goto(link);
    await opened.getByRole("heading", { name: "Settings", level: 1 }).waitFor();
    await opened.getByRole("tab", { name: "Team", selected: true }).waitFor();
  },
);

panelTest(
  "admin: a page that could not be loaded opens by itself when the host answers again",
  async (panel) => {
    const { signIn } = panel;
    const page = await signIn("operator", { clock: true });
    // The browser sees no lost network: the host alone does not answer.
    await page.route("**/admin/**", (asked) => asked.abort());
    await page.evaluate(() => location.hash = "/links");
    await page.getByText("This page could not be loaded").waitFor();
    await isWell(page);
    await inTime(page.getByText("This page could not be loaded"));
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await inTime(page.getByRole("heading", { name: "Links", level: 1 }));
  },
);

panelTest(
  "admin: somebody who leaves with an unsaved change is asked, whichever way they leave",
  async (panel) => {
    const { sql, signIn } = panel;
    const page = await signIn("operator");
    await go(page, "/flags", "Flags");
    await page.getByRole("link", { name: "wa_send.enabled" }).click();
    const title = page.getByRole("heading", { name: "wa_send.enabled", level: 1 });
    await title.waitFor();
    await page.getByRole("slider", { name: "Percentage of wa_send.enabled" }).focus();
    await page.keyboard.press("ArrowLeft");
    const question = page.getByRole("dialog", { name: "Leave without saving?" });
    const stays = async () => {
      await question.waitFor();
      await question.getByRole("button", { name: "Cancel" }).click();
      await question.waitFor({ state: "hidden" });
      await page.getByRole("button", { name: "Set 99 %" }).waitFor();
      assertEquals(new URL(page.url()).hash, "#/flags/wa_send.enabled");
    };
    await page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link", { name: "Links" })
      .click();
    await stays();
    await page.goBack();
    await stays();
    await page.evaluate(() => location.hash = "/routes");
    await stays();
    // What is saved or put back may be left.
    await page.getByRole("button", { name: "Set 99 %" }).click();
    await answer(page, "Change", "a little less");
    await until("it is stored", async () => {
      const [{ metadata }] = await sql`select metadata from public.settings where key = 'wa_send.enabled'`;
      return metadata.rollout_percentage === 99;
    });
    await page.getByRole("button", { name: "Set 99 %" }).waitFor({ state: "hidden" });
    await page.getByRole("slider", { name: "Percentage of wa_send.enabled" }).focus();
    await page.keyboard.press("ArrowLeft");
    await page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link", { name: "Links" })
      .click();
    await answer(page, "Leave");
    await page.getByRole("heading", { name: "Links", level: 1 }).waitFor();
  },
);
