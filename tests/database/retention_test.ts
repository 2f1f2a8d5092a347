/** What is kept for how long: everything that grows has a retention, a purge goes in slices, and takes nothing that is needed. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message } from "../support/intake.ts";
import { until } from "../support/until.ts";
import { SETTINGS } from "../../admin/src/pages/settings/limits.ts";
import { SETTABLE_LIMITS } from "../../supabase/functions/_shared/contract/limits.ts";

const DAY = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY).toISOString();

/** One run of the purge, so many days from now. */
async function purge(sql: Sql, days: number, limit = 10_000): Promise<Record<string, number>> {
  const [{ purged }] = await sql`select private.purge(${inDays(days)}, ${limit}) as purged`;
  return purged;
}

/** What grows with what people and the team configure, or is bounded by itself; or has a purge of its own, in the clock's jobs. */
const BOUNDED: Record<string, string> = {
  "private.affected_people": "purge_flag_metrics",
  "private.click_batches": "purge_clicks",
  "private.config_changes": "the next change of configuration",
  "private.config_revision": "one row",
  "private.cookie_key": "one row",
  "private.delivery_lanes": "with conversations",
  "public.canned_replies": "at most 500",
  "public.conversation_desk": "with conversations",
  "public.conversation_notes": "with conversations",
  "private.destination_headers": "with destinations",
  "private.destination_secrets": "with destinations",
  "private.erased_opt_outs": "with people who were erased",
  "private.erased_suppressions": "with people who were erased",
  "private.erased_declines": "with people who were erased",
  "private.identity_checks": "one row an identity and kind",
  "private.inboxes": "with identities",
  "public.mailboxes": "one row an identity",
  "private.mailbox_reads": "one row a mailbox",
  "private.mailbox_tokens": "one row a mailbox",
  "private.flag_sufferers": "purge_flag_metrics",
  "private.feedback_heard": "one row",
  "private.guard_skips": "one row a rollout that was locked",
  "private.kill_switches": "one row a flag that the environment stops",
  "private.metric_people": "purge_flag_metrics",
  "public.business_metrics": "at most a hundred",
  "public.metric_days": "16 rows a metric and day: the figures that stay",
  "public.rollout_feedback": "with feedback",
  "private.hash_key": "one row",
  "private.link_guessers": "purge_clicks",
  "private.link_passwords": "with links",
  "private.notification_addresses": "with endpoints",
  "private.outbound_lanes": "with conversations",
  "private.own_migrations": "one row a migration",
  "private.part_states": "one row a part",
  "private.purges": "one row a retention",
  "private.schema_breaks": "with versions",
  "private.status_posts": "with public updates of incidents",
  "private.org_topics": "three rows an organisation",
  "private.pool_days": "watch_pools: sixty days",
  "public.org_notices": "the organisation's",
  "private.pool_states": "one row an organisation",
  "private.storage_days": "one row a day",
  "private.text_checks": "one row a provider",
  "private.template_categories": "with templates that are sent",
  "private.template_syncs": "with accounts",
  "private.unknown_tokens": "ten minutes",
  "private.write_probe": "one row",
  "public.telegram_chats": "the team's",
  "private.telegram_targets": "with destinations",
  "private.telegram_updates": "purge_telegram",
  "private.telegram_links": "purge_telegram",
  "private.card_clears": "the function telegram-webhook, by the clock",
  "public.telegram_people": "with the member",
  "public.oncall_schedules": "the team's",
  "private.oncall_people": "the team's",
  "private.oncall_layers": "the team's",
  "private.oncall_overrides": "purge_oncall",
  "private.oncall_answers": "one row a schedule",
  "private.oncall_circuits": "one row a provider",
  "private.oncall_pages": "with cards",
  "private.oncall_mirrors": "with cards",
  "private.oncall_news": "purge_oncall",
  "public.cards": "with deliveries",
  "public.card_presses": "with cards",
  "public.card_folds": "with deliveries",
  "private.card_storms": "purge_telegram",
  "public.analyses": "with messages",
  "public.analysis_labels": "with messages",
  "private.provider_circuits": "one row a provider",
  "public.chat_replies": "with messages",
  "private.visitor_keys": "purge_clicks",
  "public.orgs": "the team's",
  "public.org_members": "the organisation's",
  "public.org_numbers": "the organisation's",
  "public.threads": "with contacts",
  "public.thread_legs": "with contacts",
  "public.bookings": "with contacts",
  "public.assignment_windows": "with bookings",
  "public.policy_findings": "with thread_decisions",
  "public.announcement_recipients": "with announcements",
  "private.campaign_counts": "with campaigns",
  "private.campaign_news": "counted by the clock",
  "public.allowlist_history": "with what the team does",
  "public.saved_views": "with what the team does, and with the member",
  "public.click_counts": "rolled up",
  "public.click_days": "one row a link and day: the figures that stay",
  "public.clicks": "purge_clicks",
  "public.contact_acts": "with what the team does",
  "public.contact_identities": "with contacts",
  "public.conversations": "with contacts",
  "public.counters": "with what is counted",
  "public.destination_allowlist": "with destinations",
  "public.destinations": "the team's",
  "public.link_guesses": "purge_clicks",
  "public.team_history": "with what the team does",
  "private.change_history": "with what the team does",
  "public.email_identities": "the team's",
  "public.email_replies": "with messages",
  "private.mail_tickets": "with messages",
  "private.ticket_key": "one row",
  "public.tracking_consents": "with contacts",
  "public.reply_tokens": "with messages",
  "public.media_provider_ids": "with uploads",
  "public.storage_objects": "the function email-webhook, by the clock",
  "public.suppressions": "with people who get no mail",
  "public.erasures": "with people who were erased",
  "public.escalation_steps": "the team's",
  "public.flag_evaluations": "with flags",
  "public.flag_metrics": "purge_flag_metrics",
  "public.gate_approvals": "the team's",
  "public.incident_updates": "with what the team does",
  "public.incidents": "with what the team does; the system opens one a rollout or part at a time",
  "public.links": "a code is never used again",
  "public.measurements": "purge_measurements",
  "public.notification_endpoints": "the team's",
  "public.orphan_visits": "purge_clicks",
  "public.rate_limits": "purge_rate_limits",
  "public.rollback_events": "the team's",
  "public.rollout_events": "the team's",
  "public.rollout_notices": "the team's",
  "public.rollout_stages": "the team's",
  "public.rollouts": "the team's",
  "public.route_destinations": "the team's",
  "public.route_history": "the team's",
  "public.routes": "the team's",
  "public.segment_history": "the team's",
  "public.segment_members": "the team's",
  "public.segments": "the team's",
  "public.sender_accounts": "the team's",
  "public.sender_states": "with senders",
  "public.imports": "one row a sender",
  "public.contact_merges": "with contacts",
  "public.message_authors": "with messages",
  "public.senders": "the team's",
  "public.settings": "the team's",
  "public.settings_history": "the team's",
  "public.team_members": "the team's",
  "public.wa_templates": "with templates at Meta",
};

databaseTest("retentions: each table has one or is declared to need none", async (sql) => {
  const tables = await sql<{ name: string; kept: boolean }[]>`
    select format('%I.%I', n.nspname, c.relname) as name,
      format('%I.%I', n.nspname, c.relname) in (select relation from private.retentions()) as kept
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relispartition`;
  assertEquals(tables.filter(({ name, kept }) => kept === name in BOUNDED).map(({ name }) => name), []);
  assertEquals(Object.keys(BOUNDED).filter((name) => !tables.some((table) => table.name === name)), []);
  const jobs = (await sql`select target from private.clock_jobs()`).map(({ target }) => target).join();
  for (const why of Object.values(BOUNDED)) if (why.startsWith("purge_")) assert(jobs.includes(why), why);
});

databaseTest("retentions: each can be set, down to its minimum, and no others can", async (sql) => {
  const kept = await sql<{ setting: string; at_least: number }[]>`
    select distinct setting, at_least from private.retentions() where setting is not null`;
  for (const { setting, at_least } of [...kept, { setting: "retention.click_days", at_least: 2 }]) {
    const set = (days: number | string) =>
      sql`
      insert into public.settings (key, value) values (${setting}, ${
        String(days)
      }) on conflict (key) do update set value = excluded.value`;
    for (const days of [at_least - 1, "", "-1", "1.5", "a month", "100000"]) {
      assertEquals(await refusal(set(days)), "23514", `${setting} ${days}`);
    }
    for (const days of [at_least, 99_999]) await set(days);
  }
  assertEquals(
    await refusal(sql`insert into public.settings (key, value) values ('retention.message_day', '30')`),
    "23514",
  );
  assertEquals(
    await refusal(sql`insert into public.settings (key, value) values ('storage.limit_mb', '0')`),
    "23514",
  );
});

/** Messages of a person, one of each fate; the first five were decided. */
async function messages(sql: Sql): Promise<void> {
  await sql`insert into public.destinations (id, name, url) values ('00000000-0000-7000-8000-0000000000d1', 'orders', 'https://hooks.example.com/in')`;
  const bodies = ["delivered", "dropped", "dead", "pending", "unmatched"];
  await ingest(sql, ...bodies.map((body) => message({ body })));
  const d1 = "00000000-0000-7000-8000-0000000000d1";
  await sql`select public.record_decisions(1, (
    select jsonb_agg(jsonb_build_object('id', c.id, 'held', false, 'through_seq', (select max(seq) from public.messages), 'decisions', (
      select jsonb_agg(jsonb_build_object('message_id', m.id, 'reason', case m.text when 'unmatched' then 'no_match' else 'matched' end,
        'destination_ids', case when m.text = 'unmatched' then array[]::uuid[] else array[${d1}::uuid] end, 'explanation', '[]'::jsonb)) from public.messages m))) from public.conversations c))`;
  await sql`update public.deliveries d set state = case m.text when 'delivered' then 'delivered' when 'pending' then 'pending' else 'dead' end,
    dropped_reason = case m.text when 'dropped' then 'not needed' end from public.messages m where m.id = d.message_id`;
  await sql`insert into public.delivery_attempts (delivery_id, attempt, outcome) select id, 1, 'retry' from public.deliveries`;
  await ingest(sql, message({ body: "waiting" }));
}

/** What is left, by the messages' fates. */
async function left(sql: Sql) {
  const rows = await sql`
    select m.text, m.native is not null as raw, r.message_id is not null as decision, d.state
    from public.messages m left join public.routing_decisions r on r.message_id = m.id left join public.deliveries d on d.message_id = m.id
    order by m.seq`;
  return rows.map(({ text, raw, decision, state }) => [text, raw, decision, state]);
}

databaseTest(
  "purge: by default removes raw forms and finished work, but no messages, nothing in progress and no dead letters",
  async (sql) => {
    await messages(sql);
    const before = await left(sql);
    await purge(sql, 89);
    assertEquals(await left(sql), before);
    assertEquals((await sql`select from public.webhook_events`).length, 0, "of 30 days");
    await purge(sql, 91);
    assertEquals(await left(sql), [
      ["delivered", false, false, null],
      ["dropped", false, false, null],
      ["dead", true, false, "dead"],
      ["pending", true, false, "pending"],
      ["unmatched", false, false, null],
      ["waiting", true, false, null],
    ]);
    assertEquals(await lost(sql), []);
    // A week on it looks again at what had to stay.
    await sql`update public.deliveries set state = 'delivered'`;
    await purge(sql, 99);
    assertEquals((await left(sql)).slice(2, 4), [["dead", false, false, null], [
      "pending",
      false,
      false,
      null,
    ]]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest(
  "purge: removes messages if the team says so, except those still needed",
  async (sql) => {
    await messages(sql);
    await sql`insert into public.settings (key, value) values ('retention.word_days', '10')`;
    await purge(sql, 11);
    assertEquals((await left(sql)).map(([text, raw]) => [text, raw]), [
      [null, false],
      [null, false],
      ["dead", true],
      ["pending", true],
      [null, false],
      ["waiting", true],
    ]);
    await sql`insert into public.settings (key, value) values ('retention.message_days', '20')`;
    await purge(sql, 21);
    assertEquals((await left(sql)).map(([text]) => text), ["dead", "pending", "waiting"]);
    assertEquals(await lost(sql), []);
  },
);

databaseTest("purge: works in slices; a finished one pauses for an hour", async (sql) => {
  await ingest(sql, ...Array.from({ length: 25 }, () => message()));
  await sql`update public.conversations set routed_seq = 1000000`;
  const [hour, minute] = [1 / 24, 1 / 1440];
  const seen: unknown[] = [];
  for (const at of [100, 100 + minute, 100 + 2 * minute, 100 + 3 * minute, 100 + 2 * hour]) {
    const { webhook_events, raw } = await purge(sql, at, 10);
    seen.push([webhook_events, raw]);
  }
  assertEquals(seen, [[10, 10], [10, 10], [5, 5], [undefined, undefined], [0, 0]]);
  assertEquals((await sql`select from public.messages where native is not null`).length, 0);
});

databaseTest("purge: skips locked rows until the next run", async (sql) => {
  await ingest(sql, ...Array.from({ length: 3 }, () => message()));
  await sql`update public.conversations set routed_seq = 1000000`;
  const other = await sql.reserve();
  await other`begin`;
  await other`select from public.messages order by seq limit 1 for update`;
  assertEquals((await purge(sql, 100)).raw, 2);
  await other`commit`;
  other.release();
  assertEquals((await purge(sql, 108)).raw, 1);
});

databaseTest("purge: a failing one is reported, and the others continue", async (sql) => {
  await ingest(sql, message());
  await sql.unsafe(
    `create function public.no() returns trigger language plpgsql as 'begin raise exception ''no''; end'`,
  );
  await sql`create trigger no before delete on public.webhook_events for each row execute function public.no()`;
  await sql`insert into public.settings (key, value) values ('retention.message_days', '20')`;
  await sql`update public.conversations set routed_seq = 1000000`;
  const purged = await purge(sql, 100);
  assertEquals([purged.webhook_events, purged.messages], [0, 1]);
  const [{ health }] = await sql`select private.storage_health(now()) as health`;
  assertEquals([health.status, health.because, health.figures.failing], ["degraded", "purge_fails", [{
    what: "webhook_events",
    error: "P0001",
  }]]);
  await sql`drop trigger no on public.webhook_events`;
  assertEquals((await purge(sql, 100)).webhook_events, 1);
  const [{ again }] = await sql`select private.storage_health(now()) as again`;
  assertEquals(again.because, "used");
});

databaseTest("purge: removes contacts without any references", async (sql) => {
  const names = [
    "nothing",
    "message",
    "opted out",
    "segment",
    "flag",
    "merged",
    "keeps merged",
    "attributed",
    "conversation",
  ];
  for (const name of names) await sql`insert into public.contacts (name) values (${name})`;
  const id = async (name: string) =>
    (await sql`select id::text from public.contacts where name = ${name}`)[0].id as string;
  for (const name of ["message", "opted out", "conversation"]) {
    await sql`insert into public.conversations (number_id, contact_id, opted_out_at) values ('1', ${await id(
      name,
    )}, ${name === "opted out" ? new Date() : null})`;
  }
  await sql`insert into public.messages (conversation_id, direction, type, status) select c.id, 'out', 'text', 'sent' from public.conversations c
    where c.contact_id = ${await id("message")}`;
  await sql`insert into public.segments (key) values ('beta')`;
  await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', ${await id(
    "segment",
  )})`;
  await sql`insert into public.settings (key, value, metadata) values ('a.enabled', 'true', ${
    sql.json({ target_user_ids: [await id("flag")] })
  })`;
  await sql`update public.contacts set merged_into = ${await id("keeps merged")} where name = 'merged'`;
  await sql`insert into public.attributions (message_id, contact_id, confidence, reason, first_touch, referral)
    select m.id, ${await id("attributed")}, 'referral', 'ad', true, '{}' from public.messages m`;
  await purge(sql, 364);
  assertEquals((await sql`select from public.contacts`).length, names.length);
  await purge(sql, 366);
  const stay = async () => (await sql`select name from public.contacts order by id`).map(({ name }) => name);
  assertEquals(await stay(), ["message", "opted out", "segment", "flag", "keeps merged", "attributed"]);
  await purge(sql, 374);
  assertEquals(await stay(), ["message", "opted out", "segment", "flag", "attributed"]);
});

databaseTest("purge: a contact whose message arrives at the same moment keeps it", async (sql) => {
  await ingest(sql, message());
  await sql`delete from public.messages`;
  const purging = await sql.reserve();
  await purging`begin`;
  assertEquals((await purge(purging as unknown as Sql, 366)).contacts, 1);
  const coming = ingest(sql, message());
  await until("the intake waits", async () => (await sql`select from pg_locks where not granted`).length > 0);
  await purging`commit`;
  assertEquals(await coming, "s");
  assertEquals((await sql`select from public.messages`).length, 1);
  // And the other way round: what has been written, and is not committed, is not purged.
  await sql`delete from public.messages`;
  await purging`begin`;
  await ingest(purging as unknown as Sql, message());
  assertEquals((await purge(sql, 740)).contacts, 0);
  await purging`commit`;
  assertEquals((await sql`select from public.messages`).length, 1);
  // Also where the conversation is new, and only the contact is known.
  await sql`delete from public.conversations`;
  await purging`begin`;
  await ingest(purging as unknown as Sql, message());
  assertEquals((await purge(sql, 1110)).contacts, 0);
  await purging`commit`;
  purging.release();
  assertEquals((await sql`select from public.messages`).length, 1);
});

databaseTest("purge: trims pg_cron's log, if there is one", async (sql) => {
  assert(!("cron" in await purge(sql, 0)));
  await sql.unsafe(`
    create schema cron;
    create table cron.job_run_details (runid bigint primary key, status text, start_time timestamptz, end_time timestamptz);
    insert into cron.job_run_details values (1, 'succeeded', now() - interval '4 days', now()), (2, 'running', now(), null)`);
  assertEquals((await purge(sql, 0)).cron, 1);
  assertEquals((await sql`select runid::int from cron.job_run_details`).map(({ runid }) => runid), [2]);
  const [{ health }] = await sql`select private.storage_health(now()) as health`;
  assert(health.tables.some(({ table }: { table: string }) => table === "cron.job_run_details"));
});

databaseTest("merges: a purged decision is not made again", async (sql) => {
  await ingest(sql, message({ phone: "4915100000001" }), message({ phone: undefined, bsuid: "DE.1" }));
  await sql`update public.conversations set unrouted_since = null, routed_seq = (select max(seq) from public.messages)`;
  await ingest(sql, message({ phone: "4915100000001", bsuid: "DE.1", body: "new" }));
  const [{ waiting }] = await sql`select public.claim_unrouted(1, 10) as waiting`;
  assertEquals(
    waiting.map(({ messages }: { messages: { text: string }[] }) => messages.map(({ text }) => text)),
    [["new"]],
  );
});

databaseTest("purge: reads only old rows, whatever the statistics say", async (sql) => {
  await sql`insert into public.contacts (id) values ('00000000-0000-7000-8000-0000000000c1')`;
  await sql`insert into public.conversations (id, number_id, contact_id, routed_seq) values ('00000000-0000-7000-8000-0000000000a1', '1', '00000000-0000-7000-8000-0000000000c1', 1000000)`;
  await sql`insert into public.messages (id, conversation_id, direction, type, status, native)
    select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint + n), 12, '0') || '70008000000000000000')::uuid, '00000000-0000-7000-8000-0000000000a1', 'in', 'text', 'received', '{}'
    from generate_series(1, 20000) n`;
  await sql`analyze public.messages`;
  await sql`update private.purges set due_at = 'infinity'`;
  const plan = await sql.unsafe(`explain select x.ctid from public.messages x where x.native is not null
    and x.id >= '00000000-0000-0000-0000-000000000000' and x.id < private.uuid_v7_from(now() - interval '1 day') and private.message_is_done(x)
    order by x.id limit 10000`);
  assert(
    plan.some((row) => row["QUERY PLAN"].includes("Index Scan using messages_pkey")),
    plan.map((row) => row["QUERY PLAN"]).join("\n"),
  );
});

databaseTest(
  "storage: sizes of all tables, and the days left by the growth of the last thirty",
  async (sql) => {
    const MB = 1_048_576;
    const health = async (mb: number) =>
      (await sql`select private.storage_health('2026-11-30T12:00:00Z', ${mb * MB}) as health`)[0].health;
    const fresh = await health(100);
    assertEquals([fresh.status, fresh.days_left, fresh.bytes_per_day], ["healthy", null, null]);
    const tables = fresh.tables.map(({ table }: { table: string }) => table);
    const [{ n }] =
      await sql`select count(*)::int as n from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname in ('public', 'private')`;
    assertEquals([tables.length, tables.includes("public.messages")], [n, true]);

    await sql`insert into private.storage_days (day, bytes) values ('2026-10-01', 1), ('2026-11-10', ${
      60 * MB
    }), ('2026-11-29', ${98 * MB})`;
    assertEquals(
      (({ status, days_left, bytes_per_day }) => [status, days_left, bytes_per_day])(await health(100)),
      ["healthy", 200, 2 * MB],
    );
    assertEquals((await health(60)).days_left, null, "it does not grow");
    assertEquals((await health(390)).status, "degraded", "7 days");
    assertEquals([(await health(500)).days_left, (await health(500)).status], [0, "degraded"]);
    await sql`insert into public.settings (key, value) values ('storage.limit_mb', '8000')`;
    assertEquals([(await health(500)).limit_bytes, (await health(500)).status], [8000 * MB, "healthy"]);
    await purge(sql, 0);
    assertEquals(
      (await sql`select from private.storage_days where day = (now() at time zone 'UTC')::date and bytes > 1000000`)
        .length,
      1,
    );
  },
);

databaseTest(
  "the panel's retention defaults and minimums are those of the database",
  async (sql) => {
    const terms = SETTINGS.filter(({ key }) => !SETTABLE_LIMITS.some(({ setting }) => setting.key === key));
    const kept = await sql<{ setting: string; otherwise: number | null; at_least: number }[]>`
    select distinct setting, otherwise, at_least from private.retentions() where setting is not null`;
    for (const { key, otherwise, least, most } of terms) {
      const known = kept.find(({ setting }) => setting === key);
      if (known !== undefined) assertEquals([otherwise, least], [known.otherwise, known.at_least], key);
      const set = (value: number) =>
        refusal(sql.begin(async (sql) => {
          await sql`insert into public.settings (key, value) values (${key}, ${String(value)})`;
          await sql`delete from public.settings where key = ${key}`;
        }));
      assertEquals([await set(least), await set(most)], [undefined, undefined], key);
      assertEquals(await set(least - 1), "23514", key);
    }
    assertEquals(terms.length > 5, true);
  },
);

databaseTest("docs/personal-data.md: lists each retention correctly", async (sql) => {
  const document = await Deno.readTextFile(new URL("../../docs/personal-data.md", import.meta.url));
  const rows = [...document.matchAll(/^\| `(retention\.\w+)` \| (\d+|for ever) \| (\d+) \|/gm)].map((row) =>
    row.slice(1).join(" ")
  );
  const kept = await sql`
    select distinct setting, otherwise, at_least from private.retentions() where setting is not null`;
  assertEquals(
    rows.sort(),
    [
      ...kept.map((row) => `${row.setting} ${row.otherwise ?? "for ever"} ${row.at_least}`),
      "retention.click_days 90 2",
    ].sort(),
  );
});
