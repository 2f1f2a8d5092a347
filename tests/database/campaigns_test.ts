/** Campaigns: who gets a mail and with which words, each once, stopped and resumed; figures, and limits that stop one. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, signedIn } from "../support/callers.ts";
import { answer, claim, DESK, events, ingest, mailTest } from "../support/mail_rows.ts";

interface View {
  id: string;
  version: number;
  state: string;
  waits: string | null;
  stopped_by: string | null;
  stopped_because: string | null;
  counts: Record<string, number>;
  rates: Record<string, number | null>;
  hours: { hour: string; counts: Record<string, number> }[];
  links: unknown[];
  clients: unknown[];
}

const person = (n: number) => `reader${n}@people.example`;
const people = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ to: person(i), fields: { name: `Reader ${i}` } }));

async function create(sql: Sql, more: Record<string, unknown> = {}): Promise<View> {
  const draft = {
    name: "news",
    subject: "News for {{name|you}}",
    text: "Hello {{name}}",
    per_minute: 12000,
    ...more,
  };
  return (await sql`select public.create_campaign(${sql.json(draft as never)}) as view`)[0].view;
}

const add = (sql: Sql, { id }: View, recipients: unknown) =>
  sql`select public.add_campaign_recipients(${id}, ${sql.json(recipients as never)}) as told`
    .then(([{ told }]) => told);
const read = async (sql: Sql, { id }: View) => {
  await sql`select private.count_campaign_news(now())`;
  return (await sql<{ view: View }[]>`select public.read_campaign(${id}) as view`)[0].view;
};
const start = async (sql: Sql, one: View, changes: Record<string, unknown> = {}) =>
  await sql`select public.start_campaign(${one.id}, ${(await read(sql, one)).version}, ${
    sql.json(changes as never)
  })`;
const tick = (sql: Sql, seconds = 0) =>
  sql`select private.send_campaigns(now() + make_interval(secs => ${seconds})) as n`.then(([{ n }]) => n);
/** Lets the queue say that all of it went. */
const send = async (sql: Sql) => {
  await sql`update public.messages set status = 'sent', status_rank = 1 where channel = 'email' and status = 'queued'`;
  await sql`update public.outbound_messages set state = 'sent'`;
};
const rows = (sql: Sql, { id }: View) =>
  sql`select r.*, m.native, m.text from public.campaign_recipients r left join public.messages m on m.id = r.message_id
    where r.campaign_id = ${id} order by r.id`;
const idsOf = async (sql: Sql, one: View): Promise<string[]> =>
  (await rows(sql, one)).filter(({ message_id }) => message_id !== null).map(({ message_id }) => message_id);

mailTest(
  "a recipient gets the words with its own values, escaped in HTML, once, and no message has a copy of them",
  async (sql) => {
    const one = await create(sql, {
      html: "<p>Hi {{name|there}}, {{ plan }} <a href='{{unsubscribe_url}}'>-</a></p>",
    });
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
    assertEquals(ada.text, "Hello <b>{{plan}}\r\nX & Y");
    assertEquals([ada.native.bulk, ada.native.campaign_id, ada.native.html], [true, one.id, undefined]);
    assertEquals(bo.native.subject, "News for you");
    await sql`update public.senders set max_per_second = 100 where channel = 'email'`;
    const claimed = new Map((await claim(sql)).map(({ to, mail }) => [to, mail]));
    assertEquals(
      claimed.get("ada@people.example")?.html,
      "<p>Hi &lt;b&gt;{{plan}}\r\nX &amp; Y, $1 \\1 <a href='{{unsubscribe_url}}'>-</a></p>",
    );
    assertEquals(claimed.get("ada@people.example")?.text, "Hello <b>{{plan}}\r\nX & Y");
    assertEquals(
      claimed.get("bo@people.example")?.html,
      "<p>Hi there,  <a href='{{unsubscribe_url}}'>-</a></p>",
    );
    assertEquals((await read(sql, one)).state, "done");
  },
);

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
  await send(sql);
  assertEquals([await tick(sql, 11), await tick(sql, 12)], [2, 0], "ten seconds' worth at once, and no more");
  await sql`select public.stop_campaign(${one.id}, 2, 'wrong link')`;
  await send(sql);
  assertEquals(await tick(sql, 40), 0);
  await start(sql, one);
  assertEquals(await tick(sql, 50), 1);
  assertEquals((await sql`select count(*)::int as n from public.messages where channel = 'email'`)[0].n, 5);
});

mailTest("campaigns of one provider share its pace", async (sql) => {
  await sql`insert into public.settings (key, value) values ('campaigns.provider_per_minute', '{"sendgrid": 30}')`;
  for (const name of ["one", "two"]) {
    const one = await create(sql, { name });
    await add(sql, one, people(10));
    await start(sql, one);
  }
  assertEquals([await tick(sql), await tick(sql, 2), await tick(sql, 10)], [5, 1, 4]);
  assertEquals(
    await refusal(
      sql`update public.settings set value = '{"sendgrid": "fast"}' where key = 'campaigns.provider_per_minute'`,
    ),
    "23514",
  );
});

mailTest("a campaign says why it waits: for its time, its sender, the switch of mail", async (sql) => {
  const one = await create(sql, {
    from: DESK.from,
    start_at: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await add(sql, one, people(1));
  await start(sql, one);
  assertEquals([await tick(sql), (await read(sql, one)).waits], [0, "start_at"]);
  await sql`update public.campaigns set start_at = now() - interval '1 minute'`;
  await sql`update public.senders set state = 'paused' where id = ${DESK.from}`;
  assertEquals([await tick(sql), (await read(sql, one)).waits], [0, "sender_paused"]);
  await sql`update public.senders set state = 'active' where id = ${DESK.from}`;
  await sql`update public.settings set value = 'false' where key = 'email_send.enabled'`;
  assertEquals([await tick(sql), (await read(sql, one)).waits], [0, "feature_off"]);
  await sql`update public.settings set value = 'true' where key = 'email_send.enabled'`;
  assertEquals([await tick(sql), (await read(sql, one)).waits], [1, null]);
});

mailTest(
  "who does not have the flag is left out, or gets other words, which are counted apart",
  async (sql) => {
    await sql`insert into public.settings (key, value) values ('news.enabled', 'false')`;
    const one = await create(sql, { flag_key: "news.enabled" });
    await add(sql, one, people(2));
    await start(sql, one);
    assertEquals(await tick(sql), 0);
    assertEquals((await read(sql, one)).counts["left_out:not_in_arm"], 2);
    const two = await create(sql, {
      flag_key: "news.enabled",
      html: "<p>B</p>",
      otherwise: { subject: "A for {{name}}", text: "A" },
    });
    await add(sql, two, people(2));
    await start(sql, two);
    assertEquals(await tick(sql), 2);
    const [{ native, text, arm }] = await rows(sql, two);
    assertEquals([native.subject, text, arm], ["A for Reader 0", "A", "off"]);
    const [{ mail }] = await claim(sql);
    assertEquals([mail?.html, mail?.text], [undefined, "A"]);
    await send(sql);
    const { counts } = await read(sql, two);
    assertEquals([counts.sent, counts["off:sent"]], [2, 2]);
  },
);

mailTest("figures: each thing counts once a recipient, whatever the provider repeats", async (sql) => {
  const one = await create(sql);
  await add(sql, one, people(10));
  await start(sql, one);
  await tick(sql);
  await send(sql);
  const ids = await idsOf(sql, one);
  for (const id of ids.slice(0, 8)) {
    await events(sql, { event: "delivered", message: id }, { event: "delivered", message: id });
  }
  await events(sql, { event: "bounce", message: ids[8] }, { event: "complaint", message: ids[0] });
  await ingest(sql, answer(ids[1]), answer(ids[1]));
  const { counts, rates, hours } = await read(sql, one);
  const expected = {
    recipients: 10,
    queued: 10,
    sent: 10,
    delivered: 8,
    bounced: 1,
    complained: 1,
    replied: 1,
  };
  assertEquals({ ...counts, failed: undefined }, { ...expected, failed: undefined });
  assertEquals(rates, {
    delivered: 0.8,
    bounced: 0.1,
    complained: 0.125,
    unsubscribed: 0,
    replied: 0.125,
    opened: 0,
    clicked: 0,
    clicked_of_opened: null,
  });
  const sums: Record<string, number> = {};
  for (const hour of hours) {
    for (const [what, n] of Object.entries(hour.counts)) sums[what] = (sums[what] ?? 0) + n;
  }
  assertEquals(sums, counts);
  assertEquals((await sql`select from private.campaign_news`).length, 0);
});

const WHATS = [
  ...["opened", "opened_human", "clicked", "clicked_human", "opens:human", "opens:machine", "opens:unsure"],
  ...["clicks:human", "clicks:machine"],
];
const pick = ({ counts }: View) => WHATS.map((what) => counts[what] ?? 0);

mailTest(
  "opens and clicks that a provider reports: people apart from machines, and right again when verdicts are corrected",
  async (sql) => {
    const { one, ids } = await delivered(sql, 4);
    const seen = (event: string, message: string, verdict: string) => ({
      event,
      message,
      metadata: { verdict, reasons: "x" },
    });
    await events(
      sql,
      ...[seen("open", ids[0], "human"), seen("open", ids[0], "human"), seen("click", ids[1], "human")],
      ...[
        seen("open", ids[2], "machine"),
        seen("click", ids[2], "machine"),
        seen("click", ids[2], "machine"),
      ],
      seen("open", ids[3], "unsure"),
    );
    const before = await read(sql, one);
    assertEquals(pick(before), [4, 2, 2, 1, 2, 1, 1, 1, 2]);
    assertEquals([before.rates.opened, before.rates.clicked, before.rates.clicked_of_opened], [
      0.5,
      0.25,
      0.5,
    ]);
    // The person was a machine after all.
    await sql`update public.email_events set metadata = metadata || '{"verdict": "machine"}'
      where message_id = ${ids[1]} and event_type = 'click'`;
    assertEquals(pick(await read(sql, one)), [4, 1, 2, 0, 2, 1, 1, 0, 3]);
    assertEquals((await rows(sql, one)).map(({ told }) => told & 1280), [256, 0, 0, 0]);
  },
);

const LINKS = ["https://shop.example/a?for=reader0#top", "https://shop.example/b"];

/** Tickets of the mails, as sending gives them. */
async function tickets(sql: Sql, one: View, ids: string[], mode: string): Promise<number[]> {
  const [{ id }] = await sql`select private.link_set_of(${LINKS}, now()) as id`;
  const made = await sql`
    insert into private.mail_tickets (message_id, contact_id, campaign_id, link_set, mode, created_at)
    select m.id, c.contact_id, ${one.id}, ${id}, ${mode}, now()
    from unnest(${ids}::uuid[]) with ordinality as i (id, place) join public.messages m on m.id = i.id
    join public.conversations c on c.id = m.conversation_id order by i.place returning id`;
  return made.map(({ id }) => Number(id));
}

/** What readers do, as it is recorded: o or c, ticket, link, verdict. */
const record = (
  sql: Sql,
  ...list: (readonly [kind: "o" | "c", ticket: number, link: number, verdict: string])[]
) =>
  sql`select public.record_accesses(gen_random_uuid(), ${
    list.map(([kind, ticket, link, verdict]) =>
      `${kind} ${ticket} ${Date.now()} ${kind === "o" ? "" : link} ${verdict} gmail program x`
    ).join("\n")
  })`;

for (const mode of ["aggregate", "individual"] as const) {
  mailTest(
    `opens and clicks that we track (${mode}): by link and client, corrected, without traps, and nobody's name unless allowed`,
    async (sql) => {
      const { one, ids } = await delivered(sql, 3);
      const [a, b, c] = await tickets(sql, one, ids, mode);
      await record(
        sql,
        ...[["o", a, 0, "human"], ["o", a, 0, "human"], ["c", a, 1, "human"]] as const,
        ...[["c", b, 1, "machine"], ["c", b, 2, "machine"], ["c", b, 0, "machine"]] as const,
        ["o", c, 0, "unsure"],
      );
      // A provider that tracks too counts nothing twice.
      await events(sql, { event: "open", message: ids[0], metadata: { verdict: "human", reasons: "x" } });
      const before = await read(sql, one);
      assertEquals(pick(before), [3, 1, 2, 1, 2, 0, 1, 1, 2]);
      assertEquals(before.links, [
        { link: "https://shop.example/a", clicks: 2, human: 1 },
        { link: "https://shop.example/b", clicks: 1, human: 0 },
      ]);
      assertEquals(before.clients, [{ client: "gmail", events: 6, human: 3 }]);
      const shown = async () => (await rows(sql, one)).map(({ told }) => told & 1920);
      assertEquals(await shown(), mode === "individual" ? [1920, 640, 128] : [0, 0, 0]);
      // More is known: the reader of the first was a machine, who clicked b a person.
      const [{ id: open }] = await sql`select max(id) as id from public.email_opens where ticket = ${a}`;
      const [{ id: clickA }] = await sql`select id from public.email_clicks where ticket = ${a}`;
      const [{ id: clickB }] = await sql`select id from public.email_clicks where ticket = ${b} and link = 2`;
      await sql`select public.settle_accesses(${
        sql.json([
          { kind: "open", id: open, ticket: a, verdict: "machine", reasons: "burst" },
          { kind: "click", id: clickA, ticket: a, verdict: "machine", reasons: "burst" },
          { kind: "click", id: clickB, ticket: b, verdict: "human", reasons: "later" },
        ])
      })`;
      const after = await read(sql, one);
      assertEquals(pick(after), [3, 2, 2, 1, 1, 1, 1, 1, 2]);
      assertEquals(after.links, [
        { link: "https://shop.example/b", clicks: 1, human: 1 },
        { link: "https://shop.example/a", clicks: 2, human: 0 },
      ]);
      // Of one the clicks are not kept any more, of another one is not counted yet.
      await sql`delete from public.email_clicks where ticket = ${b}`;
      await record(sql, ["o", c, 0, "unsure"]);
      await sql`select public.withdraw_tracking(id) from unnest(${ids.slice(1)}::uuid[]) as id`;
      assertEquals(pick(await read(sql, one)), [3, 2, 2, 1, 1, 1, 2, 1, 2], "figures without names stay");
      assertEquals(await shown(), mode === "individual" ? [896, 0, 0] : [0, 0, 0]);
    },
  );
}

mailTest("a link that was made with a recipient's values is counted without them", async (sql) => {
  const { one, ids } = await delivered(sql, 1);
  await tickets(sql, one, ids, "aggregate");
  const named = async (link: string) => {
    const [{ id }] = await sql`select private.link_set_of(${[link]}, now()) as id`;
    await sql`update private.mail_tickets set link_set = ${id}`;
    const [{ name }] = await sql`
      select private.campaign_link(${one.id}, t.id, 1::smallint) as name from private.mail_tickets t limit 1`;
    return name;
  };
  const names: Record<string, string> = {
    "https://shop.example/a?for=Casey#top": "https://shop.example/a",
    "https://shop.example/b": "https://shop.example/b",
    "https://shop.example/of/Casey": "https://shop.example/…",
    "https://shop.example/": "https://shop.example/…",
    "https://casey.people.example/d": "other",
  };
  for (const [link, name] of Object.entries(names)) assertEquals(await named(link), name);
});

mailTest("a link for each person has no figure for each person", async (sql) => {
  const { one, ids } = await delivered(sql, 1);
  const [ticket] = await tickets(sql, one, ids, "aggregate");
  await sql`insert into private.campaign_counts (campaign_id, hour, what, n)
    select ${one.id}, '-infinity', 'link:human:https://shop.example/p/' || g, 1 from generate_series(1, 600) g`;
  await record(sql, ["c", ticket, 1, "human"], ["c", ticket, 2, "human"]);
  const [{ n }] = await sql`
    select n::int from private.campaign_counts
    where what = 'link:human:other' and campaign_id = ${(await read(sql, one)).id}`;
  assertEquals(n, 2);
});

/** A campaign whose mails were delivered. */
async function delivered(sql: Sql, n: number): Promise<{ one: View; ids: string[] }> {
  const one = await create(sql, {
    html:
      "<a href='https://shop.example/a?for={{name|you}}#top'>a</a><a href=\"https://shop.example/b\">b</a>" +
      "<a href='https://shop.example/of/{{name|you}}'>c</a><a href='https://{{name|you}}.people.example/d'>d</a>",
  });
  await add(sql, one, people(n));
  await start(sql, one);
  await tick(sql);
  await send(sql);
  const ids = await idsOf(sql, one);
  await events(sql, ...ids.map((message) => ({ event: "delivered", message })));
  return { one, ids };
}

for (const [what, event, n] of [["bounced", "bounce", 6], ["complained", "complaint", 2]] as const) {
  mailTest(
    `too many that ${what} stop a campaign, the team is told, and it goes on with another limit`,
    async (sql) => {
      await sql`insert into public.notification_endpoints (name, kind, host, events) values ('ops', 'slack', 'hooks.example.com', '{failing}')`;
      const one = await create(sql, { per_minute: 660 });
      await add(sql, one, people(120));
      await start(sql, one);
      assertEquals(await tick(sql), 110);
      await send(sql);
      const ids = await idsOf(sql, one);
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
      await start(sql, one, { bounce_limit: 0.5, complaint_limit: 0.5 });
      assertEquals(await tick(sql, 20), 10);
      const [{ list }] = await sql`select public.list_audit('{"kinds": ["campaign"]}') as list`;
      assertEquals(
        list.map(({ change, after }: { change: string; after: { state: string } }) => [change, after.state]),
        [
          ["changed", "done"],
          ["changed", "sending"],
          ["changed", "stopped"],
          ["changed", "sending"],
          ["added", "draft"],
        ],
      );
    },
  );
}

mailTest("a recipient whose message cannot be made waits, and the others go", async (sql) => {
  const one = await create(sql);
  await add(sql, one, people(3));
  await sql`create function public.refuse_one() returns trigger language plpgsql as $$
    begin
      if new.native ->> 'subject' = 'News for Reader 1' then raise exception 'no'; end if;
      return new;
    end $$`;
  await sql`create trigger refuse_one before insert on public.messages for each row execute function public.refuse_one()`;
  await start(sql, one);
  assertEquals(await tick(sql), 2);
  assertEquals((await rows(sql, one)).map(({ state, why }) => [state, why]), [
    ["queued", null],
    ["pending", "failed P0001"],
    ["queued", null],
  ]);
  await sql`drop trigger refuse_one on public.messages`;
  assertEquals([await tick(sql, 60), await tick(sql, 700)], [0, 1]);
});

mailTest("a test mail is tracked as the mails of its campaign are", async (sql) => {
  const tracked = async (more: Record<string, unknown>) => {
    const one = await create(sql, more);
    const [{ answer }] = await sql`select public.test_campaign(${one.id}, 'me@people.example') as answer`;
    const [{ track }] =
      await sql`select native ->> 'track' as track from public.messages where id = ${answer.message_id}`;
    return track;
  };
  assertEquals(await tracked({}), "aggregate");
  await sql`insert into public.settings (key, value) values ('email.track', 'individual'), ('email.track_campaigns', 'off')`;
  assertEquals([await tracked({}), await tracked({ track: "individual" })], ["off", "individual"]);
});

mailTest("a test mail is counted nowhere", async (sql) => {
  const one = await create(sql);
  await sql`select public.test_campaign(${one.id}, 'me@people.example', '{"name": "Me"}')`;
  const [{ native }] = await sql`select native from public.messages where channel = 'email'`;
  assertEquals([native.subject, native.text, native.campaign_id], ["News for Me", "Hello Me", undefined]);
  await send(sql);
  assertEquals((await read(sql, one)).counts, {});
});

mailTest("what cannot be a campaign is refused, and a viewer sees addresses cut", async (sql) => {
  for (
    const [more, code] of [
      [{ text: "{{Name}}" }, "GL422"],
      [{ other: 1 }, "GL422"],
      [{ per_minute: 12001 }, "GL422"],
      [{ bounce_limit: "5%" }, "GL422"],
      [{ from: "else@send.example" }, "GL404"],
      [{ flag_key: "no.enabled" }, "GL404"],
      [{ text: null }, "23514"],
      [{ bounce_limit: 0 }, "23514"],
      [{ track: "all" }, "23514"],
      [{ otherwise: { text: "A" } }, "23514"],
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
