/** An organisation whose clients and sitters text each other, each pair through a number of its own. */
import type { Sql } from "postgres";

/** A client and a sitter, and the number between them; E.164 with a plus sign. */
export interface Pair {
  client: string;
  sitter: string;
  number: string;
}

const FLAGS = ["sms_send.enabled", "messaging_v1.enabled", "sitter_messages_v1.enabled"];

/**
 * Adds the organisation with so many numbers, which send at the pace of their kind, and as many pairs; all by the functions
 * that an organisation's own system calls.
 */
export async function addPairs(sql: Sql, count: number): Promise<Pair[]> {
  for (const key of FLAGS) {
    await sql`insert into public.settings (key, value) values (${key}, 'true')
      on conflict (key) do update set value = excluded.value`;
  }
  await sql.begin(async (tx) => {
    const [{ org }] = await tx`
      select (public.set_org(null, '{"name": "Bench", "zone": "UTC"}') ->> 'id')::uuid as org`;
    await tx`select public.set_text_number('12065550100')`;
    await tx`select public.set_org_number(${org}, '12065550100', 'front_desk')`;
    await tx`create temporary table pairs on commit drop as
      select n, private.uuid_v7() as client, private.uuid_v7() as sitter, null::uuid as member,
        (12065600000 + n)::text as number, (12065700000 + n)::text as client_phone, (12065800000 + n)::text as sitter_phone
      from generate_series(1, ${count}::int) n`;
    await tx`select public.set_text_number(number), public.set_org_number(${org}, number, 'pool') from pairs`;
    await tx`insert into public.contacts (id, channel)
      select client, 'sms' from pairs union all select sitter, 'sms' from pairs`;
    await tx`insert into public.contact_identities (contact_id, channel, kind, value)
      select client, 'sms', 'phone', client_phone from pairs union all select sitter, 'sms', 'phone', sitter_phone from pairs`;
    await tx`update pairs set member = (public.set_org_member(${org}, 'sitter', null, sitter) ->> 'id')::uuid`;
    await tx`select public.assign_sitter((public.set_booking(${org}, 'b' || n, jsonb_build_object('client_id', client,
        'starts_local', (now() at time zone 'UTC') - interval '1 hour', 'ends_local', (now() at time zone 'UTC') + interval '1 day',
        'zone', 'UTC', 'repeats', 'weekly')) ->> 'id')::uuid, member, true)
      from pairs order by n`;
  });
  await sql`vacuum analyze`;
  const pairs = await sql<Pair[]>`
    select '+' || c.value as client, '+' || s.value as sitter, '+' || t.message_number_id as number
    from public.threads t
    join public.thread_legs l on l.thread_id = t.id and l.role = 'sitter' and l.number_id is not null
    join public.contact_identities c on c.contact_id = t.client_id
    join public.contact_identities s on s.contact_id = l.contact_id
    where t.number_class = 'pool' order by t.id`;
  const numbers = new Set(pairs.map(({ number }) => number));
  if (numbers.size !== count) throw new Error(`${numbers.size} numbers of ${count} are lent`);
  return [...pairs];
}

/** The tables of the bare relay, in a schema of their own, with the same pairs. */
export async function makeBareTables(sql: Sql, pairs: readonly Pair[]): Promise<void> {
  await sql`drop schema if exists bench_texts cascade`.simple();
  await sql`create schema bench_texts`;
  await sql`create table bench_texts.pairs (
    number text not null, phone text not null, other text not null, primary key (number, phone))`;
  await sql`create table bench_texts.texts (
    id bigint generated always as identity primary key, sid text not null unique, sender text not null,
    recipient text not null, body text not null, sent_sid text unique, status text, at timestamptz not null default now())`;
  const rows = pairs.flatMap(({ number, client, sitter }) => [
    { number, phone: client, other: sitter },
    { number, phone: sitter, other: client },
  ]);
  await sql`insert into bench_texts.pairs ${sql(rows)}`;
}
