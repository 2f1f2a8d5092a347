/**
 * `deno task admin:shots [folder]`: takes a screenshot of each page of the admin panel, on a desktop and a
 * phone, dark and light, on its own stack with realistic data. For review; docs/images has two of them.
 */
import postgres, { type Sql } from "postgres";
import { type Browser, chromium, type Page } from "playwright-core";
import { buildPanel } from "../../local/panel/build.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { CHROMIUM } from "../../tests/support/chromium.ts";
import { type RunningStack, startStack } from "../../tests/support/stack.ts";
import { fillPanel } from "./data.ts";
import { task } from "../../lib/task.ts";

const SIZES = {
  desktop: { width: 1440, height: 900 },
  phone: { width: 390, height: 844 },
};

/** A page's path and name, and what is done there before the picture. */
type Shot = [path: string, name: string, act?: (page: Page) => Promise<void>];

/** Paths and names of the pages; a rollout's path exists only after it was created. */
async function pages(sql: Sql): Promise<Shot[]> {
  const [rollout] = await sql`select id from public.rollouts where state = 'running' limit 1`;
  const [draft] = await sql`select id from public.rollouts where state = 'draft' limit 1`;
  const [talk] =
    await sql`select conversation_id as id from public.messages group by 1 order by count(*) desc limit 1`;
  const [incident] = await sql`select number from public.incidents order by number desc limit 1`;
  const [announcement] = await sql`select id from public.announcements limit 1`;
  const [campaign] = await sql`select id from public.campaigns limit 1`;
  const [photo] = await sql`select conversation_id as id from public.messages where type = 'image' limit 1`;
  const [taken] = await sql`select id from public.conversations where taken_by is not null limit 1`;
  const [template] = await sql`select account from public.wa_templates limit 1`;
  return [
    ["/", "overview"],
    ["/flags", "flags"],
    ["/flags/checkout.enabled", "flag"],
    ["/flags/segments", "segments"],
    ["/rollouts", "rollouts"],
    ["/rollouts/new?flag=quick_replies.enabled", "rollout-new"],
    [`/rollouts/${draft.id}`, "rollout-gates"],
    [`/rollouts/${rollout.id}`, "rollout"],
    ["/traffic", "traffic"],
    ["/messages", "messages"],
    [`/messages?conversation=${talk.id}`, "conversation"],
    [`/messages?conversation=${photo.id}`, "media", async (page) => {
      await page.getByRole("button", { name: "Show photo" }).click();
      await page.getByRole("img", { name: "Photo of the message" }).waitFor();
    }],
    [`/messages?conversation=${taken.id}`, "takeover"],
    [`/messages?conversation=${photo.id}`, "template-send", async (page) => {
      await page.getByRole("button", { name: "Template", exact: true }).click();
      const dialog = page.getByRole("dialog", { name: "Send a template" });
      await dialog.getByRole("combobox", { name: "Template" }).click();
      await page.getByRole("option", { name: /^parcel_on_its_way \(en\)/ }).click();
      await dialog.getByLabel("first name").fill("Amina");
    }],
    ["/templates", "templates"],
    ["/templates/new", "template-new"],
    [`/templates/${template.account}/weekly_sale/en`, "template"],
    ["/deliveries", "deliveries"],
    ["/deliveries?tab=waiting", "waiting"],
    ["/deliveries?tab=dead", "dead-letters"],
    ["/deliveries/at/orders", "destination"],
    ["/mail", "mail"],
    ["/mail?tab=identities", "mail-identities"],
    ["/mail?tab=suppressions", "mail-suppressions"],
    ["/mail?tab=unknown", "mail-unknown"],
    ["/incidents", "incidents"],
    [`/incidents/${incident.number}`, "incident"],
    ["/reports", "reports"],
    ["/announcements", "announcements"],
    [`/announcements/${announcement.id}`, "announcement"],
    ["/announcements/new", "announcement-new"],
    ["/campaigns", "campaigns"],
    [`/campaigns/${campaign.id}`, "campaign"],
    ["/campaigns/new", "campaign-new"],
    ["/audit", "audit"],
    ["/routes", "routes"],
    ["/links", "links"],
    ["/links/new", "link-new"],
    ["/links/import", "link-import"],
    ["/links/at/spring-sale", "link"],
    ["/links/at/spring-sale/change", "link-change"],
    ...["allowlist", "team", "numbers", "limits", "notifications", "gates"].map((tab): Shot => [
      `/settings?tab=${tab}`,
      `settings-${tab}`,
    ]),
  ];
}

async function shoot(
  browser: Browser,
  stack: RunningStack,
  sql: Sql,
  folder: string,
  only: readonly string[],
): Promise<number> {
  const shots = (await pages(sql)).filter(([, name]) => only.length === 0 || only.includes(name));
  let count = 0;
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ["light", "dark"] as const) {
      const context = await browser.newContext({
        viewport,
        colorScheme,
        deviceScaleFactor: 2,
        reducedMotion: "reduce",
      });
      const page = await context.newPage();
      await page.goto(`${stack.url}/admin/`);
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await page.screenshot({ path: join(folder, `sign-in-${size}-${colorScheme}.png`) });
      await page.getByLabel("Email").fill(stack.stack.admin.email);
      await page.getByRole("textbox", { name: "Password" }).fill(stack.stack.admin.password);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
      for (const [path, name, act] of shots) {
        await page.evaluate((path) => location.hash = path, path);
        await page.locator("h1").waitFor();
        await page.waitForLoadState("networkidle");
        await act?.(page);
        // Charts are drawn after their data.
        await page.waitForTimeout(700);
        await page.screenshot({ path: join(folder, `${name}-${size}-${colorScheme}.png`) });
        if (act) await page.reload();
        count++;
      }
      await context.close();
    }
  }
  return count;
}

if (import.meta.main) {
  const program = task("admin:shots", "Take a screenshot of each page of the admin panel.")
    .argument("[folder]", "folder for the screenshots (default: admin/shots)")
    .option("--only <names...>", "of these pages, such as templates takeover")
    .parse(Deno.args, { from: "user" });
  if (!CHROMIUM) Deno.exit(1);
  const folder = program.args[0] ?? join(ROOT, "admin", "shots");
  await Deno.mkdir(folder, { recursive: true });
  await buildPanel();
  const stack = await startStack();
  const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    await fillPanel(stack, sql);
    const { only = [] } = program.opts<{ only?: string[] }>();
    console.log(`${await shoot(browser, stack, sql, folder, only)} screenshots are in ${folder}.`);
  } finally {
    await browser.close();
    await sql.end();
    await stack.stop();
  }
}
