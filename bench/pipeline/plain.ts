/** The limit: the rows of a text message by plain SQL, 64 messages a transaction, over two connections. */
import type postgres from "postgres";
import { body } from "../webhooks.ts";

const BATCH = 64;
const BATCHES = 480;

/** Makes the tables of {@linkcode plainSql}, all in a schema of their own. */
export async function makePlainTables(sql: postgres.Sql): Promise<void> {
  await sql`drop schema if exists bench_plain cascade`;
  await sql.file(new URL("./plain.sql", import.meta.url)).simple();
  await sql`vacuum analyze bench_plain.conversations`;
}

/** Messages a second that plain SQL writes for known people. */
export async function plainSql(sql: postgres.Sql, batches = BATCHES): Promise<number> {
  const conversations = (await sql<{ id: string }[]>`select id from bench_plain.conversations`).map((
    { id },
  ) => id);
  const native =
    JSON.parse(body({ hostname: "", port: 0, appSecret: "", phoneNumberId: "1" }, 1, 1)).entry[0].changes[0]
      .value
      .messages[0];
  let made = 0;
  async function connection(): Promise<void> {
    while (made < batches) {
      made++;
      const ids = Array.from({ length: BATCH }, () => `wamid.plain.${crypto.randomUUID()}`);
      const of = ids.map((_, i) => conversations[(made * BATCH + i) % conversations.length]).sort();
      await sql.begin(async (tx) => {
        await tx`insert into bench_plain.webhook_events (dedupe_key, field, kind, number_id)
          select id, 'messages', 'message', '1' from unnest(${ids}::text[]) as id`;
        await tx`insert into bench_plain.messages (conversation_id, direction, provider_id, type, text, native, status)
          select c, 'in', id, 'text', 'Is my order on its way?', ${native}, 'received'
          from unnest(${of}::uuid[], ${ids}::text[]) as r (c, id)`;
        await tx`update bench_plain.conversations set last_inbound_at = now(), last_message_at = now()
          where id = any (${of}::uuid[])`;
      });
    }
  }
  const started = performance.now();
  await Promise.all([connection(), connection()]);
  const perSecond = made * BATCH / ((performance.now() - started) / 1000);
  await sql`truncate bench_plain.webhook_events, bench_plain.messages`;
  return perSecond;
}
