import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { type Resolution, resolvePublic } from "./addresses.ts";
import { imageOf, loadImage } from "./image.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const GIF = bytesOf("GIF89a an image");

/** Public names, private ones, and what they answer. */
function world(answers: Record<string, () => Response | Promise<Response>>) {
  const asked: { url: string; init: RequestInit }[] = [];
  const hosts: string[] = [];
  return {
    asked,
    hosts,
    fetch: ((url, init = {}) => {
      asked.push({ url: String(url), init });
      const answer = answers[String(url)];
      return answer === undefined ? Promise.reject(new TypeError("no such host")) : Promise.resolve(answer());
    }) as typeof fetch,
    resolve: (host: string): Promise<Resolution> => {
      hosts.push(host);
      return resolvePublic(host, (name, type) => {
        if (type === "AAAA") return Promise.resolve([]);
        return Promise.resolve([name.startsWith("inside.") ? "10.0.0.7" : "93.184.216.34"]);
      });
    },
  };
}

const image = (headers: HeadersInit = {}) => new Response(GIF, { headers });

Deno.test("loadImage(): an image, asked without anything of the person", async () => {
  const { fetch, resolve, asked } = world({ "https://pics.example/a.gif?u=1": () => image() });
  assertEquals(await loadImage("http://pics.example/a.gif?u=1#x", { fetch, resolve }), {
    type: "image/gif",
    bytes: GIF,
  });
  const [{ init }] = asked;
  assertEquals(init.headers, {
    "user-agent": "Mozilla/5.0",
    accept: "image/png,image/jpeg,image/gif,image/webp",
  });
  assertEquals([init.redirect, init.credentials, init.referrerPolicy], ["manual", "omit", "no-referrer"]);
});

Deno.test("loadImage(): no address but a public name's on the port of https is ever called", async () => {
  const refused = [
    "https://inside.example/a.gif",
    "https://127.0.0.1/a.gif",
    "https://2130706433/a.gif",
    "https://0x7f.1/a.gif",
    "https://[::1]/a.gif",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/a.gif",
    "https://pics.example:8443/a.gif",
    "http://pics.example:8080/a.gif",
    "https://user:pass@pics.example/a.gif",
    "ftp://pics.example/a.gif",
    "file:///etc/passwd",
    "data:image/gif;base64,AAAA",
    "javascript:alert(1)",
    "//pics.example/a.gif",
    "a.gif",
    `https://pics.example/${"a".repeat(2_000)}`,
    "",
  ];
  for (const address of refused) {
    const { fetch, resolve, asked } = world({});
    assertEquals([await loadImage(address, { fetch, resolve }), asked], [undefined, []], address);
  }
});

Deno.test("loadImage(): a redirect is checked like the first address, and there are few of them", async () => {
  const to = (location: string) => () => new Response(null, { status: 302, headers: { location } });
  const { fetch, resolve, asked, hosts } = world({
    "https://pics.example/1": to("/2"),
    "https://pics.example/2": to("http://cdn.example/3"),
    "https://cdn.example/3": () => image(),
    "https://pics.example/in": to("https://inside.example/"),
    "https://pics.example/ip": to("https://10.0.0.7/"),
    "https://pics.example/round": to("https://pics.example/round"),
    "https://pics.example/none": () => new Response(null, { status: 302 }),
  });
  const load = (path: string) => loadImage(`https://pics.example/${path}`, { fetch, resolve });
  assertEquals((await load("1"))?.type, "image/gif");
  assertEquals(hosts, ["pics.example", "pics.example", "cdn.example"]);
  for (const path of ["in", "ip", "round", "none"]) assertEquals(await load(path), undefined, path);
  assertEquals(asked.filter(({ url }) => url.endsWith("/round")).length, 4);
  assert(!asked.some(({ url }) => /inside|10\.0/.test(url)), "an inner address was called");
});

Deno.test("loadImage(): what is large, slow, no image or no success is left out", async () => {
  const endless = () =>
    new Response(
      new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000).fill(71)) }),
    );
  const { fetch, resolve } = world({
    "https://pics.example/large": () => image({ "content-length": "2000001" }),
    "https://pics.example/endless": endless,
    "https://pics.example/svg": () =>
      new Response("<svg onload='alert(1)'/>", { headers: { "content-type": "image/svg+xml" } }),
    "https://pics.example/html": () => new Response("<script>", { headers: { "content-type": "image/png" } }),
    "https://pics.example/404": () => new Response(GIF, { status: 404 }),
    "https://pics.example/206": () => new Response(GIF, { status: 206 }),
  });
  for (const path of ["large", "endless", "svg", "html", "404", "206", "gone"]) {
    assertEquals(await loadImage(`https://pics.example/${path}`, { fetch, resolve }), undefined, path);
  }
  const never: typeof globalThis.fetch = (_url, init) =>
    new Promise((_, reject) => init!.signal!.addEventListener("abort", () => reject(new Error("aborted"))));
  assertEquals(
    await loadImage("https://pics.example/slow", { fetch: never, resolve }, { timeoutMs: 1 }),
    undefined,
  );
  assertEquals(
    await loadImage("https://pics.example/slow", { fetch: never, resolve }, { signal: AbortSignal.abort() }),
    undefined,
  );
});

Deno.test("imageOf(): the kinds that browsers show and nothing runs in", () => {
  const cases: [head: string, type: string | undefined][] = [
    ["\x89PNG\r\n\x1a\nrest", "image/png"],
    ["\xff\xd8\xff\xe0", "image/jpeg"],
    ["GIF87a", "image/gif"],
    ["RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"],
    ["RIFF\x00\x00\x00\x00WAVE", undefined],
    ["<?xml version='1.0'?><svg>", undefined],
    ["", undefined],
  ];
  for (const [head, type] of cases) assertEquals(imageOf(bytesOf(head))?.type, type, head);
});

Deno.test("loadImage(): any address is answered, and none but a public name is called", async () => {
  const url = fc.oneof(
    fc.webUrl({ validSchemes: ["https", "http", "ftp"], withQueryParameters: true }),
    fc.string(),
    fc.ipV4().map((ip) => `https://${ip}/`),
    fc.ipV6().map((ip) => `https://[${ip}]/`),
  );
  await holds(fc.asyncProperty(url, async (address) => {
    const { fetch, resolve, asked } = world({});
    assertEquals(await loadImage(address, { fetch, resolve }), undefined);
    for (const { url } of asked) assert(/^https:\/\/[^/:@[]+\.[^/:@[.]*[a-z][^/:@[.]*\//i.test(url), url);
  }));
});
