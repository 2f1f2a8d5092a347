/** Lists that are read by pages: each row once, in the order of the whole list, even of many of the same moment. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";

const ROWS = 41;
const PAGE = 7;

type Item = Record<string, unknown>;

/** How a list is called: the whole of it, a page after an item, and those that a search finds. */
interface List {
  whole: string;
  page: (after: Item | undefined) => string;
  search?: (text: string) => string;
}

const json = (filter: Item) => `'${JSON.stringify(filter)}'`;

const LISTS: Record<string, List> = {
  list_incidents: {
    whole: "null, 500",
    page: (after) => `null, ${PAGE}, ${json(after ? { after: after.number } : {})}`,
    search: (text) => `null, 500, ${json({ search: text })}`,
  },
  list_announcements: {
    whole: "500",
    page: (after) => `${PAGE}, ${json(after ? { before: after.id } : {})}`,
    search: (text) => `500, ${json({ search: text })}`,
  },
  list_campaigns: {
    whole: "200",
    page: (after) => `${PAGE}, ${json(after ? { before: after.id } : {})}`,
    search: (text) => `200, ${json({ search: text })}`,
  },
  list_reports: {
    whole: "null, 500",
    page: (after) => `null, ${PAGE}, ${after ? `'${after.id}'` : "null"}`,
  },
  list_identities: {
    whole: "",
    page: (after) => `${json(after ? { after: after.from_email } : {})}, ${PAGE}`,
    search: (text) => json({ search: text }),
  },
  list_unknown: {
    whole: "200",
    page: (after) => `${PAGE}, ${json(after ? { after_at: after.since, after_id: after.id } : {})}`,
  },
  list_suppressions: {
    whole: "null, 500",
    page: (after) => after ? `'${after.since}', ${PAGE}, ${after.same}` : `null, ${PAGE}`,
    search: (text) => `null, 500, null, '${text}'`,
  },
  list_waiting: {
    whole: "'{}', 200",
    page: (after) =>
      `${
        json(
          after
            ? {
              before_at: after.due_at,
              before_lane: after.lane,
              before_destination: after.destination,
            }
            : {},
        )
      }, ${PAGE}`,
  },
};

/** Some of everything, most of it at the same moments. The 17th of what has a name is called needle. */
async function fill(sql: Sql): Promise<void> {
  await sql`
    insert into public.incidents (title, kind, severity, status, resolved_at, opened_at, escalates_from)
    select case when i = 17 then 'A Needle' else 'incident ' || i end, 'error_rate', 'P' || i % 3,
      case when i % 2 = 0 then 'resolved' else 'investigating' end, case when i % 2 = 0 then now() end, now(), now()
    from generate_series(1, ${ROWS}::int) i`;
  await sql`
    insert into public.announcements (name, audience, text)
    select case when i = 17 then 'A Needle' else 'news ' || i end, '{"kind": "wrote", "days": 1}', 'hello'
    from generate_series(1, ${ROWS}::int) i`;
  await sql`
    insert into public.campaigns (name, from_email, subject, text)
    select case when i = 17 then 'A Needle' else 'mail ' || i end, 'desk@send.example', 'News', 'Hello'
    from generate_series(1, ${ROWS}::int) i`;
  const [{ id: rollout }] = await sql`
    insert into public.rollouts (flag_key, plan) values ('a.enabled', 'a plan') returning id`;
  await sql`
    insert into public.reports (kind, rollout_id, period_from, due_at, figures, look)
    select case when i % 2 = 0 then 'daily' else 'first_day' end, ${rollout}, now(), '2026-11-01Z'::timestamptz + interval '1 hour' * (i / 2), '{}', '{}'
    from generate_series(1, ${ROWS}::int) i`;
  await sql`
    insert into public.email_identities (user_id, from_email, display_name, provider, is_default)
    select 'u' || i, 'shop' || i || '@mail.example.com', case when i = 17 then 'A Needle' else 'Shop' end, 'sendgrid', i = 30
    from generate_series(1, ${ROWS}::int) i`;
  await sql`
    insert into public.suppressions (address, scope, reason, source, since)
    select 'p' || i || case when i = 17 then '@needle.example' else '@people.example' end, 'all', 'bounce', 'sendgrid',
      case when i <= 20 then '2026-11-01Z' else '2026-11-02Z' end::timestamptz
    from generate_series(1, ${ROWS}::int) i`;
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true')`;
  await sql`select public.allow_host('localhost', 'forward')`;
  for (const name of ["crm", "orders"]) {
    await sql`select public.add_destination(${name}, 'http://localhost/')`;
  }
  const people = Array.from({ length: ROWS }, (_, n) => message({ phone: `49151000${10_000 + n}` }));
  await ingest(sql, ...people);
  await sql`
    insert into public.deliveries (message_id, destination_id, conversation_id, seq, state)
    select m.id, d.id, m.conversation_id, m.seq, 'pending' from public.messages m cross join public.destinations d
    where d.name in ('crm', 'orders')`;
  await sql`
    insert into private.delivery_lanes (destination_id, conversation_id, due_at)
    select destination_id, conversation_id, '2026-11-21 12:00Z'::timestamptz + interval '1 minute' * (row_number() over () % 3)
    from public.deliveries`;
  await sql`
    insert into public.outbound_messages (id, conversation_id, number_id, state, updated_at)
    select m.id, m.conversation_id, c.number_id, 'unknown', '2026-11-21 12:00Z'::timestamptz + interval '1 minute' * (row_number() over () % 2)
    from public.messages m join public.conversations c on c.id = m.conversation_id`;
}

const call = async (sql: Sql, caller: Caller, name: string, args: string): Promise<Item[]> =>
  await as(
    sql,
    caller,
    async (sql) => (await sql.unsafe(`select public.${name}(${args}) as answer`))[0].answer,
  );

databaseTest("lists of the panel: pages hold each row once, in the order of the whole list", async (sql) => {
  await fill(sql);
  const viewer = await signedIn(sql, "viewer");
  for (const [name, { whole, page, search }] of Object.entries(LISTS)) {
    const all = await call(sql, viewer, name, whole);
    assert(all.length >= ROWS, `${name} has ${all.length} rows`);
    const paged: Item[] = [];
    for (;;) {
      const items = await call(sql, viewer, name, page(paged.at(-1)));
      assert(items.length <= PAGE, name);
      paged.push(...items);
      if (items.length < PAGE || paged.length > all.length) break;
    }
    // What a search finds, and what counts from the last page, is compared by the whole of each item.
    const plain = (items: Item[]) => items.map((item) => JSON.stringify(item));
    assertEquals(plain(paged), plain(all), name);
    assertEquals(new Set(plain(all)).size, all.length, name);
    if (search) assertEquals((await call(sql, viewer, name, search("NEEDLE"))).length, 1, name);
  }
});

databaseTest("list_suppressions: a viewer's search does not reach what is cut of an address", async (sql) => {
  await fill(sql);
  const viewer = await signedIn(sql, "viewer");
  assertEquals(await call(sql, viewer, "list_suppressions", "null, 500, null, 'p17@'"), []);
});
