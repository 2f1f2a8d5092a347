import { assertEquals, assertRejects } from "../../../tests/support/assert.ts";
import { trackedAddresses, visit, VISITORS } from "./visits.ts";

const ORIGIN = "http://127.0.0.1:54321";
const HTML =
  `<a href="${ORIGIN}/c/abc/1">a</a><a href='${ORIGIN}/c/abc/2'>b</a><a href="${ORIGIN}/c/abc/1">c</a>
<a href="https://else.example/c/abc/3">d</a><a href="${ORIGIN}/u/xyz">e</a><a href="${ORIGIN}/c/abc/0"></a>
<img src="${ORIGIN}/pixel/abc.png" width="1" height="1" alt="">`;

Deno.test("trackedAddresses(): finds those of this stack, each once", () => {
  assertEquals(trackedAddresses(HTML, ORIGIN), {
    links: [`${ORIGIN}/c/abc/1`, `${ORIGIN}/c/abc/2`],
    trap: `${ORIGIN}/c/abc/0`,
    pixel: `${ORIGIN}/pixel/abc.png`,
  });
  assertEquals(trackedAddresses("<p>x</p>", ORIGIN), { links: [] });
});

Deno.test("visit(): each asks as its program does; a person not before eleven seconds after the mail", async () => {
  const asked: string[] = [];
  let waited = 0;
  const world = {
    fetch: ((url: string, init: RequestInit) => {
      asked.push(`${new URL(url).pathname} ${new Headers(init.headers).get("user-agent")?.slice(-16)}`);
      return Promise.resolve(new Response(null, { status: 302 }));
    }) as typeof fetch,
    now: () => 5000,
    wait: (ms: number) => Promise.resolve(void (waited += ms)),
  };
  for (const visitor of Object.keys(VISITORS) as (keyof typeof VISITORS)[]) {
    await visit(visitor, { html: HTML, at: 1000 }, ORIGIN, world);
  }
  assertEquals(asked, [
    "/pixel/abc.png oogleImageProxy)",
    "/c/abc/1 .0 Safari/537.36",
    "/pixel/abc.png Mozilla/5.0",
    "/c/abc/1 .0 Safari/537.36",
    "/c/abc/2 .0 Safari/537.36",
    "/c/abc/0 .0 Safari/537.36",
    "/pixel/abc.png .0 Safari/537.36",
  ]);
  assertEquals(waited, 7000);
  await assertRejects(
    () => visit("gmail", { html: "<p>x</p>", at: 0 }, ORIGIN, world),
    RangeError,
    "not tracked",
  );
  const pixelAlone = `<img src="${ORIGIN}/pixel/abc.png">`;
  await assertRejects(
    () => visit("person", { html: pixelAlone, at: 0 }, ORIGIN, world),
    RangeError,
    "no link",
  );
});
