/** A person's rights: all that there is of them, given out and erased, wherever it lies; and nobody else's. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Sql } from "postgres";
import { as, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { ingest, lost, message, status } from "../support/intake.ts";
import { holds } from "../support/property.ts";
import { until } from "../support/until.ts";

/**
 * Columns that hold nothing of the people who write to us. Of the team's own people there are ids and, where they signed,
 * addresses. Every column of the catalog is either here or in `private.personal_data()`: whoever adds one decides which.
 */
const FREE: Record<string, string> = {
  "private.click_batches": "id at",
  "private.config_changes": "id at",
  "private.config_revision": "only_row revision changed_at installed_at",
  // Statements are kept without what is in them.
  "private.guard_skips": "rollout_id since at holders",
  "private.feedback_heard": "only_row up_to",
  "private.kill_switches": "flag_key since seen_at",
  // Of keys there are keyed hashes.
  "private.metric_keys": "key at",
  "private.metric_people": "rollout_id stage name arm by_share n value",
  "private.own_migrations": "version",
  "private.delivery_lanes": "destination_id channel due_at lease",
  "private.destination_headers": "destination_id name sealed set_at set_by",
  "private.destination_secrets": "destination_id secret created_at expires_at",
  "private.erased_keys": "at",
  "private.erased_opt_outs": "channel number_id opted_out_at",
  "private.hash_key": "only_row key",
  "private.cookie_key": "one key",
  // Of networks there are hashes under the day's key.
  "private.erased_suppressions": "scope reason since",
  "private.erased_declines": "since",
  // Where answers go are addresses of people of the team.
  "private.identity_checks": "identity what address hash attempts sent_at expires_at",
  "private.inboxes":
    "destination_id identity from_email display_name user_id forward_to is_default provider state verified_at created_at",
  // Mailboxes are the team's own; tokens are sealed.
  "private.mailbox_reads":
    "mailbox_id cursor since next_at lease lease_until failures error attempts read_at resynced_at",
  "private.mailbox_starts": "state_hash provider identity verifier return_to started_by expires_at",
  "private.mailbox_tokens":
    "mailbox_id access refresh version refresh_at expires_at lease lease_until failures next_at",
  "public.mailboxes":
    "id identity provider address state state_at error takes scopes connected_at connected_by refreshed_at",
  "private.mail_senders": "recipient created_at",
  "private.link_guessers": "code client guesses at free_at allowed",
  "private.link_passwords": "code hash",
  "private.notification_addresses": "endpoint_id url secret",
  "private.outbound_lanes": "channel number_id due_at lease pair_tat waits_until",
  "private.schema_breaks": "version why at",
  "private.text_checks":
    "provider last_text_at checked_until next_at next_deep_at lease_until failures last_error recovered",
  "private.template_categories": "channel account name language template_id category at",
  "private.template_syncs": "account due_at started_at synced_at failed error",
  "private.unknown_tokens": "at",
  // The team's chats and people.
  "public.telegram_chats": "id kind title is_forum state moved_to added_by created_at updated_at",
  "private.telegram_targets": "destination_id chat_id topic_id",
  "private.telegram_updates": "update_id received_at",
  "private.telegram_links": "token_hash user_id expires_at",
  "private.card_clears": "chat_id message_id is_file noted_at due_at",
  "public.telegram_people": "user_id telegram_id name linked_at",
  "public.analyses":
    "state source sentiment urgency confidence rules_version model latency_ms fault is_asking attempts due_at lease created_at done_at judged_at",
  "public.analysis_labels": "user_id sentiment urgency at",
  "private.provider_circuits": "provider failures recent_ms open_until open_seconds probe_until changed_at",
  "public.chat_replies":
    "id token source user_id by state reason sender_id due_at files_due_at out_status settled_at decided_by version chat_id topic_id ask_id media_group note_id edit_due_at edit_lease key created_at",
  "public.card_folds": "at",
  "private.card_storms": "destination_id pattern last_at",
  // Of the team's own people: who can be on call.
  "public.oncall_schedules":
    "id name source external_id zone destination_id scopes types opens_incidents owner created_at",
  "private.oncall_people": "id name email atlassian_id created_at",
  "private.oncall_layers": "id schedule_id people unit every starts_on handover days from_time until_time",
  "private.oncall_overrides": "id schedule_id person_id during created_by created_at",
  "private.oncall_answers": "schedule_id people answered_at ends_at fault fault_at trouble told_at",
  "private.oncall_circuits": "source failures open_until open_ms",
  "private.oncall_news": "source event_id at",
  "private.oncall_mirrors":
    "schedule_id wanted told changed_at heard_at due_at lease attempts last_error created_at",
  "private.oncall_pages": "schedule_id state due_at lease attempts people outcome paged_at created_at",
  "public.cards":
    "topic_id state holder snoozed_until version changed_at oncall edit_due_at edit_lease created_at",
  "public.card_presses": "id user_id action outcome state_before holder_before version by_name at",
  "private.visitor_keys": "day key",
  "private.purges": "what due_at reached began_at rows error",
  "private.status_posts": "update_id incident_id state attempt next_attempt_at lease last_error",
  "private.storage_days": "day bytes",
  "private.part_states": "component status since told",
  "private.pool_days": "org_id day closed",
  "private.org_topics": "org_id topic is_on since",
  "public.org_notices": "id org_id member_id topic begins since way why at",
  "private.pool_states": "org_id numbers draining needed closed state since told at",
  "private.write_probe": "only_row at",
  "public.orgs":
    "id name zone countries before_minutes after_minutes grace_hours quarantine_days recurring_from tell_members created_at",
  "public.org_members": "id org_id role user_id created_at",
  "public.org_numbers": "channel number_id org_id class member_id state last_used_at created_at",
  "public.threads":
    "org_id sitter_id channel message_number_id number_class recurring recurring_why opened_by state opened_at ended_at last_at",
  "public.thread_legs": "role channel number_id opened_at ended_at quarantined_until",
  "public.bookings": "org_id starts_local ends_local zone repeats cancelled_at created_at",
  "public.assignment_windows": "id org_id member_id opens_at closes_at cancelled_at created_at",
  "public.thread_decisions":
    "id org_id from_role number_last4 number_class outcome reason types forces done_at done_by at by",
  "public.policy_findings": "ord org_id type rule score was_right reviewed_by reviewed_at",
  "private.campaign_tickets": "ticket campaign_id told",
  "private.campaign_news": "id campaign_id recipient_id ticket what verdict link client n at",
  "private.campaign_counts": "campaign_id hour what n",
  "public.campaign_recipients": "id campaign_id state arm why next_at told at",
  "public.campaigns":
    "id from_email flag_key track per_minute bounce_limit complaint_limit start_at state version created_at created_by started_at stopped_at stopped_by finished_at",
  "public.announcement_recipients": "announcement_id state why next_at at",
  "public.announcements":
    "id audience number_id per_minute state unreachable version created_at created_by started_at started_by stopped_at stopped_by finished_at",
  "public.attributions": "code confidence reason first_touch clicked_at created_at",
  "public.saved_views": "id page shared created_by created_at",
  "public.click_counts": "code day slot human bot preview prefetch own",
  "public.click_days":
    "code day human bot preview prefetch visitors platforms countries referrers targets own rules sources",
  "public.allowlist_history": "id pattern purpose change at by",
  "public.link_guesses": "code hour wrong",
  "public.clicks": "code at verdict reason target platform country referrer rule claimed_at visits qr",
  "public.contact_acts": "id act at by",
  "public.contact_identities": "id channel kind sender_id dialled valid_from valid_to",
  "public.contacts": "channel created_at updated_at",
  "public.conversations":
    "channel number_id last_inbound_at last_message_at sticky_route_id sticky_until taken_at taken_until taken_by unrouted_since held_revision routed_seq created_at",
  // Written for nobody in particular.
  "public.canned_replies": "name text updated_at updated_by",
  "public.conversation_desk": "assigned_to read_seq updated_at updated_by",
  "public.conversation_notes": "id at by",
  "public.counters": "name label slot value",
  "public.deliveries":
    "id destination_id seq state attempt next_attempt_at delivered_at wakes woken resent resent_for created_at updated_at",
  "public.delivery_attempts": "attempt outcome status latency_ms left_out at",
  "public.destination_allowlist": "pattern purpose created_at created_by",
  "public.destinations":
    "id name kind url state timeout_ms rate_per_second rate_burst rate_tat retry_seconds circuit_failures circuit_open_until circuit_trips circuit_probe circuit_waking failure_policy events format when_taken paused_because removed_at version created_at updated_at updated_by",
  "public.media_files": "number_id mime_type state attempt next_attempt_at lease bytes created_at settled_at",
  "public.text_files":
    "id place provider mime_type state at_provider attempt next_attempt_at lease bytes created_at settled_at",
  // Uploads are the team's own files, not a person's.
  "public.media_uploads": "id sha256 mime_type name bytes path created_by created_at used_at",
  "public.media_provider_ids": "upload_id number_id media_id uploaded_at",
  "public.email_events": "id event_type identity created_at",
  "public.email_opens": "id campaign_id at verdict reasons client signs judged corrected_by",
  "public.email_clicks": "id campaign_id at link verdict reasons client signs judged corrected_by",
  "public.tracking_consents": "campaign_id source at by",
  "private.mail_link_sets": "id hash used_at",
  "private.mail_tickets": "campaign_id link_set mode delivered_at created_at",
  "private.ticket_key": "one key",
  "public.email_identities":
    "id user_id from_email display_name forward_to is_default provider verified_at state created_at",
  "public.email_replies":
    "via arm identity campaign_id verified is_recipient forward_wanted forwarded_at failed_at reply_ts",
  "public.reply_tokens": "created_at",
  "public.service_events": "id seq type channel number_id account at field created_at",
  "public.storage_objects": "bucket kind place bytes of_message expires_at created_at",
  "public.suppressions": "scope reason source since by",
  "public.erasures": "id part at by transaction counts done",
  "public.escalation_steps": "severity after_minutes role endpoint_id",
  "public.business_metrics": "name created_at",
  "public.metric_days": "name day slot n value",
  "public.feedback": "id at kind rating positive source actor",
  "public.rollout_feedback": "rollout_id feedback_id stage arm",
  "public.flag_evaluations": "flag_key first_at last_at",
  "private.affected_people": "flag_key failures first_at last_at",
  "private.flag_sufferers": "flag_key failed place at",
  "public.flag_metrics": "flag_key minute arm n failed timed ms le failed_again slow_again score score2",
  "public.gate_approvals":
    "id flag_key gate role applies signed_by signed_as signed_with signed_at revoked_at revoked_by",
  "public.incident_updates": "id incident_id at kind status public version actor",
  "public.incidents":
    "id number kind severity status flag_key component public cause rollout_id rollback_id opened_at opened_by acknowledged_at acknowledged_by resolved_at resolved_by escalated escalates_from escalate_at status_page_id version",
  "public.links":
    "code request_hash starts_at expires_at max_uses uses taken campaign confirm pass_query flag_key fingerprint state version member_versions changed_in created_at created_by updated_at updated_by",
  "public.measurements": "name label minute n ms counts last_at",
  "public.messages":
    "id seq channel direction type forwarded status status_rank status_at pricing sent_at created_at sender_identity_id from_email message_id_header",
  "public.notification_endpoints": "id name kind host events state created_at created_by",
  "public.notifications":
    "id endpoint_id event_id state attempt next_attempt_at lease created_at delivered_at message_id",
  "public.orphan_visits": "day code visits",
  "public.outbound_messages":
    "id channel number_id state attempt deferred tried_at aside next_attempt_at used_fallback created_at updated_at",
  "public.rate_limits": "tat allowed",
  "public.reports": "id kind rollout_id flag_key period_from due_at figures look created_at",
  "public.rollback_events": "id level target ok took_ms began_at recorded_at recorded_by",
  "public.rollout_events":
    "id rollout_id at kind stage verdict rule message rollout_version setting_version actor",
  "public.rollout_notices": "rollout_id position day to_whom text report due_at state at",
  "public.rollout_stages":
    "rollout_id position name percentage segments users among hold_minutes min_samples overdue_minutes advance_when roll_back_when first_day metrics entered_at left_at",
  "public.rollouts":
    "id flag_key plan state stage stage_started_at hold_reason setting_version guard checkpoint checkpoint_at version created_at created_by started_at finished_at",
  "public.route_destinations": "route_id destination_id position",
  "public.route_history":
    "route_id version name priority mode destinations flag_key sticky_minutes active channels changed_at changed_by",
  "public.routes":
    "id name priority mode flag_key sticky_minutes active channels version created_at updated_at updated_by",
  "public.routing_decisions": "route_id route_name reason destination_ids revision decided_at",
  "private.change_history": "id at kind ref change version n by",
  "public.segment_history": "segment_key version changed_at changed_by",
  "public.segment_members": "segment_key added_at added_by",
  "public.segments": "key version updated_at updated_by",
  "public.wa_templates":
    "account name language id category status quality parameter_format components reason told_at synced_at found",
  "public.account_events": "id channel account sender_id kind subject data at",
  "public.sender_accounts": "channel id name state state_at state_until state_why created_at",
  "public.contact_merges": "id merged_at merged_by undone_at undone_by opt_outs",
  "public.imports": "channel number_id state phase progress messages error began_at at",
  "private.book_names": "channel number_id kind at",
  "public.sender_states": "channel sender_id name quality messaging_limit status told_at checked_at",
  "public.senders":
    "channel id address class provider account credentials state max_per_second pair_seconds pair_burst send_tat held_since held_code held_until held_probes org created_at",
  "public.settings": "key value version updated_at updated_by",
  "public.settings_history": "key version changed_at changed_by gates",
  // People of the team, not customers.
  "public.team_history": "id user_id email change before after at by",
  "private.conversation_presence": "user_id at",
  "public.team_invitations": "id email user_id role invited_by created_at sent_at sends expires_at",
  "public.team_members": "user_id role approvals created_at",
  "public.webhook_events": "provider field kind number_id received_at",
};

const TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name, array(
    select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relispartition order by 1`;

databaseTest(
  "personal_data: each column of each table is declared as personal or not",
  async (sql) => {
    const declared = await sql<{ relation: string; columns: string[] }[]>`
    select relation, columns from private.personal_data()`;
    const tables = await sql.unsafe<{ name: string; columns: string[] }[]>(TABLES);
    const undecided: string[] = [];
    for (const { name, columns } of tables) {
      const personal = new Set(
        declared.filter(({ relation }) => relation === name).flatMap((d) => d.columns),
      );
      const free = new Set((FREE[name] ?? "").split(" ").filter((column) => column !== ""));
      for (const column of columns) {
        if (personal.has(column) === free.has(column)) undecided.push(`${name}.${column}`);
      }
      for (const column of [...personal, ...free]) assert(columns.includes(column), `no ${name}.${column}`);
    }
    assertEquals(undecided, []);
    const names = tables.map(({ name }) => name);
    for (const name of [...Object.keys(FREE), ...declared.map(({ relation }) => relation)]) {
      assert(names.includes(name), `no table ${name}`);
    }
  },
);

const encodeBase64 = (text: string) => Buffer.from(text).toString("base64");

const PHONE = "4915199887766";
const NAME = "Rosalind Quast";
const WAMID = `wamid.${encodeBase64(`\x08\x10${PHONE}\x15\x02XYZ`)}`;
const OTHER = "4915100000042";
const ADDRESS = "rosalind@people.example";

/** Whom everything is about, and somebody beside whom nothing may happen to. */
async function plant(sql: Sql) {
  await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
  await sql`insert into public.destinations (id, name, url) values
    ('00000000-0000-7000-8000-0000000000d1', 'orders', 'https://hooks.example.com/in')`;
  await sql`insert into public.links (code, request_hash, default_url) values ('demo2345', 'h', 'https://www.example.com/')`;
  await ingest(
    sql,
    message({
      phone: PHONE,
      name: NAME,
      provider_id: WAMID,
      key: `m:1:${WAMID}:text`,
      body: `it is ${NAME}`,
      raw: { id: WAMID, from: PHONE },
    }),
    message({ phone: OTHER, name: "Somebody Else" }),
  );
  const contactOf = async (phone: string) =>
    (await sql`select contact_id as id from public.contact_identities where value = ${phone}`)[0]
      .id as string;
  const id = await contactOf(PHONE), other = await contactOf(OTHER);
  // A click as the contact (?u=), whose token comes back with the next message.
  const line = [
    "demo2345",
    String(Date.now()),
    "ios",
    "00000000000000ff",
    "",
    "whatsapp",
    "",
    "DE",
    "",
    "00000000000000fe",
    "abcdefgh234567ab",
    id,
    "",
  ];
  await sql`select public.record_clicks(${crypto.randomUUID()}, 1, ${line.join(" ")})`;
  await ingest(
    sql,
    message({
      phone: PHONE,
      bsuid: "DE.998877665544",
      username: "rosaquast",
      token: "abcdefgh234567ab",
      body: "hello [ref:abcdefgh234567ab]",
    }),
    {
      key: `x:${crypto.randomUUID()}`,
      channel: "whatsapp",
      provider: "whatsapp",
      field: "user_preferences",
      kind: "other",
      sender_id: "1",
      phone: PHONE,
      opt: "out",
      raw: { wa_id: PHONE, value: "stop" },
    },
    // What is about them and nobody's message: of a message that is not ours.
    status("wamid.unknown", "read", { raw: { recipient_id: PHONE } }),
  );
  // Routed, tried, given up, dropped with a word; a template to the person that failed; a second outbound with its status.
  await sql`insert into public.routing_decisions (message_id, reason, destination_ids, contact, revision)
    select m.id, 'matched', array['00000000-0000-7000-8000-0000000000d1'::uuid], right(${PHONE}, 4), 1
    from public.messages m join public.conversations c on c.id = m.conversation_id where c.contact_id = ${id}`;
  await sql`insert into public.deliveries (message_id, destination_id, conversation_id, seq, state, last_error)
    select m.id, '00000000-0000-7000-8000-0000000000d1', m.conversation_id, m.seq, 'dead', 'status: 500'
    from public.routing_decisions d join public.messages m on m.id = d.message_id`;
  await sql`insert into public.delivery_attempts (delivery_id, attempt, outcome, status, answer)
    select id, 1, 'dead', 500, ${`cannot find ${PHONE}`} from public.deliveries`;
  await sql`insert into public.cards (delivery_id, token, chat_id, message_ids)
    select id, 'abcdefghijklmnop', -1002000000001, '{4000}' from public.deliveries order by id limit 1`;
  await sql`insert into public.card_presses (delivery_id, action, outcome, state_before, version)
    select delivery_id, 'wake', 'done', 'snoozed', 2 from public.cards`;
  await sql`insert into public.card_folds (delivery_id, leader) select delivery_id, delivery_id from public.cards`;
  await sql`insert into private.card_storms (destination_id, pattern, leader, last_at)
    select d.destination_id, '\\x00', d.id, now() from public.deliveries d join public.cards c on c.delivery_id = d.id`;
  await sql`insert into public.analyses (message_id, state, source, sentiment, summary, due_at, done_at)
    select d.message_id, 'done', 'model', 'neutral', ${`Asks for ${NAME}`}, null, now()
    from public.cards c join public.deliveries d on d.id = c.delivery_id on conflict do nothing`;
  await sql`insert into auth.users (id, email) values (gen_random_uuid(), 'labeller@team.example')`;
  await sql`insert into public.analysis_labels (message_id, user_id, sentiment)
    select a.message_id, u.id, 'negative' from public.analyses a, (select x.id from auth.users x order by x.id limit 1) u`;
  await sql`insert into public.chat_replies (message_id, thread, source, by, state, text, files, recipient, sender_id, chat_id, ask_id, note_id, created_at)
    select d.message_id, d.conversation_id, 'chat', 'service_role', 'waiting', ${`Is it ${PHONE}?`}, '[]', ${PHONE}, '1', -1002000000001, 4001, 4002, now()
    from public.deliveries d order by d.id limit 1`;
  await sql`insert into public.oncall_schedules (name) values ('planted')`;
  await sql`insert into private.oncall_pages (delivery_id, schedule_id, created_at)
    select c.delivery_id, s.id, now() from public.cards c, public.oncall_schedules s`;
  await sql`insert into private.oncall_mirrors (key, delivery_id, schedule_id, wanted, changed_at, created_at)
    select 'gatelink:' || c.token, c.delivery_id, s.id, 'open', now(), now() from public.cards c, public.oncall_schedules s`;
  await sql`insert into private.delivery_lanes (destination_id, conversation_id) select distinct destination_id, conversation_id from public.deliveries`;
  await sql`update public.conversations set unrouted_since = null, routed_seq = 1000 where contact_id = ${id}`;
  await sql`update public.conversations set opted_out_at = null`;
  const item = {
    to: PHONE,
    identities: [{ kind: "phone", value: PHONE }],
    number_id: "1",
    idempotency_key: `order-${PHONE}`,
    message: {
      type: "template",
      template: {
        name: "hello",
        language: { code: "en" },
        components: [{ type: "body", parameters: [{ type: "text", text: NAME }] }],
      },
    },
  };
  await sql`select public.enqueue_outbound(${sql.json([item])})`;
  await sql`update public.messages set provider_id = ${`${WAMID}out`}, status = 'sent' where direction = 'out'`;
  await ingest(sql, status(`${WAMID}out`, "delivered", { raw: { recipient_id: PHONE } }));
  await sql`update public.conversations set opted_out_at = now() where contact_id = ${id}`;
  // They write mails too; one of these in somebody else's conversation.
  const [{ about, theirs }] = await sql`
    select (array_agg(m.id order by m.seq))[1] as about, (select n.id from public.messages n
      join public.conversations c on c.id = n.conversation_id where c.contact_id = ${other} limit 1) as theirs
    from public.messages m join public.conversations c on c.id = m.conversation_id where c.contact_id = ${id}`;
  await sql`insert into public.contact_identities (contact_id, channel, kind, value) values (${id}, 'email', 'email', ${ADDRESS})`;
  await sql`insert into public.suppressions (address, reason, source) values (${ADDRESS}, 'complaint', 'sendgrid'), ('else@people.example', 'bounce', 'sendgrid')`;
  await sql`insert into public.email_replies (message_id, reply_to, via, verified, is_recipient, forward_wanted) values (${about}, ${about}, 'token', true, true, true), (${theirs}, null, 'none', true, true, true)`;
  await sql`insert into public.email_events (event_type, message_id) values ('reply', ${about}), ('reply', ${theirs})`;
  await sql`insert into public.reply_tokens (token, message_id) values ('abcdefgh234567ab', ${about}), ('bbcdefgh234567ab', ${theirs})`;
  await sql`insert into public.storage_objects (bucket, path, kind, bytes, of_message, message_id, expires_at) values
    ('email-raw', 'a.eml', 'raw', 1, true, ${about}, now() + interval '1 day'), ('email-raw', 'b.eml', 'raw', 1, true, ${theirs}, now() + interval '1 day')`;
  await sql`insert into public.media_files (message_id, number_id, media_id, state, path) values (${about}, '1', '77', 'stored', 'in/a'), (${theirs}, '1', '78', 'stored', 'in/b')`;
  await sql`insert into public.text_files (message_id, place, provider, url, state, at_provider, path) values
    (${about}, 0, 'twilio', 'https://api.example.com/Media/ME1', 'stored', 'to_delete', 'a/0'), (${about}, 1, 'twilio', 'https://api.example.com/Media/ME2', 'stored', 'kept', 'a/1'),
    (${theirs}, 0, 'twilio', 'https://api.example.com/Media/ME3', 'stored', 'kept', 'b/0')`;
  await sql`insert into public.message_authors (message_id, contact_id) values (${about}, ${id}), (${theirs}, ${other})`;
  await sql`with third as (insert into public.contacts default values returning id)
    insert into public.contact_merges (kept_id, other_id, reason, undone_at, undone_by)
    select ${id}, third.id, 'same order', now(), 'postgres' from third`;
  await sql`insert into private.book_names (channel, number_id, kind, value, name, at) values
    ('whatsapp', '1', 'phone', ${PHONE}, ${NAME}, now()), ('whatsapp', '1', 'phone', ${OTHER}, 'Somebody Else', now())`;
  await sql`insert into private.mail_senders (id, message_id, address, recipient, created_at) values (${about}, ${about}, ${ADDRESS}, 'x@reply.example', now())`;
  // Their mails were tracked; one of them has links like nobody else's.
  await sql`insert into public.tracking_consents (contact_id, mode, source) values (${id}, 'individual', 'form'), (${other}, 'off', 'form')`;
  await sql`insert into private.mail_link_sets (hash, links, used_at) values
    ('\\x01', ${[
    `https://shop.example/?of=${ADDRESS}`,
  ]}, now()), ('\\x02', '{https://shop.example/}', now())`;
  await sql`insert into private.mail_tickets (message_id, contact_id, link_set, mode, created_at)
    select ${about}::uuid, ${id}::uuid, s.id, 'individual', now() from private.mail_link_sets s where s.hash = '\\x01'
    union all
    select ${theirs}::uuid, ${other}::uuid, s.id, 'individual', now() from private.mail_link_sets s where s.hash = '\\x02'`;
  await sql`insert into public.email_opens (ticket, message_id, at, verdict, reasons, client, signs, judged)
    select t.id, t.message_id, now(), 'human', 'browser', 'chrome', 'p.browser', true from private.mail_tickets t`;
  await sql`insert into public.email_clicks (ticket, message_id, at, link, verdict, reasons, client, signs, judged)
    select t.id, t.message_id, now(), 1, 'human', 'browser', 'chrome', 'p.browser', true from private.mail_tickets t`;
  // What services were told of them, and what the team keeps about the conversation.
  await sql`insert into public.service_events (seq, type, channel, conversation_id, at, native)
    select n, 'contact.opted_out', 'whatsapp', c.id, now(), jsonb_build_object('wa_id', ${PHONE}::text)
    from public.conversations c, generate_series(1000, 1001) n where c.contact_id = ${id}`;
  await sql`insert into public.deliveries (event_id, destination_id, conversation_id, seq, state, last_error)
    select id, '00000000-0000-7000-8000-0000000000d1', conversation_id, seq, 'dead', 'status: 500' from public.service_events`;
  await sql`insert into public.delivery_attempts (delivery_id, attempt, outcome, status, answer)
    select id, 1, 'dead', 500, ${`cannot find ${PHONE}`} from public.deliveries where event_id is not null`;
  await sql`insert into public.conversation_desk (conversation_id, read_seq)
    select id, 1 from public.conversations where contact_id in (${id}, ${other})`;
  await sql`insert into auth.users (id, email, email_confirmed_at) values ('00000000-0000-7000-8000-0000000000aa', 'looks@example.com', now())`;
  await sql`insert into public.team_members (user_id, role) values ('00000000-0000-7000-8000-0000000000aa', 'viewer')`;
  await sql`insert into private.conversation_presence (conversation_id, user_id, at)
    select id, '00000000-0000-7000-8000-0000000000aa', now() from public.conversations where contact_id in (${id}, ${other})`;
  await sql`insert into public.conversation_notes (conversation_id, text)
    select id, case when contact_id = ${id} then ${`${NAME} prefers calls`} else ${`a friend of ${NAME}`} end
    from public.conversations where contact_id in (${id}, ${other})`;
  // Each is a client of an organisation, and works for another one.
  await sql`insert into public.senders (channel, id, address, provider) values ('sms', 'PN0001', '12025550301', 'twilio')`;
  await sql`insert into public.orgs (id, name) values ('00000000-0000-7000-8000-000000000a01', 'Moss')`;
  await sql`insert into public.org_numbers (number_id, org_id, class) values ('PN0001', '00000000-0000-7000-8000-000000000a01', 'front_desk')`;
  for (const one of [id, other]) {
    const [{ member }] = await sql`
      insert into public.org_members (org_id, role, contact_id) values ('00000000-0000-7000-8000-000000000a01', 'sitter', ${one}) returning id as member`;
    const [{ thread }] = await sql`
      select public.open_thread('00000000-0000-7000-8000-000000000a01', ${one}) ->> 'thread_id' as thread`;
    const [{ booking }] = await sql`
      insert into public.bookings (org_id, external_id, client_id, starts_local, ends_local, zone)
      values ('00000000-0000-7000-8000-000000000a01', ${`b ${one}`}, ${one}, '2026-12-24 18:00', '2026-12-24 19:00', 'UTC') returning id as booking`;
    await sql`
      insert into public.assignment_windows (org_id, booking_id, member_id, client_id, opens_at, closes_at)
      values ('00000000-0000-7000-8000-000000000a01', ${booking}, ${member}, ${one}, '2026-12-24 17:00Z', '2026-12-24 20:00Z')`;
    await sql`
      select public.record_decision(${
      sql.json({
        org_id: "00000000-0000-7000-8000-000000000a01",
        thread_id: thread,
        contact_id: one,
        from_role: "client",
        from_last4: one === id ? PHONE : OTHER,
        outcome: "blocked",
        reason: "anti_poaching",
      })
    }, '[{"type": "phone", "rule": "phone.national", "score": 0.85, "redacted": "••••••••43"}]')`;
  }
  // The team's own words and lists.
  await sql`insert into public.settings (key, value, metadata) values ('new.enabled', 'true', ${
    sql.json({ target_user_ids: [other, id], description: `for ${NAME}` })
  })`;
  await sql`select set_config('gatelink.reason', ${`${NAME} (+49 151 9988-7766) asked, see ${WAMID}`}, false)`;
  await sql`update public.settings set value = 'false' where key = 'new.enabled'`;
  await sql`select set_config('gatelink.reason', '', false)`;
  await sql`insert into public.segments (key, description) values ('beta', ${`led by ${NAME}`})`;
  await sql`insert into public.segment_members (segment_key, subject_id) values ('beta', ${id}), ('beta', ${other}), ('beta', 'u1')`;
  await sql`insert into private.flag_sufferers (flag_key, subject_id, failed, place, at) values ('new.enabled', ${id}, true, 0, now()), ('new.enabled', ${other}, true, 0, now()), ('new.enabled', 'u9', true, 0, now())`;
  await sql`insert into private.affected_people (flag_key, subject_id, failures, first_at, last_at) values ('new.enabled', ${id}, 1, now(), now()), ('new.enabled', ${other}, 1, now(), now())`;
  await sql`insert into public.announcements (id, name, audience, text, template, stopped_because) values
    ('00000000-0000-7000-8000-0000000000f3', ${`news for ${NAME}`}, '{"kind": "wrote", "days": 1}', ${`Dear ${NAME}`}, ${
    sql.json({ type: "template", template: { components: [{ text: NAME }] } })
  }, ${`${PHONE} complained`})`;
  await sql`insert into public.campaigns (id, name, from_email, subject, text, stopped_because) values
    ('00000000-0000-7000-8000-0000000000f4', ${`news for ${NAME}`}, 'desk@send.example', ${`Dear ${NAME}`}, ${`Hello ${NAME}`}, ${`${PHONE} complained`})`;
  await sql`insert into public.campaign_recipients (campaign_id, address, fields) values
    ('00000000-0000-7000-8000-0000000000f4', ${ADDRESS}, ${
    sql.json({ name: NAME })
  }), ('00000000-0000-7000-8000-0000000000f4', 'else@people.example', '{}')`;
  await sql`insert into auth.users (id, email, email_confirmed_at) values ('00000000-0000-7000-8000-0000000000f9', 'someone@team.example.com', now())`;
  await sql`insert into public.team_members (user_id, role) values ('00000000-0000-7000-8000-0000000000f9', 'viewer')`;
  await sql`insert into public.saved_views (page, name, search, created_by) values
    ('/links', ${`for ${NAME}`}, ${`by=note&q=${NAME}`}, '00000000-0000-7000-8000-0000000000f9')`;
  await sql`insert into public.announcement_recipients (announcement_id, contact_id) values ('00000000-0000-7000-8000-0000000000f3', ${id}), ('00000000-0000-7000-8000-0000000000f3', ${other})`;
  await sql`insert into public.rollouts (id, flag_key, plan) values ('00000000-0000-7000-8000-000000000b01', 'new.enabled', 'custom')`;
  await sql`insert into public.rollout_stages (rollout_id, position, name, percentage, user_ids, chosen, hold_minutes, min_samples, advance_when, roll_back_when)
    values ('00000000-0000-7000-8000-000000000b01', 1, 'first', 0, array[${id}::text], array[${other}, ${id}]::text[], 60, 100, '{}', '{}')`;
  for (const subject of [id, other]) {
    await sql`insert into private.metric_people (rollout_id, stage, name, subject_id, arm, by_share, n, value)
      values ('00000000-0000-7000-8000-000000000b01', 1, 'order.paid', ${subject}, 'on', true, 1, 5)`;
  }
  await sql`insert into public.feedback (at, kind, subject_id, positive, text, source, key) values
    (now(), 'complaint', ${id}, false, 'it fails', 'api', encode(private.keyed_hash(${id}), 'hex')),
    (now(), 'complaint', ${other}, false, ${`as ${NAME} told me`}, 'team', null)`;
  await sql`insert into public.rollout_events (id, rollout_id, at, kind, stage, figures, rollout_version, reason) values
    ('00000000-0000-7000-8000-000000000b02', '00000000-0000-7000-8000-000000000b01', now(), 'created', 0, ${
    sql.json({ user_ids: [id] })
  }, 1, ${`since ${NAME} complained`})`;
  await sql`insert into public.notification_endpoints (id, name, kind, host, events) values ('00000000-0000-7000-8000-000000000b03', 'ops', 'slack', 'hooks.example.com', '{paged}')`;
  await sql`insert into public.notifications (endpoint_id, event_id, payload, next_attempt_at) values
    ('00000000-0000-7000-8000-000000000b03', '00000000-0000-7000-8000-000000000b02', ${
    sql.json({ reason: `since ${NAME} complained`, ids: [id] })
  }, now())`;
  await sql`insert into public.routes (id, name, condition) values ('00000000-0000-7000-8000-0000000000b1', 'vip', ${
    sql.json({ type: "contacts", ids: [id], phones: [PHONE, OTHER] })
  })`;
  await sql`select private.record_route('00000000-0000-7000-8000-0000000000b1')`;
  await sql`insert into public.links (code, external_id, request_hash, default_url, tags) values ('own23456', ${`offer-${id}`}, 'h', ${`https://www.example.com/?c=${id}`}, array[${id}::text])`;
  await sql`insert into public.rate_limits (key, tat, allowed) values (${`send:${id}`}, now(), true)`;
  await sql`insert into public.rollback_events (level, target, reason, ok, steps, took_ms, began_at, recorded_by) values
    (1, 'new.enabled', ${`${PHONE} got it twice`}, true, ${
    sql.json([{ what: "off", detail: `as ${NAME} said` }])
  }, 5, now(), 'x')`;
  await sql`insert into public.incidents (id, title, kind, severity, opened_at, escalates_from) values
    ('00000000-0000-7000-8000-0000000000f1', ${`${NAME} got no reply`}, 'bug', 'P2', now(), now())`;
  await sql`insert into public.incident_updates (incident_id, at, kind, status, text, changes, version) values
    ('00000000-0000-7000-8000-0000000000f1', now(), 'changed', 'investigating', ${`${PHONE} complains`}, ${
    sql.json({ title: { detail: `as ${NAME} said` } })
  }, 1)`;
  await sql`insert into public.gate_approvals (flag_key, gate, role, applies, note, signed_by, signed_as, signed_with) values
    ('new.enabled', 'approval', 'cto', true, ${`tried with ${PHONE}`}, '00000000-0000-4000-8000-000000000002', 'lead@example.com', 'session')`;
  await sql`insert into public.contact_acts (act, contact_id, reason) values ('revealed', ${id}, ${`${NAME} wants a call back`}), ('revealed', ${other}, 'a colleague of Rosalind Quast')`;
  const [{ conversation }] =
    await sql`select id as conversation from public.conversations where contact_id = ${id}`;
  return { id, other, conversation: conversation as string };
}

/** The forms in which something may stand in a row. */
const forms = (hidden: string): string[] => [
  hidden,
  hidden.toUpperCase(),
  encodeURIComponent(hidden),
  [...hidden].reverse().join(""),
  encodeBase64(hidden).replace(/=+$/, "").slice(0, -1),
  Buffer.from(hidden).toString("hex"),
  hidden.replaceAll("-", ""),
];

/** The rows of the whole database that hold any of these in any form. */
async function traces(sql: Sql, hidden: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of await sql.unsafe<{ name: string }[]>(TABLES)) {
    for (const { row } of await sql.unsafe<{ row: string }[]>(`select t::text as row from ${name} t`)) {
      for (const one of hidden) {
        if (forms(one).some((form) => row.includes(form))) found.push(`${name}: ${one} in ${row}`);
      }
    }
  }
  return found;
}

interface Erased {
  erasure: string;
  part: number;
  done: boolean;
  counts: Record<string, number>;
  kept: Record<string, number>;
  out_of_reach: string[];
}

async function erase(
  sql: Sql,
  person: string,
  more: { erasure?: string; limit?: number } = {},
): Promise<Erased> {
  const [{ erased }] = await sql`
    select public.erase_contact(${person}, ${more.erasure ?? null}, ${more.limit ?? 2000}) as erased`;
  return erased;
}

databaseTest(
  "export_contact: everything about a person from every table, and nothing about others",
  async (sql) => {
    const { id, other } = await plant(sql);
    for (const given of [PHONE, "+49 151 9988-7766", id, id.toUpperCase(), "DE.998877665544", "rosaquast"]) {
      const [{ all }] = await sql`select public.export_contact(${given}) as all`;
      assertEquals(all.contacts, [id], given);
      const text = JSON.stringify(all);
      assert(!text.includes(other) && !text.includes(OTHER) && !text.includes("Somebody Else"), text);
      const [{ missing }] = await sql`
      select array(select distinct relation from private.personal_data() where erased <> 'kept'
        and relation not in ('private.unknown_tokens', 'public.deliveries') and not ${
        sql.json(all.tables)
      }::jsonb ? relation) as missing`;
      assertEquals(missing, []);
      for (const hidden of [PHONE, NAME, WAMID, `cannot find ${PHONE}`, "abcdefgh234567ab"]) {
        assert(text.includes(hidden), hidden);
      }
      assertEquals(all.tables["public.messages"].length, 3);
      assertEquals(all.tables["public.settings"], [{ row: { key: "new.enabled" }, metadata: true }]);
    }
    const acts = await sql`select from public.contact_acts where act = 'exported' and contact_id = ${id}`;
    assertEquals(acts.length, 6);
  },
);

databaseTest(
  "erase_contact: no row of any table holds the person any more, and nothing else is gone",
  async (sql) => {
    const { id, other, conversation } = await plant(sql);
    const hidden = [
      PHONE,
      NAME,
      WAMID,
      `${WAMID}out`,
      id,
      conversation,
      "DE.998877665544",
      "rosaquast",
      "abcdefgh234567ab",
      "9988-7766",
    ];
    assert((await traces(sql, hidden)).length > 20);
    const erased = await erase(sql, PHONE);
    assertEquals(await traces(sql, hidden), []);
    assertEquals(await lost(sql), []);
    assertEquals([
      erased.done,
      erased.part,
      erased.counts["public.messages"],
      erased.counts["public.contacts"],
    ], [true, 1, 3, 1]);
    assertEquals(erased.kept, { dedupe_keys_days: 8, opt_outs: 3 });
    assertMatch(erased.out_of_reach.join(), /backups/);

    const one = async (query: string) => Object.values((await sql.unsafe(query))[0])[0];
    assertEquals(await one("select count(*)::int from public.messages"), 1);
    assertEquals(
      await one("select metadata -> 'target_user_ids' from public.settings where key = 'new.enabled'"),
      [other],
    );
    assertEquals(
      await one("select array_agg(subject_id order by subject_id = 'u1') from public.segment_members"),
      [other, "u1"],
    );
    const nil = "00000000-0000-0000-0000-000000000000";
    assertEquals(await one("select condition from public.routes"), {
      type: "contacts",
      ids: [nil],
      phones: ["00000", OTHER],
    });
    assertEquals(await one("select user_ids from public.rollout_stages"), [nil]);
    assertEquals(
      await one(
        "select after #> '{metadata,target_user_ids}' from public.settings_history where key = 'new.enabled' order by version limit 1",
      ),
      [other, nil],
    );
    assertEquals(
      await one("select reason from public.settings_history where key = 'new.enabled' and version = 2"),
      "erased (+erased) asked, see erased",
    );
    assertEquals(await one("select count(*)::int from public.clicks"), 1);
    assertEquals(
      await one(
        "select jsonb_agg(jsonb_build_array(contact_id, reason) order by reason) from public.contact_acts",
      ),
      [[other, "a colleague of erased"], [nil, "erased"]],
    );
    const [proof] = await sql`select counts, done, by from public.erasures where id = ${erased.erasure}`;
    assertEquals({ ...proof }, { counts: erased.counts, done: true, by: "postgres" });
  },
);

databaseTest("erase_contact: a second run finds nothing", async (sql) => {
  const { id } = await plant(sql);
  await erase(sql, PHONE);
  for (const given of [PHONE, id, "nobody", "00000000-0000-0000-0000-000000000000"]) {
    assertEquals(await refusal(erase(sql, given)), "GL404", given);
    assertEquals(await refusal(sql`select public.export_contact(${given})`), "GL404", given);
  }
  for (const given of [null, "", "  ", "x".repeat(201)]) {
    assertEquals(await refusal(sql`select public.erase_contact(${given})`), "GL422");
    assertEquals(await refusal(sql`select public.export_contact(${given})`), "GL422");
  }
  assertEquals((await sql`select from public.erasures`).length, 1);
});

databaseTest(
  "erase_contact: also removes ids of a service's own, but no similar words",
  async (sql) => {
    const { other } = await plant(sql);
    await sql`insert into public.settings (key, value, metadata) values ('u1.enabled', 'true', '{"target_user_ids": ["u1", "u12"], "target_segments": ["beta"]}')`;
    const erased = await erase(sql, "u1");
    assertEquals(Object.keys(erased.counts).sort(), [
      "public.segment_history",
      "public.segment_members",
      "public.settings",
      "public.settings_history",
    ]);
    const [{ metadata }] = await sql`select metadata from public.settings where key = 'u1.enabled'`;
    assertEquals(metadata, { target_user_ids: ["u12"], target_segments: ["beta"] });
    assertEquals((await sql`select from public.segment_members where subject_id = ${other}`).length, 1);
  },
);

databaseTest(
  "erasure: for 8 days a provider's repetition does not recreate the person; a new message does",
  async (sql) => {
    await plant(sql);
    const old = message({ phone: PHONE, name: NAME, provider_id: WAMID, key: `m:1:${WAMID}:text` });
    await erase(sql, PHONE);
    assertEquals(await ingest(sql, old, message({ phone: OTHER })), "ds");
    // Statuses of what was sent to them come late.
    assertEquals(await ingest(sql, status(`${WAMID}out`, "read", { raw: { recipient_id: PHONE } })), "d");
    assertEquals(await traces(sql, [PHONE, NAME, WAMID]), []);
    assertEquals(await lost(sql), []);
    await sql`update private.erased_keys set at = at - interval '8 days'`;
    assertEquals(await ingest(sql, old), "s");
    assertEquals(await ingest(sql, message({ phone: PHONE })), "s");
    assertEquals((await sql`select from public.contacts where name = ${NAME}`).length, 1);
  },
);

databaseTest(
  "erasure: statuses of messages in progress, which have no provider id yet, are ignored",
  async (sql) => {
    await plant(sql);
    const [{ id }] = await sql`
    insert into public.messages (conversation_id, direction, type, status)
    select c.id, 'out', 'text', 'queued' from public.conversations c join public.contacts p on p.id = c.contact_id
    where p.name = ${NAME} returning id`;
    await erase(sql, PHONE);
    assertEquals(
      await ingest(sql, status("wamid.later", "sent", { callback: id, raw: { recipient_id: PHONE } })),
      "d",
    );
    assertEquals(await traces(sql, [PHONE]), []);
  },
);

databaseTest(
  "erase_contact: removes a number found only in raw updates, but not longer numbers",
  async (sql) => {
    await ingest(
      sql,
      status("wamid.a", "read", { raw: { recipient_id: PHONE } }),
      status("wamid.b", "read", { raw: { recipient_id: `${PHONE}0` } }),
      status(`${WAMID}a`, "read", { raw: { id: `${WAMID}a` } }),
    );
    assertEquals((await erase(sql, PHONE)).counts, { "public.webhook_events": 2 });
    assertEquals((await sql`select raw from public.webhook_events`).map(({ raw }) => raw), [{
      recipient_id: `${PHONE}0`,
    }]);
  },
);

databaseTest(
  "tombstones: any name or id is removed from a text, and nothing else",
  async (sql) => {
    const word = fc.string({ unit: "binary", minLength: 4, maxLength: 12 }).map((text) =>
      text.replaceAll("\0", "0")
    );
    await holds(
      fc.asyncProperty(word, word, async (name, id) => {
        const [row] = await sql`
        with who as (
          select (null, null, null, null, null, array[]::text[], array[]::text[], private.pattern_of('id', ${id}),
            private.pattern_of('id', ${id}) || '|' || private.pattern_of('name', ${name}))::private.person as p)
        select private.tombstone(${`<${name}> and <${id}>`}::text, p, true) as both,
          private.tombstone(${
          sql.json({ description: `(${name})`, other: [name, id, 7] })
        }::jsonb, p, true) as document,
          private.tombstone('neither of them'::text, p, true) as neither from who`;
        assertEquals(row.both, "<erased> and <erased>");
        assertEquals(row.document.description, "(erased)");
        assert(row.document.other[1] !== id && row.document.other[2] === 7);
        assertEquals(row.neither, "neither of them");
      }),
      { cases: 200 },
    );
  },
);

databaseTest("erasure: an opt-out survives it until it is revoked", async (sql) => {
  await plant(sql);
  const item = {
    to: PHONE,
    identities: [{ kind: "phone", value: PHONE }],
    number_id: "1",
    message: { type: "template", template: { name: "hello", language: { code: "en" } } },
  };
  const send = async (more = {}) =>
    (await sql`select public.enqueue_outbound(${
      sql.json([{ ...item, message: { ...item.message, ...more } }])
    }) -> 0 as answer`)[0].answer;
  await erase(sql, PHONE);
  assertEquals((await send()).error, "opted_out");
  assertEquals(await traces(sql, [PHONE]), [], "nobody is made anew to be told no");
  assertEquals(
    (await sql`select public.enqueue_outbound(${
      sql.json([{ ...item, to: OTHER, identities: [{ kind: "phone", value: OTHER }] }])
    }) -> 0 ->> 'status' as s`)[0].s,
    "queued",
  );
  await ingest(sql, message({ phone: PHONE }));
  assertEquals((await send()).error, "opted_out");
  await erase(sql, PHONE);
  assertEquals((await send()).error, "opted_out");
  assertEquals((await send({ category: "authentication" })).status, "queued", "what was not opted out of");
  assertEquals((await send()).error, "opted_out");
  await ingest(sql, message({ phone: PHONE }), {
    key: `x:${crypto.randomUUID()}`,
    field: "user_preferences",
    kind: "other",
    sender_id: "1",
    phone: PHONE,
    opt: "in",
    raw: {},
  });
  assertEquals((await send()).status, "queued");
  await erase(sql, PHONE);
  assertEquals((await send()).status, "queued");
});

databaseTest("erasure: many messages are erased in parts, each with its own report", async (sql) => {
  const { id } = await plant(sql);
  await ingest(sql, ...Array.from({ length: 25 }, () => message({ phone: PHONE })));
  const first = await erase(sql, id, { limit: 10 });
  assertEquals([first.part, first.done, first.counts["public.messages"]], [1, false, 10]);
  assertEquals((await sql`select from public.contacts where id = ${id}`).length, 1);
  let last = first;
  while (!last.done) last = await erase(sql, id, { erasure: first.erasure, limit: 10 });
  assertEquals([last.part, last.erasure], [3, first.erasure]);
  assertEquals(await traces(sql, [PHONE, NAME, WAMID, id]), []);
  const [{ messages }] = await sql`
    select sum((counts ->> 'public.messages')::int)::int as messages from public.erasures where id = ${first.erasure}`;
  assertEquals(messages, 28);
  assertEquals(await lost(sql), []);
  for (const limit of [0, 10001, null]) {
    assertEquals(await refusal(sql`select public.erase_contact('x', null, ${limit})`), "GL422");
  }
});

databaseTest(
  "erasure: includes contacts merged into this one, and spares a number that others have now",
  async (sql) => {
    await ingest(sql, message({ phone: PHONE, name: NAME }));
    await ingest(sql, message({ phone: undefined, bsuid: "DE.998877665544" }));
    await ingest(sql, message({ phone: PHONE, bsuid: "DE.998877665544" }));
    // The number passes on to somebody else, and the person has a new one.
    await ingest(sql, message({ phone: PHONE, bsuid: "DE.2222222222" }));
    await ingest(sql, message({ phone: "4915177777777", bsuid: "DE.998877665544" }));
    assertEquals((await sql`select from public.contacts`).length, 3);
    await erase(sql, "4915177777777");
    assertEquals(await traces(sql, [NAME, "DE.998877665544", "4915177777777"]), []);
    const [{ n }] =
      await sql`select count(*)::int as n from public.contact_identities where value = ${PHONE} and valid_to is null`;
    assertEquals([n, (await sql`select from public.messages`).length], [1, 1]);
    assertEquals((await sql`select from public.contacts`).length, 1);
  },
);

const waits = (sql: Sql, what: string) =>
  until(what, async () => {
    const [{ n }] = await sql<{ n: number }[]>`select count(*)::int as n from pg_locks where not granted`;
    return n > 0;
  });

databaseTest("erasure: a message that arrives meanwhile is kept, under a new person", async (sql) => {
  const { id } = await plant(sql);
  for (
    const batch of [
      () => [message({ phone: PHONE })],
      // The conversation is new, the contact is known; and with an update that is no message.
      () => [message({ phone: PHONE, sender_id: "2" })],
      () => [message({ phone: PHONE }), {
        key: `x:${crypto.randomUUID()}`,
        field: "user_preferences",
        kind: "other",
        sender_id: "1",
        phone: PHONE,
        opt: "in",
        raw: {},
      }],
    ]
  ) {
    const updates = batch();
    const other = await sql.reserve();
    await other`begin`;
    await erase(other as unknown as Sql, PHONE);
    const coming = ingest(sql, ...updates);
    await waits(sql, "the intake waits for the erasure");
    await other`commit`;
    other.release();
    assertEquals(await coming, "s".repeat(updates.length));
    assertEquals(await lost(sql), []);
    const rows =
      await sql`select c.id from public.messages m join public.conversations v on v.id = m.conversation_id
      join public.contacts c on c.id = v.contact_id where m.provider_id = ${updates[0]
        .provider_id as string}`;
    assertEquals(rows.length, 1);
    assert(rows[0].id !== id);
  }
});

databaseTest(
  "erasure: a person who is written to meanwhile becomes known again and gets the message",
  async (sql) => {
    await ingest(sql, message({ phone: PHONE }));
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    for (const number of ["1", "2"]) {
      await sql`insert into public.senders (id) values (${number}) on conflict do nothing`;
      const item = {
        to: PHONE,
        identities: [{ kind: "phone", value: PHONE }],
        number_id: number,
        message: { type: "template", template: {} },
      };
      const other = await sql.reserve();
      await other`begin`;
      await erase(other as unknown as Sql, PHONE);
      const sending = sql`select public.enqueue_outbound(${sql.json([item])}) -> 0 ->> 'status' as status`
        .execute();
      await waits(sql, "the send waits for the erasure");
      await other`commit`;
      other.release();
      assertEquals((await sending)[0].status, "queued");
    }
  },
);

databaseTest("erasure: one that waits for a new conversation of the person includes it", async (sql) => {
  await plant(sql);
  const other = await sql.reserve();
  await other`begin`;
  await ingest(other as unknown as Sql, message({ phone: PHONE, sender_id: "2" }));
  const erasing = erase(sql, PHONE);
  await waits(sql, "the erasure waits for the intake");
  await other`commit`;
  other.release();
  const { counts } = await erasing;
  assertEquals([counts["public.conversations"], counts["public.messages"]], [2, 4]);
  assertEquals(await traces(sql, [PHONE, NAME]), []);
  assertEquals(await lost(sql), []);
});

databaseTest("erasure: one that waits for a batch also erases what the batch stored", async (sql) => {
  await plant(sql);
  const other = await sql.reserve();
  await other`begin`;
  await ingest(other as unknown as Sql, message({ phone: PHONE }));
  const erasing = erase(sql, PHONE);
  await waits(sql, "the erasure waits for the intake");
  await other`commit`;
  other.release();
  assertEquals((await erasing).counts["public.messages"], 4);
  assertEquals(await traces(sql, [PHONE, NAME]), []);
  assertEquals(await lost(sql), []);
});

databaseTest("erasure: concurrent intake, sends and erasures of the same people succeed", async (sql) => {
  await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
  const phones = ["4915100000001", "4915100000002", "4915100000003"];
  let stored = 0;
  await Promise.all(Array.from({ length: 30 }, async (_, turn) => {
    const phone = phones[turn % 3];
    if (turn % 5 === 4) {
      const code = await refusal(erase(sql, phone));
      assert(code === undefined || code === "GL404", code);
      return;
    }
    if (turn % 5 === 3) {
      const item = {
        to: phone,
        identities: [{ kind: "phone", value: phone }],
        message: { type: "template", template: {} },
        number_id: "1",
      };
      await sql`select public.enqueue_outbound(${sql.json([item])})`;
      return;
    }
    const outcomes = await ingest(sql, ...phones.map((phone) => message({ phone })));
    assertEquals(outcomes, "sss");
    stored += 3;
  }));
  assertEquals(await lost(sql), []);
  const [{ n }] = await sql`select (select count(*) from public.messages where direction = 'in')::int
    + coalesce((select sum((counts ->> 'public.webhook_events')::int) from public.erasures), 0)::int as n`;
  assertEquals(n, stored);
});

databaseTest(
  "only an erasure rewrites histories, and nobody rewrites erasures",
  async (sql) => {
    await plant(sql);
    await erase(sql, PHONE);
    await sql`grant all on public.erasures, public.settings_history to service_role`;
    for (
      const attempt of [
        "update public.erasures set by = 'nobody'",
        "delete from public.erasures",
        "truncate public.erasures",
        "update public.settings_history set reason = 'better so'",
      ]
    ) {
      assertEquals(await refusal(sql.unsafe(attempt)), "42501", attempt);
      assertEquals(await refusal(as(sql, SERVICE, (sql) => sql.unsafe(attempt))), "42501", attempt);
    }
    // Even in the transaction of an erasure nothing is taken out of a history.
    await ingest(sql, message({ phone: PHONE }));
    assertEquals(
      await refusal(sql.begin(async (sql) => {
        await sql`select public.erase_contact(${PHONE})`;
        await sql`delete from public.settings_history`;
      })),
      "42501",
    );
  },
);

databaseTest("export and erasure are for admins, and their record tells the team who did it", async (sql) => {
  await plant(sql);
  const operator = await signedIn(sql, "operator"), admin = await signedIn(sql, "admin");
  for (const call of ["export_contact", "erase_contact"]) {
    assertEquals(
      await refusal(as(sql, operator, (sql) => sql.unsafe(`select public.${call}($1)`, [PHONE]))),
      "42501",
    );
  }
  await as(sql, admin, (sql) => sql`select public.erase_contact(${PHONE})`);
  const [{ by }] = await as(sql, operator, (sql) => sql`select by from public.erasures`);
  assertEquals(by, admin.sub);
});

databaseTest(
  "personal_data: an erased person stays opted out and is found under each spelling of the number",
  async (sql) => {
    const [shown, dialled] = ["554188887001", "5541988887001"];
    await sql`insert into public.settings (key, value) values ('wa_send.enabled', 'true')`;
    await ingest(sql, message({ phone: shown }));
    await sql`update public.conversations set opted_out_at = now()`;
    const [{ found }] = await sql`select cardinality((private.find_person(${dialled})).contacts) as found`;
    assertEquals(found, 1);
    await sql`insert into private.erased_opt_outs (identity, channel, number_id, opted_out_at)
    select private.keyed_hash('phone ' || ${shown}), 'whatsapp', '1', now()`;
    await sql`delete from public.contacts`;
    const item = {
      to: dialled,
      identities: [{ kind: "phone", value: dialled }],
      number_id: "1",
      message: { type: "template" },
    };
    const [{ answers }] = await sql`select public.enqueue_outbound(${sql.json([item])}) as answers`;
    assertEquals(answers[0].error, "opted_out");
  },
);
