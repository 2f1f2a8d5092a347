/** Deliveries in the panel: dead letters retried and dropped, destinations paused, secrets shown once. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { configKnown } from "../support/file_stack.ts";
import { addDestination, addRoute, isSigned, startService } from "../support/service.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { isWell, route, says, somebody } from "../support/people.ts";

panelTest(
  "admin: dead letters are retried and dropped, one at a time and in bulk",
  async ({ stack, sql, signIn }) => {
    await using service = startService();
    service.answers(() => new Response("out of order", { status: 400 }));
    const destination = await addDestination(sql, "orders", service);
    await addRoute(sql, ["orders"]);
    await configKnown(stack, sql);
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    for (const text of ["first", "second", "third"]) await says(stack, ada, text);
    // Given up for the test's sake: by themselves they would be after 28 hours.
    await until("they are tried", async () => {
      await sql`update public.deliveries set next_attempt_at = now() where state = 'pending'`;
      await sql`update private.delivery_lanes set due_at = now() where due_at is not null and lease is null`;
      await sql`update public.deliveries set attempt = 8 where state = 'pending' and attempt between 1 and 7`;
      await sql`update public.destinations set circuit_failures = 0, circuit_open_until = null`;
      await route(stack);
      const [{ n }] = await sql`select count(*)::int as n from public.deliveries where state = 'dead'`;
      return n === 3;
    });
    const page = await signIn("operator");
    await go(page, "/deliveries", "Deliveries");
    const card = page.getByRole("region", { name: "orders" });
    await card.getByText("8 attempts over 28 hours").waitFor();
    await card.getByRole("link", { name: "View" }).click();
    await page.getByText("Select all 3").waitFor();
    assertMatch(page.url(), /destination=orders/);
    await isWell(page);

    // What the service answered is read where it failed.
    await page.getByRole("button", { name: /^Details of Text of contact ending in 4711 to orders$/ }).first()
      .click();
    await page.getByRole("dialog").getByText("out of order").first().waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();

    await page.getByRole("checkbox", { name: /^Select Text/ }).first().check();
    await page.getByRole("button", { name: "Drop", exact: true }).click();
    await answer(page, "Drop", "answered by phone");
    await page.getByText("Select all 2").waitFor();

    const before = service.received.length;
    service.answers(() => new Response());
    await page.getByRole("checkbox", { name: /^Select Text/ }).first().check();
    await page.getByRole("button", { name: "Retry", exact: true }).click();
    await page.getByText("Select all 1").waitFor();
    // Those that match, whether they are shown or not.
    await page.getByRole("button", { name: "Retry all that match" }).click();
    await page.getByRole("heading", { name: "Retry 1 delivery to orders?" }).waitFor();
    await answer(page, "Retry");
    await page.getByText("1 delivery was retried.").waitFor();
    await page.getByText("No matching dead letters").waitFor();
    await until("they arrive", () => service.received.length >= before + 2);
    assert(isSigned(service.received.at(-1)!, destination.secret));
    await page.getByText("Dropped", { exact: true }).click();
    await page.getByText("answered by phone (you)").waitFor();
  },
);

panelTest(
  "admin: a waiting delivery is retried now, or skipped so that the ones behind it go",
  async ({ stack, sql, signIn }) => {
    await using service = startService();
    service.answers(({ text }) => new Response("busy", { status: text === "stuck" ? 503 : 200 }));
    await addDestination(sql, "orders", service, { retry_seconds: [3600] });
    await addRoute(sql, ["orders"]);
    await configKnown(stack, sql);
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    for (const text of ["stuck", "next"]) await says(stack, ada, text);
    await until("it is tried", async () => {
      await route(stack);
      return service.texts().length === 1;
    });
    const page = await signIn("operator");
    await go(page, "/deliveries", "Deliveries");
    await page.getByRole("region", { name: "orders" }).getByText("2 attempts over 1 hour").waitFor();
    await go(page, "/deliveries?tab=waiting", "Deliveries");
    await page.getByText(/1 attempt so far, 1 waiting behind it/).waitFor();
    await isWell(page);
    await page.getByRole("checkbox", { name: /^Select Text/ }).check();
    await page.getByRole("button", { name: "Skip" }).click();
    await answer(page, "Skip");
    await until("the next goes", () => service.texts().at(-1) === "next");
    await page.getByText("No waiting deliveries").waitFor();
  },
);

panelTest("admin: a destination is paused and resumed, its secret rotated and shown once", async (panel) => {
  const { stack, sql, signIn } = panel;
  await using service = startService();
  const made = await addDestination(sql, "orders", service);
  await addRoute(sql, ["orders"]);
  await configKnown(stack, sql);
  const page = await signIn("operator", { clock: true });
  await go(page, "/deliveries", "Deliveries");
  const card = page.getByRole("region", { name: "orders" });
  await card.getByRole("button", { name: "Pause orders" }).click();
  await answer(page, "Pause");
  await card.getByText("paused", { exact: true }).waitFor();
  await card.getByText(/^Paused .+ by you\. Its queue is waiting\.$/).waitFor();
  const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
  await says(stack, ada, "waits");
  await inTime(card.getByText(/^since/));
  await go(page, "/", "Overview");
  const waiting = page.getByRole("region", { name: "Queues" });
  await waiting.getByText("the destination is paused").waitFor();
  await waiting.getByRole("link", { name: "1 deliveries to orders" }).click();

  await card.getByRole("button", { name: "Rotate secret of orders" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate", exact: true }).click();
  const shown = page.getByRole("dialog", { name: "New secret of orders" });
  const secret = await shown.getByText(/^whsec_/).innerText();
  await shown.getByRole("button", { name: "Done" }).click();
  await shown.waitFor({ state: "hidden" });
  await until(
    "it is nowhere any more",
    async () => !(await page.content()).includes(secret),
  );

  await card.getByRole("button", { name: "Resume orders" }).click();
  const delivered = await until("it arrives", () => service.received[0]);
  assert(isSigned(delivered, secret) && isSigned(delivered, made.secret), "both secrets sign");
  await card.getByText("active", { exact: true }).waitFor();

  // After a leak the one before signs no longer at once.
  await card.getByRole("button", { name: "Rotate secret of orders" }).click();
  await page.getByRole("dialog").getByRole("radio", { name: "Immediately" }).check();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate", exact: true }).click();
  await shown.getByText("Give it to the service now").waitFor();
  await shown.getByRole("button", { name: "Done" }).click();
  await shown.waitFor({ state: "hidden" });
  const [{ sign }] = await sql`
    select count(*)::int as sign from private.destination_secrets s join public.destinations d on d.id = s.destination_id
    where d.name = 'orders' and (s.expires_at is null or s.expires_at > now())`;
  assertEquals(sign, 1);

  // A viewer sees how it does, and no button.
  const viewer = await signIn("viewer");
  await go(viewer, "/deliveries", "Deliveries");
  await viewer.getByRole("region", { name: "orders" }).getByText("100 %").waitFor();
  assertEquals(await viewer.getByRole("button", { name: /Pause|Rotate|Test|Add destination/ }).count(), 0);
});

panelTest(
  "admin: an operator tests a destination and sees the answer and what to do",
  async (panel) => {
    const { sql, signIn } = panel;
    await using service = startService();
    service.answers(() => new Response("welcome to the shop"));
    const { secret } = await addDestination(sql, "orders", service);
    const page = await signIn("operator");
    await go(page, "/deliveries", "Deliveries");
    const test = page.getByRole("region", { name: "orders" }).getByRole("button", { name: "Test orders" });
    await test.click();
    const shown = page.getByRole("dialog", { name: "Test of orders" });
    await shown.getByText("delivered", { exact: true }).waitFor();
    await shown.getByText(/^Answered 200 after \d+ ms$/).waitFor();
    await shown.getByText("welcome to the shop").waitFor();
    await isWell(page);
    const [delivered] = service.received;
    assert(isSigned(delivered, secret));
    assertEquals(delivered.event.type, "gatelink.test");

    service.answers(() => new Response("who are you?", { status: 401 }));
    await shown.getByRole("button", { name: "Test again" }).click();
    await shown.getByText("failed", { exact: true }).waitFor();
    await shown.getByText(/The service refuses the signature/).waitFor();
    await shown.getByText("who are you?").waitFor();
    await isWell(page);
    await shown.getByRole("button", { name: "Done" }).click();
    await shown.waitFor({ state: "hidden" });

    // A test stands under no flag; what refuses it is told.
    await sql`select public.switch_off('wa_router.enabled', 'for the test')`;
    await test.click();
    await shown.getByText("who are you?").waitFor();
    await shown.getByRole("button", { name: "Done" }).click();
    await shown.waitFor({ state: "hidden" });
    await sql`
    insert into public.rate_limits (key, tat, allowed)
    select 'destination_test:' || user_id, now() + interval '1 hour', true from public.team_members where role = 'operator'
    on conflict (key) do update set tat = excluded.tat`;
    await test.click();
    await page.getByText("Too many requests.").waitFor();
  },
);

panelTest(
  "admin: a destination's past deliveries are resent; the destination is changed and removed",
  async ({ stack, sql, signIn }) => {
    await using service = startService();
    await addDestination(sql, "orders", service);
    const id = await addRoute(sql, ["orders"]);
    await configKnown(stack, sql);
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "hello");
    await until("it arrives", async () => {
      await route(stack);
      return service.texts().length === 1;
    });
    const page = await signIn("operator");
    await go(page, "/deliveries", "Deliveries");
    const dialog = page.getByRole("dialog");
    await page.getByRole("button", { name: "Resend to orders" }).click();
    await dialog.getByLabel("From").fill("2020-01-01T00:00");
    await dialog.getByLabel("To (exclusive)").fill("2099-01-01T00:00");
    await dialog.getByRole("button", { name: "Resend" }).click();
    await dialog.waitFor({ state: "hidden" });
    await until("it arrives again", async () => {
      await route(stack);
      return service.received.at(-1)?.event.data.resent === 1;
    });

    await page.getByRole("button", { name: "Change orders" }).click();
    await isWell(page);
    await dialog.getByLabel("URL").fill("https://elsewhere.example.org/");
    await dialog.getByRole("button", { name: "Save", exact: true }).click();
    await dialog.getByText("The allowlist does not contain elsewhere.example.org.").waitFor();
    await dialog.getByLabel("URL").fill(`${service.url}/v2`);
    await dialog.getByLabel("Maximum deliveries per second").fill("5");
    await dialog.getByRole("button", { name: "Save", exact: true }).click();
    await dialog.waitFor({ state: "hidden" });
    const [row] =
      await sql`select url, rate_per_second::int as rate, timeout_ms from public.destinations where name = 'orders'`;
    assertEquals({ ...row }, { url: `${service.url}/v2`, rate: 5, timeout_ms: 15000 });

    // What keeps it from being removed is named, and a press away.
    const remove = page.getByRole("button", { name: "Remove orders" });
    await remove.click();
    const [{ name: lead }] = await sql`select name from public.routes where id = ${id}`;
    await dialog.getByText("A route leads to it.").waitFor();
    await isWell(page);
    await dialog.getByRole("list", { name: "Routes to orders" }).getByRole("link", { name: lead }).click();
    await page.getByRole("heading", { name: "Routes", level: 1 }).waitFor();
    await page.getByText(lead, { exact: true }).first().waitFor();
    await sql`select public.remove_route(${id})`;
    await sql`update public.deliveries set state = 'dead'`;

    await go(page, "/deliveries/at/orders", "Deliveries to orders");
    await page.getByRole("list", { name: "Changes" }).getByText("Destination orders changed").waitFor();
    await page.getByText("2 differences").click();
    await page.getByText(`${service.url}/v2`).waitFor();
    await remove.click();
    await dialog.getByText("1 is a dead letter.").waitFor();
    const drop = dialog.getByRole("button", { name: "Drop and remove" });
    assertEquals(await drop.isDisabled(), true, "without a reason");
    await isWell(page);
    await dialog.getByLabel("Reason").fill("the shop closed");
    await drop.click();
    await page.getByText("orders was removed, and 1 delivery was dropped.").waitFor();
    await page.getByRole("heading", { name: "Deliveries", exact: true, level: 1 }).waitFor();
    await page.getByRole("region", { name: "orders" }).waitFor({ state: "hidden" });
    // Who asks later where it went is told.
    await go(page, "/deliveries/at/orders", "Deliveries to orders");
    await page.getByText("Destination not found").waitFor();
    const told = page.getByRole("list", { name: "Changes" }).getByRole("listitem");
    assertMatch(await told.nth(0).innerText(), /Destination orders removed/);
    await told.filter({ hasText: "1 delivery to orders dropped" }).getByText("the shop closed").waitFor();
  },
);

panelTest(
  "admin: after a repair what waited goes at once, and what failed is read on the card and in the log",
  async ({ stack, sql, signIn }) => {
    await using service = startService();
    service.answers(() => new Response("no such shelf", { status: 503 }));
    await addDestination(sql, "orders", service, { retry_seconds: [3600] });
    await addRoute(sql, ["orders"]);
    await configKnown(stack, sql);
    for (const [name, phone] of [["Ada", "4915100004711"], ["Bob", "4915100004722"]]) {
      await says(stack, await somebody(stack, name, phone), `from ${name}`);
    }
    await until("both failed", async () => {
      await route(stack);
      const [{ n }] =
        await sql`select count(*)::int as n from public.delivery_attempts where outcome = 'retry'`;
      return n === 2;
    });
    const page = await signIn("operator", { clock: true });
    await go(page, "/deliveries", "Deliveries");
    const card = page.getByRole("region", { name: "orders" });
    await card.getByText("Last error").waitFor();
    await card.getByText("Response").click();
    await card.getByText("no such shelf").waitFor();
    await isWell(page);

    service.answers(() => new Response());
    await card.getByRole("button", { name: "Try now: deliveries to orders" }).click();
    await until("both arrive, an hour early", async () => {
      await route(stack);
      return new Set(service.texts()).size === 2 && service.received.length >= 4;
    });

    await card.getByRole("link", { name: "All failed attempts" }).click();
    await page.getByRole("heading", { name: "Deliveries to orders", level: 1 }).waitFor();
    const log = page.getByRole("list", { name: "Attempts", exact: true }).getByRole("listitem");
    await until("the two that failed", async () => await log.count() === 2);
    assertEquals(await log.filter({ hasText: "status 503" }).count(), 2);
    await page.getByText("All", { exact: true }).click();
    await until("with the two that arrived", async () => await log.count() === 4);
    await page.getByRole("region", { name: "Errors", exact: true }).getByText("2 attempts").waitFor();
    await page.getByRole("region", { name: "Errors", exact: true }).getByRole("button", { name: /503/ })
      .click();
    await until("those of one kind", async () => await log.count() === 2);
    await page.getByRole("slider", { name: "Attempts to deliver to orders" }).waitFor();
    await isWell(page);
    await log.first().getByRole("button", { name: /^Message of the attempt/ }).click();
    await page.getByRole("dialog", { name: "Message history" }).getByText("no such shelf").first().waitFor();

    // A viewer sees that it failed, and no word of the answer.
    const viewer = await signIn("viewer");
    await go(viewer, "/deliveries/at/orders", "Deliveries to orders");
    await viewer.getByRole("list", { name: "Attempts", exact: true }).getByText("status 503").first()
      .waitFor();
    assertEquals(await viewer.getByText("Response").count(), 0);
    assertEquals((await viewer.content()).includes("no such shelf"), false);
  },
);
