/** Contacts that the team merges by hand: one person for opt-outs, export and erasure; undone exactly. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { PEOPLE } from "../../supabase/functions/_shared/contract/answers/people.ts";
import { as, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, message } from "../support/intake.ts";
import { holds } from "../support/property.ts";

const phone = (n: number) => `491510000000${n}`;
const at = (minute: number) => new Date(Date.UTC(2026, 10, 21, 12, minute)).toISOString();

async function contactOf(sql: Sql, n: number): Promise<string> {
  return (await sql`select contact_id from public.contact_identities where value = ${phone(n)}`)[0]
    .contact_id;
}

async function merge(sql: Sql, keep: number, other: number): Promise<string> {
  const [{ merged }] = await sql`
    select public.merge_people(${await contactOf(sql, keep)}, ${await contactOf(
    sql,
    other,
  )}, 'said so') as merged`;
  return PEOPLE.merge_people.parse(merged).id;
}

const undo = (sql: Sql, id: string) => sql`select public.undo_merge(${id}, 'a mistake')`;

/** All that is known of people and their conversations. */
async function everything(sql: Sql): Promise<string> {
  const [{ all }] = await sql`
    select jsonb_build_object(
      'contacts', (select jsonb_agg(to_jsonb(c) order by c.id) from public.contacts c),
      'identities', (select jsonb_agg(to_jsonb(i) order by i.id) from public.contact_identities i),
      'conversations', (select jsonb_agg(to_jsonb(v) order by v.id) from public.conversations v),
      'messages', (select jsonb_agg(to_jsonb(m) order by m.id) from public.messages m)) as all`;
  return JSON.stringify(all);
}

async function optedOut(sql: Sql): Promise<number[]> {
  const rows = await sql`
    select right(i.value, 1)::int as n from public.conversations c join public.contact_identities i on i.contact_id = c.contact_id
    where c.opted_out_at is not null order by 1`;
  return rows.map(({ n }) => n);
}

databaseTest("merge_people, undo_merge: merging and undoing leaves everything as it was", async (sql) => {
  const words = fc.array(
    fc.record({ who: fc.integer({ min: 1, max: 4 }), word: fc.constantFrom("hello", "stop", "start") }),
    { minLength: 1, maxLength: 8 },
  );
  const pairs = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })).filter(([a, b]) => a !== b),
    { minLength: 1, maxLength: 4 },
  );
  await holds(
    fc.asyncProperty(words, pairs, async (words, pairs) => {
      await sql`truncate public.contacts, public.webhook_events cascade`;
      for (const n of [1, 2, 3, 4]) await ingest(sql, message({ phone: phone(n), at: at(0) }));
      for (const [i, { who, word }] of words.entries()) {
        await ingest(sql, message({ phone: phone(who), body: word, at: at(i + 1) }));
      }
      const before = await everything(sql);
      const done: string[] = [];
      for (const [keep, other] of pairs) {
        const id = await merge(sql, keep, other).catch(() => undefined);
        if (id !== undefined) done.push(id);
      }
      for (const id of done.reverse()) await undo(sql, id);
      assertEquals(await everything(sql), before);
    }),
    { cases: 15 },
  );
});

databaseTest(
  "undo_merge: of two merges the later undone, the first pair has its own word again",
  async (sql) => {
    for (const n of [1, 2, 3]) await ingest(sql, message({ phone: phone(n), at: at(0) }));
    await ingest(sql, message({ phone: phone(2), body: "start", at: at(1) }));
    await ingest(sql, message({ phone: phone(1), body: "stop", at: at(2) }));
    await merge(sql, 3, 2);
    const later = await merge(sql, 1, 2);
    assertEquals(await optedOut(sql), [1, 2, 3]);
    await undo(sql, later);
    assertEquals(await optedOut(sql), [1]);
  },
);

databaseTest("merge_people: the newest word of one person counts for all their contacts", async (sql) => {
  for (const n of [1, 2, 3]) await ingest(sql, message({ phone: phone(n), at: at(0) }));
  await ingest(sql, message({ phone: phone(1), body: "stop", at: at(1) }));
  const first = await merge(sql, 1, 2);
  assertEquals(await optedOut(sql), [1, 2]);
  await ingest(sql, message({ phone: phone(2), body: "start", at: at(2) }));
  assertEquals(await optedOut(sql), []);
  const second = await merge(sql, 2, 3);
  await ingest(sql, message({ phone: phone(3), body: "stop", at: at(3) }));
  assertEquals(await optedOut(sql), [1, 2, 3]);
  // A new conversation of one of them, with another number of ours.
  await ingest(sql, message({ phone: phone(1), sender_id: "2", body: "stop", at: at(4) }));
  await ingest(sql, message({ phone: phone(2), sender_id: "2", at: at(5) }));
  const elsewhere =
    await sql`select from public.conversations where number_id = '2' and opted_out_at is not null`;
  assertEquals(elsewhere.length, 2);
  await undo(sql, second);
  await undo(sql, first);
  // Each has the own words again.
  const own = await sql`
    select right(i.value, 1)::int as n, c.number_id, c.opted_out_at is not null as out from public.conversations c
    join public.contact_identities i on i.contact_id = c.contact_id order by 1, 2`;
  assertEquals(own.map(({ n, number_id, out }) => [n, number_id, out]), [
    [1, "1", true],
    [1, "2", true],
    [2, "1", false],
    [2, "2", false],
    [3, "1", true],
  ]);
});

databaseTest(
  "merge_people: export and erasure take all contacts of the person, and nobody else",
  async (sql) => {
    for (const n of [1, 2, 3]) await ingest(sql, message({ phone: phone(n), body: `words of ${n}` }));
    await merge(sql, 1, 2);
    const [{ exported }] = await sql`select public.export_contact(${phone(2)}) as exported`;
    const text = JSON.stringify(exported);
    assert(text.includes("words of 1") && text.includes("words of 2") && !text.includes("words of 3"));
    await sql`select public.erase_contact(${phone(1)})`;
    assertEquals((await sql`select text from public.messages`).map((row) => row.text), ["words of 3"]);
    assertEquals((await sql`select from public.contact_merges`).length, 0);
  },
);

databaseTest("merge_people: who did it, when and why is on record, and seen by the team", async (sql) => {
  for (const n of [1, 2]) await ingest(sql, message({ phone: phone(n), name: `Person ${n}` }));
  const [keep, other] = [await contactOf(sql, 1), await contactOf(sql, 2)];
  const operator = await signedIn(sql, "operator");
  const [{ merged }] = await as(
    sql,
    operator,
    (mine) => mine`select public.merge_people(${keep}, ${other}, 'said so') as merged`,
  );
  const viewer = await signedIn(sql, "viewer");
  const [{ person }] = await as(sql, viewer, (mine) => mine`select public.read_person(${other}) as person`);
  const { contacts, merges } = PEOPLE.read_person.parse(person);
  assertEquals(
    contacts.map(({ last_four, name, conversations }) => [last_four, name, conversations.length]),
    [
      ["0001", null, 1],
      ["0002", null, 1],
    ],
  );
  assertEquals(merges.map(({ id, reason, merged_by, undone_at }) => [id, reason, merged_by, undone_at]), [
    [merged.id, "said so", operator.sub, null],
  ]);
  const [{ split }] = await as(
    sql,
    operator,
    (mine) => mine`select public.split_contact(${other}, 'a mistake') as split`,
  );
  assertEquals(PEOPLE.split_contact.parse(split).map(({ id }) => id), [merged.id]);
  const acts = await sql`select act, reason from public.contact_acts order by id`;
  assertEquals(acts.map(({ act, reason }) => [act, reason]), [
    ["merged", "said so"],
    ["merged", "said so"],
    ["split", "a mistake"],
    ["split", "a mistake"],
  ]);
});

databaseTest("merge_people: what the provider proves meanwhile is the person's too", async (sql) => {
  await ingest(sql, message({ phone: phone(1) }), message({ phone: phone(2) }));
  await ingest(sql, message({ phone: undefined, bsuid: "US.3", body: "by id" }));
  await merge(sql, 1, 2);
  // The contact with the id turns out to be the second.
  await ingest(sql, message({ phone: phone(2), bsuid: "US.3" }));
  const [{ exported }] = await sql`select public.export_contact(${phone(1)}) as exported`;
  assert(JSON.stringify(exported).includes("by id"));
});

databaseTest("merge_people: refuses whoever may not, groups, strangers and the same person", async (sql) => {
  for (const n of [1, 2, 3]) await ingest(sql, message({ phone: phone(n) }));
  await ingest(sql, message({ phone: undefined, group: "g1" }));
  const [one, two] = [await contactOf(sql, 1), await contactOf(sql, 2)];
  const [{ contact_id: group }] =
    await sql`select contact_id from public.contact_identities where kind = 'group'`;
  const asked = (keep: string, other: string, reason = "said so") =>
    refusal(sql`select public.merge_people(${keep}, ${other}, ${reason})`);
  assertEquals(await asked(one, one), "GL409");
  assertEquals(await asked(one, crypto.randomUUID()), "GL404");
  assertEquals(await asked(one, group), "GL422");
  assertEquals(await asked(one, two, " "), "GL422");
  assertEquals(await asked(one, two, `because ${phone(1)} said so`), "GL422");
  const viewer = await signedIn(sql, "viewer");
  assertEquals(
    await refusal(as(sql, viewer, (mine) => mine`select public.merge_people(${one}, ${two}, 'x')`)),
    "42501",
  );
  const id = await merge(sql, 1, 2);
  await merge(sql, 2, 3);
  assertEquals(await asked(one, await contactOf(sql, 3)), "GL409");
  await undo(sql, id);
  assertEquals(await refusal(undo(sql, id)), "GL409");
  assertEquals(await refusal(undo(sql, crypto.randomUUID())), "GL404");
  assertEquals(await refusal(sql`select public.split_contact(${one})`), "GL404");
});
