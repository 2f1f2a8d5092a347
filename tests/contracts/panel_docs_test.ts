/** The documentation beside the panel, and the help that leads there. */
import { assert, assertEquals } from "../support/assert.ts";
import { docsPages } from "../../admin/docs_pages.ts";
import { ALL_HELP, docAddress, helpOf } from "../../admin/src/ui/help.ts";
import { ROOT } from "../../lib/paths.ts";

const pages = docsPages(`${ROOT}/docs`);
const ids = (html: string) => new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));

/** The page and the heading that an address below docs/ leads to exist. */
function leadsSomewhere(from: string, address: string): void {
  const [path, heading] = new URL(address, `http://docs/${from}`).href.slice("http://docs/".length).split(
    "#",
  );
  const page = pages.get(path);
  assert(page !== undefined, `${from}: ${address}`);
  if (heading !== undefined) {
    assert(ids(page as string).has(decodeURIComponent(heading)), `${from}: ${address}`);
  }
}

Deno.test("panel: every help leads to a page and a heading of the documentation", () => {
  for (const [page, { text, doc }] of Object.entries(ALL_HELP)) {
    leadsSomewhere("index.html", docAddress(doc).replace("./docs/", ""));
    assert(/[.]$/.test(text), `${page}: sentences`);
  }
});

Deno.test("panel: every page of the panel has help, also below it and with an open tab", async () => {
  const source = await Deno.readTextFile(`${ROOT}/admin/src/shell/pages.ts`);
  const paths = [...source.matchAll(/^ {4}path: "([^"]+)"/gm)].map(([, path]) => path);
  assert(paths.length > 10);
  for (const path of paths) assert(helpOf(path, null), path);
  assertEquals(helpOf("/flags/deeplinks.enabled", null), ALL_HELP["/flags"]);
  assertEquals(helpOf("/settings", "team"), ALL_HELP["/settings?tab=team"]);
  assertEquals(helpOf("/settings", "unheard"), ALL_HELP["/settings"]);
  assertEquals(helpOf("/nowhere", null), undefined);
});

Deno.test("docs: the pages beside the panel have no script and no link that leads nowhere", () => {
  assert(pages.size > 10 && pages.has("index.html") && pages.has("routing.html"));
  for (const [path, page] of pages) {
    if (!path.endsWith(".html")) continue;
    const html = page as string;
    assert(!/<script|javascript:/i.test(html), path);
    for (const [, address] of html.matchAll(/<a href="([^"]+)"/g)) {
      if (/^https?:/.test(address)) continue;
      leadsSomewhere(path, address.replaceAll("&#38;", "&"));
    }
  }
});
