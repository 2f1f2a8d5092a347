/** What runs for a campaign of a million reads what it takes: pages are counted, of every statement within. */
import type { Sql } from "postgres";
import { addIdentities, setFlags } from "../support/mail_rows.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { databaseTest } from "../support/database.ts";

const MANY = 1_000_000;
const ID = "0197c000-0000-7000-8000-000000000001";
const OTHER = "0197c000-0000-7000-8000-000000000002";

async function fill(sql: Sql): Promise<void> {
  await addIdentities(sql);
  await setFlags(sql, { email_send: true });
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local synchronous_commit = off;
      insert into public.campaigns (id, name, from_email, subject, text, state, per_minute) values
        ('${ID}', 'one', 'alex@send.example', 'News', 'Hello', 'sending', 600),
        ('${OTHER}', 'other', 'alex@send.example', 'News', 'Hello', 'draft', 600);
      insert into public.campaign_recipients (campaign_id, address, state, message_id, told, at)
        select '${ID}', 'r' || g || '@people.example', case when g % 2 = 0 then 'queued' else 'pending' end,
          case when g % 2 = 0 then ('01000000-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))::uuid end,
          case when g % 2 = 0 then 3 else 0 end, case when g % 2 = 0 then now() - g * interval '1 ms' end
        from generate_series(1, ${MANY}) g;
      insert into private.campaign_tickets (ticket, campaign_id, told) select g, '${ID}', 128 from generate_series(1, ${
      MANY / 2
    }) g;
      insert into private.campaign_counts (campaign_id, hour, what, n)
        select '${ID}', date_trunc('hour', now()) - h * interval '1 hour', w, 100
        from generate_series(0, 500) h cross join unnest('{recipients,queued,sent,delivered,failed,opened,opened_human,clicked,replied}'::text[]) w;`);
  });
  await sql.unsafe(
    "vacuum analyze public.campaign_recipients, private.campaign_tickets, private.campaign_counts, public.campaigns",
  );
}

/** Runs a statement and returns how many pages it read. */
async function pages(sql: Sql, statement: string): Promise<number> {
  const [row] = await sql.unsafe(`explain (analyze, buffers, format json) ${statement}`);
  const [{ Plan: plan }] = row["QUERY PLAN"];
  return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"];
}

databaseTest("a campaign of a million: each call reads by index", async (sql) => {
  await fill(sql);
  const message = `01000000-0000-7000-8000-${(2).toString(16).padStart(12, "0")}`;
  const calls: [what: string, statement: string, most: number][] = [
    ["read_campaign", `select public.read_campaign('${ID}')`, 2000],
    ["list_campaigns", "select public.list_campaigns()", 2000],
    ["list_campaign_recipients", `select public.list_campaign_recipients('${ID}', 500000, 100)`, 400],
    [
      "add_campaign_recipients",
      `select public.add_campaign_recipients('${OTHER}', '[{"to": "r7@people.example"}, {"to": "new@people.example"}]')`,
      600,
    ],
    ["tell_campaign", `select private.tell_campaign('${message}', '{bounced}')`, 100],
    ["count_campaign_news", "select private.count_campaign_news(now())", 800],
    // A hundred messages, each with its contact and conversation.
    ["send_campaigns", "select private.send_campaigns(now())", 60_000],
    ["erasure", "select from public.campaign_recipients where address = 'r8@people.example'", 50],
  ];
  const read: Record<string, number> = {};
  for (const [what, statement] of calls) read[what] = await pages(sql, statement);
  assertEquals(
    calls.filter(([what, , most]) => read[what] > most).map(([what]) => `${what}: ${read[what]}`),
    [],
  );
  const [{ made }] = await sql`select count(*)::int as made from public.outbound_messages`;
  assert(made > 0, "messages were made");
});
