/** What the doctor makes of the answers of real servers; whole runs of it are in tests/cli/links_test.ts. */
import { assertEquals, assertMatch } from "../../../tests/support/assert.ts";
import { assetLinks } from "../../../supabase/functions/_shared/links/model/domain.ts";
import type { Apps } from "../../../supabase/functions/_shared/links/model/apps.ts";
import {
  checkDomainFile,
  checkImage,
  checkPage,
  DOMAIN_FILE_BYTES,
  IMAGE_BYTES,
  needsHtml,
} from "./checks.ts";
import type { Link } from "../../../supabase/functions/_shared/contract/links.ts";
import { probe, type ProbeOptions } from "./probe.ts";

const APPS: Apps = {
  ios: [{ app_id: "ABCDE12345.com.example.app" }],
  android: [{ package: "com.example.app", sha256: [Array(32).fill("AB").join(":")] }],
};
const AASA = "/.well-known/apple-app-site-association";

/** Asks a server that answers so; the answer is given what resolves when the probe has ended. */
async function answered(
  answer: (request: Request, ended: Promise<void>) => Response | Promise<Response>,
  options: Partial<ProbeOptions> = {},
) {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => answer(request, ended),
  );
  return await probe(`http://127.0.0.1:${server.addr.port}/`, { timeoutMs: 60_000, ...options }).finally(end);
}

const json = (value: unknown, type = "application/json") =>
  new Response(typeof value === "string" ? value : JSON.stringify(value), {
    headers: { "content-type": type },
  });

const domainFiles: [name: string, answer: () => Response, said: RegExp | undefined][] = [
  [
    "the file of these apps",
    () => json({ applinks: { details: [{ appIDs: ["ABCDE12345.com.example.app"] }] } }),
    undefined,
  ],
  [
    "in the form of iOS 12",
    () => json({ applinks: { apps: [], details: [{ appID: "ABCDE12345.com.example.app", paths: ["*"] }] } }),
    undefined,
  ],
  [
    "another app's",
    () => json({ applinks: { details: [{ appIDs: ["ABCDE12345.com.example.other"] }] } }),
    /does not name ABCDE12345\.com\.example\.app/,
  ],
  [
    "a redirect",
    () => new Response(null, { status: 301, headers: { location: "/elsewhere" } }),
    /is a redirect, and Apple follows none/,
  ],
  ["none", () => new Response(null, { status: 404 }), /answers 404/],
  ["as text", () => json({}, "text/plain"), /is text\/plain, and must be application\/json/],
  ["no JSON", () => json("<html>"), /is not JSON/],
  ["too much", () => json(`"${"x".repeat(DOMAIN_FILE_BYTES)}"`), /more than 128 KiB/],
];
for (const [name, answer, said] of domainFiles) {
  Deno.test(`links doctor: apple-app-site-association, ${name}`, async () => {
    const found = checkDomainFile(
      AASA,
      await answered(answer, { follow: 0, bytes: DOMAIN_FILE_BYTES }),
      APPS,
    );
    assertEquals(found.length, said === undefined ? 0 : 1);
    if (said) assertMatch(found[0].what, said);
  });
}

Deno.test("links doctor: assetlinks.json must have each certificate of the setting", async () => {
  const ask = (apps: Apps) => answered(() => json(assetLinks(apps)), { follow: 0, bytes: DOMAIN_FILE_BYTES });
  assertEquals(checkDomainFile("/.well-known/assetlinks.json", await ask(APPS), APPS), []);
  const other = { ...APPS, android: [{ package: "com.example.app", sha256: ["CD"] }] };
  assertMatch(
    checkDomainFile("/.well-known/assetlinks.json", await ask(other), APPS)[0].what,
    /com\.example\.app/,
  );
});

Deno.test("links doctor: a page that does not answer, or never ends, is a problem", async () => {
  const never = await answered(
    async (_, ended) => (await ended, new Response()),
    { timeoutMs: 50 },
  );
  assertMatch(checkPage(never, undefined)[0].what, /no answer within 0\.05 s/);
  const round = await answered((request) => Response.redirect(request.url, 302));
  assertMatch(checkPage(round, undefined)[0].what, /more than 5 redirects/);
});

Deno.test("links doctor: a page reached through http is a warning", () => {
  const hops = [{ status: 302, to: "http://www.example.com/" }, {
    status: 301,
    to: "https://www.example.com/",
  }];
  const page = {
    url: "https://a.example.com/",
    status: 200,
    hops,
    headers: new Headers(),
    bytes: new Uint8Array(),
    cut: false,
  };
  assertEquals(checkPage(page, undefined).map(({ level }) => level), ["warning"]);
  assertMatch(checkPage(page, undefined)[0].what, /through http/);
});

Deno.test("links doctor: reports images that WhatsApp does not show", async () => {
  const image = (body: BodyInit, type: string) =>
    answered(() => new Response(body, { headers: { "content-type": type } }), { bytes: IMAGE_BYTES });
  const [large] = checkImage(await image(new Uint8Array(700_000), "image/jpeg"));
  assertMatch(large.what, /more than 600 kB/);
  const [broken] = checkImage(await image("not a picture", "image/png"));
  assertMatch(broken.what, /not a readable image\/png/);
});

Deno.test("links doctor: names the links that need HTML, which are those with a page of ours", () => {
  const link = (more: Partial<Link>) => needsHtml({ password: false, ...more } as Link);
  const app = (url: string) => ({ targets: [{ app: { url, fallback: "https://www.example.com/" } }] });
  assertEquals(link({}), undefined);
  assertEquals(link(app("https://www.example.com/app")), undefined);
  assertMatch(link(app("exapp://1"))!, /custom scheme/);
  assertMatch(link({ preview: { title: "x" } })!, /preview/);
  assertMatch(link({ password: true })!, /password/);
  assertMatch(link({ confirm: true })!, /button/);
});
