/** Campaigns: who gets a mail and with which words, each once, stopped and resumed; figures, and limits that stop one. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, signedIn } from "../support/callers.ts";
import { answer, DESK, events, ingest, mailTest } from "../support/mail_rows.ts";

interface View {
  id: string;
  version: number;
  state: string;
  stopped_by: string | null;
  stopped_because: string | null;
  counts: Record<string, number>;
  rates: Record<string, number | null>;
}

const person = (n: number) => `reader${n}@people.example`;
const people = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ to: person(i), fields: { name: `Reader ${i}` } }));

async function create(sql: Sql, more: Record<string, unknown> = {}): Promise<View> {
  const draft = {
    name: "news",
    subject: "News for {{name|you}}",
    text: "Hello {{name}}",
    per_minute: 60000,
    ...more,
  };
  return (await sql`select public.create_campaign(${sql.json(draft as never)}) as view`)[0].view;
}

const add = (sql: Sql, { id }: View, recipients: unknown) =>
  sql`select public.add_campaign_recipients(${id}, ${sql.json(recipients as never)}) as told`
    .then(([{ told }]) => told);
const read = (sql: Sql, { id }: View) =>
  sql<{ view: View }[]>`select public.read_campaign(${id}) as view`.then(([{ view }]) => view);
const start = async (sql: Sql, one: View) =>
  await sql`select public.start_campaign(${one.id}, ${(await read(sql, one)).version})`;
const tick = (sql: Sql, seconds = 0) =>
  sql`select private.send_campaigns(now() + make_interval(secs => ${seconds})) as n`.then(([{ n }]) => n);
/** Lets the queue say that all of it went. */
const send = (sql: Sql) =>
  sql`update public.messages set status = 'sent', status_rank = 1 where channel = 'email' and status = 'queued'`;
const rows = (sql: Sql, { id }: View) =>
  sql`select r.*, m.native from public.campaign_recipients r left join public.messages m on m.id = r.message_id
    where r.campaign_id = ${id} order by r.id`;

mailTest("a recipient gets the words with its own values, escaped in HTML, once", async (sql) => {
  const one = await create(sql, { html: "<p>Hi {{name|there}}, {{ plan }}</p>" });
  assertEquals(
    await add(sql, one, [
      { to: " ADA@people.example ", fields: { name: "<b>{{plan}}\r\nX & Y", plan: "$1 \\1" } },
      { to: "ada@people.example", fields: {} },
      { to: "bo@people.example" },
      { to: "nobody" },
      {},
    ]),
    { added: 2, duplicates: 1, invalid: 2, suppressed: 0 },
  );
  await start(sql, one);
  assertEquals(await tick(sql), 2);
  assertEquals(await tick(sql, 10), 0);
  const [ada, bo] = await rows(sql, one);
  assertEquals(ada.native.subject, "News for <b>{{plan}} X & Y");
  assertEquals(ada.native.html, "<p>Hi &lt;b&gt;{{plan}}\r\nX &amp; Y, $1 \\1</p>");
  assertEquals(ada.native.text, "Hello <b>{{plan}}\r\nX & Y");
  assertEquals([ada.native.bulk, ada.native.campaign_id], [true, one.id]);
  assertEquals([bo.native.subject, bo.native.html], ["News for you", "<p>Hi there, </p>"]);
  assertEquals((await read(sql, one)).state, "done");
});

mailTest("a repeated upload adds nobody twice, and the suppressed are told and left out", async (sql) => {
  const one = await create(sql);
  await sql`insert into public.suppressions (address, scope, reason, source) values (${
    person(1)
  }, 'bulk', 'unsubscribe', 'mail')`;
  assertEquals(await add(sql, one, people(3)), { added: 3, duplicates: 0, invalid: 0, suppressed: 1 });
  assertEquals(await add(sql, one, people(4)), { added: 1, duplicates: 3, invalid: 0, suppressed: 0 });
  await start(sql, one);
  await tick(sql);
  assertEquals((await read(sql, one)).counts, { recipients: 4, queued: 3, "left_out:suppressed": 1 });
});

mailTest("the pace holds, a stop stops, and what was stopped goes on where it was", async (sql) => {
  const one = await create(sql, { per_minute: 12 });
  await add(sql, one, people(5));
  await start(sql, one);
  assertEquals([await tick(sql), await tick(sql, 10)], [2, 0], "the queue still holds the first two");
  await sql`update public.outbound_messages set state = 'sent'`;
  assertEquals(await tick(sql, 20), 2);
  await sql`select public.stop_campaign(${one.id}, 2, 'wrong link')`;
  await sql`update public.outbound_messages set state = 'sent'`;
  assertEquals(await tick(sql, 30), 0);
  await start(sql, one);
  assertEquals(await tick(sql, 40), 1);
  assertEquals((await sql`select count(*)::int as n from public.messages where channel = 'email'`)[0].n, 5);
});

mailTest("a campaign waits for its time, and while its sender is paused", async (sql) => {
  const one = await create(sql, {
    from: DESK.from,
    start_at: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await add(sql, one, people(1));
  await start(sql, one);
  assertEquals(await tick(sql), 0);
  await sql`update public.senders set state = 'paused' where id = ${DESK.from}`;
  assertEquals(await tick(sql, 3700), 0);
  await sql`update public.senders set state = 'active' where id = ${DESK.from}`;
  assertEquals(await tick(sql, 3700), 1);
});

mailTest("a flag decides for each recipient, and who does not have it is left out", async (sql) => {
  await sql`insert into public.settings (key, value) values ('news.enabled', 'false')`;
  const one = await create(sql, { flag_key: "news.enabled" });
  await add(sql, one, people(2));
  await start(sql, one);
  assertEquals(await tick(sql), 0);
  assertEquals((await read(sql, one)).counts["left_out:not_in_arm"], 2);
});

mailTest(
  "figures: each thing counts once a recipient, whatever the provider repeats, and after counts are added up",
  async (sql) => {
    const one = await create(sql);
    await add(sql, one, people(10));
    await start(sql, one);
    await tick(sql);
    await send(sql);
    const ids = (await rows(sql, one)).map(({ message_id }) => message_id as string);
    for (const id of ids.slice(0, 8)) {
      await events(sql, { event: "delivered", message: id }, { event: "delivered", message: id });
    }
    await events(sql, { event: "bounce", message: ids[8] }, { event: "complaint", message: ids[0] });
    await ingest(sql, answer(ids[1]), answer(ids[1]));
    const expected = {
      recipients: 10,
      queued: 10,
      sent: 10,
      delivered: 8,
      bounced: 1,
      complained: 1,
      replied: 1,
    };
    const before = await read(sql, one);
    assertEquals({ ...before.counts, failed: undefined }, { ...expected, failed: undefined });
    assertEquals(before.rates, {
      delivered: 0.8,
      bounced: 0.1,
      complained: 0.125,
      unsubscribed: 0,
      replied: 0.125,
    });
    await sql`insert into private.campaign_counts (campaign_id, hour, what, n) select ${one.id}, now(), 'sent', 0 from generate_series(1, 10001)`;
    await sql`select private.fold_campaign_counts()`;
    assertEquals((await read(sql, one)).counts, before.counts);
    const [{ n }] = await sql`select count(*)::int as n from private.campaign_counts`;
    assert(n < 100, `${n} rows are left`);
  },
);

for (const [what, event, n] of [["bounced", "bounce", 6], ["complained", "complaint", 2]] as const) {
  mailTest(`too many that ${what} stop a campaign, and the team is told`, async (sql) => {
    await sql`insert into public.notification_endpoints (name, kind, host, events) values ('ops', 'slack', 'hooks.example.com', '{failing}')`;
    const one = await create(sql, { per_minute: 660 });
    await add(sql, one, people(120));
    await start(sql, one);
    assertEquals(await tick(sql), 110);
    await send(sql);
    await sql`update public.outbound_messages set state = 'sent'`;
    const ids = (await rows(sql, one)).filter(({ message_id }) => message_id !== null).map((r) =>
      r.message_id as string
    );
    await sql`insert into public.email_events (event_type, message_id) select 'delivered', x::uuid from unnest(${
      ids.slice(n)
    }::text[]) x`;
    for (const id of ids.slice(0, n)) {
      await sql`insert into public.email_events (event_type, message_id) values (${event}, ${id})`;
    }
    assertEquals(await tick(sql, 10), 0);
    const { state, stopped_by, stopped_because } = await read(sql, one);
    assertEquals([state, stopped_by], ["stopped", "limits"]);
    assert(stopped_because?.startsWith(`${n} of 1`), stopped_because ?? "no reason");
    assertEquals(
      (await sql`select from public.notifications where payload ->> 'kind' = 'failing'`).length,
      1,
    );
  });
}

mailTest("a test mail is counted nowhere", async (sql) => {
  const one = await create(sql);
  await sql`select public.test_campaign(${one.id}, 'me@people.example', '{"name": "Me"}')`;
  const [{ native }] = await sql`select native from public.messages where channel = 'email'`;
  assertEquals([native.subject, native.campaign_id], ["News for Me", undefined]);
  await send(sql);
  assertEquals((await read(sql, one)).counts, {});
});

mailTest("what cannot be a campaign is refused, and a viewer sees addresses cut", async (sql) => {
  for (
    const [more, code] of [
      [{ text: "{{Name}}" }, "GL422"],
      [{ other: 1 }, "GL422"],
      [{ from: "else@send.example" }, "GL404"],
      [{ flag_key: "no.enabled" }, "GL404"],
      [{ text: null }, "23514"],
    ] as const
  ) {
    assertEquals(await refusal(create(sql, more)), code, JSON.stringify(more));
  }
  const one = await create(sql);
  assertEquals(await refusal(start(sql, one)), "GL409");
  await add(sql, one, people(1));
  const viewer = await signedIn(sql, "viewer");
  const [{ list }] = await as(
    sql,
    viewer,
    (sql) => sql`select public.list_campaign_recipients(${one.id}) as list`,
  );
  assertEquals(list[0].address, "r…@people.example");
});
