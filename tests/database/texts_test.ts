/** Texts in SQL: numbers and their paces, opt-outs, segments, and the comparison with a provider's list. */
import { assertEquals } from "../support/assert.ts";
import { as, refusal, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { segmentsOf } from "../../supabase/functions/_shared/sms/segments.ts";
import type { JSONValue, Sql } from "postgres";

const OURS = "12025550100";
const ANNA = "12025550143";
const NOW = "2026-11-30T12:00:00Z";

const setNumber = (sql: Sql, number: string, changes: JSONValue = {}) =>
  sql`select public.set_text_number(${number}, ${sql.json(changes)}) as n`.then(([{ n }]) => n);

const on = (sql: Sql) =>
  sql`insert into public.settings (key, value) values ('sms_send.enabled', 'true'), ('sms_router.enabled', 'true')`;

/** A text that came in, as the function stores it. */
const said = (sid: string, body: string, more: Record<string, JSONValue> = {}) => ({
  key: `m:${sid}`,
  channel: "sms",
  provider: "twilio",
  field: "message",
  kind: "message",
  sender_id: OURS,
  sender_display: OURS,
  identities: [{ kind: "phone", value: ANNA }],
  provider_id: sid,
  type: "text",
  body,
  opt: "none",
  raw: { provider: "twilio", body },
  ...more,
});
const ingest = (sql: Sql, ...updates: JSONValue[]) =>
  sql`select public.ingest_updates(${sql.json(updates)}) as r`.then(([{ r }]) => r.outcomes as string);

/** Queues a text, and gives its id or the refusal. */
const queue = (sql: Sql, text: string, more: Record<string, JSONValue> = {}) =>
  sql`select public.enqueue_outbound(${
    sql.json([{
      channel: "sms",
      to: ANNA,
      identities: [{ kind: "phone", value: ANNA }],
      number_id: OURS,
      text,
      message: { type: "text", text, segments: 1, ...more },
    }])
  }) -> 0 as r`.then(([{ r }]) => (r.id ?? r.error) as string);

const claim = (sql: Sql, at: string) =>
  sql`select private.claim_outbound(32, 60, '{}', '{sms}', ${at}) as c`.then(([{ c }]) => c);

databaseTest("a number has the pace of its kind, unless a person gives another", async (sql) => {
  for (
    const [number, pace] of [
      ["12025550100", 1],
      ["18335550100", 3],
      ["72345", 100],
      ["447700900123", 10],
      ["4915228817386", 10],
    ] as const
  ) assertEquals((await setNumber(sql, number)).max_per_second, pace, number);
  assertEquals((await setNumber(sql, "+1 202 555 0101", { max_per_second: 75 })).max_per_second, 75);
  // One that first appears in a webhook, too.
  await ingest(sql, said("SM1", "hi", { sender_id: "18445550100" }));
  const [{ max_per_second, pair_seconds }] = await sql`
    select max_per_second, pair_seconds::int from public.senders where id = '18445550100'`;
  assertEquals([max_per_second, pair_seconds], [3, 0]);
});

databaseTest(
  "set_text_number, list_text_numbers, remove_text_number: changes what is named, by role",
  async (sql) => {
    const number = await setNumber(sql, "+12025550100", { class: "pool", provider: "telnyx" });
    assertEquals([number.number, number.class, number.provider, number.state], [
      OURS,
      "pool",
      "telnyx",
      "active",
    ]);
    const changed = await setNumber(sql, OURS, { state: "paused", class: null });
    assertEquals([changed.class, changed.provider, changed.state], [null, "telnyx", "paused"]);
    assertEquals((await sql`select public.list_text_numbers() as l`)[0].l, [changed]);
    assertEquals(await refusal(setNumber(sql, "nobody")), "GL422");
    assertEquals(await refusal(setNumber(sql, OURS, { provider: "pigeon" })), "GL422");
    assertEquals(await refusal(setNumber(sql, OURS, { max_per_second: 0 })), "23514");

    await on(sql);
    await queue(sql, "waits");
    assertEquals(await refusal(sql`select public.remove_text_number(${OURS})`), "GL409");
    await sql`delete from public.outbound_messages`;
    await sql`delete from private.outbound_lanes`;
    await sql`select public.remove_text_number(${OURS})`;
    assertEquals(await refusal(sql`select public.remove_text_number(${OURS})`), "GL404");

    const [viewer, operator] = [await signedIn(sql, "viewer"), await signedIn(sql, "operator")];
    const set = as(sql, viewer, (sql) => sql`select public.set_text_number(${OURS})`);
    assertEquals(await refusal(set), "42501");
    const remove = as(sql, operator, (sql) => sql`select public.remove_text_number(${OURS})`);
    assertEquals(await refusal(remove), "42501");
  },
);

databaseTest("a number is paced by segments, not by texts", async (sql) => {
  await on(sql);
  await setNumber(sql, OURS, { max_per_second: 10 });
  await queue(sql, "long", { segments: 9 });
  await sql`update private.outbound_lanes set due_at = ${NOW}`;
  await sql`update public.outbound_messages set next_attempt_at = ${NOW}`;
  const { messages } = await claim(sql, NOW);
  assertEquals(messages.map(({ sms }: { sms: unknown }) => sms), [{ provider: "twilio", account: null }]);
  const [{ seconds }] = await sql`
    select extract(epoch from send_tat - ${NOW}::timestamptz)::float8 as seconds from public.senders where id = ${OURS}`;
  // At nine tenths of the rate, as for every sender.
  assertEquals(seconds, 1);
});

databaseTest(
  "a lease that nobody came back from makes a text unknown, because no provider may be asked twice",
  async (sql) => {
    await on(sql);
    await setNumber(sql, OURS);
    const id = await queue(sql, "hello");
    await sql`update private.outbound_lanes set due_at = ${NOW}`;
    await sql`update public.outbound_messages set next_attempt_at = ${NOW}`;
    assertEquals((await claim(sql, NOW)).messages.length, 1);
    await claim(sql, "2026-11-30T12:05:00Z");
    const [{ state }] = await sql`select state from public.outbound_messages where id = ${id}`;
    assertEquals(state, "unknown");
  },
);

databaseTest(
  "a text whose status is being recorded is neither given up nor sent twice when its lease ends",
  async (sql) => {
    await on(sql);
    await setNumber(sql, OURS);
    const id = await queue(sql, "hello");
    await sql`update private.outbound_lanes set due_at = ${NOW}`;
    await sql`update public.outbound_messages set next_attempt_at = ${NOW}`;
    const claimed = async (on: Sql, at: string) => (await claim(on, at)).messages.length;
    const state = async () =>
      (await sql`select state from public.outbound_messages where id = ${id}`)[0].state;
    assertEquals(await claimed(sql, NOW), 1);
    const recorder = await sql.reserve(), claimer = await sql.reserve();
    try {
      await recorder`begin`;
      await recorder`select from public.messages where id = ${id} for update`;
      await claimer`set lock_timeout = '2s'`;
      assertEquals([await claimed(claimer, "2026-11-30T12:05:00Z"), await state()], [0, "leased"]);
    } finally {
      await recorder`rollback`;
      recorder.release();
      claimer.release();
    }
    assertEquals([await claimed(sql, "2026-11-30T12:06:00Z"), await state()], [0, "unknown"]);
  },
);

databaseTest("opt-outs belong to a person and a number; only START ends them", async (sql) => {
  await on(sql);
  await setNumber(sql, OURS);
  await setNumber(sql, "12025550101");
  const may = async () => /^[0-9a-f-]{36}$/.test(await queue(sql, "hi"));
  assertEquals(await may(), true);
  await ingest(sql, said("SM1", "no mas", { opt: "out" }));
  assertEquals([await may(), await queue(sql, "hi")], [false, "opted_out"]);
  await ingest(sql, said("SM2", "resume"), said("SM3", "subscribe"), said("SM4", "hello?"));
  assertEquals(await may(), false);
  await ingest(sql, said("SM5", "START", { opt: "in" }));
  assertEquals(await may(), true);
  // The provider's word goes before ours; where it has none, the team's words end texts.
  await ingest(sql, said("SM6", "unsubscribe"));
  assertEquals(await may(), false);
});

const CHECK = { provider: "twilio", began: NOW };
const at = (sql: Sql, time: string) =>
  sql`select private.claim_text_check(${time}) as c`.then(([{ c }]) => c);
const settle = (sql: Sql, result: JSONValue, time: string) =>
  sql`select private.settle_text_check(${sql.json(result)}, ${time})`;
const due = (sql: Sql, time: string) =>
  sql`select private.text_check_is_due(${time}) as due`.then(([{ due }]) => due);

databaseTest(
  "the list is read each minute while texts are expected, each quarter of an hour otherwise, never without a number",
  async (sql) => {
    await sql`update private.text_checks set next_at = ${NOW}, next_deep_at = '2026-12-01T00:00:00Z'`;
    assertEquals([await due(sql, NOW), await at(sql, NOW)], [false, null]);
    await setNumber(sql, OURS);
    await setNumber(sql, "12025550109", { provider: "telnyx" });
    // Telnyx's list is another test's.
    await sql`update private.text_checks set next_at = 'infinity' where provider = 'telnyx'`;
    assertEquals(await due(sql, NOW), true);
    const first = await at(sql, NOW);
    assertEquals([first.numbers, first.provider, first.since], [
      [OURS],
      "twilio",
      "2026-11-29T11:57:00+00:00",
    ]);
    // Somebody reads it now.
    assertEquals([await due(sql, NOW), await at(sql, NOW)], [false, null]);
    await settle(sql, CHECK, "2026-11-30T12:00:10Z");
    assertEquals([await due(sql, "2026-11-30T12:15:09Z"), await due(sql, "2026-11-30T12:15:10Z")], [
      false,
      true,
    ]);

    await sql`update private.text_checks set last_text_at = ${NOW}`;
    assertEquals((await at(sql, "2026-11-30T12:16:00Z")).since, "2026-11-30T11:57:00+00:00");
    await settle(sql, { provider: "twilio", began: "2026-11-30T12:16:00Z" }, "2026-11-30T12:16:00Z");
    assertEquals([await due(sql, "2026-11-30T12:16:59Z"), await due(sql, "2026-11-30T12:17:00Z")], [
      false,
      true,
    ]);

    // Once an hour for longer, because carriers report late.
    await sql`update private.text_checks set next_deep_at = ${NOW}`;
    assertEquals((await at(sql, "2026-11-30T12:17:00Z")).since, "2026-11-30T06:17:00+00:00");
  },
);

databaseTest("a comparison that fails or dies is made again, from where the last one ended", async (sql) => {
  await setNumber(sql, OURS);
  await sql`update private.text_checks set next_at = ${NOW}, checked_until = ${NOW}, next_deep_at = '2026-12-01T00:00:00Z'`;
  await at(sql, NOW);
  // Whoever had it is gone.
  assertEquals([await due(sql, "2026-11-30T12:02:59Z"), await due(sql, "2026-11-30T12:03:00Z")], [
    false,
    true,
  ]);
  assertEquals((await at(sql, "2026-11-30T12:03:00Z")).since, "2026-11-30T11:57:00+00:00");
  const failed = { provider: "twilio", began: "2026-11-30T12:03:00Z", error: "HTTP 503" };
  await settle(sql, failed, "2026-11-30T12:03:00Z");
  assertEquals([await due(sql, "2026-11-30T12:03:29Z"), await due(sql, "2026-11-30T12:03:30Z")], [
    false,
    true,
  ]);
  for (let i = 0; i < 8; i++) await settle(sql, failed, "2026-11-30T12:04:00Z");
  assertEquals([await due(sql, "2026-11-30T12:18:59Z"), await due(sql, "2026-11-30T12:19:00Z")], [
    false,
    true,
  ]);
  const [{ checked_until, failures }] =
    await sql`select checked_until, failures from private.text_checks where provider = 'twilio'`;
  assertEquals([checked_until.toISOString(), failures], ["2026-11-30T12:00:00.000Z", 9]);
});

databaseTest("a comparison that was cut off is made again from where it began, for a day", async (sql) => {
  await sql`update private.text_checks set checked_until = ${NOW}`;
  const until = async (began: string) => {
    await settle(sql, { provider: "twilio", began, recovered: 0, cut: true }, began);
    const [row] = await sql`select checked_until from private.text_checks where provider = 'twilio'`;
    return row.checked_until.toISOString();
  };
  assertEquals(await until("2026-12-01T11:59:00Z"), "2026-11-30T12:00:00.000Z");
  assertEquals(await until("2026-12-01T12:00:00Z"), "2026-12-01T12:00:00.000Z");
  // Nor is it done the first time.
  await sql`update private.text_checks set checked_until = null`;
  assertEquals(await until("2026-12-01T12:00:00Z"), "2026-11-30T13:00:00.000Z");
});

databaseTest("a text that comes or is queued makes the list due within a minute", async (sql) => {
  await setNumber(sql, OURS);
  await sql`update private.text_checks set next_at = now() + interval '15 minutes', last_text_at = null`;
  await ingest(sql, said("SM1", "hi"));
  const [{ soon }] =
    await sql`select next_at <= now() + interval '1 minute' as soon from private.text_checks where provider = 'twilio'`;
  assertEquals(soon, true);
});

databaseTest(
  "find_sent_texts(): equal texts are told apart by their order, and what is another's is left",
  async (sql) => {
    await on(sql);
    await setNumber(sql, OURS);
    const ids = [await queue(sql, "hi"), await queue(sql, "hi"), await queue(sql, "bye")];
    await sql`
    update public.outbound_messages set state = 'unknown', tried_at = ${NOW}::timestamptz + interval '1 second' * array_position(${ids}::uuid[], id),
      updated_at = ${NOW}, error = '{"code": "timeout"}'`;
    await sql`update public.messages set status = 'unknown' where direction = 'out'`;
    const listed = (sid: string, body: string, seconds: number, more: Record<string, JSONValue> = {}) => ({
      provider_id: sid,
      from: OURS,
      to: ANNA,
      body,
      at: new Date(Date.parse(NOW) + seconds * 1000).toISOString(),
      ...more,
    });
    const find = (texts: JSONValue[], complete: boolean, time: string) =>
      sql`select private.find_sent_texts(${
        sql.json(texts)
      }, '2026-11-30T11:00:00Z', ${complete}, 'twilio', ${time}) as r`
        .then(([{ r }]) => r);
    const texts = [
      listed("SM2", "hi", 3),
      listed("SM1", "hi", 2),
      listed("SM3", "bye", 3600),
      listed("SM4", "bye", 3, { to: "12025550199" }),
      listed("SM5", "bye", 3, { from: "12025550101" }),
    ];
    assertEquals(await find(texts, true, "2026-11-30T12:00:30Z"), { found: [], absent: 0 });
    assertEquals(await find(texts, false, "2026-11-30T12:02:00Z"), { found: ["SM1", "SM2"], absent: 0 });
    assertEquals(await find(texts, true, "2026-11-30T12:02:00Z"), { found: [], absent: 1 });
    const rows = await sql`
    select m.provider_id, m.status, o.state, o.error ->> 'listed' as listed
    from public.messages m join public.outbound_messages o on o.id = m.id order by m.seq`;
    assertEquals(rows.map((row) => Object.values(row)), [
      ["SM1", "accepted", "sent", null],
      ["SM2", "accepted", "sent", null],
      [null, "unknown", "unknown", "false"],
    ]);
  },
);

databaseTest(
  "find_sent_texts(): a text with our id is it, and each provider answers for its own numbers",
  async (sql) => {
    await on(sql);
    await setNumber(sql, OURS, { provider: "telnyx" });
    const ids = [await queue(sql, "hi"), await queue(sql, "bye")];
    await sql`update public.outbound_messages set state = 'unknown', tried_at = ${NOW}, updated_at = ${NOW}, error = '{"code": "timeout"}'`;
    await sql`update public.messages set status = 'unknown' where direction = 'out'`;
    const text = { provider_id: "m-1", from: OURS, to: ANNA, body: "", at: NOW, ours: ids[1] };
    const find = (provider: string) =>
      sql`select private.find_sent_texts(${
        sql.json([text])
      }, '2026-11-30T11:00:00Z', true, ${provider}, '2026-11-30T12:02:00Z') as r`
        .then(([{ r }]) => r);
    assertEquals(await find("twilio"), { found: [], absent: 0 });
    assertEquals(await find("telnyx"), { found: ["m-1"], absent: 1 });
    assertEquals(
      (await sql`select m.provider_id, o.state from public.messages m join public.outbound_messages o on o.id = m.id order by m.seq`)
        .map((row) => Object.values(row)),
      [[null, "unknown"], ["m-1", "sent"]],
    );
  },
);

databaseTest("the lists of two providers are read in turn, each for its own numbers", async (sql) => {
  await sql`update private.text_checks set next_at = ${NOW}`;
  await setNumber(sql, OURS);
  await setNumber(sql, "12025550109", { provider: "telnyx" });
  const [first, second, third] = [await at(sql, NOW), await at(sql, NOW), await at(sql, NOW)];
  assertEquals([first, second].map(({ provider, numbers }) => [provider, numbers]).toSorted(), [
    ["telnyx", ["12025550109"]],
    ["twilio", [OURS]],
  ]);
  assertEquals(third, null);
});

databaseTest("find_text_media(): the files of a text that came in, of no other message", async (sql) => {
  const media = [{ url: "https://api.example.org/1", type: "image/png", size: null }];
  await ingest(
    sql,
    said("MM1", "", { type: "mms", raw: { provider: "twilio", media } }),
    said("SM1", "no file"),
  );
  const ids = await sql<{ id: string }[]>`select id from public.messages order by seq`;
  const found = [];
  for (const { id } of ids) found.push((await sql`select public.find_text_media(${id}) as f`)[0].f);
  assertEquals(found, [{ provider: "twilio", media: [{ ...media[0], stored: null }] }, null]);
});

databaseTest("text_message(): counts segments as the functions do", async (sql) => {
  for (
    const text of [
      "a",
      "a".repeat(160),
      "a".repeat(161),
      "€".repeat(80),
      "€".repeat(81),
      "ж".repeat(70),
      "ж".repeat(71),
      "🐶".repeat(35),
      "🐶".repeat(36),
      "It’s here",
      "new\nline @£$¥ {}[]~\\|^ ÄÖÜ?",
    ]
  ) {
    const [{ message }] = await sql`select private.text_message(${text}) as message`;
    const { encoding, segments } = segmentsOf(text);
    assertEquals([message.encoding, message.segments], [encoding, segments], text.slice(0, 20));
  }
});

databaseTest(
  "a file is too large, or given up, and stays at the provider; a lease that ended settles nothing",
  async (sql) => {
    await on(sql);
    const media = [0, 1].map((n) => ({
      url: `https://api.example.com/Media/ME${n}`,
      type: "image/png",
      size: null,
    }));
    await ingest(sql, said("MM1", "", { type: "mms", raw: { provider: "twilio", body: "", media } }));
    const claimed = () => sql`select public.claim_text_file(60) as f`.then(([{ f }]) => f);
    const settle = (f: { id: string; lease: string }, outcome: string) =>
      sql`select public.settle_text_file(${f.id}, ${f.lease}, ${outcome}, '{"error": "why", "retry_after_ms": 60000}') as ok`
        .then(([{ ok }]) => ok);
    const first = await claimed(), second = await claimed();
    assertEquals([first.place, second.place, first.work, await claimed()], [0, 1, "store", null]);
    assertEquals([
      await settle(first, "too_large"),
      await settle(second, "retry"),
      await settle(second, "failed"),
    ], [
      true,
      true,
      false,
    ]);
    await sql`update public.text_files set next_attempt_at = now() where next_attempt_at is not null`;
    const again = await claimed();
    assertEquals([again.id === second.id, again.attempt, await settle(again, "failed")], [true, 2, true]);
    assertEquals(
      (await sql`select state, at_provider, error, next_attempt_at from public.text_files order by place`)
        .map((row) => Object.values(row)),
      [["too_large", "kept", "why", null], ["failed", "kept", "why", null]],
    );
    const [{ found }] = await sql`select public.find_text_media((select id from public.messages)) as found`;
    assertEquals(found, { provider: "twilio", media: media.map((file) => ({ ...file, stored: null })) });
  },
);
