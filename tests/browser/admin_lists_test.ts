/** Lists of thousands: nothing is cut, everything is found, and the first page asks for a page. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { go, panelTest } from "../support/panel.ts";

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
