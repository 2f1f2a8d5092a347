/** Settings in the panel: what admins do and others see, and how every page of operations looks. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest(
  "admin: an admin edits allowlist, team and limits; an operator can only view them",
  async ({ sql, signIn }) => {
    const page = await signIn("admin");
    await go(page, "/settings", "Settings");
    await page.getByRole("textbox", { name: "Host to allow" }).fill("https://nonsense");
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await page.getByText("Enter a host such as hooks.example.com").waitFor();
    await page.getByRole("textbox", { name: "Host to allow" }).fill("hooks.example.com");
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    await page.getByRole("region", { name: "Services" }).getByText("hooks.example.com").waitFor();
    await page.getByRole("button", { name: "Remove hooks.example.com" }).click();
    await answer(page, "Remove");
    await until("it is off", async () => {
      const rows = await sql`select from public.destination_allowlist where pattern = 'hooks.example.com'`;
      return rows.length === 0;
    });
    await page.getByRole("region", { name: "History" }).getByText(
      /^hooks.example.com removed for services by you/,
    )
      .waitFor();

    await page.getByRole("tab", { name: "Team" }).click();
    await page.getByRole("textbox", { name: "Email address of the new member" }).fill("nobody@example.com");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("alert").getByText("Nobody has signed up as nobody@example.com.").waitFor();
    await page.getByRole("combobox", { name: "Role of viewer@example.com" }).click();
    await page.getByRole("option", { name: /^Operator/ }).click();
    const roleOf = async (email: string) =>
      (await sql`select m.role from public.team_members m join auth.users u on u.id = m.user_id where u.email = ${email}`)[
        0
      ]
        .role;
    // More for somebody is asked for first.
    await page.getByRole("dialog").getByText("They can read and answer messages").waitFor();
    assertEquals(await roleOf("viewer@example.com"), "viewer");
    // What somebody else gave them meanwhile stays.
    await sql`
      update public.team_members m set approvals = '{product}' from auth.users u
      where u.id = m.user_id and u.email = 'viewer@example.com'`;
    await answer(page, "Make operator");
    await until("the role", async () => await roleOf("viewer@example.com") === "operator");
    const [{ approvals }] = await sql`
      select m.approvals from public.team_members m join auth.users u on u.id = m.user_id where u.email = 'viewer@example.com'`;
    assertEquals(approvals, ["product"]);
    await page.getByRole("region", { name: "History" }).getByText(
      /^viewer@example.com changed from viewer \(signs as product\) to operator \(signs as product\) by you/,
    ).waitFor();
    // The last admin stays: the list shows it again as it is.
    await page.getByRole("combobox", { name: "Role of admin@example.com" }).click();
    await page.getByRole("option", { name: /^Viewer/ }).click();
    // It is told for a while only: waited for from before.
    const told = page.getByText("The last admin cannot be removed.").waitFor();
    await answer(page, "Change");
    await told;
    assertEquals(await roleOf("admin@example.com"), "admin");

    await page.getByRole("tab", { name: "Limits" }).click();
    await page.getByRole("textbox", { name: "Sending" }).fill("100");
    await page.getByRole("button", { name: "Save Sending" }).click();
    await answer(page, "Change", "a campaign");
    await until("the limit", async () => {
      const [row] = await sql`select value from public.settings where key = 'wa_send.rate_per_second'`;
      return row?.value === "100";
    });

    await sql`insert into public.wa_numbers (id, display_number) values ('77', '15550100777')`;
    await page.getByRole("tab", { name: "Numbers" }).click();
    await page.getByRole("button", { name: "Remove +15550100777" }).click();
    await answer(page, "Remove");
    await until(
      "the number is gone",
      async () => (await sql`select from public.wa_numbers where id = '77'`).length === 0,
    );

    const operator = await signIn("operator");
    await go(operator, "/settings", "Settings");
    await operator.getByText("Only admins can change the allowlist.").waitFor();
    assertEquals(await operator.getByRole("button", { name: /^Allow|^Remove/ }).count(), 0);
    await operator.getByRole("tab", { name: "Numbers" }).click();
    await operator.getByRole("button", { name: /^Change/ }).first().waitFor();
    assertEquals(await operator.getByRole("button", { name: /^Remove/ }).count(), 0);
    await operator.getByRole("tab", { name: "Team" }).click();
    await operator.getByText("Only admins can change the team.").waitFor();
    assertEquals(await operator.getByRole("region", { name: "History" }).count(), 0);
    assertEquals(await operator.getByRole("button", { name: /^Remove|^Add/ }).count(), 0);
  },
);

panelTest(
  "admin: the words of complaints and praise are set, by version, and given back to the built-in ones",
  async ({ sql, signIn }) => {
    const page = await signIn("operator");
    await go(page, "/settings?tab=feedback", "Settings");
    const complaints = page.getByRole("region", { name: "Complaints" });
    const field = complaints.getByRole("combobox", { name: "Words for complaints" });
    const save = complaints.getByRole("button", { name: "Save complaints" });
    await complaints.getByText("beschwerde", { exact: true }).waitFor();
    assertEquals(await save.isDisabled(), true, "nothing is changed yet");
    await field.fill("Ikirego");
    await field.press("Enter");
    await save.click();
    const words = async () => {
      const [row] = await sql`select value from public.settings where key = 'feedback.complaint_words'`;
      return row === undefined ? [] : JSON.parse(row.value) as string[];
    };
    await until("the word is set", async () => (await words()).at(-1) === "Ikirego");
    assertEquals((await words())[0], "complaint", "the built-in words stay beside it");

    // Somebody else's change is neither lost nor puts away what is being written.
    await field.fill("malheur");
    await field.press("Enter");
    await sql`update public.settings set value = '["theirs"]' where key = 'feedback.complaint_words'`;
    await complaints.getByText("Somebody else changed these words").waitFor();
    await complaints.getByText("malheur", { exact: true }).waitFor();
    assertEquals(await save.isDisabled(), true);
    await complaints.getByRole("button", { name: "Load their version" }).click();
    await complaints.getByText("theirs", { exact: true }).waitFor();
    await complaints.getByRole("button", { name: "Use the built-in words for complaints" }).click();
    await save.click();
    await until("the built-in ones", async () => (await words()).length === 9);

    const viewer = await signIn("viewer");
    await go(viewer, "/settings?tab=feedback", "Settings");
    await viewer.getByText("praise, lob, elogio", { exact: false }).waitFor();
    assertEquals(await viewer.getByRole("button", { name: /^Save|^Use/ }).count(), 0);
  },
);

const PAGES: [path: string, heading: string, shown: string][] = [
  ["/messages", "Messages", "4711"],
  ["/deliveries", "Deliveries", "Success"],
  ["/deliveries?tab=dead", "Deliveries", "No dead letters"],
  ["/routes", "Routes", "any message"],
  ["/routes?edit=new", "Routes", "Only for contacts with this flag on"],
  ["/links", "Links", "demo"],
  ["/links/new", "New link", "Preview"],
  ["/links/import", "Import links", "Choose file"],
  ["/links/at/demo", "Link demo", "No visits yet"],
  ["/links/at/demo/change", "Change demo", "Preview"],
  ["/settings", "Settings", "Hosts that links may redirect to."],
  ["/settings?tab=team", "Settings", "viewer@example.com"],
  ["/settings?tab=numbers", "Settings", "messages per second"],
  ["/settings?tab=limits", "Settings", "Sending"],
  ["/settings?tab=notifications", "Settings", "No notification endpoints yet"],
  ["/settings?tab=feedback", "Settings", "beschwerde"],
  ["/settings?tab=gates", "Settings", "No sign-offs yet"],
];

panelTest(
  "admin: axe finds nothing serious on the operations pages, in dark and light mode, wide and narrow",
  async (panel) => {
    const { stack, signIn } = panel;
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "Hello there");
    const sizes = [{ width: 1280, height: 800 }, { width: 360, height: 740 }];
    for (const [index, colorScheme] of (["light", "dark"] as const).entries()) {
      const page = await signIn("admin", { colorScheme, viewport: sizes[index] });
      for (const viewport of sizes) {
        await page.setViewportSize(viewport);
        for (const [path, heading, shown] of PAGES) {
          await go(page, path, heading);
          await page.getByText(shown).first().waitFor();
          await isWell(page).catch((cause) => {
            throw new Error(`${path}, ${colorScheme}, ${viewport.width} px`, { cause });
          });
        }
      }
    }
  },
);
