/** What happened in a span of time: minutes, attempts, and the messages behind a spike, on Postgres, by role. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { destination } from "../support/deliveries.ts";
import { ingest, message } from "../support/intake.ts";

async function call<T>(sql: Sql, caller: Caller, statement: string): Promise<T> {
  return await as(sql, caller, async (sql) => (await sql.unsafe(`select ${statement} as answer`))[0].answer);
}

interface Page {
  messages: {
    id: string;
    text: string | null;
    direction: string;
    conversation: { contact: { name: string | null } };
  }[];
  next: string | null;
}

const span = (
  filter = {},
  limit = 50,
  from = "now() - interval '1 hour'",
  to = "now() + interval '1 hour'",
) => `public.messages_in_span(${from}, ${to}, '${JSON.stringify(filter)}', ${limit})`;
const texts = ({ messages }: Page) => messages.map(({ text }) => text);

/** Four came in: delivered, dead, without a route, undecided. Of two that went out, one failed. One is of yesterday. */
async function scene(sql: Sql) {
  const d = await destination(sql, "crm");
  const bodies = ["delivered", "dead", "no route", "undecided"];
  await ingest(sql, ...bodies.map((body, n) => message({ body, phone: `49151000000${n}1`, name: `P${n}` })));
  const rows = await sql`select id, text, conversation_id, seq from public.messages order by seq`;
  for (const { id, text, conversation_id, seq } of rows.slice(0, 3)) {
    const isRouted = text !== "no route";
    await sql`
      insert into public.routing_decisions (message_id, reason, destination_ids, explanation, revision)
      values (${id}, ${isRouted ? "matched" : "no_match"}, ${isRouted ? [d] : []}, '[]', 1)`;
    if (isRouted) {
      await sql`
        insert into public.deliveries (message_id, destination_id, conversation_id, seq, state)
        values (${id}, ${d}, ${conversation_id}, ${seq}, ${text})`;
    }
  }
  await sql`
    insert into public.messages (conversation_id, direction, type, text, status)
    select ${rows[0].conversation_id}, 'out', 'text', s, s from unnest(array['sent', 'failed']) s`;
  await sql`
    insert into public.messages (id, conversation_id, direction, type, text, status, created_at)
    values (private.uuid_v7_from(now() - interval '1 day'), ${
    rows[0].conversation_id
  }, 'in', 'text', 'old', 'received', now() - interval '1 day')`;
  await sql`insert into public.links (code, request_hash, default_url) values ('poster22', 'h', 'https://www.example.com/')`;
  await sql`
    insert into public.attributions (message_id, contact_id, code, confidence, reason, first_touch)
    select ${
    rows[1].id
  }, contact_id, 'poster22', 'exact', 'first', true from public.conversations where id = ${
    rows[1].conversation_id
  }`;
  return { viewer: await signedIn(sql, "viewer"), operator: await signedIn(sql, "operator") };
}

databaseTest(
  "messages_in_span: newest first, by direction, trouble and link, and nothing else",
  async (sql) => {
    const { viewer, operator } = await scene(sql);
    const all = await call<Page>(sql, operator, span());
    assertEquals(texts(all), ["failed", "sent", "undecided", "no route", "dead", "delivered"]);
    assertEquals(all.next, null);
    assertEquals(texts(await call(sql, operator, span({ direction: "out" }))), ["failed", "sent"]);
    assertEquals(texts(await call(sql, operator, span({ trouble: true }))), [
      "failed",
      "undecided",
      "no route",
      "dead",
    ]);
    assertEquals(texts(await call(sql, operator, span({ link: "POSTER22" }))), ["dead"]);
    assertEquals(
      texts(
        await call(sql, operator, span({}, 50, "now() - interval '25 hours'", "now() - interval '23 hours'")),
      ),
      ["old"],
    );
    const seen: string[] = [];
    for (let before: string | null = null, pages = 0;; pages++) {
      assert(pages <= 6, "the pages do not end");
      const page: Page = await call(sql, operator, span(before ? { before } : {}, 4));
      seen.push(...page.messages.map(({ id }) => id));
      if (page.next === null) break;
      before = page.next;
    }
    assertEquals(seen, all.messages.map(({ id }) => id));
    const shown = await call<Page>(sql, viewer, span());
    assertEquals(
      new Set(shown.messages.map(({ text, conversation }) => text ?? conversation.contact.name)),
      new Set([null]),
    );
    assertEquals(await refusal(call(sql, await signedIn(sql), span())), "42501");
  },
);

databaseTest("traffic and destination_span: the minutes of a span of the past", async (sql) => {
  const { viewer } = await scene(sql);
  await sql`
    insert into public.measurements (name, label, minute, n, last_at)
    select m.name, m.label, date_trunc('hour', now()) - interval '1 minute' * m.ago, m.n, now()
    from (values ('messages', 'in', 180, 7), ('messages', 'in', 179, 5), ('messages', 'in', 10, 100), ('messages', 'out', 10, 0),
      ('destination', 'crm delivered', 180, 3), ('destination', 'crm dead', 179, 2), ('destination', 'crm dead', 10, 50))
      as m (name, label, ago, n)`;
  const until = "date_trunc('hour', now()) - interval '170 minutes'";
  const minutes = await call<{ in: number; out: number }[]>(sql, viewer, `public.traffic(20, ${until})`);
  assertEquals([minutes.length, minutes.reduce((sum, minute) => sum + minute.in, 0)], [20, 12]);
  type Figures = {
    seconds: number;
    points: { delivered: number; failed: number }[];
    errors: { error: string }[];
  };
  await sql`
    insert into public.delivery_attempts (delivery_id, attempt, outcome, error, at)
    select d.id, 1, 'dead', 'timeout: 15 s', date_trunc('hour', now()) - interval '175 minutes' from public.deliveries d limit 1`;
  await sql`
    insert into public.delivery_attempts (delivery_id, attempt, outcome, error, at)
    select d.id, 2, 'dead', 'status: 500', date_trunc('hour', now()) - interval '5 minutes' from public.deliveries d limit 1`;
  await sql`update public.deliveries set created_at = now() - interval '6 hours'`;
  const from = "date_trunc('hour', now()) - interval '190 minutes'";
  const figures = await call<Figures>(sql, viewer, `public.destination_span('crm', ${from}, ${until})`);
  assertEquals([figures.seconds, figures.points.length], [60, 20]);
  assertEquals(figures.points.reduce((sum, one) => sum + one.delivered + 10 * one.failed, 0), 23);
  assertEquals(figures.errors.map(({ error }) => error), ["timeout"]);
  type Log = { attempts: { error: string }[] };
  const [{ since, before }] = await sql.unsafe(`select ${from} as since, ${until} as before`);
  const log = await call<Log>(
    sql,
    viewer,
    `public.delivery_log('crm', '${JSON.stringify({ since, until: before })}')`,
  );
  assertEquals(log.attempts.map(({ error }) => error), ["timeout: 15 s"]);
  for (const [a, b] of [[until, from], [from, "now() + interval '1 day'"], ["null", until]]) {
    assertEquals(await refusal(call(sql, viewer, `public.destination_span('crm', ${a}, ${b})`)), "GL422");
  }
});
