/** Work behind cards: the clock calls nobody in vain, nothing is tried for ever, and what is due does not wait behind what is not. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { filledTest } from "../support/filled.ts";

const T0 = Date.parse("2026-11-30T12:00:00Z");
const at = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();

const repliesDue = async (sql: Sql, seconds: number) =>
  (await sql`select private.chat_replies_are_due(${at(seconds)}) as due`)[0].due as boolean;

filledTest("an answer whose files are being fetched calls nobody until their lease ends", async (sql) => {
  await sql`update public.chat_replies
    set state = 'waiting', due_at = ${at(-1)}, created_at = ${
    at(-10)
  }, files = '[{"file_id": "f"}]', files_due_at = ${at(60)}`;
  assertEquals([await repliesDue(sql, 0), await repliesDue(sql, 60)], [false, true]);
  await sql`select private.claim_chat_replies(10, true, ${at(60)})`;
  assertEquals([await repliesDue(sql, 61), await repliesDue(sql, 120)], [false, true]);
});

filledTest("files that nobody comes back from are given up within the hour", async (sql) => {
  await sql`update public.chat_replies
    set state = 'waiting', due_at = ${at(-1)}, created_at = ${
    at(-3600)
  }, files = '[{"file_id": "f"}]', files_due_at = ${at(0)}`;
  await sql`select private.claim_chat_replies(10, true, ${at(1)})`;
  assertEquals(
    (await sql`select state, reason, text, files from public.chat_replies`)[0],
    { state: "refused", reason: "file", text: null, files: [] },
  );
});

filledTest("an answer that was leaving when answers were switched off calls once a minute", async (sql) => {
  await sql`update public.chat_replies set state = 'leaving', due_at = ${at(0)}, created_at = ${at(-20)}`;
  assertEquals(await repliesDue(sql, 1), true);
  await sql`select private.claim_chat_replies(10, false, ${at(1)})`;
  assertEquals([await repliesDue(sql, 2), await repliesDue(sql, 61)], [false, true]);
  assertEquals((await sql`select state from public.chat_replies`)[0].state, "leaving");
});

filledTest("an answer that cannot be queued is refused after two hours, and its author told", async (sql) => {
  await sql`update public.chat_replies set state = 'leaving', due_at = ${at(0)}, created_at = ${at(-7100)}`;
  const claimed = async (seconds: number) =>
    (await sql`select private.claim_chat_replies(10, true, ${at(seconds)}) as claimed`)[0].claimed;
  assertEquals((await claimed(1)).sends.length, 1);
  const { sends, notes } = await claimed(200);
  assertEquals([sends, notes[0].refused], [[], "It could not be queued for two hours. Write it again."]);
});

filledTest(
  "a card whose lookup never ends, and an incident that nobody can tell of, are given up",
  async (sql) => {
    await sql`update public.oncall_schedules set source = 'pagerduty', external_id = 'P1'`;
    await sql`update private.oncall_pages set due_at = ${at(0)}, created_at = ${at(-3000)}`;
    await sql`update private.oncall_mirrors set due_at = ${
      at(0)
    }, told = 'open', wanted = 'resolved', attempts = 59`;
    const claimed = async (seconds: number) => [
      (await sql`select private.claim_oncall_pages(10, true, ${at(seconds)}) as claimed`)[0].claimed.length,
      (await sql`select private.claim_oncall_events(10, true, ${at(seconds)}) as claimed`)[0].claimed.length,
    ];
    assertEquals([await claimed(1), await claimed(900)], [[1, 1], [0, 0]]);
    assertEquals((await sql`select private.oncall_is_due(${at(86_400)}) as due`)[0].due, false);
    assertEquals((await sql`select state, outcome from private.oncall_pages`)[0], {
      state: "done",
      outcome: "failed",
    });
  },
);

filledTest("mails that nobody handles do not keep those that were from being counted", async (sql) => {
  await sql`insert into public.messages (id, conversation_id, channel, direction, type, provider_id, sent_at, status)
    select private.uuid_v7(), m.conversation_id, m.channel, 'in', 'text', 'many.' || n, now(), 'received'
    from public.messages m cross join generate_series(1, 2100) n
    where m.id = '00000000-0000-7000-8000-0000000000e1'`;
  await sql`insert into public.analyses (message_id, state, source, sentiment, due_at, done_at)
    select m.id, 'done', 'model', 'neutral', null, now() - interval '1 hour' from public.messages m where m.provider_id like 'many.%'`;
  // The one that somebody corrected is the newest.
  assertEquals((await sql`select private.judge_analyses(now()) as n`)[0].n, 1);
  assertEquals((await sql`select private.judge_analyses(now()) as n`)[0].n, 0);
});

filledTest(
  "how right analyses are is found from what people did, not from all that was analysed",
  async (sql) => {
    await sql`insert into public.messages (id, conversation_id, channel, direction, type, provider_id, sent_at, status)
    select private.uuid_v7(), m.conversation_id, m.channel, 'in', 'text', 'many.' || n, now(), 'received'
    from public.messages m cross join generate_series(1, 5000) n
    where m.id = '00000000-0000-7000-8000-0000000000e1'`;
    await sql`insert into public.analyses (message_id, state, source, sentiment, due_at, done_at)
    select m.id, 'done', 'model', 'neutral', null, now() - interval '1 hour' from public.messages m where m.provider_id like 'many.%'`;
    await sql`insert into public.card_presses (delivery_id, user_id, action, outcome, state_before, version)
    select p.delivery_id, p.user_id, 'resolve', 'done', 'open', 2 from public.card_presses p`;
    await sql`analyze public.analyses, public.messages`;
    await sql.begin(async (sql) => {
      const [{ found }] = await sql`select private.analysis_accuracy(now()) as found`;
      assertEquals(found.map(({ n, right }: { n: number; right: number }) => [n, right]), [[1, 0]]);
      const [{ read }] = await sql`select (seq_tup_read + coalesce(idx_tup_fetch, 0))::integer as read
      from pg_stat_xact_user_tables where relname = 'analyses'`;
      assert(read < 10, `${read} analyses were read`);
    });
  },
);

filledTest("failures of calls that began before a circuit opened do not lengthen its pause", async (sql) => {
  const [{ id }] =
    await sql`update public.oncall_schedules set source = 'pagerduty', external_id = 'P1' returning id`;
  await sql`delete from private.oncall_circuits`;
  const fails = (seconds: number) =>
    sql`select private.settle_oncall_lookup(${id}, null, null, 'timeout', ${at(seconds)})`;
  const may = async (seconds: number) =>
    (await sql`select private.begin_oncall_lookup('pagerduty', ${at(seconds)}) as may`)[0].may as boolean;
  for (let call = 0; call < 12; call++) await fails(call / 4);
  assertEquals([await may(30), await may(31.1), await may(31.2)], [false, true, false]);
  // The probe failed: twice as long.
  await fails(33);
  assertEquals([await may(92), await may(93.1)], [false, true]);
});

filledTest("who is on call is found without reading the users of the whole project", async (sql) => {
  await sql`insert into auth.users (id, email) select gen_random_uuid(), 'u' || n || '@people.example' from generate_series(1, 20000) n`;
  await sql`analyze auth.users`;
  await sql.begin(async (sql) => {
    const [{ shown }] = await sql`select private.oncall_shown('Somebody', 'Admin@Example.com') as shown`;
    assertEquals([shown.name, shown.telegram_id], ["Ana", 5100000001]);
    const [{ read }] = await sql`
      select seq_tup_read::integer as read from pg_stat_xact_user_tables where schemaname = 'auth' and relname = 'users'`;
    assertEquals(read, 0);
  });
});
