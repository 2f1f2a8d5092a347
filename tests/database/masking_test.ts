/** Masked messaging in SQL: threads and numbers, windows, decisions, and who sees what of them. */
import fc from "fast-check";
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { as, type Caller, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import {
  addOrg,
  book,
  factsOf,
  MaskedOrgInDatabase,
  type OrgRows,
  phoneOf,
  play,
  POOL,
} from "../support/masking.ts";
import { anyAct } from "../support/masking_acts.ts";
import { holds } from "../support/property.ts";
import { relay } from "../../supabase/functions/_shared/masking/relay.ts";
import { until } from "../support/until.ts";

interface Opened {
  thread_id: string;
  created: boolean;
  number_id: string;
  number_class: string;
  exhausted: boolean;
}

const open = async (
  sql: Sql,
  { org, clients, sitters }: OrgRows,
  client: number,
  sitter: number | null = null,
): Promise<Opened> =>
  (await sql`select public.open_thread(${org}, ${clients[client]}, ${
    sitter === null ? null : sitters[sitter].member
  }) as opened`)[0].opened;
const assign = async (sql: Sql, booking: string, { sitters }: OrgRows, sitter: number, proactive = true) =>
  (await sql`select public.assign_sitter(${booking}, ${sitters[sitter].member}, ${proactive}) as assigned`)[0]
    .assigned;

databaseTest("random opens, assignments, releases and texts: nobody hears a stranger", async (sql) => {
  let texts = 0;
  await holds(
    fc.asyncProperty(fc.array(anyAct, { minLength: 100, maxLength: 100, size: "max" }), async (acts) => {
      await sql`truncate public.orgs, public.contacts, public.senders cascade`;
      const { strangers, relayed } = await play(new MaskedOrgInDatabase(sql, await addOrg(sql)), acts);
      texts += relayed;
      assertEquals(strangers, []);
    }),
    { cases: 100, endOnFailure: true },
  );
  assert(texts > 50, `${texts} texts were relayed`);
});

databaseTest(
  "open_thread(): thirty clients of one sitter at once get numbers of their own, or are told of exhaustion",
  async (sql) => {
    const rows = await addOrg(sql, 25);
    const clients: string[] = [];
    for (let i = 0; i < 30; i++) {
      clients.push((await sql`insert into public.contacts (channel) values ('sms') returning id`)[0].id);
    }
    const opened = await Promise.all(clients.map((_, i) => open(sql, { ...rows, clients }, i, 0)));
    const pool = opened.filter(({ number_class }) => number_class === "pool").map(({ number_id }) =>
      number_id
    );
    assertEquals([pool.length, new Set(pool).size], [25, 25]);
    assertEquals(
      opened.filter(({ exhausted }) => exhausted).map(({ number_id }) => number_id),
      Array(5).fill(rows.numbers[25]),
    );
    const [{ forecast }] = await sql`select public.pool_forecast(${rows.org}) as forecast`;
    assertEquals(
      [forecast.numbers, forecast.needed, forecast.state, Number(forecast.exhausted_count)],
      [25, 25, "exhausted", 5],
    );
  },
);

databaseTest("open_thread(): at once for one client, there is one thread", async (sql) => {
  const rows = await addOrg(sql);
  const opened = await Promise.all(Array.from({ length: 8 }, () => open(sql, rows, 0, 0)));
  assertEquals(new Set(opened.map(({ thread_id }) => thread_id)).size, 1);
  assertEquals(opened.filter(({ created }) => created).length, 1);
});

databaseTest(
  "open_thread(): at the front desk and on a sitter's own number an ended thread is followed at once by a new one",
  async (sql) => {
    const rows = await addOrg(sql, 0);
    const [client] = rows.clients;
    const end = async (thread: string) => await sql`select public.end_thread(${thread})`;
    const first = await open(sql, rows, 0, 0);
    assertEquals([first.number_class, first.exhausted], ["front_desk", true]);
    // The next sitter reads along in the same thread.
    const joined = await open(sql, rows, 0, 1);
    assertEquals([joined.thread_id, joined.exhausted], [first.thread_id, true]);
    const legs =
      await sql`select contact_id from public.thread_legs where thread_id = ${first.thread_id} and ended_at is null`;
    assertEquals(
      legs.map(({ contact_id }) => contact_id).sort(),
      [client, rows.sitters[0].contact, rows.sitters[1].contact].sort(),
    );
    await end(first.thread_id);
    const second = await open(sql, rows, 0, 0);
    assertEquals([second.created, second.number_id], [true, first.number_id]);

    await sql`insert into public.senders (channel, id, address, provider) values ('sms', 'PNown', ${
      phoneOf("n", 90)
    }, 'twilio')`;
    await sql`select public.set_org_number(${rows.org}, 'PNown', 'sitter', ${rows.sitters[2].member})`;
    await end((await open(sql, rows, 0, 2)).thread_id);
    assertEquals((await open(sql, rows, 0, 2)).number_id, "PNown");
  },
);

databaseTest("open_thread(): a sitter's own number serves all of that sitter's clients", async (sql) => {
  const rows = await addOrg(sql);
  await sql`insert into public.senders (channel, id, address, provider) values ('sms', 'PNown', ${
    phoneOf("n", 90)
  }, 'twilio')`;
  await sql`select public.set_org_number(${rows.org}, 'PNown', 'sitter', ${rows.sitters[0].member})`;
  for (const client of [0, 1]) {
    const { number_id, number_class } = await open(sql, rows, client, 0);
    assertEquals([number_id, number_class], ["PNown", "sitter"]);
    await assign(sql, await book(sql, rows, client, `b${client}`), rows, 0, false);
    const answer = relay(await factsOf(sql, "PNown", phoneOf("c", client)));
    assertEquals(answer.to === "leg" && answer.legs.map(({ contactId, numberId }) => [contactId, numberId]), [
      [rows.sitters[0].contact, null],
    ]);
  }
  // From the sitter's phone nobody could tell which client is meant.
  assertEquals(relay(await factsOf(sql, "PNown", phoneOf("s", 0))).reason, "unknown_sender");
});

databaseTest(
  "assign_sitter(): for a recurring client thread, numbers and window at once, and never twice",
  async (sql) => {
    const rows = await addOrg(sql);
    const booking = await book(sql, rows, 0, "weekly");
    const first = await assign(sql, booking, rows, 0), again = await assign(sql, booking, rows, 0);
    assertEquals([first.recurring_why, first.created, first.thread.created, first.thread.number_class], [
      "weekly",
      true,
      true,
      "pool",
    ]);
    assertEquals([again.created, again.thread.created, again.thread.thread_id], [
      false,
      false,
      first.thread.thread_id,
    ]);
    assertEquals((await sql`select count(*)::int as n from public.threads`)[0].n, 1);
    // Unassigned and assigned again: the same thread and number.
    await sql`select public.unassign_sitter(${booking}, ${rows.sitters[0].member})`;
    assertEquals(
      relay(await factsOf(sql, first.thread.number_id, phoneOf("s", 0))).reason,
      "no_active_window",
    );
    const back = await assign(sql, booking, rows, 0);
    assertEquals([back.thread.thread_id, back.thread.number_id], [
      first.thread.thread_id,
      first.thread.number_id,
    ]);
    assertEquals(relay(await factsOf(sql, first.thread.number_id, phoneOf("s", 0))).to, "leg");
    // A second sitter joins the client's number: a hand-over, and both hear the client.
    await assign(sql, await book(sql, rows, 0, "second"), rows, 1);
    const heard = relay(await factsOf(sql, first.thread.number_id, phoneOf("c", 0)));
    assertEquals(
      heard.to === "leg" && heard.legs.map(({ contactId }) => contactId).sort(),
      rows.sitters.slice(0, 2).map(({ contact }) => contact).sort(),
    );
  },
);

databaseTest(
  "assign_sitter(): without the flag, or for a client who is not recurring, there is a window and no thread",
  async (sql) => {
    const rows = await addOrg(sql);
    const once = await assign(sql, await book(sql, rows, 0, "once", { repeats: "none" }), rows, 0);
    assertEquals([once.recurring, once.thread], [false, null]);
    const off = await assign(sql, await book(sql, rows, 1, "weekly"), rows, 0, false);
    assertEquals([off.recurring, off.thread], [true, null]);
    for (const id of ["two", "three"]) await book(sql, rows, 0, id, { repeats: "none" });
    assertEquals(
      (await assign(sql, await book(sql, rows, 0, "once", { repeats: "none" }), rows, 0)).recurring_why,
      "count",
    );
  },
);

databaseTest("release_numbers(): late texts go to the owner, and the pair rests", async (sql) => {
  const rows = await addOrg(sql, POOL, { quarantine_days: 90 });
  const { number_id, thread_id } = await open(sql, rows, 0, 0);
  await sql`select public.end_thread(${thread_id})`;
  const late = { to: "owner_inbox", threadId: thread_id, reason: "late" };
  assertEquals(relay(await factsOf(sql, number_id, phoneOf("c", 0))), late as ReturnType<typeof relay>);
  await sql`select private.release_numbers(clock_timestamp())`;
  assertEquals(relay(await factsOf(sql, number_id, phoneOf("c", 0))), late as ReturnType<typeof relay>);
  // Another client may have it; these two meet it in no other thread.
  const used = new Set<string>();
  for (let client = 1; client <= 3; client++) used.add((await open(sql, rows, client, 0)).number_id);
  assertEquals([used.size, used.has(number_id)], [3, false]);
  assertEquals((await open(sql, rows, 4, 1)).number_id, number_id);
});

databaseTest("numbers: one that drains is lent no more, and goes out once nobody has it", async (sql) => {
  const rows = await addOrg(sql, 1);
  const { thread_id, number_id } = await open(sql, rows, 0, 0);
  await sql`select public.set_org_number(${rows.org}, ${number_id}, 'pool', null, 'draining')`;
  assertEquals((await open(sql, rows, 1, 1)).number_class, "front_desk");
  const stateAfterRelease = async () => {
    await sql`select private.release_numbers(clock_timestamp())`;
    return (await sql`select state from public.org_numbers where number_id = ${number_id}`)[0].state;
  };
  await assign(sql, await book(sql, rows, 0, "b"), rows, 0);
  assertEquals(await stateAfterRelease(), "draining");
  await sql`select public.end_thread(${thread_id})`;
  assertEquals(await stateAfterRelease(), "out");
});

databaseTest("instant_of(): both changes of the clocks in three zones", async (sql) => {
  for (
    const [local, zone, start, end] of [
      // The clocks leave an hour out, or half an hour: as much later.
      ["2026-03-29 02:30", "Europe/Berlin", "2026-03-29T01:30:00Z", "2026-03-29T01:30:00Z"],
      ["2026-03-08 02:15", "America/New_York", "2026-03-08T07:15:00Z", "2026-03-08T07:15:00Z"],
      ["2026-10-04 02:15", "Australia/Lord_Howe", "2026-10-03T15:45:00Z", "2026-10-03T15:45:00Z"],
      // They show it twice: a start is the first, an end the second.
      ["2026-10-25 02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
      ["2026-11-01 01:30", "America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
      ["2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
      // Beside them there is one answer.
      ["2026-03-29 03:00", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z"],
      ["2026-10-25 01:59", "Europe/Berlin", "2026-10-24T23:59:00Z", "2026-10-24T23:59:00Z"],
      ["2026-10-25 03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z"],
      ["2026-07-01 12:00", "UTC", "2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"],
    ]
  ) {
    const [row] = await sql`
      select private.instant_of(${local}::text::timestamp, ${zone}, false) as start, private.instant_of(${local}::text::timestamp, ${zone}, true) as end`;
    assertEquals(
      [local, row.start.toISOString(), row.end.toISOString()],
      [local, start, end].map((one, i) => i === 0 ? one : new Date(one).toISOString()),
    );
  }
});

databaseTest(
  "window_of(): never empty, whole hours of a night with a change, buffers as instants",
  async (sql) => {
    const hours = async (starts: string, ends: string, zone: string, buffer = 0) => {
      const [{ n }] = await sql`
      select extract(epoch from upper(w) - lower(w))::float8 / 3600 as n
      from private.window_of(${starts}::text::timestamp, ${ends}::text::timestamp, ${zone}, ${buffer}, ${buffer}) as w`;
      return n;
    };
    assertEquals(await hours("2026-03-28 20:00", "2026-03-29 20:00", "Europe/Berlin"), 23);
    assertEquals(await hours("2026-10-24 20:00", "2026-10-25 20:00", "Europe/Berlin"), 25);
    assertEquals(await hours("2026-10-24 20:00", "2026-10-25 20:00", "Europe/Berlin", 60), 27);
    // It starts in the hour that is left out, and ends right behind it.
    assertEquals(await hours("2026-03-29 02:30", "2026-03-29 03:00", "Europe/Berlin"), 0.5);
    assertEquals(await hours("2026-10-25 02:15", "2026-10-25 02:45", "Europe/Berlin"), 1.5);
    await holds(
      fc.asyncProperty(
        fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"),
        fc.integer({ min: 0, max: 365 * 24 * 12 }),
        fc.integer({ min: 1, max: 12 * 48 }),
        async (zone, start, length) => {
          const at = (fives: number) =>
            new Date(Date.UTC(2026, 0, 1) + fives * 300_000).toISOString().slice(0, 19);
          const n = await hours(at(start), at(start + length), zone);
          // An hour more, at most, or less; a night with a change is no longer than that.
          assert(n > 0 && Math.abs(n - length / 12) <= 1.0001, `${n} hours for ${length / 12}`);
        },
      ),
      { cases: 500 },
    );
  },
);

databaseTest("set_booking(): windows follow the booking, and close with it", async (sql) => {
  const rows = await addOrg(sql, POOL, { zone: "Europe/Berlin", before_minutes: 30, after_minutes: 15 });
  const at = { starts_local: "2026-12-24T18:00:00", ends_local: "2026-12-24T19:00:00" };
  const booking = await book(sql, rows, 0, "b", at);
  await assign(sql, booking, rows, 0);
  const window = async () =>
    (await sql`select opens_at, closes_at, cancelled_at is not null as cancelled from public.assignment_windows`)[
      0
    ];
  assertEquals(await window(), {
    opens_at: new Date("2026-12-24T16:30:00Z"),
    closes_at: new Date("2026-12-24T18:15:00Z"),
    cancelled: false,
  });
  await book(sql, rows, 0, "b", { ...at, starts_local: "2026-12-24T17:00:00" });
  assertEquals((await window()).opens_at, new Date("2026-12-24T15:30:00Z"));
  await book(sql, rows, 0, "b", { ...at, cancelled: true });
  assertEquals((await window()).cancelled, true);
  assertEquals(await refusal(book(sql, rows, 0, "c", { ...at, zone: "Berlin" })), "GL422");
});

/** One row of what everybody would see, by table. */
async function seen(sql: Sql, caller: Caller): Promise<Record<string, number>> {
  const tables = [
    "orgs",
    "org_members",
    "org_numbers",
    "threads",
    "bookings",
    "assignment_windows",
    "thread_decisions",
    "policy_findings",
  ];
  return await as(sql, caller, async (sql) => {
    const counts: Record<string, number> = {};
    for (const table of tables) {
      counts[table] = (await sql.unsafe(`select count(*)::int as n from public.${table}`))[0].n;
    }
    return counts;
  });
}

databaseTest(
  "row level security: owner and admin see their organisation, a sitter their own threads and windows, nobody another's",
  async (sql) => {
    const rows = await addOrg(sql);
    const cast = {
      owner: await signedIn(sql),
      admin: await signedIn(sql),
      sitter: await signedIn(sql),
      other: await signedIn(sql),
      stranger: await signedIn(sql),
      far: await signedIn(sql),
    };
    for (const role of ["owner", "admin"] as const) {
      await sql`select public.set_org_member(${rows.org}, ${role}, ${cast[role].sub!})`;
    }
    await sql`select public.set_org_member(${rows.org}, 'sitter', ${cast.sitter.sub!}, ${
      rows.sitters[0].contact
    })`;
    await sql`select public.set_org_member(${rows.org}, 'sitter', ${cast.other.sub!}, ${
      rows.sitters[1].contact
    })`;
    const [{ id: elsewhere }] =
      await sql`select public.set_org(null, '{"name": "Elsewhere"}') ->> 'id' as id`;
    await sql`select public.set_org_member(${elsewhere}, 'owner', ${cast.far.sub!})`;
    await assign(sql, await book(sql, rows, 0, "a"), rows, 0);
    await assign(sql, await book(sql, rows, 1, "b"), rows, 1);
    await sql`
    select public.record_decision(${
      sql.json({
        org_id: rows.org,
        from_role: "sitter",
        from_last4: "0201",
        outcome: "blocked",
        reason: "anti_poaching",
        types: ["phone"],
      })
    },
      ${sql.json([{ type: "phone", rule: "phone.national", score: 0.85, redacted: "••••••••43" }])})`;
    const all = {
      orgs: 1,
      org_members: 6,
      org_numbers: 5,
      threads: 2,
      bookings: 2,
      assignment_windows: 2,
      thread_decisions: 1,
      policy_findings: 1,
    };
    const none = Object.fromEntries(Object.keys(all).map((table) => [table, 0]));
    assertEquals(await seen(sql, cast.owner), all);
    assertEquals(await seen(sql, cast.admin), all);
    const own = { ...none, orgs: 1, org_members: 1, threads: 1, assignment_windows: 1 };
    assertEquals(await seen(sql, cast.sitter), own);
    assertEquals(await seen(sql, cast.other), own);
    assertEquals(await seen(sql, cast.stranger), none);
    assertEquals(await seen(sql, cast.far), { ...none, orgs: 1, org_members: 1 });
    // Who is behind a number, and every change, is closed to them all.
    for (const caller of Object.values(cast)) {
      assertEquals(await refusal(as(sql, caller, (sql) => sql`select from public.thread_legs`)), "42501");
      assertEquals(
        await refusal(
          as(sql, caller, (sql) => sql`select public.open_thread(${rows.org}, ${rows.clients[0]})`),
        ),
        "42501",
      );
      assertEquals(
        await refusal(as(sql, caller, (sql) => sql`update public.threads set state = 'live'`)),
        "42501",
      );
    }
  },
);

databaseTest("count_decisions(): decisions that are written at once count as each by itself", async (sql) => {
  const rows = await addOrg(sql);
  const decisions = [
    ["client", "leg", "relayed"],
    ["client", "leg", "relayed"],
    ["sitter", "held", "no_active_window"],
    ["client", "owner_inbox", "no_active_window"],
    ["sitter", "blocked", "anti_poaching"],
    ["client", "held", "off"],
  ].map(([from_role, outcome, reason], i) => ({
    id: `00000000-0000-7000-8000-00000000000${i}`,
    ...{ thread_id: null, from_role, outcome, reason },
  }));
  await sql`select private.count_decisions(${rows.org}, ${sql.json(decisions)})`;
  const counters = await sql`
    select name, sum(value)::int as n from public.counters where label = ${rows.org} group by 1 order by 1`;
  assertEquals(counters.map((row) => Object.values(row)), [
    ["masking_blocked", 1],
    ["masking_held", 2],
    ["masking_leg", 2],
    ["masking_owner_inbox", 1],
    ["masking_sitter_no_window", 1],
  ]);
  const metrics = await sql`select name, sum(n)::int as n from public.metric_days group by 1 order by 1`;
  // What came while messaging was off has decided nothing.
  assertEquals(metrics.map((row) => Object.values(row)), [
    ["text.blocked", 1],
    ["text.decided", 5],
    ["text.no_window", 1],
    ["text.owner_inbox", 1],
  ]);
});

databaseTest("record_decision(): counted, shown redacted, let pass once with a reason", async (sql) => {
  const rows = await addOrg(sql);
  const { thread_id } = await open(sql, rows, 0, 0);
  const record = async (more: Record<string, unknown>, findings: unknown[] = []) =>
    (await sql`select public.record_decision(${
      sql.json(
        {
          org_id: rows.org,
          thread_id,
          from_role: "sitter",
          from_last4: "12025550201",
          number_last4: "0301",
          number_class: "pool",
          outcome: "leg",
          reason: "relayed",
          ...more,
        } as Record<string, string>,
      )
    },
      ${sql.json(findings as string[])}) as id`)[0].id as string;
  const blocked = await record({ outcome: "blocked", reason: "anti_poaching", types: ["phone"] }, [{
    type: "phone",
    rule: "phone.national",
    score: 0.9,
    redacted: "•••43",
  }]);
  await record({ outcome: "held", reason: "no_active_window" });
  const inbox = await record({ outcome: "owner_inbox", reason: "late", from_role: "client" });
  await record({});
  const diagnostics = async () => (await sql`select public.messages_diagnostics(${rows.org}) as d`)[0].d;
  const { threads, relayed, antiPoachingBlocked, ownerInboxRouted, held, sitterNoActiveWindow, decisions } =
    await diagnostics();
  assertEquals(threads, { front_desk: 0, sitter: 0, pool: 1 });
  assertEquals([relayed, antiPoachingBlocked, ownerInboxRouted, held, sitterNoActiveWindow], [1, 1, 1, 1, 1]);
  assertEquals(decisions.map((one: { reason: string }) => one.reason), [
    "relayed",
    "late",
    "no_active_window",
    "anti_poaching",
  ]);
  assertEquals([decisions[0].from, decisions[0].number], ["…0201", "…0301"]);
  assert(!JSON.stringify(decisions).includes("12025550201"));
  // The owner lets it pass, once, and says why.
  assertEquals(await refusal(record({ forces: blocked, reason: "forced" })), "23514");
  await record({
    forces: blocked,
    force_reason: "it is the vet's number",
    reason: "forced",
    from_role: "owner",
  });
  assertEquals(await refusal(record({ forces: blocked, force_reason: "again", reason: "forced" })), "23505");
  assertEquals(await refusal(record({ forces: inbox, force_reason: "no", reason: "forced" })), "GL404");
  const [{ waiting }] = await sql`
    select array_agg(d.id) as waiting from public.thread_decisions d
    where d.org_id = ${rows.org} and d.done_at is null and (d.outcome = 'owner_inbox' or d.outcome = 'blocked' or d.reason = 'off')`;
  assertEquals(waiting, [inbox]);
  const [{ first, second }] = await sql`
    select public.finish_inbox(${rows.org}, ${inbox}, 'owner') as first, public.finish_inbox(${crypto.randomUUID()}, ${inbox}, 'x') as second`;
  assertEquals([first, second], [true, false]);
  const [{ reviewed }] =
    await sql`select public.review_finding(${rows.org}, ${blocked}, 1, false, 'owner') as reviewed`;
  assertEquals(reviewed, true);
  for (let i = 0; i < 60; i++) await record({});
  assertEquals((await diagnostics()).decisions.length, 50);
  assertEquals((await sql`select public.messages_diagnostics(${crypto.randomUUID()}) as d`)[0].d, null);
});

databaseTest(
  "backfill_threads(): gives those who wrote before a thread, not twice; the proof sees it, and there is a way back",
  async (sql) => {
    const rows = await addOrg(sql);
    for (const contact of [rows.clients[0], rows.clients[1], rows.sitters[0].contact]) {
      await sql`insert into public.conversations (channel, number_id, contact_id) values ('sms', ${
        rows.numbers[POOL]
      }, ${contact})`;
    }
    const proof = async () => (await sql`select public.messages_proof(${rows.org}) as proof`)[0].proof;
    assertEquals((await proof()).conversations_without_thread, 2);
    const backfill = async () => (await sql`select public.backfill_threads(${rows.org}) as n`)[0].n;
    assertEquals([await backfill(), await backfill()], [2, 0]);
    assertEquals(await proof(), {
      threads: 2,
      without_number: [],
      without_client: [],
      orgs_without_front_desk: [],
      conversations_without_thread: 0,
    });
    assertEquals(
      [...await sql`select distinct number_class, opened_by from public.threads`],
      [{ number_class: "front_desk", opened_by: "backfill" }],
    );
    assertEquals((await sql`select public.undo_backfill(${rows.org}) as n`)[0].n, 2);
    assertEquals((await sql`select count(*)::int as n from public.threads`)[0].n, 0);
  },
);

databaseTest(
  "erasing a client removes threads, windows and decisions, and a sitter's phone from the members",
  async (sql) => {
    const rows = await addOrg(sql);
    const { thread_id } = await assign(sql, await book(sql, rows, 0, "a"), rows, 0).then(({ thread }) =>
      thread
    );
    await sql`select public.record_decision(${
      sql.json({
        org_id: rows.org,
        thread_id,
        contact_id: rows.sitters[0].contact,
        from_role: "sitter",
        from_last4: "0201",
        outcome: "leg",
        reason: "relayed",
      })
    })`;
    const counts = async () =>
      (await sql`
      select (select count(*)::int from public.threads) as threads, (select count(*)::int from public.thread_legs) as legs,
        (select count(*)::int from public.bookings) as bookings, (select count(*)::int from public.thread_decisions) as decisions,
        (select count(*)::int from public.org_members where contact_id is not null) as phones`)[0];
    assertEquals(await counts(), { threads: 1, legs: 2, bookings: 1, decisions: 1, phones: 4 });
    await as(sql, SERVICE, (sql) => sql`select public.erase_contact(${rows.sitters[0].contact})`);
    assertEquals(await counts(), { threads: 1, legs: 1, bookings: 1, decisions: 0, phones: 3 });
    await as(sql, SERVICE, (sql) => sql`select public.erase_contact(${rows.clients[0]})`);
    assertEquals(await counts(), { threads: 0, legs: 0, bookings: 0, decisions: 0, phones: 3 });
  },
);

databaseTest("each text is looked up by indexes, also among many threads", async (sql) => {
  const rows = await addOrg(sql);
  await sql`
    with people as (insert into public.contacts (channel) select 'sms' from generate_series(1, 20000) returning id),
    phones as (insert into public.contact_identities (contact_id, channel, kind, value)
      select id, 'sms', 'phone', (13000000000 + row_number() over ())::text from people returning contact_id),
    threads as (insert into public.threads (org_id, client_id, message_number_id, number_class, opened_by)
      select ${rows.org}, contact_id, ${rows.numbers[0]}, 'pool', 'owner' from phones returning id, client_id)
    insert into public.thread_legs (thread_id, contact_id, role, number_id)
    select id, client_id, 'client', ${rows.numbers[0]} from threads`;
  await sql`
    insert into public.thread_decisions (org_id, from_role, outcome, reason)
    select ${rows.org}, 'client', case when i % 50 = 0 then 'owner_inbox' else 'leg' end, 'relayed' from generate_series(1, 20000) i`;
  await sql`analyze`;
  for (
    const call of [
      `select public.relay_facts('${rows.numbers[0]}', '13000010000')`,
      `select public.messages_diagnostics('${rows.org}')`,
    ]
  ) {
    const scanned = await sql.begin(async (tx) => {
      await tx.unsafe(call);
      const counts = await tx<{ name: string; rows: string }[]>`
        select relname as name, seq_tup_read::text as rows from pg_stat_xact_user_tables
        where relname in ('threads', 'contact_identities', 'assignment_windows', 'thread_decisions', 'conversations')
          or relname = 'thread_legs' and ${call.includes("relay_facts")}`;
      return counts.filter(({ rows }) => Number(rows) > 1000).map(({ name }) => name);
    });
    // The count of live threads may read the table; what is looked up for a text may not.
    assertEquals([call, scanned.filter((name) => name !== "threads" || call.includes("relay_facts"))], [
      call,
      [],
    ]);
  }
});

databaseTest(
  "send_in_thread(): beside a text of the same thread that is relayed, both are done at the first attempt",
  async (sql) => {
    const rows = await addOrg(sql);
    const { org, clients, sitters } = rows;
    const thread = await open(sql, rows, 0, 0);
    await sql`insert into public.settings (key, value) values ('sms_send.enabled', 'true') on conflict (key) do update set value = 'true'`;
    const legs = Object.fromEntries(
      (await sql`select role, id from public.thread_legs where thread_id = ${thread.thread_id}`)
        .map(({ role, id }) => [role, id as string]),
    );
    const talkOf = async (contact: string) =>
      (await sql`insert into public.conversations (channel, number_id, contact_id)
        values ('sms', ${thread.number_id}, ${contact}) returning id`)[0].id as string;
    const talks = { client: await talkOf(clients[0]), sitter: await talkOf(sitters[0].contact) };
    const [{ id: message }] = await sql`
      insert into public.messages (channel, conversation_id, direction, provider_id, type, text, native, status)
      values ('sms', ${talks.client}, 'in', 'SM1', 'text', 'hello', '{"type": "text"}', 'received') returning id`;
    const of = { org_id: org, thread_id: thread.thread_id, number_class: "pool", types: [], findings: [] };
    const relays = [{
      id: talks.client,
      relays: [{
        ...of,
        message_id: message,
        from_role: "client",
        outcome: "leg",
        reason: "relayed",
        legs: [legs.sitter],
        message: { type: "text", text: "hello" },
      }],
    }];
    const text = {
      ...of,
      from_role: "owner",
      outcome: "leg",
      reason: "owner",
      legs: [legs.client, legs.sitter],
      message: { type: "text", text: "good morning" },
      key: "once",
      by: "owner",
    };
    const router = await sql.reserve(), app = await sql.reserve();
    try {
      await router`begin`;
      const [{ pid: holder }] = await router`select pg_backend_pid() as pid`;
      const [{ pid }] = await app`select pg_backend_pid() as pid`;
      await router`select from public.conversations where id = any (${
        Object.values(talks)
      }) order by id for update`;
      const sent = app`select private.send_in_thread(${sql.json(text)}, now()) as sent`.execute();
      await until(
        "the app's text waits for the router",
        async () => (await sql`select ${holder} = any (pg_blocking_pids(${pid})) as waits`)[0].waits,
      );
      const [{ relayed }] = await router`
        select private.record_relays((select revision from private.config_now()), ${
        sql.json(relays)
      }, now()) as relayed`;
      await router`commit`;
      assertEquals([relayed.decided, relayed.stale], [1, []]);
      assertEquals([(await sent)[0].sent.outcome, (await sent)[0].sent.repeated], ["leg", false]);
    } finally {
      await router`rollback`;
      router.release();
      app.release();
    }
    assertEquals((await sql`select count(*)::integer as n from public.outbound_messages`)[0].n, 3);
    const [{ again }] = await sql`select public.send_in_thread(${sql.json(text)}) as again`;
    assertEquals([again.repeated, again.outcome], [true, "leg"]);
  },
);

databaseTest("send_in_thread(): one key at once is sent once", async (sql) => {
  const rows = await addOrg(sql);
  const { thread_id } = await open(sql, rows, 0, 0);
  await sql`insert into public.settings (key, value) values ('sms_send.enabled', 'true') on conflict (key) do update set value = 'true'`;
  const legs = (await sql`select id from public.thread_legs where thread_id = ${thread_id}`).map(({ id }) =>
    id
  );
  const text = {
    ...{ org_id: rows.org, thread_id, from_role: "owner", outcome: "leg", reason: "owner", legs, types: [] },
    ...{ message: { type: "text", text: "good morning" }, key: "once", by: "owner" },
  };
  const sent = await Promise.all(
    Array.from({ length: 6 }, () => sql`select public.send_in_thread(${sql.json(text)}) as sent`),
  );
  assertEquals(sent.map(([{ sent }]) => sent.repeated).sort(), [false, true, true, true, true, true]);
  assertEquals((await sql`select count(*)::integer as n from public.outbound_messages`)[0].n, 2);
});
