/** Links found by a part of whatever people remember of them, and their clicks, on Postgres. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";

const found = async (sql: Sql, search: string, more = {}): Promise<string[]> =>
  (await sql`select public.list_links(${sql.json({ search, ...more })}, 50) as links`)[0].links
    .map(({ code }: { code: string }) => code);

async function shop(sql: Sql): Promise<void> {
  const links = [
    {
      code: "poster-1",
      title: "Spring at the Tram stop",
      default_url: "https://shop.example.com/a_b?x=100%25",
    },
    { code: "poster-2", note: "by the BAKERY", default_url: "https://shop.example.com/spring" },
    { code: "chat-1", whatsapp: { phone_number_id: "1", text: "I would like Bread" }, tags: ["Market"] },
    {
      code: "app-1",
      default_url: "https://www.example.com/",
      targets: [{ when: { platforms: ["ios"] }, url: "https://apps.example.com/bread-shop" }],
    },
  ].map((link) => ({ request_hash: "h", ...link }));
  await sql`select public.create_links(${sql.json(links as never)}, 'somebody')`;
}

databaseTest(
  "list_links: search finds parts of code, title, note, address, text and rules, and tags",
  async (sql) => {
    await shop(sql);
    const cases: Record<string, string[]> = {
      "STER-": ["poster-2", "poster-1"],
      "tram": ["poster-1"],
      "bakery": ["poster-2"],
      "shop.example": ["poster-2", "poster-1"],
      "bread": ["app-1", "chat-1"],
      "Market": ["chat-1"],
      "arket": ["chat-1"],
      "MARKET bread": ["chat-1"],
      "op": ["app-1", "poster-1", "poster-2"],
      "spring tram": ["poster-1"],
      "tram bakery": [],
      // Nothing of it is a pattern.
      "a_b": ["poster-1"],
      "o_t": [],
      "100%": ["poster-1"],
      "%": ["poster-1"],
      "\\": [],
      "'": [],
      "  ": ["app-1", "chat-1", "poster-2", "poster-1"],
      "ios": [],
    };
    for (const [search, codes] of Object.entries(cases)) {
      assertEquals((await found(sql, search)).sort(), codes.toSorted(), search);
    }
    assertEquals(await found(sql, "poster", { code: "poster-1" }), ["poster-1"], "beside another filter");
    await sql`select public.delete_link('poster-2', 'somebody')`;
    assertEquals(await found(sql, "bakery"), []);
    assertEquals(await found(sql, "bakery", { state: "deleted" }), ["poster-2"]);
  },
);

databaseTest("search_everything: finds an old link among many, by words and by a tag", async (sql) => {
  await shop(sql);
  await sql`
    insert into public.links (code, request_hash, default_url, created_at)
    select 'bulk-' || n, 'h', 'https://www.example.com/' || n, now() + interval '1 hour' from generate_series(1, 21000) n`;
  const hits = async (query: string) =>
    (await sql`select public.search_everything(${query}) as hits`)[0].hits
      .filter(({ kind }: { kind: string }) => kind === "link").map(({ id }: { id: string }) => id);
  assertEquals(await hits("tram stop"), ["poster-1"]);
  assertEquals((await hits("bread")).sort(), ["app-1", "chat-1"]);
  assertEquals(await hits("poster-2"), ["poster-2"]);
});

databaseTest("list_links: a search for few among very many goes by the index", async (sql) => {
  await sql`
    insert into public.links (code, request_hash, default_url, title)
    select 'bulk-' || n, 'h', 'https://www.example.com/' || md5(n::text), case when n % 3 = 0 then 'title ' || n end
    from generate_series(1, 20000) n`;
  await sql`insert into public.links (code, request_hash, default_url) values ('rare-one', 'h', 'https://needle.example.com/')`;
  await sql`analyze public.links`;
  const [{ condition }] = await sql`select private.links_with('{needle}') as condition`;
  const plan = (await sql.unsafe(
    `explain select * from public.links where state <> 'deleted' and ${condition} order by created_at desc, code desc limit 51`,
  )).map((row) => row["QUERY PLAN"]).join("\n");
  assertMatch(plan, /links_words_idx/);
  assert(!/Seq Scan/.test(plan), plan);
  assertEquals(await found(sql, "needle"), ["rare-one"]);
});

databaseTest("link_clicks: adds up what was rolled up and what was not, for the team", async (sql) => {
  await shop(sql);
  await sql`
    insert into public.click_days (code, day, human, bot, preview, prefetch, visitors, platforms, countries, referrers, targets)
    select 'poster-1', (clock_timestamp() at time zone private.team_zone())::date - n, 10, 99, 99, 99, 1, '{}', '{}', '{}', '{}'
    from unnest(array[1, 6, 7, 400]) n`;
  await sql`
    insert into public.click_counts (code, day, slot, human, bot)
    select 'poster-1', (clock_timestamp() at time zone private.team_zone())::date, s, 2, 50 from generate_series(0, 2) s`;
  const viewer = await signedIn(sql, "viewer");
  const ask = (caller: typeof viewer) =>
    as(
      sql,
      caller,
      async (sql) => (await sql`select public.link_clicks('{poster-1,chat-1,nothing}') as clicks`)[0].clicks,
    );
  assertEquals(await ask(viewer), {
    "poster-1": { all: 46, week: 26 },
    "chat-1": { all: 0, week: 0 },
    nothing: { all: 0, week: 0 },
  });
  assertEquals(await refusal(ask(await signedIn(sql))), "42501");
});
