/**
 * `deno task bench campaign [--quick] [--json]`: recipients of a campaign in bulk, beside a plain insert of the same rows
 * into the same table; messages that are made of them; what happens with those, counted; and the figures.
 *
 * Rows are read from NDJSON as the command and the function read them. Client and database share the machine.
 */
import type { Sql } from "postgres";
import { type Recipient, recipientsIn } from "../supabase/functions/_shared/mail/recipients.ts";
import { addIdentities, setFlags } from "../tests/support/mail_rows.ts";
import { testDatabase } from "../tests/support/postgres.ts";
import { print, type Row } from "./report.ts";

const SIZES = {
  whole: { recipients: 1_000_000, turns: 10, reads: 20 },
  quick: { recipients: 20_000, turns: 1, reads: 2 },
};
/** Recipients of a call, as the command sends them. */
const GROUP = 5000;
const MEGABYTE = 1 << 20;

/** A file of recipients, piece by piece. */
async function* file(recipients: number): AsyncGenerator<string> {
  for (let i = 0; i < recipients; i += 500) {
    let text = "";
    for (let k = i; k < Math.min(i + 500, recipients); k++) {
      text += `{"to":"reader${k}@people${k % 997}.example","name":"Reader ${k}","city":"Ulm"}\n`;
    }
    yield await Promise.resolve(text);
  }
}

interface Filled {
  seconds: number;
  /** Memory of the process after a tenth and at the end, in megabytes. */
  early: number;
  late: number;
}

async function fill(recipients: number, add: (group: Recipient[]) => Promise<unknown>): Promise<Filled> {
  const began = performance.now();
  let seen = 0, early = 0;
  for await (const group of recipientsIn(file(recipients), "ndjson", GROUP)) {
    await add(group);
    seen += group.length;
    if (early === 0 && seen >= recipients / 10) early = Deno.memoryUsage().rss / MEGABYTE;
  }
  return { seconds: (performance.now() - began) / 1000, early, late: Deno.memoryUsage().rss / MEGABYTE };
}

const campaign = async (sql: Sql, name: string): Promise<string> => {
  const draft = {
    name,
    subject: "News for {{name}}",
    html: "<p>Hi {{name}} in {{city}}</p>".repeat(200),
    text: "Hi {{name}}",
    per_minute: 12000,
  };
  return (await sql`select public.create_campaign(${sql.json(draft)}) ->> 'id' as id`)[0].id;
};

export async function main(args: string[]): Promise<void> {
  const { recipients, turns, reads } = SIZES[args.includes("--quick") ? "quick" : "whole"];
  const { sql, drop } = await testDatabase();
  try {
    await addIdentities(sql);
    await setFlags(sql, { email_send: true, email_reply_tokens: true });
    const [plainly, ours] = [await campaign(sql, "plain"), await campaign(sql, "ours")];
    const plain = await fill(
      recipients,
      (group) =>
        sql`insert into public.campaign_recipients (campaign_id, address, fields)
        select ${plainly}, r.address, r.fields::jsonb from unnest(${group.map(({ to }) => to)}::text[], ${
          group.map(({ fields }) => JSON.stringify(fields))
        }::text[]) as r (address, fields)`,
    );
    await sql`delete from public.campaigns where id = ${plainly}`;
    await sql`vacuum public.campaign_recipients`;
    const bulk = await fill(
      recipients,
      (group) => sql`select public.add_campaign_recipients(${ours}, ${sql.json(group as never)})`,
    );
    await sql`analyze public.campaign_recipients`;
    const made = await makeMessages(sql, ours, turns);
    const counted = await countNews(sql, ours, recipients);
    const figures: number[] = [];
    for (let i = 0; i < reads; i++) {
      const began = performance.now();
      await sql`select public.read_campaign(${ours})`;
      figures.push(performance.now() - began);
    }
    const rows: Row[] = [
      { what: "plain insert, recipients/s", value: recipients / plain.seconds },
      { what: "in bulk, recipients/s", value: recipients / bulk.seconds },
      { what: "in bulk, % of the plain insert", value: 100 * plain.seconds / bulk.seconds, goal: ">= 50" },
      {
        what: "memory at the end beside that after a tenth, MB",
        value: Math.max(0, bulk.late - bulk.early),
        goal: "< 50",
      },
      { what: "messages made/s", value: made.rate },
      { what: "longest turn of the clock, ms", value: made.longest },
      { what: "events counted/s", value: counted },
      { what: "figures of the campaign, ms, slowest", value: Math.max(...figures), goal: "< 200" },
    ];
    print(
      "campaign",
      `${recipients.toLocaleString("en")} recipients, ${GROUP} a call`,
      rows,
      args.includes("--json"),
    );
  } finally {
    await drop();
  }
}

/** Turns of the clock, each once the queue has let the one before go. */
async function makeMessages(sql: Sql, id: string, turns: number): Promise<{ rate: number; longest: number }> {
  await sql`select public.start_campaign(${id}, 1)`;
  let made = 0, ms = 0, longest = 0;
  for (let turn = 0; turn < turns; turn++) {
    const began = performance.now();
    const [{ n }] = await sql`select private.send_campaigns(now() + make_interval(secs => ${
      turn * 10
    })) as n`;
    const took = performance.now() - began;
    await sql`update public.outbound_messages set state = 'sent' where state = 'queued'`;
    made += n;
    ms += took;
    longest = Math.max(longest, took);
  }
  return { rate: made * 1000 / ms, longest };
}

/** What becomes of every recipient, spread over four days: sent, delivered, opened. */
async function countNews(sql: Sql, id: string, recipients: number): Promise<number> {
  await sql`insert into private.campaign_news (campaign_id, recipient_id, what, at)
    select r.campaign_id, r.id, w.what, now() - (r.id % 96) * interval '1 hour'
    from public.campaign_recipients r cross join (values ('sent'), ('delivered'), ('opened')) as w (what)
    where r.campaign_id = ${id} and r.id % 10 = 0`;
  const began = performance.now();
  let all = 0;
  for (;;) {
    const [{ n }] = await sql`select private.count_campaign_news(now()) as n`;
    if (n === 0) break;
    all += n;
  }
  if (all < recipients / 10) throw new Error(`only ${all} events were counted`);
  return all * 1000 / (performance.now() - began);
}
