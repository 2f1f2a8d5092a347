/** Reports in the panel: the week as it is, and what the clock wrote. */
import { go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

panelTest(
  "admin: a viewer reads how the week is and what a report said, and gets to its rollout",
  async ({ sql, signIn }) => {
    await sql`insert into public.settings (key, value) values ('checkout.enabled', 'false')`;
    const [{ id }] =
      await sql`select (public.create_rollout('checkout.enabled', '{"template": "canary"}')).id`;
    await sql`select public.start_rollout(${id}, 1, 'a test')`;
    await sql`select private.write_reports(now() + interval '2 hours')`;
    const page = await signIn("viewer", { viewport: { width: 360, height: 740 } });
    await go(page, "/reports", "Reports");
    // On a Monday morning the report of the week says the same.
    await page.getByRole("region", { name: "The last seven days" })
      .getByText("Rollouts: 1 started, 0 completed, 0 rolled back, 1 under way.").waitFor();
    await page.getByRole("button", { name: /checkout\.enabled, the last two hours/ }).click();
    await page.getByText("Look: nobody with the feature was counted.").waitFor();
    await isWell(page, "an open report");
    await page.getByRole("link", { name: "View rollout" }).click();
    await page.getByRole("heading", { name: "checkout.enabled", level: 1 }).waitFor();
  },
);
