/** What the environment stops is seen in the panel: no flag shows it. */
import { assertEquals } from "../support/assert.ts";
import { faultsOf, panelTest } from "../support/panel.ts";

panelTest(
  "admin: the overview shows an environment kill switch, the version and the environment",
  async ({ signIn }) => {
    const page = await signIn("viewer", { viewport: { width: 360, height: 740 } });
    const told = page.getByRole("alert").filter({ hasText: "WA_SEND_ENABLED=false" });
    await told.getByText("A flag cannot override this").waitFor();
    await page.getByText("turned off by WA_SEND_ENABLED").first().waitFor();
    await page.getByText(/^Version .+, environment .+$/).waitFor();
    assertEquals(await page.getByText("in the environment stops").count(), 1, "what runs is not named");
    assertEquals(await faultsOf(page), []);
  },
  { WA_SEND_ENABLED: "false", WA_ROUTER_ENABLED: "true" },
);
