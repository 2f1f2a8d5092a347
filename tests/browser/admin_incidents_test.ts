/** Incidents in the panel, and the public status page beside it: in dark and light, on a desktop and a phone. */
import { assert, assertEquals } from "../support/assert.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { seriousFaults } from "../support/page.ts";
import { until } from "../support/until.ts";

const SIZES = [{ width: 1280, height: 860 }, { width: 360, height: 740 }];

panelTest(
  "admin: an open incident heads the overview and is acknowledged in one click, updated and resolved",
  async (panel) => {
    const { sql, signIn, url, stack } = panel;
    const page = await signIn("operator", { viewport: SIZES[1], clock: true });
    const [{ number }] =
      await sql`select (public.open_incident('Checkout fails', 'error_rate', null, 'deeplinks.enabled')).number::int as number`;
    const button = page.getByRole("button", { name: `Acknowledge incident ${number}` });
    await inTime(button);
    await button.click();
    await until("it is acknowledged", async () => {
      const [{ acknowledged_at }] =
        await sql`select acknowledged_at from public.incidents where number = ${number}`;
      return acknowledged_at !== null;
    });
    await inTime(button, "hidden");

    await page.getByRole("link", { name: `#${number} Checkout fails` }).click();
    await page.getByRole("heading", { name: `Incident ${number}`, level: 1 }).waitFor();
    await page.getByText(`gatelink rollback 1 deeplinks.enabled --why "incident ${number}"`).waitFor();
    await page.getByLabel("Status", { exact: true }).selectOption("identified");
    await page.getByLabel("Show on the public status page").check();
    await page.getByLabel("Text for the public").fill("We found the cause.");
    await page.getByLabel("Note for the team").fill("it is the disk");
    await page.getByRole("button", { name: "Update", exact: true }).click();
    await page.getByText("it is the disk").first().waitFor();
    const status = await until("the public reads it", async () => {
      const text = await (await fetch(`${stack.url}/functions/v1/health/status`)).text();
      return text.includes("We found the cause.") && text;
    });
    assert(!status.includes("disk"), "a note is for the team");

    await page.getByRole("button", { name: "Resolve" }).click();
    await answer(page, "Resolve", "the disk is larger now");
    await inTime(page.getByText("the disk is larger now").first());
    // What happened and the status that it led to are the same word, which is said once.
    const history = page.getByRole("region", { name: "History" });
    await inTime(history.getByText("resolved", { exact: true }));
    assertEquals(await history.getByText(/resolved, resolved/).count(), 0);
    const [{ state }] = await sql`select status as state from public.incidents where number = ${number}`;
    assertEquals([state, (await fetch(`${url}status/`)).status], ["resolved", 200]);
  },
);

panelTest(
  "admin: a new incident takes the defaults of its kind; a viewer can only read it",
  async ({ sql, signIn }) => {
    const page = await signIn("operator");
    await go(page, "/incidents/new", "Open an incident");
    await page.getByLabel("What is wrong").fill("Replies are delayed");
    await page.getByLabel("Kind", { exact: true }).selectOption("performance");
    await page.getByText("What to do: rollback 1, within 1 min").waitFor();
    await page.getByText("No rollout advances and nothing is launched").waitFor();
    await page.getByRole("button", { name: "Open the incident" }).click();
    await page.getByRole("heading", { name: /^Incident \d+$/, level: 1 }).waitFor();
    const [row] =
      await sql`select kind, severity, public from public.incidents where title = 'Replies are delayed'`;
    assertEquals({ ...row }, { kind: "performance", severity: "P1", public: false });

    const viewer = await signIn("viewer");
    await go(viewer, "/incidents", "Incidents");
    await viewer.getByRole("link", { name: /Replies are delayed/ }).waitFor();
    assertEquals(await viewer.getByRole("button", { name: /Acknowledge|Open an incident/ }).count(), 0);
    await go(viewer, "/incidents/new", "Open an incident");
    await viewer.getByText("Only operators can open incidents").waitFor();
    assertEquals(await viewer.getByLabel("What is wrong").count(), 0);
    for (const path of ["/links/nowhere", "/incidents/1/nowhere"]) {
      await go(viewer, path, "Page not found");
    }
  },
);

panelTest(
  "admin and status page: axe finds nothing serious, and no page is wider than the screen",
  async ({ sql, signIn, open, url }) => {
    await sql`select public.open_incident('Replies are delayed by up to an hour', 'performance', null, null, 'graph', true, 'for us', null)`;
    await sql`select public.open_incident('Some links show an error page', 'error_rate', null, 'deeplinks.enabled', null, true, null, 'We are looking into it.')`;
    const [{ number }] = await sql`select max(number)::int as number from public.incidents`;
    await sql`select public.open_incident('Exports were empty', 'bug', null, null, null, true)`;
    await sql`select public.resolve_incident(${number + 1}, 1)`;
    const shots = Deno.env.get("STATUS_SHOTS");
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await signIn("admin", { colorScheme });
      const status = await open({ colorScheme });
      for (const viewport of SIZES) {
        const where = `${colorScheme}, ${viewport.width} px`;
        await page.setViewportSize(viewport);
        for (
          const [path, heading] of [["/", "Overview"], ["/incidents", "Incidents"], [
            "/incidents/new",
            "Open an incident",
          ], [`/incidents/${number}`, `Incident ${number}`]]
        ) {
          await go(page, path, heading);
          await page.getByRole("status", { name: "Loading" }).first().waitFor({ state: "detached" });
          await isWell(page, `${path}, ${where}`);
          if (shots) await page.screenshot({ path: `${shots}/${path.replaceAll("/", "_")}-${where}.png` });
        }
        await status.setViewportSize(viewport);
        await status.goto(`${url}status/`);
        await status.getByRole("heading", { name: "Some links show an error page" }).waitFor();
        await status.getByText("There is an outage.").waitFor();
        // What health calls a part is no name that the public knows.
        await status.getByText("Feature launches").waitFor();
        assertEquals(await status.getByText(/^[a-z]/).filter({ visible: true }).allInnerTexts(), [], where);
        assertEquals(await seriousFaults(status), [], where);
        const wide = await status.evaluate<boolean>("document.documentElement.scrollWidth > innerWidth");
        assertEquals(wide, false, where);
        if (shots) await status.screenshot({ path: `${shots}/status-${where}.png`, fullPage: true });
      }
    }
  },
);
