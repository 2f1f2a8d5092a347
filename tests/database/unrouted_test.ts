/** Whom the router takes next: who waits longest, but those whom its flag holds back; at a cost of what is taken. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

/** Conversations that wait, one a second from the first on, held at a revision or not. Nothing stands in them. */
async function waiting(sql: Sql, name: string, count: number, held: number | null): Promise<void> {
  await sql`
    with people as (
      insert into public.contacts (name) select ${name} || n from generate_series(1, ${count}::int) n
      returning id, substr(name, ${name.length + 1})::int as n)
    insert into public.conversations (contact_id, channel, number_id, unrouted_since, held_revision)
    select id, 'whatsapp', '1', timestamptz '2026-11-22 00:00Z' + n * interval '1 second', ${held}
    from people order by n`;
}

/** Names of those who are taken, in their order. */
async function taken(sql: Sql, revision: number, limit: number): Promise<string[]> {
  const [{ claimed }] = await sql<{ claimed: { contact_id: string }[] }[]>`
    select public.claim_unrouted(${revision}, ${limit}) as claimed`;
  const rows = await sql<{ id: string; name: string }[]>`select id, name from public.contacts`;
  const names = new Map(rows.map(({ id, name }) => [id, name]));
  return claimed.map(({ contact_id }) => names.get(contact_id)!);
}

databaseTest(
  "claim_unrouted: longest waiting first, without people held at this revision",
  async (sql) => {
    await sql`insert into public.wa_numbers (id) values ('1') on conflict do nothing`;
    await waiting(sql, "free", 3, null);
    await waiting(sql, "old", 3, 5);
    await waiting(sql, "now", 3, 7);
    await waiting(sql, "new", 3, 9);
    // After each other in every second: free, then those held at 5, at 7 and at 9.
    await sql`
    update public.conversations set unrouted_since = unrouted_since + held_revision * interval '0.01 s'
    where held_revision is not null`;
    assertEquals(await taken(sql, 7, 100), [
      "free1",
      "old1",
      "new1",
      "free2",
      "old2",
      "new2",
      "free3",
      "old3",
      "new3",
    ]);
    assertEquals(await taken(sql, 7, 4), ["free1", "old1", "new1", "free2"]);
    assertEquals(await taken(sql, 5, 100), [
      "free1",
      "now1",
      "new1",
      "free2",
      "now2",
      "new2",
      "free3",
      "now3",
      "new3",
    ]);
    await sql`update public.conversations set unrouted_since = null where held_revision is distinct from 7`;
    assertEquals(await taken(sql, 7, 100), []);
    assertEquals(await taken(sql, 8, 2), ["now1", "now2"]);
  },
);

/** Pages that one claim reads, once its plan is made. */
async function pages(sql: Sql, revision: number): Promise<number> {
  for (let time = 0;; time++) {
    const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(
      `explain (analyze, buffers, format json) select public.claim_unrouted(${revision}, 200)`,
    );
    if (time === 2) return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
  }
}

databaseTest("claim_unrouted: reads only what it claims, however many are held", async (sql) => {
  await sql`insert into public.wa_numbers (id) values ('1') on conflict do nothing`;
  await waiting(sql, "held", 100, 7);
  await waiting(sql, "free", 5, null);
  const few = await pages(sql, 7);
  await waiting(sql, "more", 20_000, 7);
  const many = await pages(sql, 7);
  // A higher tree is a page more for each look into it; 20,000 held conversations are hundreds of pages.
  assert(many < few + 200, `${many} pages with 20,000 held ones, ${few} with 100`);
});
