/** Lists of thousands: nothing is cut, everything is found, and the first page asks for a page. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { go, panelTest } from "../support/panel.ts";
import { until } from "../support/until.ts";

const MANY = 10_000;

async function fill(sql: Sql): Promise<void> {
  await sql`
    insert into public.settings (key, value, metadata)
    select 'many' || lpad(i::text, 5, '0') || '.enabled', 'false', '{"rollout_percentage": 0}'
    from generate_series(1, ${MANY}::int) i`;
  await sql`select public.set_flag('zz_last.enabled', '{"on": true, "percentage": 1, "description": "Pay, in (the) chat"}', 0, 'a test')`;
  await sql`
    insert into public.routes (name, priority, condition)
    select 'route ' || i, 200, '{"type": "text", "match": "keywords", "values": ["nothing like it"], "case_sensitive": false}'
    from generate_series(1, ${MANY}::int) i`;
  await sql`
    insert into public.route_destinations (route_id, destination_id, position)
    select r.id, (select id from public.destinations where removed_at is null order by name limit 1), 1
    from public.routes r where r.name like 'route %'`;
  await sql`
    insert into public.routes (name, priority, condition) values
      ('the needle', 300, '{"type": "text", "match": "keywords", "values": ["haystack"], "case_sensitive": false}')`;
  await sql`
    insert into public.route_destinations (route_id, destination_id, position)
    select r.id, (select id from public.destinations where removed_at is null order by name limit 1), 1
    from public.routes r where r.name = 'the needle'`;
}

panelTest(
  "admin: of more than a hundred rollouts under way each has its figures",
  async ({ sql, signIn }) => {
    const count = 130;
    await sql`
      insert into public.settings (key, value, metadata)
      select 'many' || lpad(i::text, 3, '0') || '.enabled', 'true', '{"rollout_percentage": 25}' from generate_series(1, ${count}::int) i`;
    await sql`
      with begun as (
        insert into public.rollouts (flag_key, plan, state, stage, hold_reason, created_at, started_at, stage_started_at, guard)
        select 'many' || lpad(i::text, 3, '0') || '.enabled', 'canary', 'running', 1, 'samples', now() - i * interval '1 minute',
          now() - interval '2 hours', now() - interval '1 hour', '{"seen": {"n": 1100, "failed": 0, "timed": 0, "late": 0}}'
        from generate_series(1, ${count}::int) i returning id
      )
      insert into public.rollout_stages (rollout_id, position, name, percentage, hold_minutes, min_samples, advance_when, roll_back_when)
      select id, 1, 'a quarter', 25, 120, 3000, '{"error_rate_below": 0.01}', '{}' from begun`;
    const page = await signIn("viewer");
    await go(page, "/rollouts", "Rollouts");
    const rows = page.getByRole("list", { name: "Rollouts" }).getByRole("listitem");
    const last = rows.filter({ has: page.getByRole("link", { name: `many${count}.enabled` }) });
    await until("the end of the list", async () => {
      await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
      return await last.count() === 1;
    });
    await last.getByText(/^Too few outcomes: 1,100 of 3,000/).waitFor();
    await page.evaluate("scrollTo(0, 0)");
    await rows.first().getByText(/^Too few outcomes: 1,100 of 3,000/).waitFor();
  },
);

panelTest(
  "admin: of ten thousand flags and routes none vanishes, and a page asks for few",
  async ({ sql, signIn }) => {
    await fill(sql);
    const page = await signIn("operator");
    // What is on comes first: its brake is there, whatever its name.
    await page.getByRole("button", { name: "Turn off zz_last.enabled" }).waitFor();

    let rows = 0, requests = 0;
    page.on("response", async (response) => {
      if (!response.url().includes("/rest/v1/rpc/list_flags") || !response.ok()) return;
      requests++;
      rows += (await response.json() as unknown[]).length;
    });
    await go(page, "/flags", "Flags");
    const flags = page.getByRole("list", { name: "Flags" }).getByRole("listitem");
    await flags.first().waitFor();
    assert(await flags.count() < 60, `${await flags.count()} rows are rendered`);
    assert(requests <= 3 && rows <= 300, `${rows} rows in ${requests} requests`);
    await page.getByLabel("Search flags").fill("in (the) CHAT");
    await page.getByRole("link", { name: "zz_last.enabled" }).waitFor();
    assertEquals(await flags.count(), 1);
    await page.getByLabel("Search flags").fill("");
    await page.getByText("On", { exact: true }).click();
    await page.getByRole("link", { name: "zz_last.enabled" }).waitFor();

    await go(page, "/routes", "Routes");
    const routes = page.getByRole("list", { name: "Routes in order of evaluation" }).getByRole("listitem");
    await routes.first().waitFor();
    assert(await routes.count() < 60, `${await routes.count()} routes are rendered`);
    const tried = page.getByRole("region", { name: "Try a message" });
    await tried.getByRole("textbox", { name: "Text" }).fill("a haystack");
    await tried.getByText("the needle: its condition matches", { exact: false }).waitFor();
    await page.getByLabel("Search routes").fill("haystack");
    await routes.getByText("the needle", { exact: true }).waitFor();
    assertEquals(await routes.count(), 1);
  },
);
