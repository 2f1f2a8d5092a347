/** The first hour: steps that tick themselves, help on each page, the environment, and what needs somebody. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { addDestination } from "../support/service.ts";
import { go, inTime, panelTest } from "../support/panel.ts";
import { until } from "../support/until.ts";
import { isWell } from "../support/people.ts";

panelTest(
  "admin: the first steps tick themselves, lead to where each is done, and can be hidden",
  async (panel) => {
    const { sql, signIn } = panel;
    await sql`delete from public.notification_endpoints`;
    const page = await signIn("admin", { clock: true });
    const steps = page.getByRole("region", { name: "First steps" });
    await steps.getByRole("link", { name: "Alerts" }).waitFor();
    await isWell(page, "first steps");
    await sql`insert into public.notification_endpoints (name, kind, host, events)
    values ('ops', 'slack', 'hooks.example.com', '{failing}')`;
    await inTime(steps.getByText("Alerts: done"));
    await steps.getByRole("link", { name: "First click" }).click();
    await page.getByRole("heading", { name: "Links", level: 1 }).waitFor();
    await go(page, "/", "Overview");
    await steps.getByRole("button", { name: "Hide" }).click();
    await steps.waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("heading", { name: "Feature flags" }).waitFor();
    assertEquals(await steps.count(), 0);
  },
);

panelTest(
  "admin: help on a page says what it is for and opens the documentation beside the panel",
  async (panel) => {
    const { signIn } = panel;
    const page = await signIn("viewer");
    await go(page, "/routes", "Routes");
    await page.getByRole("button", { name: "Help: Routes" }).press("Enter");
    const help = page.getByRole("dialog", { name: "Help: Routes" });
    await help.getByText("the first one that matches takes the message").waitFor();
    await isWell(page, "help");
    const [opened] = await Promise.all([
      page.context().waitForEvent("page"),
      help.getByRole("link", { name: "Read more in the documentation" }).click(),
    ]);
    await opened.getByRole("heading", { name: "Routing", level: 1 }).waitFor();
    assertMatch(opened.url(), /\/admin\/docs\/routing\.html#conditions$/);
    assertEquals(await opened.locator("#conditions").count(), 1);
    await isWell(opened, "a page of the documentation");
    await opened.getByRole("navigation", { name: "Documentation" }).getByRole("link").click();
    await opened.getByRole("heading", { name: "Documentation", level: 1 }).waitFor();
  },
);

panelTest("admin: the bell says what needs somebody and leads there", async (panel) => {
  const { sql, signIn } = panel;
  await addDestination(sql, "orders", { url: "http://127.0.0.1:9/" });
  const page = await signIn("operator", { viewport: { width: 390, height: 844 }, clock: true });
  await sql`select public.open_incident('Replies come late')`;
  const bell = page.getByRole("button", { name: /needs? attention$/ });
  await inTime(page.getByRole("button", { name: /^\d+ things? needs? attention$/ }));
  await bell.click();
  const list = page.getByRole("dialog", { name: /attention$/ });
  const incident = list.getByRole("link", { name: /Replies come late; nobody has acknowledged it/ });
  await incident.waitFor();
  await isWell(page, "what needs somebody, on a phone");
  await incident.click();
  await page.getByRole("heading", { name: /^Incident \d+/, level: 1 }).waitFor();
});

panelTest("admin: no environment can be taken for another", async ({ signIn }) => {
  const titles: Record<string, string> = {
    production: "Overview · Gatelink",
    staging: "Overview · Gatelink (staging)",
    local: "Overview · Gatelink (local)",
    blue: "Overview · Gatelink (blue)",
  };
  const page = await signIn("viewer", { viewport: { width: 390, height: 844 } });
  const kinds = new Set<string | null>();
  for (const [environment, title] of Object.entries(titles)) {
    // The local stack calls itself local.
    await page.route("**/functions/v1/health", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...await response.json(), environment } });
    });
    await page.reload();
    const word = page.getByTitle("Environment of this project").filter({
      visible: true,
      hasText: environment,
    });
    await word.waitFor();
    await until("the window has its name", async () => await page.title() === title || undefined);
    kinds.add(await word.getAttribute("data-kind"));
    await isWell(page, environment);
    await page.unroute("**/functions/v1/health");
  }
  assertEquals(kinds.size, 4, "each has a colour of its own");
});
