/** Tracked mails in SQL: consent, tickets, batches, and what is counted of whom. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { until } from "../support/until.ts";
import { CASEY, mailTest, send, setFlags } from "../support/mail_rows.ts";

interface Judged {
  ticket: number;
  delivered_at: number | null;
  accesses: { kind: string; id: number }[];
}

const LINKS = ["https://shop.example/a", "https://shop.example/b"];
const CAMPAIGN = "0197c000-0000-7000-8000-000000000001";

interface Ticket {
  mail: number;
  links: number;
  mode: string;
}

/** A test with tracking on, and a mail that was sent to Casey. */
function trackTest(name: string, test: (sql: Sql, message: string) => Promise<void>): void {
  mailTest(name, async (sql) => {
    await setFlags(sql, { email_tracking: true });
    await test(sql, (await send(sql)).id);
  });
}

const track = async (sql: Sql, ...mails: Record<string, unknown>[]): Promise<(Ticket | null)[]> => {
  const whole = mails.map((mail) => ({ mode: "individual", links: LINKS, ...mail }));
  return (await sql`select public.track_mails(${sql.json(whole)}) as answers`)[0].answers;
};
const modeOf = async (sql: Sql, wanted = "individual", campaign: string | null = null): Promise<string> =>
  (await sql`select private.tracking_mode(i.contact_id, ${campaign}, ${wanted}) as mode
    from public.contact_identities i where i.value = ${CASEY}`)[0].mode;
const consent = (sql: Sql, mode: string, campaign: string | null = null, person = CASEY) =>
  as(sql, SERVICE, (sql) => sql`select public.set_tracking_consent(${person}, ${mode}, 'form', ${campaign})`);
const record = (sql: Sql, lines: string[], batch = crypto.randomUUID()) =>
  sql`select public.record_accesses(${batch}, ${lines.join("\n")})`;
/** Until a connection waits for a lock. */
const waits = (sql: Sql) =>
  until("one waits for the other", async () => {
    const [{ n }] = await sql`select count(*)::int as n from pg_catalog.pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    return n > 0;
  });
const opened = (ticket: number, at = Date.now()) => `o ${ticket} ${at}  human chrome p.browser browser`;
const clicked = (ticket: number, link = 1, at = Date.now()) =>
  `c ${ticket} ${at} ${link} human chrome p.browser browser`;

trackTest(
  "tracking_mode(): the least of what is wanted and allowed; a general off counts more than a campaign",
  async (sql) => {
    assertEquals([await modeOf(sql), await modeOf(sql, "aggregate"), await modeOf(sql, "off")], [
      "aggregate",
      "aggregate",
      "off",
    ]);
    await sql`insert into public.settings (key, value) values ('email.track_unasked', 'off')`;
    assertEquals(await modeOf(sql), "off");
    await consent(sql, "individual", CAMPAIGN);
    assertEquals([await modeOf(sql), await modeOf(sql, "individual", CAMPAIGN)], ["off", "individual"]);
    await consent(sql, "aggregate");
    assertEquals([await modeOf(sql), await modeOf(sql, "individual", CAMPAIGN)], ["aggregate", "individual"]);
    await consent(sql, "off");
    assertEquals([await modeOf(sql), await modeOf(sql, "individual", CAMPAIGN)], ["off", "off"]);
    await sql`update public.settings set value = 'everything' where key = 'email.track_unasked'`.then(
      () => assertEquals("refused", "written"),
      ({ code }) => assertEquals(code, "23514"),
    );
  },
);

trackTest(
  "tracking_mode(): of contacts that turn out to be one person the strictest counts, until they say something anew",
  async (sql) => {
    const [{ id: other }] = await sql`insert into public.contacts (channel) values ('email') returning id`;
    await consent(sql, "individual");
    await consent(sql, "off", null, other);
    await sql`update public.contacts set merged_into = (select contact_id from public.contact_identities where value = ${CASEY}) where id = ${other}`;
    assertEquals(await modeOf(sql), "off");
    await consent(sql, "individual", null, other);
    assertEquals(await modeOf(sql), "individual");
  },
);

trackTest(
  "a merge: the stricter consent is the person's, also for mails that were sent before",
  async (sql) => {
    const other = (await send(sql, { to: "cb@people.example" })).id;
    const [{ id: kept }] =
      await sql`select contact_id as id from public.contact_identities where value = ${CASEY}`;
    const [{ id: gone }] =
      await sql`select contact_id as id from public.contact_identities where value = 'cb@people.example'`;
    await consent(sql, "individual", null, gone);
    await consent(sql, "individual", CAMPAIGN, gone);
    const [ticket] = await track(sql, { message: other });
    await record(sql, [opened(ticket!.mail)]);
    await consent(sql, "off", null, kept);
    await sql`update public.contacts set merged_into = ${kept} where id = ${gone}`;
    assertEquals(
      (await sql`select contact_id, mode, campaign_id from public.tracking_consents order by campaign_id nulls first`)
        .map((row) => ({ ...row })),
      [
        { contact_id: kept, mode: "off", campaign_id: null },
        { contact_id: kept, mode: "individual", campaign_id: CAMPAIGN },
      ],
    );
    assertEquals((await sql`select mode from private.mail_tickets`)[0].mode, "off");
    assertEquals((await sql`select message_id from public.email_opens`)[0].message_id, null);
  },
);

trackTest("an erased off stays one for the address, until the person says something anew", async (sql) => {
  await consent(sql, "off");
  await sql`select private.erase_part(${CASEY}, gen_random_uuid(), 100)`;
  assertEquals((await sql`select from public.tracking_consents`).length, 0);
  await send(sql);
  assertEquals(await modeOf(sql), "off");
  await consent(sql, "aggregate", CAMPAIGN);
  assertEquals(await modeOf(sql, "individual", CAMPAIGN), "off");
  await consent(sql, "individual");
  assertEquals(await modeOf(sql), "individual");
  assertEquals((await sql`select from private.erased_declines`).length, 0);
});

trackTest(
  "track_mails(): the same ticket for the same mail, one list for the same links; none where it is not allowed",
  async (sql, message) => {
    const second = (await send(sql, { to: "bo@people.example" })).id;
    await consent(sql, "individual");
    const [one, again, other, unknown, off] = await track(
      sql,
      { message },
      { message },
      { message: second },
      { message: crypto.randomUUID() },
      { message: second, mode: "off" },
    );
    assertEquals(again, one);
    assertEquals([one?.mode, other?.mode, other?.links, unknown, off], [
      "individual",
      "aggregate",
      one?.links,
      null,
      null,
    ]);
    assertEquals((await track(sql, { message: second, links: [] }))[0]?.links, 0);
    await setFlags(sql, { email_tracking: false });
    assertEquals(await track(sql, { message }), [null]);
    // A mail that came in is nobody's to track.
    await setFlags(sql, { email_tracking: true });
    await sql`update public.messages set direction = 'in' where id = ${message}`;
    assertEquals(await track(sql, { message }), [null]);
  },
);

trackTest(
  "record_accesses(): a batch counts once; strangers' tickets and withdrawn ones not at all",
  async (sql, message) => {
    await consent(sql, "individual");
    const [ticket] = await track(sql, { message });
    const batch = crypto.randomUUID();
    const lines = [opened(ticket!.mail), clicked(ticket!.mail, 2), opened(999_999)];
    await record(sql, lines, batch);
    await record(sql, lines, batch);
    const rows = async () =>
      (await sql`select 'o' as kind, message_id from public.email_opens union all select 'c', message_id from public.email_clicks order by 1`)
        .map(({ kind, message_id }) => `${kind} ${message_id}`);
    assertEquals(await rows(), [`c ${message}`, `o ${message}`]);
    await consent(sql, "aggregate");
    assertEquals(await rows(), ["c null", "o null"], "what was kept of who it was is gone");
    await record(sql, [opened(ticket!.mail)]);
    assertEquals((await rows()).length, 3);
    await consent(sql, "off");
    await record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
    assertEquals((await rows()).length, 3);
    // Allowed again: for mails from now on.
    await consent(sql, "individual");
    await record(sql, [opened(ticket!.mail)]);
    assertEquals((await rows()).length, 3);
  },
);

trackTest(
  "accesses_to_judge(): what is new of a mail with all of it; settled, it waits for the next",
  async (sql, message) => {
    const [ticket] = await track(sql, { message });
    const due = async () => (await sql`select private.accesses_are_due() as due`)[0].due;
    assertEquals(await due(), false);
    await record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
    assertEquals(await due(), true);
    const [{ mails }] = await sql`select public.accesses_to_judge() as mails`;
    assertEquals([mails.length, mails[0].ticket, mails[0].delivered_at, mails[0].accesses.length], [
      1,
      ticket!.mail,
      null,
      2,
    ]);
    const verdicts = mails[0].accesses.map(({ kind, id }: { kind: string; id: number }) => ({
      kind,
      id,
      ticket: ticket!.mail,
      delivered_at: null,
      verdict: "machine",
      reasons: "burst",
    }));
    assertEquals((await sql`select public.settle_accesses(${sql.json(verdicts)}) as n`)[0].n, 2);
    assertEquals(await due(), false);
    await sql`insert into public.email_events (event_type, message_id) values ('delivered', ${message})`;
    assertEquals(await due(), false, "a machine stays one");
    await record(sql, [clicked(ticket!.mail, 2)]);
    const [{ again }] = await sql`select public.accesses_to_judge() as again`;
    assertEquals([again[0].accesses.length, typeof again[0].delivered_at], [3, "number"]);
  },
);

trackTest(
  "settle_accesses(): verdicts made without the delivery that was told meanwhile do not last",
  async (sql, message) => {
    const [ticket] = await track(sql, { message });
    await record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
    const judge = async () => (await sql`select public.accesses_to_judge() as mails`)[0].mails;
    const settle = async (mails: Judged[]) => {
      const verdicts = mails.flatMap(({ ticket, delivered_at, accesses }) =>
        accesses.map(({ kind, id }) => ({
          kind,
          id,
          ticket,
          delivered_at,
          verdict: "human",
          reasons: "browser",
        }))
      );
      return (await sql`select public.settle_accesses(${sql.json(verdicts as never)}) as n`)[0].n;
    };
    const early = await judge();
    const other = await sql.reserve();
    await other`begin`;
    await other`insert into public.email_events (event_type, message_id) values ('delivered', ${message})`;
    assertEquals(await settle(early), 0, "while it is being told they are not written");
    await other`commit`;
    other.release();
    assertEquals(await settle(early), 2);
    const late = await judge();
    assertEquals([late.length, typeof late[0].delivered_at], [1, "number"]);
    assertEquals(await settle(late), 2);
    assertEquals(await judge(), []);
  },
);

for (const withdrawn of ["consent", "erasure"] as const) {
  trackTest(
    `record_accesses(): ${withdrawn} meanwhile leaves nothing of who it was`,
    async (sql, message) => {
      await consent(sql, "individual");
      const [ticket] = await track(sql, { message });
      const named = async () =>
        (await sql`select message_id from public.email_opens union all select message_id from public.email_clicks`)
          .filter(({ message_id }) => message_id !== null).length;
      const end = (sql: Sql) =>
        withdrawn === "consent"
          ? sql`select public.withdraw_tracking(${message}::uuid)`.execute()
          : sql`select private.erase_part(${CASEY}, gen_random_uuid(), 100)`.execute();
      const other = await sql.reserve();
      // Recorded first, withdrawn before that is seen.
      await other`begin`;
      await record(other as unknown as Sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
      const ending = end(sql);
      await waits(sql);
      await other`commit`;
      await ending;
      assertEquals(await named(), 0);
      other.release();
    },
  );
}

trackTest("record_accesses(): one that waits for a withdrawal keeps to it", async (sql, message) => {
  await consent(sql, "individual");
  const [ticket] = await track(sql, { message });
  const other = await sql.reserve();
  await other`begin`;
  await other`select public.withdraw_tracking(${message}::uuid)`;
  const recording = record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]).execute();
  await waits(sql);
  await other`commit`;
  other.release();
  await recording;
  assertEquals((await sql`select from public.email_opens`).length, 0);
  assertEquals((await sql`select from public.email_clicks`).length, 0);
});

trackTest(
  "mail_accesses(): viewers see hosts, operators addresses; nothing of single mails in aggregate",
  async (sql, message) => {
    await consent(sql, "individual");
    const [ticket] = await track(sql, { message });
    await record(sql, [opened(ticket!.mail), clicked(ticket!.mail, 2)]);
    const told = async (role: "viewer" | "operator") =>
      (await as(
        sql,
        await signedIn(sql, role),
        (sql) => sql`select public.mail_accesses(${message}) as told`,
      ))[0].told;
    const [viewer, operator] = [await told("viewer"), await told("operator")];
    assertEquals([viewer.links[1].url, operator.links[1].url], [
      "https://shop.example",
      "https://shop.example/b",
    ]);
    assertEquals([viewer.opens.length, viewer.clicks[0].link], [1, 2]);
    await consent(sql, "aggregate");
    const less = await told("operator");
    assertEquals([less.tracked, less.opens, less.clicks], ["aggregate", [], []]);
    assertEquals(
      await refusal(
        as(
          sql,
          await signedIn(sql, "viewer"),
          (sql) => sql`select public.set_tracking_consent(${CASEY}, 'individual')`,
        ),
      ),
      "42501",
    );
  },
);

trackTest(
  "correct_access(): a person's verdict stays whatever becomes known, until the rules shall judge again",
  async (sql, message) => {
    await consent(sql, "individual");
    const [ticket] = await track(sql, { message });
    await record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
    const operator = await signedIn(sql, "operator");
    const told = async () =>
      (await as(sql, operator, (sql) => sql`select public.mail_accesses(${message}) as told`))[0].told;
    const { opens: [open], clicks: [click] } = await told();
    const correct = async (kind: string, id: number, verdict: string | null, who = operator) =>
      (await as(
        sql,
        who,
        (sql) => sql`select public.correct_access(${message}, ${kind}, ${id}, ${verdict}) as told`,
      ))[0].told;
    const settle = async () => {
      const [{ mails }] = await sql`select public.accesses_to_judge() as mails`;
      const verdicts = (mails as Judged[]).flatMap(({ ticket, delivered_at, accesses }) =>
        accesses.map(({ kind, id }) => ({
          ...{ kind, id, ticket, delivered_at },
          ...{ verdict: "human", reasons: "browser" },
        }))
      );
      return (await sql`select public.settle_accesses(${sql.json(verdicts as never)}) as n`)[0].n;
    };
    assertEquals((await correct("open", open.id, "unsure")).opens[0].verdict, "unsure");
    const after = await correct("click", click.id, "machine");
    assertEquals([after.clicks[0].verdict, after.clicks[0].reasons, after.clicks[0].corrected_by !== null], [
      "machine",
      "by_hand",
      true,
    ]);
    assertEquals(await settle(), 0, "nothing is due");
    await record(sql, [clicked(ticket!.mail, 2)]);
    await sql`insert into public.email_events (event_type, message_id) values ('delivered', ${message})`;
    assertEquals(await settle(), 1, "only the new one");
    assertEquals([(await told()).opens[0].verdict, (await told()).clicks[0].verdict], ["unsure", "machine"]);
    assertEquals((await correct("open", open.id, null)).opens[0].corrected_by, null);
    assertEquals(await settle(), 2, "the rules judge what is theirs again");
    assertEquals((await told()).opens[0].verdict, "human");
    const viewer = await signedIn(sql, "viewer");
    assertEquals(await refusal(correct("open", open.id, "human", viewer)), "42501");
    assertEquals(await refusal(correct("open", open.id, "spider")), "GL422");
    assertEquals(await refusal(correct("click", click.id + 9, "human")), "GL404");
    await consent(sql, "aggregate");
    assertEquals(await refusal(correct("open", open.id, "human")), "GL404", "it is not kept whose it was");
  },
);

trackTest("the team reads opens and clicks without the number of their mail", async (sql, message) => {
  const [ticket] = await track(sql, { message });
  await record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
  const viewer = await signedIn(sql, "viewer");
  for (const table of ["public.email_opens", "public.email_clicks"]) {
    const readAs = (column: string) =>
      as(sql, viewer, (sql) => sql.unsafe(`select ${column} as found from ${table}`));
    assertEquals((await readAs("verdict")).map(({ found }) => found), ["human"]);
    assertEquals(await refusal(readAs("ticket")), "42501");
  }
});

trackTest(
  "retention: opens and clicks go after their days, links once no mail has them and 400 days are over",
  async (sql, message) => {
    const [ticket] = await track(sql, { message });
    await record(sql, [opened(ticket!.mail), clicked(ticket!.mail)]);
    const left = async (days: number) => {
      await sql`update private.purges set due_at = '-infinity'`;
      await sql`select private.purge(now() + make_interval(days => ${days}))`;
      const [row] =
        await sql`select (select count(*) from public.email_opens)::int as opens, (select count(*) from public.email_clicks)::int as clicks,
      (select count(*) from private.mail_link_sets)::int as links`;
      return [row.opens, row.clicks, row.links];
    };
    assertEquals(await left(179), [1, 1, 1]);
    assertEquals(await left(181), [0, 0, 1]);
    assertEquals(await left(500), [0, 0, 1], "a mail that is kept has it");
    await sql`delete from private.mail_tickets`;
    assertEquals(await left(399), [0, 0, 1]);
    assertEquals(await left(401), [0, 0, 0]);
  },
);
