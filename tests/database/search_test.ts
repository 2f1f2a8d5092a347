/** Search over everything that the panel shows, on Postgres, by role. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import type { SearchHit } from "../../supabase/functions/_shared/contract/answers/search.ts";
import { ANON, as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import { addDestination, addRoute } from "../support/service.ts";

const find = (sql: Sql, caller: Caller, query: string): Promise<SearchHit[]> =>
  as(sql, caller, async (sql) => (await sql`select public.search_everything(${query}) as hits`)[0].hits);
const said = (hits: SearchHit[]) => hits.map(({ kind, id }) => `${kind} ${id}`);

/** Something of each kind that is called harvest, and a person who wrote. */
async function scene(sql: Sql) {
  await sql`insert into public.wa_numbers (id, display_number) values ('1', '15550783881')`;
  await sql`insert into public.settings (key, value, metadata) values
    ('harvest.enabled', 'true', '{"description": "Apples and pears"}'), ('harvest.label', 'x', '{}'),
    ('other.enabled', 'false', '{"description": "not the harvest"}')`;
  await sql`select public.create_rollout('harvest.enabled', '{"template": "canary"}')`;
  const [{ n: incident }] =
    await sql`select (public.open_incident('Harvest replies come late')).number::text as n`;
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('hooks.example.com', 'forward')`;
  await addDestination(sql, "harvest-orders", { url: "https://hooks.example.com/secret-path" });
  const route = await addRoute(sql, ["harvest-orders"], { type: "any" }, { name: "all-harvest" });
  await sql`select public.set_segment('harvest-testers', 'Growers', 0)`;
  await sql`select public.create_announcement(${
    sql.json({ name: "Harvest news", text: "Hello", audience: { kind: "wrote", days: 30 } })
  })`;
  await sql`insert into public.links (code, request_hash, title, default_url) values
    ('harvest2', 'h', null, 'https://example.com/a'), ('abcd2345', 'h', 'Harvest fair', 'https://example.com/b'),
    ('efgh2345', 'h', null, 'https://example.com/harvest/pears'), ('gone2345', 'h', 'Harvest gone', 'https://example.com/c')`;
  await sql`update public.links set state = 'deleted' where code = 'gone2345'`;
  await ingest(sql, message({ phone: "4915100000142", name: "Zoë O'Brien-Harvest", body: "hi" }));
  const [{ id: conversation }] = await sql`select id from public.conversations`;
  const [{ id: written }] = await sql`select id from public.messages`;
  return {
    incident,
    route,
    conversation,
    written,
    viewer: await signedIn(sql, "viewer"),
    operator: await signedIn(sql, "operator"),
  };
}

databaseTest("search_everything: one word finds every kind, the best first", async (sql) => {
  const { incident, route, conversation, operator } = await scene(sql);
  const hits = await find(sql, operator, "Harvest");
  assertEquals(
    [...new Set(hits.map(({ kind }) => kind))].toSorted(),
    [
      "announcement",
      "conversation",
      "destination",
      "flag",
      "incident",
      "link",
      "rollout",
      "route",
      "segment",
      "setting",
    ],
  );
  assertEquals(hits.map(({ rank }) => rank), hits.map(({ rank }) => rank).toSorted());
  const found = said(hits);
  for (
    const one of [
      "flag harvest.enabled",
      "flag other.enabled",
      "setting harvest.label",
      `incident ${incident}`,
      "destination harvest-orders",
      `route ${route}`,
      "link harvest2",
      "link abcd2345",
      "link efgh2345",
      `conversation ${conversation}`,
    ]
  ) assert(found.includes(one), one);
  assert(!found.includes("link gone2345"), "what was deleted is not found");
  assert(found.indexOf("flag harvest.enabled") < found.indexOf("flag other.enabled"), "the name comes first");
  assert(!JSON.stringify(hits).includes("secret-path"), "of an address the host is shown");
});

databaseTest("search_everything: every word has to be there, in any order and case", async (sql) => {
  const { operator, viewer, incident } = await scene(sql);
  assertEquals(said(await find(sql, operator, "  FAIR   harvest ")), ["link abcd2345"]);
  assertEquals(said(await find(sql, viewer, "late replies")), [`incident ${incident}`]);
  assertEquals(await find(sql, viewer, "harvest nowhere"), []);
  assertEquals(said(await find(sql, viewer, "apples pears")), ["flag harvest.enabled"]);
  assertEquals(await find(sql, viewer, "%"), [], "a pattern is a text");
});

databaseTest(
  "search_everything: a person is found by name, number or address by operators alone",
  async (sql) => {
    const { conversation, written, operator, viewer } = await scene(sql);
    for (const query of ["zoë", "o'brien", "harvest zoë", "4915100000142", "+49 151 0000-0142"]) {
      const people = (await find(sql, operator, query)).filter(({ kind }) => kind === "conversation");
      assertEquals(people.map(({ id }) => id), [conversation], query);
      assertEquals([people[0].title, people[0].about], ["Zoë O'Brien-Harvest", "0142"]);
      assertEquals(
        (await find(sql, viewer, query)).filter(({ kind }) => kind === "conversation"),
        [],
        `${query} for a viewer`,
      );
    }
    for (const query of ["0142", written, conversation]) {
      const [hit] = await find(sql, viewer, query);
      assertEquals([hit.kind, hit.id, hit.title, hit.about], ["conversation", conversation, null, "0142"]);
      assertEquals(hit.message_id, query === written ? written : null);
    }
    for (const odd of ["'", "\\", "a:*", "& |", "!", "'':* | x", "😀", "مرحبا", "x".repeat(5000)]) {
      assertEquals(await find(sql, operator, odd), [], odd);
    }
  },
);

databaseTest(
  "search_everything: without a word, what can be acted on, and no more of a kind than asked for",
  async (sql) => {
    const { viewer } = await scene(sql);
    await sql`insert into public.settings (key, value)
    select 'many-' || n || '.enabled', 'false' from generate_series(1, 40) n`;
    const hits = await find(sql, viewer, "");
    assertEquals(hits.filter(({ kind }) => kind === "flag").length, 6);
    assertEquals(hits.find(({ kind }) => kind === "flag")?.state, "on", "what is on comes first");
    assertEquals(hits.some(({ kind }) => ["link", "conversation", "setting"].includes(kind)), false);
    const [{ n }] = await as(
      sql,
      viewer,
      (sql) => sql`select jsonb_array_length(public.search_everything('many', 1000)) as n`,
    );
    assertEquals(n, 40);
  },
);

databaseTest("search_everything: nobody from outside of the team searches", async (sql) => {
  for (const caller of [ANON, await signedIn(sql)]) {
    assertEquals(await refusal(find(sql, caller, "a")), "42501");
  }
});
