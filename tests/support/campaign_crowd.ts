/**
 * A campaign and the simulator's crowd of readers, with time that goes as they need it. What each does is planted, so the
 * figures are known before they are counted.
 */
import { createEmailTrack } from "../../supabase/functions/email-track/compose.ts";
import { rpc } from "../../supabase/functions/_shared/db/client.ts";
import { serve } from "../../supabase/functions/_shared/serve/serve.ts";
import {
  bouncesAt,
  countsOf,
  type CrowdWorld,
  perform,
  readerAt,
  replyTo,
} from "../../local/simulator/mail/crowd.ts";
import { eventOf } from "../../local/simulator/mail/events.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";
import { type Edge, KEYS } from "./edge.ts";
import { addIdentity } from "./mail_stack.ts";
import { until } from "./until.ts";

const HTML = `<html><body><p>Hello {{name}}</p><a href="https://shop.example/a">a</a>
<a href="https://shop.example/b">b</a><a href="https://shop.example/c">c</a>
<a href="{{unsubscribe_url}}">no more</a></body></html>`;
const LINKS = 3;
/** Events of one post, as SendGrid groups them. */
const EVENTS = 100;
/** Of so many recipients one was suppressed before. */
const SUPPRESSED = 25;

const isSuppressed = (i: number) => i % SUPPRESSED === 7;
const isBounced = (i: number) => !isSuppressed(i) && bouncesAt(i);
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
    } else {
      const counts = countsOf(readerAt(i), { pixel: true, links: LINKS });
      for (const [what, n] of Object.entries(counts)) add(what, n);
    }
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

  /** @param events Where complaints go. */
  const worldOf = (events: Record<string, unknown>[]): CrowdWorld => ({
    at: () => Promise.resolve(),
    ask,
    reply: (one) => void mail.receive(replyTo(one)),
    async unsubscribe(url) {
      const { status } = await call(`email-webhook/u/${url.split("/u/")[1]}`, {
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: "List-Unsubscribe=One-Click",
      });
      if (status !== 200) throw new Error(`unsubscribe: ${status}`);
    },
    complain: (one) => void events.push(eventOf(one, "spamreport", one.to[0].email)),
  });
  /** Where the mails' addresses lead. */
  const originOf = (one: SentMail) => new URL(/<img src="([^"]+)" width="1"/.exec(one.html!)![1]).origin;

  return {
    async play(mails: readonly SentMail[]): Promise<void> {
      const events: Record<string, unknown>[] = [];
      const iOf = (one: SentMail) => Number(/^reader(\d+)@/.exec(one.to[0].email)![1]);
      for (const one of mails) {
        events.push(eventOf(one, isBounced(iOf(one)) ? "bounce" : "delivered", one.to[0].email));
      }
      const later: Record<string, unknown>[] = [];
      const world = worldOf(later);
      for (const one of mails) {
        if (!isBounced(iOf(one))) await perform(readerAt(iOf(one)), one, originOf(one), world);
      }
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
