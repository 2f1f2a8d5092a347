/** The overview says what is true: what is not well, why, where to mend it, and when nothing is known. */
import { assert, assertEquals } from "../support/assert.ts";
import { fillSignIn, go, inTime, type Panel, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

const health = (page: Awaited<ReturnType<Panel["signIn"]>>) => page.getByRole("region", { name: "Health" });

/** Messages of different people that wait for a service which refuses each of them. */
async function refusedBy(sql: Panel["sql"], name: string, count: number): Promise<void> {
  await sql`
    with service as (
      insert into public.destinations (name, url, circuit_failures) values (${name}, 'https://orders.example.com/', 3) returning id
    ), people as (
      insert into public.contacts (id) select gen_random_uuid() from generate_series(1, ${count}) returning id
    ), conversations as (
      insert into public.conversations (contact_id, number_id) select id, '150000000000001' from people returning id
    ), messages as (
      insert into public.messages (id, conversation_id, direction, type, status, sent_at)
      select gen_random_uuid(), id, 'in', 'text', 'received', now() from conversations returning id, conversation_id, seq
    )
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, last_error, wakes)
    select m.id, s.id, m.conversation_id, m.seq, 'pending', 1, now() + interval '1 hour', 'status 401', true from messages m, service s`;
}

panelTest(
  "admin: when a service refuses every message, the overview names it, counts what waits and links to it",
  async ({ sql, signIn }) => {
    await sql`select public.allow_host('orders.example.com', 'forward')`;
    await sql`insert into public.destinations (name, url) select 'another-' || n, 'https://orders.example.com/' from generate_series(1, 3) n`;
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, clock: true });
    await refusedBy(sql, "orders", 13);
    await inTime(page.getByRole("heading", { name: /orders.*: (needs attention|down)/ }));
    await isWell(page, "not well");
    const cause = health(page).getByRole("link", {
      name: "orders failed 3 times in a row: status 401; 13 messages wait",
    });

    // In the order of reading, on a phone as for a screen reader: the cause and the brakes, then charts.
    const inOrder = await page.evaluate<(number | undefined)[]>(`
      ['[aria-label="Health"] a', '[aria-label="Feature flags"]', '[aria-label="Messages per minute"]']
        .map((place) => document.querySelector(place)?.getBoundingClientRect().top)`);
    assert(inOrder.every((top) => top !== undefined), String(inOrder));
    assertEquals(inOrder, inOrder.toSorted((a, b) => a! - b!));

    await cause.click();
    await page.getByRole("heading", { name: "Deliveries", level: 1 }).waitFor();
    await until(
      "it comes first",
      async () => await page.locator("main section h2").first().textContent() === "orders",
    );
  },
);

panelTest(
  "admin: while nothing answers, the state is shown as unknown, and recovers with the answers",
  async ({ signIn }) => {
    const page = await signIn("viewer", { clock: true });
    await health(page).getByRole("listitem").first().waitFor();
    let isHung = true;
    await page.route("**/rest/v1/rpc/**", (route) => isHung ? undefined : route.continue());
    await inTime(page.getByRole("heading", { name: "Not known: the project is not responding" }));
    await health(page).getByText(/^It last answered .* Everything below is from then\.$/).waitFor();
    assertEquals(await page.getByText("Everything is well").count(), 0);
    assertEquals(await health(page).getByText(/^Was (healthy|degraded|down): /).count() > 0, true);
    await isWell(page, "hung");

    // A page that has nothing to show yet says so too, and needs no reload afterwards.
    await go(page, "/deliveries", "Deliveries");
    await page.getByText("The project is not responding.").first().waitFor();
    isHung = false;
    await go(page, "/", "Overview");
    await inTime(page.getByRole("heading", { name: /^Not known/ }), "hidden");
    await health(page).getByText(/^Healthy: /).first().waitFor();
  },
);

panelTest(
  "admin: a page opened without a network loads by itself once the network is back",
  async ({ browser, stack, url }) => {
    // Its exceptions are expected: this browser is not watched for them.
    const context = await browser.newContext({ reducedMotion: "reduce" });
    try {
      context.setDefaultTimeout(90_000);
      const page = await context.newPage();
      await page.goto(url);
      await fillSignIn(page, "operator@example.com", stack.stack.admin.password);
      await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
      await context.setOffline(true);
      await page.evaluate(() => location.hash = "/flags");
      await page.getByText("This page opens by itself when the network is back.").waitFor();
      await context.setOffline(false);
      await page.getByRole("heading", { name: "Flags", level: 1 }).waitFor();

      // The network is there, the file is not: the page says so, and a press is enough once it is.
      await page.route("**/assets/**", (route) => route.abort());
      await page.evaluate(() => location.hash = "/routes");
      const reload = page.getByRole("button", { name: "Reload", exact: true });
      await reload.waitFor();
      await page.unroute("**/assets/**");
      await reload.click();
      await page.getByRole("heading", { name: "Routes", level: 1 }).waitFor();
    } finally {
      await context.close();
    }
  },
);
