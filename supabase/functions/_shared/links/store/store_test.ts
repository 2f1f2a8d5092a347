import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import type { Rpc } from "../../db/client.ts";
import type { LinkRow } from "../model/link.ts";
import { LinkStore } from "./store.ts";

/** A store before a database with these links, which counts what it is asked. */
function storeOf(
  rows: LinkRow[],
  { ahead = false, beforeAnswer = () => Promise.resolve(), ...options }: {
    readyBytes?: number;
    packedBytes?: number;
    /** Whether the database gives neighbours, as asked. */
    ahead?: boolean;
    /** What happens once the database has read, and before it is known what. */
    beforeAnswer?: () => Promise<void>;
  } = {},
) {
  const links = new Map(rows.map((row) => [row.code, row]));
  const asked: string[][] = [];
  let changed: string[] | null = [];
  let clock = 0;
  const rpc = ((name: string, args: object = {}) => {
    if (name === "refresh_links") {
      return Promise.resolve({ since: "1", changed, numbers: {}, visitor_keys: {}, cookie_key: "00" });
    }
    const { p_codes, p_ahead } = args as { p_codes: string[]; p_ahead: number };
    asked.push(p_codes);
    const others = ahead
      ? [...links.keys()].filter((code) => code > p_codes[0] && !p_codes.includes(code)).sort().slice(
        0,
        p_ahead,
      )
      : [];
    const rows = [...p_codes, ...others].flatMap((code) => links.get(code) ?? []);
    return beforeAnswer().then(() => rows);
  }) as Rpc;
  const config = {
    revision: 1,
    settings: [],
    routes: [],
    destinations: [],
    allowlist: [],
    segments: {},
    unreadable: [],
  };
  const store = new LinkStore({
    rpc,
    loadConfig: () => Promise.resolve(config),
    loadFreshConfig: () => Promise.resolve(config),
    waitUntil: () => {},
    onStale: (error) => {
      throw error;
    },
    now: () => clock,
    ...options,
  });
  const tell = async (codes: string[] | null) => {
    changed = codes;
    clock += 10_000;
    await store.ready();
  };
  return { store, links, asked, tell };
}

const page = (n: number) => `https://www.example.com/${n}`;
const plain = (n: number): LinkRow => ({ code: `code-${n}`, default_url: page(n) });

Deno.test("LinkStore: links evicted from the ready ones are still found, complete, without a call", async () => {
  const rich: LinkRow = {
    code: "rich",
    default_url: page(0),
    targets: [{ when: { platform: ["ios"] }, url: page(1) }],
    max_uses: 3,
    starts_at: 5,
    utm: { campaign: "ü" },
    preview: { title: "{" },
  };
  const { store, asked, tell } = storeOf([rich, ...Array.from({ length: 500 }, (_, n) => plain(n))], {
    readyBytes: 4096,
  });
  await tell([]);
  const first = await store.load("rich");
  for (let n = 0; n < 500; n++) assertEquals((await store.load(`code-${n}`))?.web?.url, page(n));
  const calls = asked.length;
  assert(store.held.links < 20 && store.held.packed === 501, JSON.stringify(store.held));
  for (let n = 0; n < 500; n++) {
    const link = store.peek(`code-${n}`);
    assertEquals([link?.code, link?.web?.url, link?.limited], [`code-${n}`, page(n), false]);
  }
  assertEquals(JSON.stringify(store.peek("rich")), JSON.stringify(first));
  assertEquals(asked.length, calls);
});

Deno.test("LinkStore: forgets changed links, ready or packed, and everything if there are too many to name", async () => {
  const { store, links, asked, tell } = storeOf([plain(1), plain(2)], { readyBytes: 600 });
  await tell([]);
  await store.load("code-1");
  await store.load("code-2"); // now only this one is ready
  for (const n of [1, 2]) links.set(`code-${n}`, { code: `code-${n}`, default_url: page(n + 10) });
  assertEquals(store.peek("code-1")?.web?.url, page(1));
  await tell(["code-1", "code-2"]);
  for (const n of [1, 2]) {
    assertEquals(store.peek(`code-${n}`), undefined);
    assertEquals((await store.load(`code-${n}`))?.web?.url, page(n + 10));
  }
  assertEquals(asked.length, 4);
  await tell(null);
  assertEquals([store.held.links, store.held.packed], [0, 0]);
});

Deno.test("LinkStore: codes requested concurrently are loaded in one call, each once", async () => {
  const { store, asked, tell } = storeOf(Array.from({ length: 50 }, (_, n) => plain(n)));
  await tell([]);
  const all = Array.from({ length: 100 }, (_, i) => store.load(`code-${i % 60}`));
  const found = await Promise.all(all);
  assertEquals(found.filter((link) => link === undefined).length, 10);
  assertEquals(asked.map((codes) => codes.length), [60]);
  assertEquals([store.peek("code-55"), store.peek("code-60")], [null, undefined]);
});

Deno.test("LinkStore: neighbours are loaded with a link, and one that changes meanwhile is not kept", async () => {
  let meanwhile = () => Promise.resolve();
  const rows = Array.from({ length: 300 }, (_, n) => plain(100 + n));
  const { store, links, asked, tell } = storeOf(rows, { ahead: true, beforeAnswer: () => meanwhile() });
  await tell([]);
  await store.load("code-100");
  assertEquals(store.held.packed, 101);
  assertEquals(store.peek("code-200")?.web?.url, page(200));
  assertEquals(store.peek("code-201"), undefined);

  meanwhile = () => {
    links.set("code-250", { code: "code-250", default_url: page(0) });
    return tell(["code-250"]);
  };
  await store.load("code-201");
  assertEquals(store.peek("code-250"), undefined);
  assertEquals((await store.load("code-250"))?.web?.url, page(0));
  assertEquals(asked.length, 3);
});

Deno.test("LinkStore: a link that is loaded as a neighbour while it is requested is held once", async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => answer = resolve);
  const { store, asked, tell } = storeOf(Array.from({ length: 20 }, (_, n) => plain(100 + n)), {
    ahead: true,
    beforeAnswer: () => answered,
  });
  await tell([]);
  const first = store.load("code-100");
  await Promise.resolve();
  const second = store.load("code-110");
  answer();
  assertEquals([(await first)?.code, (await second)?.code], ["code-100", "code-110"]);
  assertEquals([asked.length, store.held.packed], [2, 20]);
});

Deno.test("LinkStore: a neighbour never evicts another link", async () => {
  const rows = Array.from({ length: 60_000 }, (_, n) => plain(100_000 + n));
  const { store, asked, tell } = storeOf(rows, { ahead: true, packedBytes: 4 << 20 });
  await tell([]);
  for (let n = 0; n < rows.length; n += 50) if (!store.peek(rows[n].code)) await store.load(rows[n].code);
  const calls = asked.length;
  assert(calls > 600, `${calls} calls: they went on when there was no more room`);
  // Half of the memory is for neighbours: what was asked for in the other half is there.
  for (let n = rows.length - 50; n > rows.length - 20_000; n -= 50) {
    assert(store.peek(rows[n].code), rows[n].code);
  }
  assertEquals(asked.length, calls);
});
