/** Every page of flags and rollouts, and the overview: in dark and light, on a desktop and a phone, by keyboard. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { go, inTime, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

const PAGES: [path: string, heading: string][] = [
  ["/", "Overview"],
  ["/flags", "Flags"],
  ["/flags/deeplinks.enabled", "deeplinks.enabled"],
  ["/flags/segments", "Segments"],
  ["/rollouts", "Rollouts"],
  ["/rollouts/new", "New rollout"],
  ["/traffic", "Traffic"],
  ["/reports", "Reports"],
  ["/announcements", "Announcements"],
  ["/announcements/new?to=wrote", "New announcement"],
  ["/campaigns", "Campaigns"],
  ["/campaigns/new", "New campaign"],
];

panelTest(
  "admin: axe finds nothing serious on any page, in dark and light mode, wide and narrow",
  async (panel) => {
    const { sql, signIn } = panel;
    await sql`select public.set_segment('beta', 'Customers who asked for it', 0)`;
    await sql`select public.set_flag('spring.enabled', '{"on": false, "percentage": 0}', 0)`;
    await sql`select public.create_rollout('spring.enabled', '{"template": "canary"}')`;
    const sizes = [{ width: 1280, height: 800 }, { width: 360, height: 740 }];
    for (const [index, colorScheme] of (["light", "dark"] as const).entries()) {
      const page = await signIn("admin", { colorScheme, viewport: sizes[index] });
      for (const viewport of sizes) {
        await page.setViewportSize(viewport);
        for (const [path, heading] of PAGES) {
          await go(page, path, heading);
          await page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
          await isWell(page, `${path}, ${colorScheme}, ${viewport.width} px`);
        }
      }
    }
  },
);

panelTest(
  "admin: the overview updates with events and can be used with the keyboard alone",
  async (panel) => {
    const { sql, stack, signIn } = panel;
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, clock: true });
    // Without a reload: somebody else turns the router off.
    await sql`select public.switch_off('wa_router.enabled', 'tried from elsewhere')`;
    await inTime(page.getByText("tried from elsewhere"));
    await page.getByText("wa_router.enabled is off: messages are stored and wait").first().waitFor();

    await page.getByRole("button", { name: "Open navigation" }).press("Enter");
    await page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link", { name: "Flags" })
      .press("Enter");
    await page.getByRole("heading", { name: "Flags", level: 1 }).waitFor();
    // The bar at the bottom of a phone.
    await page.getByRole("navigation", { name: "Main pages" }).getByRole("link", { name: "Overview" }).press(
      "Enter",
    );
    await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
    await page.getByRole("button", { name: "Turn off deeplinks.enabled" }).press("Enter");
    await until("deeplinks are off", async () => {
      const [{ value }] = await sql`select value from public.settings where key = 'deeplinks.enabled'`;
      return value === "false";
    });

    // Away and back: what was seen stays, and is called old.
    await page.context().setOffline(true);
    await inTime(page.getByText("The project is not responding.").first());
    await page.getByRole("heading", { name: "Functions" }).waitFor();
    await page.context().setOffline(false);
    await inTime(page.getByText("live", { exact: true }));
    assertEquals((await fetch(`${stack.url}/admin/config.json`)).status, 200);
  },
);
