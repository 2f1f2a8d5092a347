/**
 * The admin panel in a real Chromium, on a local stack in its plain state: how long until somebody can work with it, how
 * much is loaded for that, how evenly a conversation of 10,000 messages scrolls, and how long each list takes where there are
 * 10,000 of each thing, beside the same list with ten.
 *
 * Each load begins with an empty cache. Times are the browser's own, from the beginning of the navigation; interactive
 * is when what has to be clicked is there and the page has drawn it and come to rest once (a frame, and a task after
 * it). Browser and stack share the machine.
 */
import { gzipSync } from "node:zlib";
import postgres, { type Sql } from "postgres";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { buildPanel } from "../local/panel/build.ts";
import { CHROMIUM } from "../tests/support/chromium.ts";
import { type RunningStack, startStack } from "../tests/support/stack.ts";
import { until } from "../tests/support/until.ts";
import { fillLists, LISTS } from "./panel_lists.ts";
import { median, print, type Row } from "./report.ts";

/** How much is done; `--quick` is for seeing that the bench itself works. */
const SIZES = {
  whole: { runs: 5, messages: 10_000, few: 10, many: 10_000 },
  quick: { runs: 1, messages: 600, few: 10, many: 200 },
};
type Size = (typeof SIZES)["whole"];
/** Pixels that the list moves in each frame: a fast flick of the finger. */
const FLICK = 400;
/** Longest wait for anything, in milliseconds. */
const PATIENCE = 600_000;

/** What shows that somebody can go on: the form of the sign-in; a switch of the overview that can be turned off. */
const READY: Record<string, string> = {
  form: 'input[type="email"]',
  overview: 'main button[aria-label^="Turn off "]',
  ...Object.fromEntries(LISTS.map(({ name, row }) => [name, row])),
};

/** Runs the bench; `--json` prints one JSON document, `--quick` does little. */
export async function main(args: string[]): Promise<void> {
  if (CHROMIUM === undefined) Deno.exit(1);
  const size = SIZES[args.includes("--quick") ? "quick" : "whole"];
  await buildPanel();
  const stack = await startStack({ checked: false });
  await served(`${stack.url}/admin/`);
  const sql = postgres(stack.stack.dbUrl, { max: 1, onnotice: () => {} });
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    const rows = [
      ...await loads(browser, stack, size),
      ...await scrolling(browser, stack, sql, size),
      ...await lists(browser, stack, sql, size),
    ];
    print(
      "panel",
      `medians of ${size.runs} loads with an empty cache; one conversation of ${size.messages} messages, ` +
        `${FLICK} pixels a frame; lists of ${size.many.toLocaleString("en")}`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await browser.close();
    await sql.end();
    await stack.stop();
  }
}

/** Resolves when the stack serves the panel: it builds it again if its sources changed meanwhile. */
async function served(url: string): Promise<void> {
  await until("the panel is served", async () => {
    const response = await fetch(url);
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return true;
  }, { withinMs: PATIENCE });
}

/** A page that notes when each of {@linkcode READY} is there and drawn. */
async function open(context: BrowserContext): Promise<Page> {
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.addInitScript(`(() => {
    const seen = globalThis.readyAt = {};
    new MutationObserver(() => {
      for (const [place, selector] of Object.entries(${JSON.stringify(READY)})) {
        if (place in seen || document.querySelector(selector) === null) continue;
        seen[place] = null;
        requestAnimationFrame(() => setTimeout(() => seen[place] = performance.now()));
      }
    }).observe(document, { subtree: true, childList: true, attributes: true });
  })()`);
  return page;
}

/** When a place was ready, in milliseconds since the navigation began. */
async function readyAt(page: Page, place: string): Promise<number> {
  return await page.evaluate<number>(`new Promise((resolve, reject) => {
    const look = () => {
      const at = globalThis.readyAt["${place}"];
      if (at) resolve(at);
      else if (performance.now() > ${PATIENCE}) reject(new Error("the ${place} is not to be seen"));
      else setTimeout(look, 20);
    };
    look();
  })`);
}

async function loads(browser: Browser, stack: RunningStack, { runs }: Size): Promise<Row[]> {
  const url = `${stack.url}/admin/`;
  const toForm: number[] = [], fromForm: number[] = [], toOverview: number[] = [];
  let bytes = 0, files = 0;
  // The first run warms up what is no part of the panel: the stack's first answers, the browser's own start.
  for (let run = 0; run <= runs; run++) {
    const first = await browser.newContext();
    const page = await open(first);
    await page.goto(url);
    const form = await readyAt(page, "form");
    await page.getByLabel("Email").fill(stack.stack.admin.email);
    await page.getByRole("textbox", { name: "Password" }).fill(stack.stack.admin.password);
    const clicked = await page.evaluate(() => performance.now());
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    const signedIn = await readyAt(page, "overview") - clicked;
    const known = await browser.newContext({ storageState: await first.storageState() });
    await first.close();

    const again = await open(known);
    const loaded: Promise<number>[] = [];
    again.on("response", (response) => {
      // What the panel is made of; not what it then asks for.
      if (response.url().startsWith(url)) {
        loaded.push(response.body().then((body) => gzipSync(body).length));
      }
    });
    await again.goto(url);
    const overview = await readyAt(again, "overview");
    const sizes = await Promise.all(loaded);
    await known.close();
    if (run === 0) continue;
    toForm.push(form);
    fromForm.push(signedIn);
    toOverview.push(overview);
    bytes = sizes.reduce((sum, size) => sum + size, 0);
    files = sizes.length;
  }
  return [
    { what: "navigation to the form of the sign-in, ms", value: median(toForm) },
    { what: "click on Sign in to the overview with figures and switches, ms", value: median(fromForm) },
    {
      what: "signed in: navigation to the overview with figures and switches, ms",
      value: median(toOverview),
      goal: "below 2,000",
    },
    { what: `loaded for it, KB compressed, in ${files} files`, value: bytes / 1000, goal: "at most 350" },
  ];
}

async function scrolling(
  browser: Browser,
  stack: RunningStack,
  sql: Sql,
  { messages }: Size,
): Promise<Row[]> {
  const id = await conversation(sql, messages);
  const page = await open(await browser.newContext({ viewport: { width: 1280, height: 860 } }));
  await page.goto(`${stack.url}/admin/`);
  await page.getByLabel("Email").fill(stack.stack.admin.email);
  await page.getByRole("textbox", { name: "Password" }).fill(stack.stack.admin.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await readyAt(page, "overview");
  await page.evaluate((path) => location.hash = path, `/messages?conversation=${id}`);
  await page.getByRole("group", { name: "Conversation" }).getByText(/^message 1 /).waitFor();
  // Upward pages are read as one comes to them; downward all of them are there.
  const up = await scroll(page, -FLICK, `message ${messages} `);
  const down = await scroll(page, FLICK, "message 1 ");
  return [["up, while older ones are read", up] as const, ["down, through all of them", down] as const]
    .flatMap(([way, frames]) => [
      { what: `scrolling ${way}: a frame, p50 in ms`, value: percentile(frames, 0.5) },
      { what: `scrolling ${way}: a frame, p95 in ms`, value: percentile(frames, 0.95), goal: "below 20" },
      { what: `scrolling ${way}: a frame, p99 in ms`, value: percentile(frames, 0.99) },
      { what: `scrolling ${way}: the longest frame, ms`, value: percentile(frames, 1) },
    ]);
}

/** How long each list takes, and the overview, with many of each thing; beside it the same in this run with a few. */
async function lists(
  browser: Browser,
  stack: RunningStack,
  sql: Sql,
  { runs, few, many }: Size,
): Promise<Row[]> {
  const first = await browser.newContext();
  const page = await open(first);
  await page.goto(`${stack.url}/admin/`);
  await page.getByLabel("Email").fill(stack.stack.admin.email);
  await page.getByRole("textbox", { name: "Password" }).fill(stack.stack.admin.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await readyAt(page, "overview");
  const storageState = await first.storageState();
  await first.close();
  const places = [{ name: "overview", path: "/" }, ...LISTS];
  const measure = async () => {
    const medians = new Map<string, number>();
    for (const { name, path } of places) {
      const times: number[] = [];
      // The first run warms up the stack's caches.
      for (let run = 0; run <= runs; run++) {
        const context = await browser.newContext({ storageState });
        const page = await open(context);
        await page.goto(`${stack.url}/admin/#${path}`);
        const at = await readyAt(page, name);
        await context.close();
        if (run > 0) times.push(at);
      }
      medians.set(name, median(times));
    }
    return medians;
  };
  await fillLists(sql, 1, few);
  const withFew = await measure();
  await fillLists(sql, few + 1, many);
  const withMany = await measure();
  const n = (count: number) => count.toLocaleString("en");
  return places.map(({ name }) => ({
    what: `${n(many)} of each, signed in: navigation to ${name}, ms`,
    value: withMany.get(name)!,
    goal: `below 1,000; with ${few} of each in this run: ${n(Math.round(withFew.get(name)!))}`,
  }));
}

/** A conversation of so many messages, of one line to a few, the first the newest; in and out as people write. */
async function conversation(sql: Sql, messages: number): Promise<string> {
  await sql`insert into public.wa_numbers (id) values ('1') on conflict do nothing`;
  const [{ id }] = await sql`
    with person as (insert into public.contacts (name) values ('Ada Lovelace') returning id)
    insert into public.conversations (contact_id, number_id, last_message_at) select id, '1', now() from person
    returning id`;
  await sql`
    insert into public.messages (conversation_id, direction, type, text, status, created_at)
    select ${id}, case when n % 3 = 0 then 'out' else 'in' end, 'text',
      'message ' || n || ' ' || repeat('and what there is to say ', n * 7 % 19), case when n % 3 = 0 then 'read' else 'received' end,
      now() - interval '10 minutes' * n
    from generate_series(${messages}::int, 1, -1) n`;
  return id;
}

/** Scrolls the thread until the message that begins so is seen. @returns How long each frame took, in milliseconds. */
async function scroll(page: Page, perFrame: number, until: string): Promise<number[]> {
  return await page.evaluate<number[]>(`new Promise((resolve, reject) => {
    const list = document.querySelector('[role="group"][aria-label="Conversation"]');
    if (list === null) return reject(new Error("the conversation is not to be seen"));
    const frames = [], began = performance.now();
    let last;
    const isSeen = () => {
      const { top, bottom } = list.getBoundingClientRect();
      return [...list.querySelectorAll("p")].some((one) => {
        const box = one.getBoundingClientRect();
        return one.textContent.startsWith(${JSON.stringify(until)}) && box.bottom > top && box.top < bottom;
      });
    };
    const step = (now) => {
      if (last !== undefined) frames.push(now - last);
      last = now;
      if (isSeen()) return resolve(frames);
      if (now - began > ${PATIENCE}) return reject(new Error(${JSON.stringify(`never saw ${until}`)}));
      list.scrollTop += ${perFrame};
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  })`);
}

/** The value that so large a share of them does not exceed. */
function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
