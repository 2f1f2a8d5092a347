/**
 * The jobs of an operator, each with the number of its steps, by pointer and by keyboard alone. docs/panel.md tells the numbers.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { ROOT } from "../../lib/paths.ts";
import { Hands } from "../support/hands.ts";
import { type Panel, panelTest } from "../support/panel.ts";
import { configKnown } from "../support/file_stack.ts";
import { isWell, route, says, somebody } from "../support/people.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";
import { until } from "../support/until.ts";

const WAYS = ["pointer", "keyboard"] as const;

/** The steps of a job as docs/panel.md tells them. */
async function told(job: string): Promise<number> {
  const text = await Deno.readTextFile(`${ROOT}/docs/panel.md`);
  const row = text.split("\n").find((line) => line.startsWith(`| ${job} |`));
  assert(row, `docs/panel.md has no row of the job "${job}"`);
  return Number(row.split("|")[2].trim());
}

/** A job is done from the overview, by pointer and by keyboard, in as many steps as the document tells. */
function jobTest(
  job: string,
  work: (panel: Panel, page: Page, hands: Hands, round: number) => Promise<void>,
  options: Parameters<Panel["signIn"]>[1] & { who?: "admin" } = {},
): void {
  panelTest(`admin: ${job}, in as many steps as the document tells`, async (panel) => {
    const { who = "operator", ...opened } = options;
    for (const [round, by] of WAYS.entries()) {
      const page = await panel.signIn(who, opened);
      const hands = new Hands(page, by);
      await work(panel, page, hands, round);
      await isWell(page);
      assertEquals(hands.steps, await told(job), by);
      await page.context().close();
    }
  });
}

const menu = (page: Page, name: string) =>
  page.getByRole("navigation").getByRole("link", { name, exact: true });

jobTest("Find and stop what is wrong at night, on a phone", async ({ sql }, page, hands, round) => {
  const name = `night${round}`;
  await sql`select public.allow_host('orders.example.com', 'forward')`;
  await sql`
    with service as (
      insert into public.destinations (name, url, circuit_failures) values (${name}, 'https://orders.example.com/', 3) returning id
    ), people as (
      insert into public.contacts (id) select gen_random_uuid() from generate_series(1, 13) returning id
    ), conversations as (
      insert into public.conversations (contact_id, number_id) select id, '150000000000001' from people returning id
    ), messages as (
      insert into public.messages (id, conversation_id, direction, type, status, sent_at)
      select gen_random_uuid(), id, 'in', 'text', 'received', now() from conversations returning id, conversation_id, seq
    )
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, attempt, next_attempt_at, last_error, wakes)
    select m.id, s.id, m.conversation_id, m.seq, 'pending', 1, now() + interval '1 hour', 'status 401', true from messages m, service s`;
  await hands.tap(
    page.getByRole("region", { name: "Health" }).getByRole("link", { name: new RegExp(`^${name} failed`) }),
  );
  await hands.tap(page.getByRole("button", { name: `Pause ${name}` }));
  await hands.tap(page.getByRole("dialog").getByRole("button", { name: "Pause", exact: true }));
  await until(
    "it is paused",
    async () => (await sql`select state from public.destinations where name = ${name}`)[0].state === "paused",
  );
}, { viewport: { width: 390, height: 844 } });

jobTest("Turn a flag on for 10 % and one number", async ({ stack, sql }, page, hands, round) => {
  const phone = `491510000471${round}`;
  await says(stack, await somebody(stack, "Ada Lovelace", phone), "hello");
  await until(
    "she is known",
    async () => (await sql`select from public.contact_identities where value = ${phone}`).length > 0,
  );
  const flag = `share${round}.enabled`;
  await sql`select public.set_flag(${flag}, '{"on": false, "percentage": 0}', 0)`;
  await hands.tap(menu(page, "Flags"));
  await hands.tap(page.getByRole("link", { name: flag }));
  await hands.type(page.getByLabel("Add a person"), `+49 151 0000471${round}`);
  await hands.tap(page.getByRole("button", { name: "Add", exact: true }));
  await until(
    "the person is a target",
    async () =>
      (await sql`select metadata from public.settings where key = ${flag}`)[0].metadata.target_user_ids
        ?.length === 1,
  );
  await page.getByRole("list", { name: "Targets by id" }).waitFor();
  await hands.press(
    page.getByRole("slider", { name: `Percentage of ${flag}` }),
    Array(10).fill("ArrowRight"),
  );
  await hands.tap(page.getByRole("button", { name: "Set 10 %" }));
  await hands.tap(page.getByRole("dialog").getByRole("button", { name: "Change", exact: true }));
  // What is changed next is a change of that: the page has to have read it.
  await page.getByText("Version 3, changed").waitFor();
  await hands.tap(page.getByRole("switch", { name: `${flag} is off` }));
  await hands.type(page.getByRole("dialog").getByLabel("Reason"), "a first look");
  await hands.tap(page.getByRole("dialog").getByRole("button", { name: "Turn on" }));
  await until("10 % and one", async () => {
    const [{ value, metadata }] = await sql`select value, metadata from public.settings where key = ${flag}`;
    return value === "true" && metadata.rollout_percentage === 10 && metadata.target_user_ids?.length === 1;
  });
});

jobTest("Plan and start a rollout", async ({ sql }, page, hands, round) => {
  const flag = `plan${round}.enabled`;
  await sql`select public.set_flag(${flag}, '{"on": false, "percentage": 0}', 0)`;
  await hands.tap(menu(page, "Rollouts"));
  await hands.tap(page.getByRole("main").getByRole("link", { name: "New rollout" }).first());
  await hands.type(page.getByRole("combobox", { name: "Flag" }), flag);
  await hands.tap(page.getByRole("button", { name: "Create rollout" }));
  await hands.tap(page.getByRole("button", { name: "Start", exact: true }));
  await hands.type(page.getByRole("dialog").getByLabel("Reason"), "agreed in the stand-up");
  await hands.tap(page.getByRole("dialog").getByRole("button", { name: "Start anyway" }));
  await until(
    "it runs",
    async () =>
      (await sql`select state from public.rollouts where flag_key = ${flag}`)[0]?.state === "running",
  );
});

jobTest("Find one customer and answer", async ({ stack, sql }, page, hands, round) => {
  const phone = `491510000471${round}`;
  await says(stack, await somebody(stack, "Ada Lovelace", phone), "Where is my parcel?");
  await until(
    "it is there",
    async () =>
      (await sql`select from public.messages where direction = 'in' and text = 'Where is my parcel?'`)
        .length > round,
  );
  await hands.tap(menu(page, "Messages"));
  await hands.type(page.getByRole("searchbox", { name: "Search conversations" }), phone.slice(-4));
  await hands.tap(page.getByRole("button", { name: new RegExp(phone.slice(-4)) }));
  await hands.type(page.getByRole("textbox", { name: "Reply" }), `On our way ${round}!`);
  await hands.tap(page.getByRole("button", { name: "Send" }));
  await until(
    "it is queued",
    async () =>
      (await sql`select from public.messages where direction = 'out' and text = ${`On our way ${round}!`}`)
        .length === 1,
  );
});

jobTest("Mend a destination and move all that waited", async (panel, page, hands, round) => {
  const { stack, sql } = panel;
  await using service = startService();
  let isMended = false;
  service.answers(() => new Response("", { status: isMended ? 200 : 503 }));
  const name = `mend${round}`;
  await addDestination(sql, name, service, { retry_seconds: [3600] });
  await addRoute(sql, [name], { type: "any" }, { priority: 9 - round });
  await configKnown(stack, sql);
  for (const n of [1, 2]) {
    await says(stack, await somebody(stack, `P${n}`, `49151000${n}48${round}5`), "hello");
  }
  await until("both wait", async () => {
    await route(stack);
    const [{ n }] = await sql`
      select count(*)::int as n from public.deliveries d join public.destinations t on t.id = d.destination_id
      where t.name = ${name} and d.state = 'pending' and d.attempt = 1`;
    return n === 2;
  });
  await hands.tap(menu(page, "Deliveries"));
  await hands.tap(page.getByRole("button", { name: `Change ${name}` }));
  await hands.type(page.getByRole("dialog").getByLabel("URL"), `${service.url}/v2`);
  await hands.tap(page.getByRole("dialog").getByRole("button", { name: "Save", exact: true }));
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  isMended = true;
  await hands.tap(page.getByRole("button", { name: `Try now: deliveries to ${name}` }));
  await until("both arrived", async () => {
    await route(stack);
    const [{ n }] = await sql`
      select count(*)::int as n from public.deliveries d join public.destinations t on t.id = d.destination_id
      where t.name = ${name} and d.state = 'delivered'`;
    return n === 2;
  });
});

jobTest("Make a route of two conditions", async ({ sql }, page, hands, round) => {
  const name = `two${round}`;
  await addDestination(sql, `crm${round}`, { url: "http://127.0.0.1:9/" });
  await hands.tap(menu(page, "Routes"));
  await hands.tap(page.getByRole("button", { name: "New route" }));
  const editor = page.getByRole("dialog");
  await hands.type(editor.getByRole("textbox", { name: "Name" }), name);
  await hands.choose(editor.getByRole("combobox", { name: "Condition", exact: true }), "All of these");
  await hands.type(editor.getByLabel("Condition: condition 1: words"), "order");
  await hands.tap(editor.getByRole("button", { name: "Add condition" }));
  await hands.type(editor.getByLabel("Condition: condition 2: words"), "late");
  await hands.choose(editor.getByRole("combobox", { name: "Destinations" }), `crm${round}`);
  await page.keyboard.press("Tab");
  await hands.tap(editor.getByRole("button", { name: "Add route" }));
  await until(
    "it is made",
    async () =>
      (await sql`select condition from public.routes where name = ${name}`)[0]?.condition.of?.length === 2,
  );
});

jobTest("Make a link with two platforms and its QR code", async ({ sql }, page, hands, round) => {
  await sql`select public.allow_host('shop.example.com', 'redirect')`;
  await hands.tap(menu(page, "Links"));
  await hands.tap(page.getByRole("link", { name: "New link" }));
  await hands.press(page.getByRole("radio", { name: "WhatsApp chat" }), ["ArrowRight"]);
  await hands.type(
    page.getByRole("textbox", { name: "URL", exact: true }),
    `https://shop.example.com/${round}`,
  );
  await hands.tap(page.getByRole("button", { name: /^Targets for some visitors/ }));
  for (const [index, platform] of ["Android", "iPhone and iPad"].entries()) {
    const rule = index + 1;
    await hands.tap(page.getByRole("button", { name: "Add rule" }));
    await hands.choose(page.getByRole("combobox", { name: `Platforms of rule ${rule}` }), platform);
    await page.keyboard.press("Escape");
    await hands.type(
      page.getByRole("textbox", { name: `URL of rule ${rule}` }),
      `https://shop.example.com/rule-${rule}`,
    );
  }
  await hands.tap(page.getByRole("button", { name: "Create link" }));
  const saved = page.waitForEvent("download");
  await hands.tap(page.getByRole("button", { name: "QR code, SVG" }));
  assert((await Deno.readTextFile(await (await saved).path())).includes("<svg"));
  assertEquals(
    (await sql`select targets from public.links where default_url = ${`https://shop.example.com/${round}`}`)[
      0
    ].targets.length,
    2,
  );
});

jobTest("Import a CSV of 1,000 links with 10 faults", async ({ sql }, page, hands, round) => {
  await sql`select public.allow_host('shop.example.com', 'redirect')`;
  const rows = Array.from(
    { length: 1000 },
    (_, n) =>
      n % 100 === 50
        ? `ftp://shop.example.com/${n},job${round}`
        : `https://shop.example.com/${n},job${round}`,
  );
  await hands.tap(menu(page, "Links"));
  await hands.tap(page.getByRole("link", { name: "Import" }));
  await hands.type(page.getByLabel("Rows"), `default_url,campaign\n${rows.join("\n")}`);
  await hands.tap(page.getByRole("button", { name: /^Create [\d,]+ links$/ }));
  await page.getByText(/links were created or already existed/).waitFor();
  const saved = page.waitForEvent("download");
  await hands.tap(page.getByRole("button", { name: "Save the 10 refused rows" }));
  assertEquals((await Deno.readTextFile(await (await saved).path())).trim().split("\r\n").length, 11);
  assertEquals(
    (await sql`select count(*)::int as n from public.links where campaign = ${`job${round}`}`)[0].n,
    990,
  );
});

jobTest("Add a team member", async ({ sql }, page, hands, round) => {
  const email = `new${round}@example.com`;
  await sql`insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), ${email}, now())`;
  await hands.tap(menu(page, "Settings"));
  await hands.tap(page.getByRole("tab", { name: "Team" }));
  await hands.type(page.getByRole("textbox", { name: "Email address of the new member" }), email);
  await hands.tap(page.getByRole("button", { name: "Add", exact: true }));
  await page.getByText(`${email} was added to the team.`).waitFor();
}, { who: "admin" });

jobTest("Undo the last change", async ({ sql }, page, hands, round) => {
  const flag = `undo${round}.enabled`;
  await sql`select public.set_flag(${flag}, '{"on": true, "percentage": 37}', 0)`;
  const off = page.getByRole("button", { name: `Turn off ${flag}` });
  await off.waitFor();
  await off.press("Enter");
  await hands.tap(page.getByRole("button", { name: "Undo", exact: true }));
  await page.getByText(`Undone: ${flag} is on for 37 % again.`).waitFor();
});
