/** Identities that have sent a mail to many people, who may answer: what the bench of e-mail starts from. */
import type { Sql } from "postgres";

/** Identities; each forwards to an inbox of its own. */
const IDENTITIES = 20;

/** Somebody who may answer, and the token of the mail to answer. */
export interface Person {
  address: string;
  token: string;
}

/** Adds the identities, and a mail of theirs to each of so many people; gives these. */
export async function peopleWithMail(sql: Sql, count: number): Promise<Person[]> {
  await sql`insert into public.email_identities (user_id, from_email, display_name, forward_to, is_default, verified_at)
    select 'user-' || n, 'alex' || n || '@example.com', 'Alex ' || n, 'alex' || n || '@corp.example', n = 1, now()
    from generate_series(1, ${IDENTITIES}::int) n`;
  await sql.begin(async (tx) => {
    await tx`create temporary table people on commit drop as
      select n, private.uuid_v7() as contact, private.uuid_v7() as conversation, private.uuid_v7() as message,
        'person' || n || '@people.example' as address, 'alex' || n % ${IDENTITIES}::int + 1 || '@example.com' as number,
        substr(translate(md5('token' || n) || md5('more' || n), '01890', 'ghijk'), 1, 16) as token
      from generate_series(1, ${count}::int) n`;
    await tx`insert into public.contacts (id, channel, name) select contact, 'email', 'Casey ' || n from people`;
    await tx`insert into public.contact_identities (contact_id, channel, kind, value)
      select contact, 'email', 'email', address from people`;
    await tx`insert into public.conversations (id, channel, number_id, contact_id)
      select conversation, 'email', number, contact from people`;
    await tx`insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, native, status, thread_id, sent_at)
      select message, 'email', conversation, 'out', 'sg-bench-' || n, 'email', 'Your order is ready.',
        jsonb_build_object('type', 'email', 'subject', 'Your order', 'references', '[]'::jsonb, 'send_domain', 'example.com'),
        'delivered', message, now() from people`;
    await tx`insert into public.reply_tokens (token, message_id) select token, message from people`;
  });
  await sql`vacuum analyze`;
  return [
    ...await sql<Person[]>`select i.value as address, t.token from public.reply_tokens t
      join public.messages m on m.id = t.message_id join public.conversations c on c.id = m.conversation_id
      join public.contact_identities i on i.contact_id = c.contact_id
      where m.provider_id like 'sg-bench-%' order by m.id`,
  ];
}

/** The table of the bare receiver, in a schema of its own. */
export async function makeBareTable(sql: Sql): Promise<void> {
  await sql`drop schema if exists bench_email cascade`.simple();
  await sql`create schema bench_email`;
  await sql`create table bench_email.mails (
    id bigint generated always as identity primary key, message_id text not null unique, sender text not null,
    recipient text not null, subject text not null, date timestamptz, in_reply_to text, body_text text, body_html text,
    envelope jsonb not null, received_at timestamptz not null default now())`;
}
