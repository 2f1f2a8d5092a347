/** What docs/deploy.md puts in front of the links: the Worker runs, and the other rules lead to the same addresses. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { startStack } from "../support/stack.ts";

const GUIDE = await Deno.readTextFile(join(ROOT, "docs", "deploy.md"));
const SECTION = GUIDE.slice(GUIDE.indexOf("## Link domain"), GUIDE.indexOf("## Deploying again"));
const block = (language: string) => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(SECTION)![1];
const FUNCTION = "https://<ref>.supabase.co/functions/v1/deeplinks";

Deno.test("docs/deploy.md: the Worker passes a domain's paths to the function, and returns its answers unchanged", async () => {
  const stack = await startStack();
  const source = block("js").replaceAll("https://<ref>.supabase.co", stack.url).replaceAll("<random>", "abc");
  const worker = (await import(`data:text/javascript,${encodeURIComponent(source)}`)).default;
  const seen: Headers[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    seen.push(new Headers(init?.headers));
    return real(input, init);
  };
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    await worker.fetch(new Request(`https://go.example.com${path}`, init));
  try {
    const headers = {
      "user-agent":
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
      "cf-connecting-ip": "203.0.113.7",
      "x-visitor-abc": "198.51.100.1",
    };
    const visit = await ask("/demo?utm_source=x", { headers });
    assertEquals(visit.status, 302);
    assertMatch(visit.headers.get("location")!, /^https:\/\/wa\.me\//);
    assertEquals(visit.headers.get("cache-control"), "no-store");
    // The visitor's own word about where it comes from does not get through.
    assertEquals(seen[0].get("x-visitor-abc"), "203.0.113.7");
    assertEquals(seen[0].get("user-agent"), headers["user-agent"]);
    for (const file of ["apple-app-site-association", "assetlinks.json"]) {
      const answer = await ask(`/.well-known/${file}`);
      assertEquals([answer.status, answer.headers.get("content-type")], [200, "application/json"]);
      await answer.body?.cancel();
    }
    const qr = await ask("/demo/qr.svg");
    assertEquals(qr.headers.get("content-type"), "image/svg+xml");
    await qr.body?.cancel();
    const made = await ask("/", {
      method: "POST",
      headers: { apikey: stack.stack.secretKey },
      body: JSON.stringify({ default_url: `${stack.url}/simulator/` }),
    });
    assertEquals(made.status, 201, await made.text());
  } finally {
    globalThis.fetch = real;
    await stack.stop();
  }
});

Deno.test("docs/deploy.md: Vercel's and nginx's rules map each path to the function", () => {
  const { rewrites } = JSON.parse(block("json"));
  assertEquals(rewrites, [{ source: "/:path*", destination: `${FUNCTION}/:path*` }]);
  const nginx = block("nginx");
  assert(nginx.includes(`proxy_pass ${FUNCTION}/;`), "without the slash the path would be appended to /");
  assert(/location \/ \{[^}]*\}/.test(nginx) && nginx.includes("proxy_redirect off;"));
});
