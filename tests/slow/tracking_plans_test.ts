/**
 * What runs for opens and clicks of tracked mails reads what it takes, by index: with a million tracked mails, as many opens
 * and half as many clicks behind it. Pages are counted, of every statement within.
 */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { addIdentities, ALEX, setFlags } from "../support/mail_rows.ts";
import { databaseTest } from "../support/database.ts";

const MANY = 1_000_000;
/** A table that is small enough for a wrong guess to read it whole. */
const FEW = 20_000;
/** Mails of each person. */
const EACH = 10;
/** Times that each call is made, so that plans for any value have been made too. */
const TIMES = 7;
/** Mails in a call. */
const AT_ONCE = 10;
/** Pages that a call about so many mails may read: some dozens of rows by index, and the indexes of those that are written. */
const PAGES = 2000;

const CAMPAIGN = "0197c000-0000-7000-8000-000000000001";
const ID = (kind: string, n: string) =>
  `('0${kind}000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

async function fill(sql: Sql, mails: number): Promise<void> {
  const people = mails / EACH;
  await addIdentities(sql);
  await setFlags(sql, { email_send: true, email_tracking: true });
  await sql.begin(async (tx) => {
    await tx.unsafe(`
      set local session_replication_role = replica;
      set local synchronous_commit = off;
      insert into public.contacts (id, channel, name) select ${
      ID("1", "g")
    }, 'email', 'Person ' || g from generate_series(1, ${people}) g;
      insert into public.conversations (id, channel, number_id, contact_id)
        select ${ID("2", "g")}, 'email', '${ALEX.from}', ${ID("1", "g")} from generate_series(1, ${people}) g;
      insert into public.messages (id, channel, conversation_id, direction, provider_id, type, text, native, status, created_at)
        select ${ID("3", "g")}, 'email', ${ID("2", `1 + g % ${people}`)}, 'out', 'sg-' || g, 'email', 'hello',
          jsonb_build_object('type', 'email', 'campaign_id', '${CAMPAIGN}'), 'delivered', now() - (g || ' seconds')::interval
        from generate_series(1, ${mails}) g;
      insert into public.campaigns (id, name, from_email, subject, text) values ('${CAMPAIGN}', 'news', '${ALEX.from}', 'News', 'News');
      insert into public.campaign_recipients (campaign_id, address, state, message_id)
        select '${CAMPAIGN}', 'p' || g || '@people.example', 'queued', ${
      ID("3", "g")
    } from generate_series(1, ${mails}) g;
      insert into private.mail_link_sets (hash, links, used_at)
        select sha256(g::text::bytea), array['https://shop.example/' || g], now() from generate_series(1, ${
      mails / 100
    }) g;
      insert into private.mail_tickets (message_id, contact_id, campaign_id, link_set, mode, created_at)
        select ${ID("3", "g")}, ${ID("1", `1 + g % ${people}`)}, '${CAMPAIGN}', 1 + g % ${
      mails / 100
    }, 'individual', now()
        from generate_series(1, ${mails}) g;
      insert into public.tracking_consents (contact_id, mode, source) select ${
      ID("1", "g")
    }, 'individual', 'form' from generate_series(1, ${people}) g;
      insert into public.email_opens (ticket, message_id, campaign_id, at, verdict, reasons, client, signs, judged)
        select g, ${
      ID("3", "g")
    }, '${CAMPAIGN}', now(), 'human', 'browser', 'chrome', 'p.browser', true from generate_series(1, ${mails}) g;
      insert into public.email_clicks (ticket, message_id, campaign_id, at, link, verdict, reasons, client, signs, judged)
        select g, ${
      ID("3", "g")
    }, '${CAMPAIGN}', now(), 1, 'human', 'browser', 'chrome', 'p.browser', true from generate_series(2, ${mails}, 2) g;
      set local session_replication_role = origin`);
  });
  await sql`vacuum analyze`;
}

/** Pages that a call reads, and what it answers. */
async function call<T>(sql: Sql, statement: string): Promise<{ pages: number; answer: T }> {
  const [{ "QUERY PLAN": [{ Plan: plan }] }] = await sql.unsafe(`
    explain (analyze, buffers, timing off, format json) insert into kept (answer) select to_jsonb(${statement})`);
  const [{ answer }] = await sql`delete from kept returning answer`;
  return { pages: plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], answer };
}

const quoted = (value: unknown) => `'${JSON.stringify(value).replaceAll("'", "''")}'`;

/** All that runs for some mails, and what each call reads. */
async function round(sql: Sql, n: number): Promise<Record<string, number>> {
  const pages: Record<string, number> = {};
  async function run<T>(what: string, statement: string): Promise<T> {
    const { pages: read, answer } = await call<T>(sql, statement);
    pages[what] = read;
    return answer;
  }
  const numbers = Array.from({ length: AT_ONCE }, (_, i) => n * 100 + i * 7 + 1);
  const messages = (await sql.unsafe(`select ${ID("3", "g")} as id from unnest(array[${numbers}]) g`)).map((
    { id },
  ) => id);
  const tickets = await run<({ mail: number } | null)[]>(
    "track_mails",
    `public.track_mails(${
      quoted(
        messages.map((message) => ({ message, mode: "individual", links: [`https://shop.example/${n}`] })),
      )
    })`,
  );
  assertEquals(tickets.map((ticket) => ticket?.mail), numbers);
  assertEquals((await run<unknown[]>("mail_link_sets", `public.mail_link_sets('{1,2,3}')`)).length, 3);
  const lines = numbers.flatMap((ticket, i) => [
    `o ${ticket} ${Date.now() + i}  human chrome p.browser browser`,
    `c ${ticket} ${Date.now() + i} 1 human chrome p.browser browser`,
  ]);
  await run(
    "record_accesses",
    `public.record_accesses('${crypto.randomUUID()}', '${lines.join("\n")}')::text`,
  );
  assertEquals(await run("accesses_are_due", "private.accesses_are_due()"), true);
  const mails = await run<
    { ticket: number; delivered_at: number | null; accesses: { kind: string; id: number }[] }[]
  >(
    "accesses_to_judge",
    "public.accesses_to_judge(200)",
  );
  assertEquals(mails.length, AT_ONCE);
  const verdicts = mails.flatMap(({ ticket, delivered_at, accesses }) =>
    accesses.map(({ kind, id }) => ({ kind, id, ticket, delivered_at, verdict: "machine", reasons: "burst" }))
  );
  await run("settle_accesses", `public.settle_accesses(${quoted(verdicts)})`);
  assertEquals(await run("accesses_are_due, none", "private.accesses_are_due()"), false);
  await run("mail_accesses", `public.mail_accesses('${messages[0]}')`);
  await run("withdraw_tracking", `public.withdraw_tracking('${messages[0]}'::uuid)`);
  return pages;
}

for (const mails of [FEW, MANY]) {
  databaseTest(
    `what runs for opens and clicks reads some dozens of rows by index, with ${mails} mails behind it`,
    async (sql) => {
      await fill(sql, mails);
      await sql`create table kept (answer jsonb)`;
      const most: Record<string, number> = {};
      for (let n = 1; n <= TIMES; n++) {
        for (const [name, pages] of Object.entries(await round(sql, n))) {
          // The first of each makes its plans, and reads the catalog for that.
          if (n > 1) most[name] = Math.max(most[name] ?? 0, pages);
        }
      }
      assertEquals(Object.entries(most).filter(([, pages]) => pages > PAGES), [], JSON.stringify(most));
      assert(Object.keys(most).length === 9, JSON.stringify(most));
    },
  );
}
