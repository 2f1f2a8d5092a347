import { assertEquals, assertMatch, assertRejects } from "../../tests/support/assert.ts";
import { scan } from "./scan.ts";

const ORIGIN = "http://127.0.0.1:54321", BUSINESS = "15550100100";

/** Opens a link before a stack that answers this; also gives what was visited. */
async function open(link: string, answer: Response) {
  const visited: string[] = [];
  const request: typeof fetch = (url, init) => {
    visited.push(String(url));
    assertEquals(init?.redirect, "manual");
    assertMatch(new Headers(init?.headers).get("user-agent")!, /Android/);
    return Promise.resolve(answer);
  };
  return { scanned: await scan(link, ORIGIN, BUSINESS, request), visited };
}

const to = (location: string) => new Response(null, { status: 302, headers: { location } });

Deno.test("scan(): opens the business's chat with the link's text; any other target is reported", async () => {
  const words = "Ein Brot, bitte! 🍞\n\n[ref:abcdefgh234567ab]";
  const chat = `https://wa.me/${BUSINESS}?text=${encodeURIComponent(words)}`;
  assertEquals((await open("demo", to(chat))).scanned, { opens: "chat", text: words });
  assertEquals((await open("demo", to(`https://wa.me/${BUSINESS}`))).scanned, { opens: "chat", text: "" });
  for (
    const location of [
      "https://wa.me/12025550100?text=x",
      "https://www.example.com/",
      "intent://x#Intent;scheme=myapp;package=com.example.app;end",
    ]
  ) assertEquals((await open("demo", to(location))).scanned, { opens: "elsewhere", location });
});

Deno.test("scan(): accepts a code or a link's address on this stack", async () => {
  const links: [string, string][] = [
    ["demo", `${ORIGIN}/l/demo`],
    [" Spring-Bread ", `${ORIGIN}/l/Spring-Bread`],
    [`${ORIGIN}/l/demo?u=ada`, `${ORIGIN}/l/demo?u=ada`],
    ["http://localhost:54321/l/demo", `${ORIGIN}/l/demo`],
    [`${ORIGIN}/functions/v1/deeplinks/demo`, `${ORIGIN}/functions/v1/deeplinks/demo`],
  ];
  for (const [link, address] of links) {
    assertEquals((await open(link, to("https://www.example.com/"))).visited, [address]);
  }
});

Deno.test("scan(): visits only links of this stack", async () => {
  const others = [
    "",
    "https://www.example.com/l/demo",
    "http://127.0.0.1:5432/l/demo",
    "http://localhost:1/l/demo",
    `${ORIGIN}/admin/`,
    `${ORIGIN}/l/`,
    `${ORIGIN}/l/demo/stats`,
    `${ORIGIN}/l/../rest/v1/links`,
    `${ORIGIN}@evil.example/l/demo`,
    "//evil.example/l/demo",
    "javascript:alert(1)",
    "file:///etc/passwd",
  ];
  for (const link of others) {
    await assertRejects(
      () => scan(link, ORIGIN, BUSINESS, () => Promise.reject(new Error(`visited ${link}`))),
      RangeError,
      "not a link of this stack",
    );
  }
});

Deno.test("scan(): shows why a link cannot be used, in its own words; a page is shown as one", async () => {
  const problem = Response.json({ title: "This link has expired.", code: "link_expired" }, { status: 410 });
  await assertRejects(() => open("demo", problem), RangeError, "This link has expired.");
  await assertRejects(() => open("demo", new Response("?", { status: 502 })), RangeError, "502");
  const page = new Response("<!doctype html>", { headers: { "content-type": "text/html; charset=utf-8" } });
  assertEquals((await open("demo", page)).scanned, { opens: "page", location: `${ORIGIN}/l/demo` });
});
