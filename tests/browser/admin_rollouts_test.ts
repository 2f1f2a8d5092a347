/** A rollout in the panel, from its plan to its end. */
import { assertEquals } from "@std/assert";
import { writeMinutes } from "../support/rollouts.ts";
import { eventually } from "../support/stack.ts";
import { answer, faultsOf, go, panelTest } from "./panel.ts";

const FLAG = "checkout.enabled";

panelTest(
  "admin: a rollout is planned, signed for, started, paused, resumed and rolled back",
  async (panel) => {
    const { sql, signIn } = panel;
    await sql`select public.set_flag(${FLAG}, '{"on": false, "percentage": 0, "description": "Pay inside the chat."}', 0)`;
    const state = async () => {
      const [row] = await sql`
      select r.state, r.stage, s.value, (s.metadata ->> 'rollout_percentage')::float8 as share
      from public.rollouts r join public.settings s on s.key = r.flag_key where r.flag_key = ${FLAG}`;
      return { ...row };
    };
    const page = await signIn("operator");
    await go(page, `/rollouts/new?flag=${FLAG}`, "New rollout");
    await page.getByLabel("Outcomes a minute").fill("100");
    await page.getByRole("rowheader", { name: "25 %" }).waitFor();
    assertEquals(await faultsOf(page), []);
    await page.getByLabel("Reason").fill("the new checkout");
    await page.getByRole("button", { name: "Plan this rollout" }).click();
    await page.getByRole("heading", { name: FLAG, level: 1 }).waitFor();

    // The operator may sign for engineering and product, and for nobody else.
    await page.getByText("Approved by the CTO").waitFor();
    assertEquals(await page.getByRole("button", { name: "Sign: Approved by the CTO" }).count(), 0);
    await page.getByRole("button", { name: "Sign: Edge cases validated" }).click();
    await answer(page, "Sign", "tried with empty carts");
    await page.getByText("tried with empty carts").waitFor();
    assertEquals(await faultsOf(page), []);

    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("dialog").getByText("Approved by the CTO").waitFor();
    await answer(page, "Start none the less", "the CTO said so on the phone");
    await eventually("it runs", async () => (await state()).state === "running" || undefined);
    assertEquals(await state(), { state: "running", stage: 1, value: "true", share: 1 });

    // Half an hour of it, of which the guard has seen nothing yet.
    const [{ minute }] = await sql`
    update public.rollouts r set stage_started_at = now() - interval '30 minutes', started_at = now() - interval '30 minutes',
      checkpoint = b.state, guard = b.state
    from (select private.guard_begin(floor(extract(epoch from now()) / 60)::bigint - 29) as state) b
    where r.flag_key = ${FLAG} returning (b.state ->> 'minute')::int + 1 as minute`;
    const counts = (n: number, failed: number) => ({ n, failed, timed: n, slow: 0, late: 0, ms: n * 40 });
    await writeMinutes(
      sql,
      FLAG,
      Array.from(
        { length: 20 },
        (_, i) => ({ minute: minute + i, on: counts(10, i % 10 === 9 ? 1 : 0), off: counts(990, 1) }),
      ),
    );
    await page.getByRole("progressbar", { name: /^more fail than without it: S is [1-9]/ }).waitFor();
    await page.getByRole("rowheader", { name: "with the flag", exact: true }).first().waitFor();
    assertEquals(await faultsOf(page), []);

    await page.getByRole("button", { name: "Pause" }).click();
    await answer(page, "Pause", "a look at the logs");
    await page.getByRole("button", { name: "Resume" }).waitFor();
    await eventually("it is paused", async () => (await state()).state === "paused" || undefined);
    await page.getByRole("button", { name: "Resume" }).click();
    await answer(page, "Resume", "all is well");
    await eventually("it goes on", async () => (await state()).state === "running" || undefined);
    await page.getByRole("button", { name: "Advance" }).click();
    await answer(page, "Advance", "enough was seen");
    await eventually("the second stage", async () => (await state()).stage === 2 || undefined);
    assertEquals((await state()).share, 5);
    await page.getByText("enough was seen").waitFor();

    await page.getByRole("button", { name: "Roll back" }).click();
    await answer(page, "Roll back", "people pay twice");
    await page.getByText("Rolled back: the flag is off").waitFor();
    assertEquals(await state(), { state: "rolled_back", stage: 2, value: "false", share: 0 });
    await page.getByText("people pay twice").waitFor();
    await page.getByRole("button", { name: "Evidence" }).first().click();
    await page.getByText("agrees", { exact: true }).first().waitFor();
    assertEquals(await faultsOf(page), []);
  },
);
