/** The admin panel as it is built and served. */
import { assert, assertEquals, assertMatch } from "../../tests/support/assert.ts";
import { gzipSync } from "node:zlib";
import { createPanel } from "./panel.ts";
import { buildPanel, PANEL, panelIsBuilt } from "./build.ts";
import { join } from "../../lib/paths.ts";
import { until } from "../../tests/support/until.ts";

/** What a browser loads before it shows the overview: bytes, compressed. */
const FIRST_LOAD = 350_000;
/** And before it shows the conversations of a sitter, on a phone at the door. */
const MESSAGES_LOAD = 250_000;

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
}

const panel = (isOn = true) =>
  createPanel({
    url: "http://127.0.0.1:9",
    publishableKey: "sb_publishable_x",
    messagingIsOn: () => Promise.resolve(isOn),
  });
const get = (path: string, of: ReturnType<typeof panel>) =>
  of.fetch(new Request(`http://127.0.0.1:9${path}`));

/** A panel that has looked whether it is built. */
async function ready(isOn = true): Promise<ReturnType<typeof panel>> {
  await buildPanel();
  const made = panel(isOn);
  await until("the panel is served", async () => {
    const page = await get("/admin/", made);
    await page.body?.cancel();
    return page.status !== 503;
  });
  return made;
}

/** Bytes, compressed, of these entries of the build with all that they import, and of files beside. */
async function loadOf(
  name: string,
  entries: string[],
  beside: string[],
): Promise<{ total: number; files: string[] }> {
  await buildPanel();
  const manifest: Record<string, Chunk> = JSON.parse(
    await Deno.readTextFile(join(PANEL, ".vite", name)),
  );
  const files = new Set(beside);
  const follow = (key: string) => {
    const { file, css = [], imports = [] } = manifest[key];
    if (files.has(file)) return;
    for (const name of [file, ...css]) files.add(name);
    imports.forEach(follow);
  };
  entries.forEach(follow);
  const sizes = await Promise.all(
    [...files].map(async (name) => gzipSync(await Deno.readFile(join(PANEL, name))).length),
  );
  return { total: sizes.reduce((sum, size) => sum + size, 0), files: [...files] };
}

Deno.test("panel: the first load is at most 350 KB compressed", async () => {
  const { total, files } = await loadOf(
    "manifest.json",
    ["index.html", "src/pages/overview/index.tsx", "src/ui/Chart.tsx"],
    ["index.html", "scheme.js", "icon.svg", "config.json"],
  );
  assert(total <= FIRST_LOAD, `${total} bytes in ${files.length} files`);
});

Deno.test("messages: the first load is at most 250 KB compressed", async () => {
  const { total, files } = await loadOf(
    "messages.json",
    ["messages/index.html"],
    ["messages/index.html", "scheme.js", "icon.svg", "config.json"],
  );
  assert(total <= MESSAGES_LOAD, `${total} bytes in ${files.join(", ")}`);
});

Deno.test("messages: served beside the panel while on, and as any address that is not there while off", async () => {
  const on = await ready(), off = await ready(false);
  const ask = (of: typeof on, path: string, method = "GET") =>
    of.messages(new Request(`http://127.0.0.1:9${path}`, { method }));
  const page = await ask(on, "/messages/");
  const html = await page.text();
  assertEquals([page.status, page.headers.get("x-frame-options")], [200, "DENY"]);
  assertMatch(html, /script-src 'self';/);
  // It lies in a folder of its own, and what it loads does not.
  const loaded = [...html.matchAll(/ (?:src|href)="([^"]+)"/g)].map(([, path]) => path);
  assert(loaded.length >= 3, html);
  for (const path of loaded) {
    const file = await get(path, on);
    assertEquals([path.startsWith("/admin/"), file.status], [true, 200], path);
    await file.body?.cancel();
  }
  assertEquals((await ask(on, "/messages")).headers.get("location"), "/messages/");
  assertEquals((await get("/admin/messages/", on)).headers.get("location"), "/messages/");
  assertEquals((await ask(on, "/messages/", "POST")).status, 405);
  for (const [method, path] of [["GET", "/messages/"], ["GET", "/messages"], ["POST", "/messages/"]]) {
    const hidden = await ask(off, path, method);
    assertEquals([hidden.status, (await hidden.json()).code], [404, "not_found"], `${method} ${path}`);
  }
  assertEquals((await ask(on, "/messages/index.html")).status, 404);
});

Deno.test("panel: served with its project's settings and MIME types, and nothing from outside its folder", async () => {
  await buildPanel();
  assertEquals(await panelIsBuilt(), true);
  const served = panel();
  assertEquals(await (await get("/admin/config.json", served)).json(), {
    url: "http://127.0.0.1:9",
    publishableKey: "sb_publishable_x",
  });
  assertEquals((await get("/admin", served)).headers.get("location"), "/admin/");
  // It looks whether it is built first.
  const page = await until("the panel is served", async () => {
    const page = await get("/admin/", served);
    if (page.status !== 503) return page;
    assertMatch(await page.text(), /is being built/);
  });
  assertEquals(page.headers.get("content-type"), "text/html; charset=utf-8");
  const html = await page.text();
  assertMatch(html, /script-src 'self';/);
  for (const [script] of html.matchAll(/<script[^>]*>/g)) {
    assertMatch(script, / src="\.\//, "no inline script");
  }
  const [asset] = /assets\/[\w-]+\.js/.exec(html)!;
  const code = await get(`/admin/${asset}`, served);
  assertMatch(code.headers.get("cache-control")!, /immutable/);
  await code.body?.cancel();
  for (
    const path of ["/admin/../deno.json", "/admin/..%2fdeno.json", "/admin/assets/none.js", "/admin/assets/"]
  ) {
    assertEquals((await get(path, served)).status, 404, path);
  }
  const post = await served.fetch(new Request("http://127.0.0.1:9/admin/", { method: "POST" }));
  assertEquals(post.status, 405);
});

Deno.test("panel: forbids framing in every answer, also for hosts that read _headers", async () => {
  await buildPanel();
  const served = panel();
  const waiting = await get("/admin/", served);
  await until("the panel is served", async () => (await get("/admin/", served)).status !== 503);
  const answers = [waiting, await served.fetch(new Request("http://127.0.0.1:9/admin/", { method: "POST" }))];
  for (const path of ["", "/", "/index.html", "/config.json", "/scheme.js", "/none.js"]) {
    answers.push(await get(`/admin${path}`, served));
  }
  for (const { status, headers } of answers) {
    assertEquals(headers.get("content-security-policy"), "frame-ancestors 'none'", String(status));
    assertEquals(headers.get("x-frame-options"), "DENY", String(status));
  }
  for (const { body } of answers) await body?.cancel();
  assertMatch(
    await Deno.readTextFile(join(PANEL, "_headers")),
    /^\/\*\n {2}Content-Security-Policy: frame-ancestors 'none'\n {2}X-Frame-Options: DENY\n/m,
  );
});
