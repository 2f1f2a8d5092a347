/**
 * How long it takes to find the message that a mail answers, by its token, among few and among many: `resolve_mails` as the
 * intake calls it. Both databases lie on one server and are asked by turns, so that what else the machine does meets both.
 */
import { statfsSync } from "node:fs";
import postgres, { type Sql } from "postgres";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { migrate } from "../../lib/migrate.ts";
import { join } from "../../lib/paths.ts";
import { type Postgres, startPostgres } from "../../lib/postgres/postgres.ts";
import { onDatabase } from "../../tests/support/connect.ts";
import { temporaryFolder } from "../../tests/support/stack.ts";
import type { Row } from "../report.ts";

/** Most tokens that can be asked for. */
export const MOST_TOKENS = 10_000_000;
/** Bytes of a sent mail with its token, indexes included, measured; and what building the indexes takes besides. */
const A_MAIL = 900, SORTING = 1.3;
/** The empty databases, and the server's log of changes at its largest. */
const SERVER = 3e9;
/** People that the mails were sent to, and mails of each. */
const EACH = 100;

/** What to tell whoever asks for so many where the disk lacks the room; undefined where it has it. */
export function roomFault(folder: string, tokens: number): string | undefined {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize, needed = tokens * A_MAIL * SORTING + SERVER;
  if (free >= needed) return undefined;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  return `${tokens.toLocaleString("en")} tokens need ${gb(needed)}, and ${folder} has ${gb(free)} free. ` +
    "Give --rows less, or TMPDIR a folder on another disk.";
}

/** Measures look-ups among `few` and `many` tokens. */
export async function lookUps(
  { few, many, turns }: { few: number; many: number; turns: number },
): Promise<Row[]> {
  await using folder = await temporaryFolder();
  const server = await startPostgres({
    dataDir: join(folder.path, "postgres"),
    password: "password of the bench",
    // Nothing is written while it is measured.
    durable: false,
  });
  try {
    const began = performance.now();
    const bytes = [await make(server, "few", few), await make(server, "many", many)][1];
    const seconds = (performance.now() - began) / 1000;
    const found = [await enter(server, "few", few), await enter(server, "many", many)];
    try {
      for (let turn = -Math.ceil(turns / 10); turn < turns; turn++) {
        if (turn === 0) { for (const { times } of found) times.length = 0; }
        for (const database of found) await lookUp(database);
      }
    } finally {
      await Promise.all(found.map(({ sql }) => sql.end({ timeout: 5 })));
    }
    await requireIndexes(server, "many", turns + Math.ceil(turns / 10));
    const [before, after] = found.map(({ times }) => {
      const sorted = times.sort((a, b) => a - b);
      return { p50: sorted[Math.floor(turns / 2)], p95: sorted[Math.floor(turns * 0.95)] };
    });
    const n = (count: number) => count.toLocaleString("en");
    return [
      { what: `filled ${n(many)} mails with their tokens, s`, value: seconds },
      { what: "  bytes of each", value: bytes / many },
      { what: `the mail of a token, by resolve_mails, among ${n(few)}: p50, ms`, value: before.p50 },
      { what: `  among ${n(many)}: p50, ms`, value: after.p50 },
      { what: `  among ${n(few)}: p95, ms`, value: before.p95 },
      { what: `  among ${n(many)}: p95, ms`, value: after.p95 },
      { what: "  p50, % of that among the few", value: 100 * after.p50 / before.p50, goal: "<= 130" },
    ];
  } finally {
    await server.stop();
  }
}

/** Makes a database with so many mails and tokens; gives its bytes. */
async function make(server: Postgres, name: string, count: number): Promise<number> {
  const admin = postgres(server.url, { max: 1, onnotice: () => {} });
  await admin.unsafe(`create database ${name}`).finally(() => admin.end());
  const sql = postgres(onDatabase(server.url, name), { max: 1, onnotice: () => {} });
  try {
    await bootstrap(sql);
    await migrate(sql);
    await fill(sql, count);
    const [{ bytes }] = await sql`select pg_database_size(current_database())::float8 as bytes`;
    return bytes;
  } finally {
    await sql.end();
  }
}

/** Tokens of one number in the order of the mails: anywhere in their index, as random ones lie. */
const TOKEN = "translate(substr(md5('token ' || g), 1, 16), '0189', 'ghij')";

/** Tables that grow with the mails. */
const GROWING = ["messages", "reply_tokens"];

/**
 * Does something while the growing tables lack the indexes that nothing refers to, and builds them after: a random token
 * at a time takes many times as long.
 */
async function withoutIndexes(tx: Sql, work: () => Promise<void>): Promise<void> {
  const indexes = await tx<{ name: string; made: string; owner: string; rule: string | null }[]>`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as made, i.indrelid::regclass::text as owner,
      (select format('constraint %I %s', c.conname, pg_get_constraintdef(c.oid))
      from pg_constraint c where c.conindid = i.indexrelid and c.contype in ('p', 'u')) as rule
    from pg_index i join pg_class t on t.oid = i.indrelid
    where t.relnamespace = 'public'::regnamespace and t.relname = any (${GROWING})
      and not exists (select from pg_constraint f where f.contype = 'f' and f.conindid = i.indexrelid)
    order by 1`;
  for (const { name, owner, rule } of indexes) {
    // A constraint has the name of its index.
    await tx.unsafe(rule === null ? `drop index ${name}` : `alter table ${owner} drop constraint ${name}`);
  }
  await work();
  for (const { made, owner, rule } of indexes) {
    await tx.unsafe(rule === null ? made : `alter table ${owner} add ${rule}`);
  }
}

/** @throws Error if a look-up read one of the growing tables otherwise than by an index */
async function requireIndexes(server: Postgres, name: string, times: number): Promise<void> {
  const sql = postgres(onDatabase(server.url, name), { max: 1, onnotice: () => {} });
  try {
    const read = await sql<{ name: string; whole: number; byIndex: number }[]>`
      select relname as name, seq_scan::int as whole, idx_scan::int as "byIndex" from pg_stat_user_tables
      where schemaname = 'public' and relname = any (${GROWING})`;
    for (const { name, whole, byIndex } of read) {
      if (whole > 0 || byIndex < times) {
        throw new Error(`${name} was read ${whole} times whole and ${byIndex} times by an index`);
      }
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function fill(sql: Sql, count: number): Promise<void> {
  await sql`insert into public.email_identities (user_id, from_email, display_name, forward_to, is_default, verified_at)
    values ('user-1', 'alex@example.com', 'Alex', 'alex@corp.example', true, now())`;
  await sql.begin(async (tx) => {
    await withoutIndexes(tx as unknown as Sql, async () =>
      void await tx.unsafe(`
      set local session_replication_role = replica;
      set local maintenance_work_mem = '512MB';
      create temporary table people on commit drop as
        select n, private.uuid_v7() as contact, private.uuid_v7() as conversation, 'person' || n || '@people.example' as address
        from generate_series(0, ${Math.ceil(count / EACH) - 1}) n;
      insert into public.contacts (id, channel, name) select contact, 'email', 'Casey ' || n from people;
      insert into public.contact_identities (contact_id, channel, kind, value) select contact, 'email', 'email', address from people;
      insert into public.conversations (id, channel, number_id, contact_id) select conversation, 'email', 'alex@example.com', contact from people;
      create temporary table mails on commit drop as
        select g, private.uuid_v7() as id from generate_series(0, ${count - 1}) g;
      insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, native, status, status_rank, thread_id, sent_at, created_at)
        select m.id, 'email', p.conversation, 'out', 'sg-' || m.g, 'email', 'Your order is ready.',
          '{"type": "email", "subject": "Your order", "references": [], "send_domain": "example.com"}', 'delivered', 3, m.id,
          now() - make_interval(secs => ${count} - m.g), now() - make_interval(secs => ${count} - m.g)
        from mails m join people p on p.n = m.g / ${EACH};
      insert into public.reply_tokens (token, message_id) select ${TOKEN}, id from mails`));
  });
  await sql`vacuum analyze`;
  await sql`checkpoint`;
}

interface Database {
  sql: Sql;
  count: number;
  times: number[];
}

async function enter(server: Postgres, name: string, count: number): Promise<Database> {
  const sql = postgres(onDatabase(server.url, name), { max: 1, onnotice: () => {} });
  // What the fill read has been written down with the end of its connection.
  await sql`select pg_stat_reset()`;
  return { sql, count, times: [] };
}

/** Asks for one of the tokens, any of them. @throws Error if it is not found, or belongs to another mail */
async function lookUp({ sql, count, times }: Database): Promise<void> {
  const g = Math.floor(Math.random() * count);
  const [{ token }] = await sql.unsafe(`select ${TOKEN} as token from (select ${g} as g) t`);
  const person = `person${Math.floor(g / EACH)}@people.example`;
  const question = {
    tokens: [token],
    legacy: [],
    references: [],
    from: person,
    recipient: `${token}@reply.example.com`,
  };
  const began = performance.now();
  const [{ answers }] = await sql`select public.resolve_mails(${sql.json([question])}) as answers`;
  times.push(performance.now() - began);
  if (answers[0].via !== "token" || !answers[0].sender.is_recipient) {
    throw new Error(`token ${g} was not found`);
  }
}
