/** Flags in the panel: what a click does to a function, what history gives back, and who wins a conflict. */
import { assertEquals } from "../support/assert.ts";
import type { RunningStack } from "../support/stack.ts";
import { until } from "../support/until.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";

/** Where the demo link leads now. */
async function demoLeadsTo(stack: RunningStack): Promise<string> {
  const response = await fetch(`${stack.url}/l/demo`, { redirect: "manual" });
  await response.body?.cancel();
  return new URL(response.headers.get("location") ?? "", stack.url).host;
}

panelTest(
  "admin: turning a flag off changes the function's answer, and its history restores it",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    const here = new URL(stack.url).host;
    assertEquals(await until("the link opens a chat", async () => await demoLeadsTo(stack)), "wa.me");
    const page = await signIn("operator");
    await go(page, "/flags", "Flags");
    await page.getByRole("switch", { name: /^deeplinks.enabled is on/ }).click({ force: true });
    await page.getByRole("switch", { name: /^deeplinks.enabled is off/ }).waitFor();
    await until(
      "the link leads to its default page",
      async () => await demoLeadsTo(stack) === here,
    );

    await page.getByRole("link", { name: "deeplinks.enabled" }).click();
    await page.getByRole("heading", { name: "deeplinks.enabled", level: 1 }).waitFor();
    await page.getByText("turned off in the panel").waitFor();
    await page.getByRole("button", { name: "Restore version 1" }).click();
    await answer(page, "Restore", "it was not the links");
    await page.getByText("deeplinks.enabled was restored to version 1.").waitFor();
    await until(
      "the link opens a chat again",
      async () => await demoLeadsTo(stack) === "wa.me",
    );
    const [{ reason }] = await sql`
    select reason from public.settings_history where key = 'deeplinks.enabled' order by version desc limit 1`;
    assertEquals(reason, "version 1 restored: it was not the links");
    // What is changed next is a change of that: the page has to have read it.
    await page.getByText("Version 3, changed").waitFor();

    // By keyboard: a percentage, prerequisites are kept, and the reason is asked for.
    const slider = page.getByRole("slider", { name: "Percentage of deeplinks.enabled" });
    await slider.focus();
    for (const _ of [1, 2, 3]) {
      await page.keyboard.press("ArrowLeft");
    }
    await page.getByRole("button", { name: "Set 97 %" }).press("Enter");
    await answer(page, "Change", "a little less");
    await until("97 %", async () => {
      const [{ metadata }] = await sql`select metadata from public.settings where key = 'deeplinks.enabled'`;
      return metadata.rollout_percentage === 97;
    });
  },
);

panelTest("admin: when two people change a flag at once, the second is told and decides", async (panel) => {
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
  await answer(fast, "Change", "too many complaints");
  await until("the first change", async () => await share() === 80);

  await slow.getByRole("button", { name: "Set 90 %" }).click();
  await answer(slow, "Change", "a trial");
  const conflict = slow.getByRole("alert").filter({ hasText: "somebody else changed this flag" });
  await conflict.getByText("admin@example.com").waitFor();
  await conflict.getByText("too many complaints").waitFor();
  assertEquals(await share(), 80, "nothing is overwritten");
  await conflict.getByRole("button", { name: "Apply my change" }).click();
  await conflict.waitFor({ state: "hidden" });
  assertEquals(await share(), 90);
});

panelTest(
  "admin: enlarging a flag's audience asks for a reason, and reducing it takes one click",
  async (panel) => {
    const { sql, signIn } = panel;
    const flag = "wa_send.enabled";
    await sql`select public.set_flag(${flag}, '{"percentage": 50, "prerequisites": ["wa_router.enabled"]}',
    (select version from public.settings where key = ${flag}))`;
    await sql`select public.set_segment('beta', 'first of all', 0)`;
    const page = await signIn("operator", { clock: true });
    /** What is stored with this reason, once the page shows it: what is changed next is a change of that. */
    const saved = async (reason: string) => {
      const { metadata, version } = await until(reason, async () =>
        (await sql`
        select s.metadata, s.version from public.settings s join public.settings_history h using (key, version)
        where key = ${flag} and h.reason = ${reason}`)[0]);
      await page.getByText(`Version ${version}, changed`).waitFor();
      return metadata;
    };
    /** The question does not take an answer without a reason. */
    const because = async (action: string, reason: string) => {
      const dialog = page.getByRole("dialog");
      await dialog.waitFor();
      assertEquals(
        await dialog.getByRole("button", { name: action, exact: true }).isDisabled(),
        true,
        action,
      );
      await answer(page, action, reason);
      return await saved(reason);
    };
    await go(page, `/flags/${flag}`, flag);

    await page.getByRole("slider", { name: `Percentage of ${flag}` }).focus();
    await page.keyboard.press("ArrowRight");
    await page.getByRole("button", { name: "Set 51 %" }).click();
    assertEquals((await because("Change", "one more")).rollout_percentage, 51);

    await page.getByRole("combobox", { name: "Add a segment" }).click();
    await page.getByRole("option", { name: "beta" }).click();
    assertEquals((await because("Add", "beta testers")).target_segments, ["beta"]);
    await page.getByLabel("Add a person").fill("c1");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    assertEquals((await because("Add", "asked for it")).target_user_ids, ["c1"]);
    await page.getByRole("button", { name: "Remove segment beta from the targets" }).click();
    assertEquals((await saved("targets changed in the panel")).target_segments, []);

    await page.getByRole("combobox", { name: "Prerequisites" }).focus();
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Escape");
    await page.getByRole("region", { name: "Prerequisites" }).getByRole("button", { name: "Save" }).click();
    assertEquals("prerequisites" in await because("Change", "sends by itself"), false);

    const save = page.getByRole("region", { name: "Schedule" }).getByRole("button", { name: "Save" });
    await page.getByLabel("Turn on at").fill("2099-01-01T09:00");
    await save.click();
    const { schedule } = await because("Schedule", "the new year");
    assertEquals(Object.keys(schedule), ["on_at"]);
    await save.waitFor({ state: "hidden" });
    await page.getByLabel("Turn off at").fill("2099-02-01T09:00");
    await save.click();
    assertEquals(Object.keys((await saved("schedule changed in the panel")).schedule).sort(), [
      "off_at",
      "on_at",
    ]);

    // Whoever comes into a segment that is targeted gets the flag by it.
    const [{ version }] = await sql`
    select (public.add_flag_targets(${flag}, s.version, p_segments => '{beta}')).version
    from public.settings s where s.key = ${flag}`;
    await inTime(page.getByText(`Version ${version}, changed`));
    await go(page, "/flags/segments", "Segments");
    await page.getByLabel("Add a person").fill("c2");
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByRole("dialog").getByText(flag).waitFor();
    await answer(page, "Add", "a friend of the house");
    const members = async () =>
      await sql`select subject_id from public.segment_members where segment_key = 'beta'`;
    await until("the member", async () => (await members())[0]?.subject_id === "c2");
  },
);
