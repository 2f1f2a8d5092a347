/** The page of two environments: the split, both sides beside each other, a ramp and the way back; by role. */
import { assertEquals } from "../support/assert.ts";
import { greenOn } from "../support/green.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

panelTest(
  "admin: a viewer sees two environments; an operator splits traffic, begins a ramp and takes it back, with reasons in the history",
  async ({ stack, sql, signIn }) => {
    const viewer = await signIn("viewer", { viewport: { width: 360, height: 740 }, colorScheme: "dark" });
    await go(viewer, "/traffic", "Traffic");
    await viewer.getByText("Traffic was never split: everybody gets blue.").waitFor();
    await viewer.getByText("Green does not answer").waitFor();
    await viewer.getByRole("table", { name: "Health of both" }).getByRole("row", {
      name: /^Database healthy –$/,
    }).waitFor();
    await viewer.getByRole("table", { name: "Figures of both" }).getByRole("row", { name: /^CPU not known/ })
      .waitFor();
    assertEquals(await viewer.getByRole("region", { name: "Split" }).getByRole("button").count(), 0);
    await isWell(viewer);
    await viewer.context().close();
    const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
    await go(page, "/traffic", "Traffic");
    const split = page.getByRole("region", { name: "Split" });
    await split.getByText("Green does not answer").waitFor();
    assertEquals(await split.getByRole("button", { name: "Begin a ramp" }).isDisabled(), true);
    await greenOn(stack);
    await split.getByText("Green does not answer").waitFor({ state: "detached" });
    await page.getByRole("table", { name: "Health of both" }).getByRole("row", {
      name: /^Database healthy healthy$/,
    }).waitFor();

    await split.getByLabel("Green's share").fill("5");
    await split.getByRole("button", { name: "Set", exact: true }).click();
    await answer(page, "Change", "first visitors");
    await split.getByText("Green 5 %").waitFor();
    await split.getByText(/by you: first visitors/).waitFor();
    await isWell(page);
    await split.getByRole("button", { name: "Back to blue" }).click();
    await answer(page, "Back to blue", "seen enough");
    await split.getByText("Green 0 %").waitFor();

    await split.getByRole("button", { name: "Begin a ramp" }).click();
    await answer(page, "Begin", "release 0.3.0");
    await split.getByRole("link", { name: "Ramp by the plan canary" }).waitFor();
    await split.getByText("Green 1 %").waitFor();
    assertEquals(await split.getByRole("button", { name: "Begin a ramp" }).count(), 0);
    await page.emulateMedia({ colorScheme: "dark" });
    await isWell(page);
    await split.getByRole("button", { name: "Back to blue" }).click();
    await answer(page, "Back to blue", "errors in green");
    await until("the ramp is rolled back", async () => {
      const [row] = await sql`select state from public.rollouts where flag_key = 'green.enabled'`;
      return row.state === "rolled_back";
    });
    await split.getByText("Blue 100 %").waitFor();
    const history = page.getByRole("list", { name: "History" });
    await history.getByText("seen enough").waitFor();
    assertEquals(await history.getByText("first visitors").count() > 0, true);
    await until(
      "both steps of the ramp",
      async () => await history.getByRole("link", { name: "rollout" }).count() === 2,
    );
    const [{ reason }] = await sql`select reason from public.rollout_events where kind = 'rolled_back'`;
    assertEquals(reason, "errors in green");
    assertEquals(
      (await sql`select private.green_share()::float8 as share`)[0].share,
      0,
    );
  },
);
