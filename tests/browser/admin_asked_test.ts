/** What the panel asked about is what it does: who answers a question that was overtaken is told, and overwrites nothing. */
import { assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { until } from "../support/until.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";

/** Answers the open question, and waits for the words of a conflict. */
async function answerTooLate(page: Page, action: string, reason?: string): Promise<void> {
  const words = page.getByText("Changed by somebody else").first();
  // Not those of the time before. They are told for a while only: waited for from before.
  await inTime(words, "hidden");
  const told = words.waitFor();
  await answer(page, action, reason);
  await told;
}

panelTest(
  "admin: a stale confirmation does not move a rollout that somebody else has moved meanwhile",
  async (panel) => {
    const { sql, signIn } = panel;
    const flag = "checkout.enabled";
    await sql`select public.set_flag(${flag}, '{"on": false, "percentage": 0}', 0)`;
    const [{ id }] =
      await sql`select (public.create_rollout(${flag}, '{"template": "canary"}', 'launch')).id`;
    const state = async () => {
      const [row] = await sql`select state, stage from public.rollouts where id = ${id}`;
      return { ...row };
    };
    const colleague = async (call: string) => {
      await sql`select from public.rollouts r, lateral ${
        sql(`public.${call}`)
      }(r.id, r.version, 'a colleague') where r.id = ${id}`;
    };
    const page = await signIn("operator", { clock: true });
    await go(page, `/rollouts/${id}`, flag);

    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    await colleague("start_rollout");
    await inTime(page.getByText("1 % of all").first());
    await answerTooLate(page, "Start anyway", "it was planned for today");
    assertEquals(await state(), { state: "running", stage: 1 });

    await page.getByRole("button", { name: "Advance" }).click();
    await page.getByRole("dialog").waitFor();
    await colleague("advance_rollout");
    await inTime(page.getByText("5 % of all").first());
    await answerTooLate(page, "Advance", "enough was seen");
    assertEquals(await state(), { state: "running", stage: 2 });

    // What is asked anew, of what is shown now, is done.
    await inTime(page.getByText("Changed by somebody else").first(), "hidden");
    await page.getByRole("button", { name: "Advance" }).click();
    await answer(page, "Advance", "enough was seen");
    await until("the third stage", async () => (await state()).stage === 3);
  },
);

panelTest(
  "admin: a stale confirmation does not overwrite somebody else's change of a flag or a segment",
  async (panel) => {
    const { sql, signIn } = panel;
    const flag = "wa_send.enabled";
    const now = async () => {
      const [{ metadata, version }] =
        await sql`select metadata, version::int from public.settings where key = ${flag}`;
      return { share: metadata.rollout_percentage as number, version: version as number };
    };
    const first = (await now()).version;
    await sql`select public.set_flag(${flag}, '{"percentage": 50}', ${first})`;
    const page = await signIn("operator", { clock: true });
    await go(page, `/flags/${flag}`, flag);
    await page.getByRole("button", { name: `Restore version ${first}`, exact: true }).click();
    await page.getByRole("dialog").waitFor();
    await sql`select public.set_flag(${flag}, '{"percentage": 7}', ${first + 1}, 'complaints')`;
    await inTime(page.getByText("On for 7 %"));
    await answerTooLate(page, "Restore", "it was better then");
    assertEquals(await now(), { share: 7, version: first + 2 });

    await sql`select public.set_segment('beta', 'first of all', 0)`;
    await go(page, "/flags/segments", "Segments");
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByLabel("Type beta to confirm").fill("beta");
    const [{ version }] = await sql`select version from public.segments where key = 'beta'`;
    await sql`select public.set_segment('beta', 'who asked for it', ${version})`;
    await inTime(page.getByText("who asked for it"));
    await answerTooLate(page, "Remove");
    assertEquals((await sql`select from public.segments where key = 'beta'`).length, 1);
  },
);
