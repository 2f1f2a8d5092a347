/**
 * A campaign and its readers: people who open, click, answer, unsubscribe and complain; Apple's prefetch; scanners that
 * follow every link; addresses that bounce. What each does is planted, so the figures are known before they are counted.
 */
import { createEmailTrack } from "../../supabase/functions/email-track/compose.ts";
import { rpc } from "../../supabase/functions/_shared/db/client.ts";
import { serve } from "../../supabase/functions/_shared/serve/serve.ts";
import { eventOf } from "../../local/simulator/mail/sendgrid.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";
import { type Edge, KEYS } from "./edge.ts";
import { addIdentity } from "./mail_stack.ts";
import { until } from "./until.ts";

const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
/** Apple Mail loads every image of every mail with this agent, opened or not. */
const APPLE = "Mozilla/5.0";
const HTML = `<html><body><p>Hello {{name}}</p><a href="https://shop.example/a">a</a>
<a href="https://shop.example/b">b</a><a href="https://shop.example/c">c</a>
<a href="{{unsubscribe_url}}">no more</a></body></html>`;
/** Events of one post, as SendGrid groups them. */
const EVENTS = 100;
const MINUTE = 60_000;

/** What one reader does, with what it counts as. */
interface Reader {
  does(act: Acts): Promise<unknown>;
  counts: Readonly<Record<string, number>>;
}

/** What readers can do with a mail, some time after it was delivered. */
interface Acts {
  open(agent: string, after: number): Promise<unknown>;
  /** @param n From 1; 0 for the link that people do not see. */
  click(n: number, after: number): Promise<unknown>;
  reply(): Promise<unknown>;
  unsubscribe(): Promise<unknown>;
  complain(): void;
}

const DELIVERED = { delivered: 1 };
const SCANNED = { ...DELIVERED, opened: 1, clicked: 1, "clicks:machine": 3 };
const scan = async ({ click }: Acts) => {
  for (const n of [1, 2, 3, 0]) await click(n, 20_000 + n);
};

/** The kinds of readers, in turn. */
const READERS: readonly Reader[] = [
  { does: () => Promise.resolve(), counts: DELIVERED },
  {
    does: ({ open }) => open(GMAIL, 60 * MINUTE),
    counts: { ...DELIVERED, opened: 1, opened_human: 1, "opens:human": 1 },
  },
  { does: ({ open }) => open(APPLE, 5000), counts: { ...DELIVERED, opened: 1, "opens:machine": 1 } },
  { does: scan, counts: SCANNED },
  {
    does: async ({ open, click }) => {
      await open(GMAIL, 50 * MINUTE);
      await open(GMAIL, 55 * MINUTE);
      await click(2, 60 * MINUTE);
    },
    counts: {
      ...DELIVERED,
      ...{ opened: 1, opened_human: 1, "opens:human": 2, clicked: 1, clicked_human: 1, "clicks:human": 1 },
    },
  },
  {
    // The scanner of a person who clicks an hour later.
    does: async (acts) => {
      await scan(acts);
      await acts.click(1, 60 * MINUTE);
    },
    counts: { ...SCANNED, opened_human: 1, clicked_human: 1, "clicks:human": 1 },
  },
  { does: ({ reply }) => reply(), counts: { ...DELIVERED, replied: 1 } },
  { does: ({ unsubscribe }) => unsubscribe(), counts: { ...DELIVERED, unsubscribed: 1 } },
  { does: ({ complain }) => Promise.resolve(complain()), counts: { ...DELIVERED, complained: 1 } },
];
/** Every so many recipients one bounces, and one was suppressed before. */
const BOUNCES = 20, SUPPRESSED = 25;

const isSuppressed = (i: number) => i % SUPPRESSED === 7;
const isBounced = (i: number) => !isSuppressed(i) && i % BOUNCES === 3;
const readerOf = (i: number) => READERS[i % READERS.length];
const addressOf = (i: number) => `reader${i}@people.example`;

/** What a campaign to so many must count. */
export function planted(recipients: number): Record<string, number> {
  const sums: Record<string, number> = { recipients };
  const add = (what: string, n: number) => sums[what] = (sums[what] ?? 0) + n;
  for (let i = 0; i < recipients; i++) {
    if (isSuppressed(i)) {
      add("left_out:suppressed", 1);
      continue;
    }
    add("queued", 1);
    add("sent", 1);
    if (isBounced(i)) {
      add("bounced", 1);
      add("failed", 1);
    } else for (const [what, n] of Object.entries(readerOf(i).counts)) add(what, n);
  }
  return sums;
}

/** Sends a campaign to so many, lets each do its part, and returns the campaign as people read it. */
export async function playCampaign(
  edge: Edge,
  recipients: number,
): Promise<{ counts: Record<string, number>; links: unknown; state: string }> {
  const { sql, mail } = edge;
  await edge.set({ "email_tracking.enabled": "true" });
  await addIdentity(sql);
  await sql`update public.senders set max_per_second = 1000 where channel = 'email'`;
  mail.configure({ events: false });
  const sent: SentMail[] = [];
  // Answers are forwarded to the owner's inbox: those are not the campaign's.
  const unlisten = mail.listen((change) => {
    if (change.type === "sent" && change.mail.customArgs.gl_campaign !== undefined) sent.push(change.mail);
  });
  const crowd = createCrowd(edge);
  try {
    const id = await draft(edge, recipients);
    await sql`select public.start_campaign(${id}, 1)`;
    for (;;) {
      // As if its pace had let ten seconds pass.
      await sql`delete from public.rate_limits where key like 'campaign:%'`;
      await sql`select private.send_campaigns(now())`;
      await edge.settled();
      // The simulated SendGrid keeps the latest thousand: each turn's are played before the next are sent.
      await crowd.play(sent.splice(0));
      const [{ state }] = await sql`select state from public.campaigns where id = ${id}`;
      if (state !== "sending") break;
    }
    await crowd.settle();
    for (;;) {
      const [{ n }] = await sql`select private.count_campaign_news(now()) as n`;
      if (n === 0) break;
    }
    return await asService(
      edge,
      async (sql) => (await sql`select public.read_campaign(${id}) as one`)[0].one,
    );
  } finally {
    unlisten();
    await crowd.settle();
  }
}

async function draft(edge: Edge, recipients: number): Promise<string> {
  const { sql } = edge;
  const campaign = {
    name: "October",
    subject: "News for {{name}}",
    html: HTML,
    track: "aggregate",
    per_minute: 12000,
    bounce_limit: 0.5,
    complaint_limit: 0.5,
  };
  const [{ id }] = await sql`select public.create_campaign(${sql.json(campaign)}) ->> 'id' as id`;
  for (let from = 0; from < recipients; from += 5000) {
    const group = Array.from({ length: Math.min(5000, recipients - from) }, (_, k) => ({
      to: addressOf(from + k),
      fields: { name: `Reader ${from + k}` },
    }));
    await sql`select public.add_campaign_recipients(${id}, ${sql.json(group)})`;
  }
  await sql`insert into public.suppressions (address, scope, reason, source)
    select 'reader' || g || '@people.example', 'bulk', 'unsubscribe', 'mail' from generate_series(0, ${
    recipients - 1
  }) g where g % ${SUPPRESSED} = 7`;
  return id;
}

/** The readers, with email-track at whose side time goes as they need it. */
function createCrowd({ sql, mail, call }: Edge) {
  let after = 0;
  const track = createEmailTrack({ date: () => Date.now() + after, rpc });
  const served = serve("email-track", (request, context) => track.handler(request, context), {
    judgesSchema: true,
  });
  async function ask(url: string, agent: string, later: number): Promise<void> {
    after = later;
    const response = await served.fetch(new Request(url, { headers: { "user-agent": agent } }));
    await response.body?.cancel();
    if (response.status >= 400) throw new Error(`${url}: ${response.status}`);
  }
  const posts = new Set<number>();

  function actsOf(one: SentMail, events: Record<string, unknown>[]): Acts {
    const html = one.html ?? "";
    const to = one.to[0].email;
    const links = [...html.matchAll(/href=["'](http[^"']*\/c\/\w+\/(\d+))["']/g)];
    const linkOf = (n: number) => links.find(([, , number]) => Number(number) === n)![1];
    return {
      open: (agent, later) => ask(/<img src="([^"]+)" width="1"/.exec(html)![1], agent, later),
      click: (n, later) => ask(linkOf(n), CHROME, later),
      reply() {
        const made = mail.receive({
          from: { address: to },
          to: one.replyTo!.email,
          subject: `Re: ${one.subject}`,
          text: "Thank you!",
          inReplyTo: one.headers["Message-ID"],
          references: [one.headers["Message-ID"]],
        });
        for (const id of made) posts.add(id);
        return Promise.resolve();
      },
      async unsubscribe() {
        const [, token] = /\/u\/([\w-]+)>/.exec(one.headers["List-Unsubscribe"])!;
        const { status } = await call(`email-webhook/u/${token}`, {
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: "List-Unsubscribe=One-Click",
        });
        if (status !== 200) throw new Error(`unsubscribe: ${status}`);
      },
      complain: () => void events.push(eventOf(one, "spamreport", to)),
    };
  }

  return {
    async play(mails: readonly SentMail[]): Promise<void> {
      const events: Record<string, unknown>[] = [];
      const iOf = (one: SentMail) => Number(/^reader(\d+)@/.exec(one.to[0].email)![1]);
      for (const one of mails) {
        events.push(eventOf(one, isBounced(iOf(one)) ? "bounce" : "delivered", one.to[0].email));
      }
      const later: Record<string, unknown>[] = [];
      for (const one of mails) if (!isBounced(iOf(one))) await readerOf(iOf(one)).does(actsOf(one, later));
      // A second post of each group: providers repeat.
      for (const list of [events, later]) {
        for (let i = 0; i < list.length; i += EVENTS) {
          mail.report(list.slice(i, i + EVENTS));
          mail.report(list.slice(i, i + EVENTS));
        }
      }
      await until(
        "SendGrid's posts are answered",
        () => mail.poster.posts.every(({ state }) => state !== "waiting"),
      );
      await track.flush();
    },
    /** Judges with all that is known. */
    async settle(): Promise<void> {
      await track.flush();
      after = 0;
      const answer = await served.fetch(
        new Request("http://127.0.0.1/functions/v1/email-track", {
          method: "POST",
          headers: { apikey: KEYS.secretKey },
        }),
      );
      if (!answer.ok) throw new Error(`judging: ${await answer.text()}`);
      await answer.body?.cancel();
      await sql`select 1`;
    },
  };
}

function asService<T>({ sql }: Edge, query: (sql: Edge["sql"]) => Promise<T>): Promise<T> {
  return sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    return await query(sql as unknown as Edge["sql"]);
  }) as Promise<T>;
}
