/** Flags in the panel: what a click does to a function, what history gives back, and who wins a conflict. */
import { assertEquals } from "@std/assert";
import { eventually, type RunningStack } from "../support/stack.ts";
import { answer, go, panelTest } from "./panel.ts";

/** Where the demo link leads now. */
async function demoLeadsTo(stack: RunningStack): Promise<string> {
  const response = await fetch(`${stack.url}/l/demo`, { redirect: "manual" });
  await response.body?.cancel();
  return new URL(response.headers.get("location") ?? "", stack.url).host;
}

panelTest(
  "admin: a flag is turned off, the function answers otherwise, and history gives it back",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    const here = new URL(stack.url).host;
    assertEquals(await eventually("the link opens a chat", async () => await demoLeadsTo(stack)), "wa.me");
    const page = await signIn("operator");
    await go(page, "/flags", "Flags");
    await page.getByRole("switch", { name: /^deeplinks.enabled is on/ }).click({ force: true });
    await page.getByRole("switch", { name: /^deeplinks.enabled is off/ }).waitFor();
    await eventually(
      "the link leads to its default page",
      async () => await demoLeadsTo(stack) === here || undefined,
    );

    await page.getByRole("link", { name: "deeplinks.enabled" }).click();
    await page.getByRole("heading", { name: "deeplinks.enabled", level: 1 }).waitFor();
    await page.getByText("turned off in the panel").waitFor();
    await page.getByRole("button", { name: "Restore this: version 1" }).click();
    await answer(page, "Restore", "it was not the links");
    await page.getByText("deeplinks.enabled is as it was at version 1.").waitFor();
    await eventually(
      "the link opens a chat again",
      async () => await demoLeadsTo(stack) === "wa.me" || undefined,
    );
    const [{ reason }] = await sql`
    select reason from public.settings_history where key = 'deeplinks.enabled' order by version desc limit 1`;
    assertEquals(reason, "version 1 restored: it was not the links");

    // By keyboard: a percentage, prerequisites are kept, and the reason is asked for.
    const slider = page.getByRole("slider", { name: "Percentage of deeplinks.enabled" });
    await slider.focus();
    for (const _ of [1, 2, 3]) {
      await page.keyboard.press("ArrowLeft");
    }
    await page.getByRole("button", { name: "Set 97 %" }).press("Enter");
    await answer(page, "Change it", "a little less");
    await eventually("97 %", async () => {
      const [{ metadata }] = await sql`select metadata from public.settings where key = 'deeplinks.enabled'`;
      return metadata.rollout_percentage === 97 || undefined;
    });
  },
);

panelTest("admin: of two who change a flag at once the slower one is told, and decides", async (panel) => {
  const { sql, signIn } = panel;
  const [slow, fast] = [await signIn("operator"), await signIn("admin")];
  const share = async () => {
    const [{ metadata }] = await sql`select metadata from public.settings where key = 'wa_send.enabled'`;
    return metadata.rollout_percentage as number;
  };
  const move = async (page: typeof slow, times: number) => {
    await page.getByRole("slider", { name: "Percentage of wa_send.enabled" }).focus();
    for (let i = 0; i < times; i++) await page.keyboard.press("ArrowLeft");
  };
  for (const page of [slow, fast]) await go(page, "/flags/wa_send.enabled", "wa_send.enabled");
  await move(slow, 10);
  await slow.getByRole("button", { name: "Set 90 %" }).waitFor();
  await move(fast, 20);
  await fast.getByRole("button", { name: "Set 80 %" }).click();
  await answer(fast, "Change it", "too many complaints");
  await eventually("the first change", async () => await share() === 80 || undefined);

  await slow.getByRole("button", { name: "Set 90 %" }).click();
  await answer(slow, "Change it", "a trial");
  const conflict = slow.getByRole("alert").filter({ hasText: "somebody else changed this flag meanwhile" });
  await conflict.getByText("admin@example.com").waitFor();
  await conflict.getByText("too many complaints").waitFor();
  assertEquals(await share(), 80, "nothing is overwritten");
  await conflict.getByRole("button", { name: "Do mine on top of it" }).click();
  await conflict.waitFor({ state: "hidden" });
  assertEquals(await share(), 90);
});
