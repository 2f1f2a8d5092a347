/**
 * Who may do what, on Postgres itself: anon, a signed-in stranger, viewer, operator, admin, service_role.
 *
 * Two lists say what is open, READERS and PEOPLES_FUNCTIONS. Everything else is closed, so a new table or function
 * that nobody wrote down here has to refuse everybody but service_role.
 */
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import type { Sql, TransactionSql } from "postgres";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { migrate } from "../../lib/migrate.ts";
import { catalogDifferences, readCatalog } from "../support/catalog.ts";
import { FILL } from "../support/fill.ts";
import { ANON, as, type Caller, refusal, SERVICE, signedIn } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { testDatabase } from "../support/postgres.ts";

const TEAM = ["viewer", "operator", "admin"] as const;
type TeamRole = typeof TEAM[number];

/** The lowest team role that sees the rows of a table. A table that is not here shows its rows to service_role only. */
const READERS: Record<string, TeamRole> = {
  "public.team_members": "viewer",
  "public.team_history": "admin",
  "public.team_invitations": "admin",
  "public.erasures": "viewer",
  "public.saved_views": "viewer",
  "public.settings": "viewer",
  "public.settings_history": "viewer",
  "public.counters": "viewer",
  "public.measurements": "viewer",
  "public.senders": "viewer",
  "public.wa_numbers": "viewer",
  "public.conversations": "viewer",
  "public.destination_allowlist": "viewer",
  "public.allowlist_history": "admin",
  "public.destinations": "viewer",
  "public.routes": "viewer",
  "public.route_destinations": "viewer",
  "public.routing_decisions": "viewer",
  "public.deliveries": "viewer",
  "public.links": "viewer",
  "public.orphan_visits": "viewer",
  "public.link_guesses": "viewer",
  "public.click_counts": "viewer",
  "public.click_days": "viewer",
  "public.attributions": "viewer",
  "public.email_events": "viewer",
  "public.email_opens": "viewer",
  "public.email_clicks": "viewer",
  "public.tracking_consents": "operator",
  "public.email_identities": "operator",
  "public.email_replies": "viewer",
  "public.mailboxes": "viewer",
  "public.segments": "viewer",
  "public.segment_members": "viewer",
  "public.segment_history": "viewer",
  "public.flag_evaluations": "viewer",
  "public.flag_metrics": "viewer",
  "public.rollouts": "viewer",
  "public.rollout_notices": "viewer",
  "public.rollout_stages": "viewer",
  "public.rollout_events": "viewer",
  "public.rollout_feedback": "viewer",
  "public.business_metrics": "viewer",
  "public.metric_days": "viewer",
  "public.notification_endpoints": "viewer",
  "public.notifications": "viewer",
  "public.gate_approvals": "viewer",
  "public.rollback_events": "viewer",
  "public.incidents": "viewer",
  "public.incident_updates": "viewer",
  "public.escalation_steps": "viewer",
  "public.reports": "viewer",
  "public.wa_templates": "viewer",
  "public.account_events": "viewer",
  "public.sender_accounts": "viewer",
  "public.sender_states": "viewer",
  "public.imports": "viewer",
  // Besides the team, people of the organisation: masking_test.
  "public.orgs": "viewer",
  "public.org_members": "viewer",
  "public.org_numbers": "viewer",
  "public.threads": "viewer",
  "public.bookings": "viewer",
  "public.assignment_windows": "viewer",
  "public.thread_decisions": "viewer",
  "public.org_notices": "viewer",
  "public.policy_findings": "viewer",
  "public.contact_merges": "viewer",
  "public.announcements": "viewer",
  "public.campaigns": "viewer",
  "public.announcement_recipients": "viewer",
  "public.oncall_schedules": "viewer",
  "public.telegram_chats": "viewer",
  "public.telegram_people": "viewer",
  "public.cards": "viewer",
  "public.card_presses": "viewer",
  "public.card_folds": "viewer",
  "public.analyses": "viewer",
  "public.analysis_labels": "viewer",
  "public.clicks": "operator",
  "public.contact_acts": "viewer",
  "public.route_history": "viewer",
  // Names, and what services answered. Whole numbers and ids come from functions alone, which record who asked.
  "public.contacts": "operator",
  "public.delivery_attempts": "operator",
};

/**
 * What a signed-in person may execute, with the lowest team role that it serves and why it is open at all. All but
 * has_role are SECURITY DEFINER so that people need no right to write tables, and refuse others in their first line.
 */
const PEOPLES_FUNCTIONS: Record<string, { role: TeamRole | "anybody"; why: string }> = {
  "private.has_role(text)": {
    role: "anybody",
    why:
      "Policies run as the caller and call it. It tells the caller only about the caller, and is not exposed.",
  },
  "private.org_role(uuid)": {
    role: "anybody",
    why: "Policies run as the caller and call it. It tells the caller only about the caller.",
  },
  "private.manages_org(uuid)": {
    role: "anybody",
    why: "Policies run as the caller and call it. It tells the caller only about the caller.",
  },
  "private.sits_on(uuid)": {
    role: "anybody",
    why: "Policies run as the caller and call it. It tells the caller only about the caller.",
  },
  "private.is_member(uuid)": {
    role: "anybody",
    why: "Policies run as the caller and call it. It tells the caller only about the caller.",
  },
  "my_orgs()": {
    role: "anybody",
    why: "A function at the edge asks it with the caller's token. It tells the caller only about the caller.",
  },
  "whoami()": {
    role: "anybody",
    why: "A function at the edge asks it with the caller's token. It tells the caller only about the caller.",
  },
  "traffic(integer,timestamp with time zone)": {
    role: "viewer",
    why: "The overview's chart of a span of time.",
  },
  "destination_span(text,timestamp with time zone,timestamp with time zone)": {
    role: "viewer",
    why: "A destination's chart of a span of time.",
  },
  "messages_in_span(timestamp with time zone,timestamp with time zone,jsonb,integer)": {
    role: "viewer",
    why: "What a spike of a chart is made of; words for operators only.",
  },
  "link_clicks(text[])": {
    role: "viewer",
    why: "The panel's list of links shows how often each was visited.",
  },
  "guessed_links()": { role: "viewer", why: "The panel warns of links whose password is being guessed at." },
  "set_team_member(uuid,text,text[])": { role: "admin", why: "An admin adds people and changes roles." },
  "look_at_conversation(uuid)": {
    role: "viewer",
    why: "The team sees who else is looking at a conversation.",
  },
  "list_conversation_work(text,integer)": { role: "viewer", why: "The team sees who waits for one of them." },
  "revoke_invitation(uuid)": { role: "admin", why: "An admin takes an invitation back." },
  "accept_invitation()": {
    role: "anybody",
    why:
      "Whoever was invited is no member yet. It gives the caller what an admin gave their account, and nobody anything else.",
  },
  "remove_team_member(uuid)": { role: "admin", why: "An admin removes people." },
  "switch_off(text,text)": { role: "operator", why: "The brake is the operator's." },
  "set_setting(text,text,jsonb,bigint,text)": { role: "operator", why: "Flags are flipped by operators." },
  "allow_host(text,text)": { role: "admin", why: "Admins say which hosts messages may go to." },
  "disallow_host(text,text)": { role: "admin", why: "Admins say which hosts messages may go to." },
  "add_destination(text,text,jsonb)": { role: "operator", why: "Operators connect services." },
  "set_destination_state(text,text)": { role: "operator", why: "Operators pause and resume services." },
  "set_destination(text,integer,jsonb)": { role: "operator", why: "Operators change services." },
  "remove_destination(text,text)": { role: "operator", why: "Operators remove services." },
  "rotate_destination_secret(text,integer)": { role: "operator", why: "Operators rotate secrets." },
  "add_route(text[],jsonb,integer,jsonb)": { role: "operator", why: "Operators keep the routes." },
  "remove_route(uuid)": { role: "operator", why: "Operators keep the routes." },
  "retry_deliveries(uuid[])": { role: "operator", why: "Operators handle dead letters." },
  "drop_deliveries(uuid[],text)": { role: "operator", why: "Operators handle what waits and dead letters." },
  "skip_deliveries(uuid[])": { role: "operator", why: "Operators let what waits step aside." },
  "resend_deliveries(text,timestamp with time zone,timestamp with time zone,uuid,integer,uuid)": {
    role: "operator",
    why: "Operators have what a service lost sent again.",
  },
  "list_identities(jsonb,integer)": {
    role: "viewer",
    why: "The team sees whom mail is sent as, with addresses of inboxes cut.",
  },
  "add_identity(text,jsonb)": { role: "operator", why: "Operators keep the identities." },
  "set_identity(uuid,jsonb)": { role: "operator", why: "Operators keep the identities." },
  "check_identity(uuid,text,text)": { role: "operator", why: "Operators enter the codes that were mailed." },
  "remove_identity(uuid)": { role: "operator", why: "Operators keep the identities." },
  "list_suppressions(timestamp with time zone,integer,integer,text)": {
    role: "viewer",
    why: "The team sees who gets no mail, with addresses cut.",
  },
  "find_suppression(text)": { role: "operator", why: "Operators say why somebody gets no mail." },
  "add_suppression(text,text,text)": { role: "operator", why: "Operators keep the list of suppressions." },
  "lift_suppression(text,text)": { role: "operator", why: "Operators keep the list of suppressions." },
  "list_unknown(integer,jsonb)": {
    role: "viewer",
    why: "The team sees of what nobody knows whether it went.",
  },
  "resolve_unknown(uuid,text,text)": { role: "operator", why: "Operators decide what becomes of it." },
  "email_overview(integer)": { role: "viewer", why: "The team sees the figures of e-mail." },
  "mail_accesses(uuid)": {
    role: "viewer",
    why:
      "The team sees who opened a mail and followed its links, as far as the person allows; of links the host.",
  },
  "correct_access(uuid,text,bigint,text)": {
    role: "operator",
    why: "Operators correct what the rules made of an open or a click.",
  },
  "set_tracking_consent(text,text,text,uuid)": {
    role: "operator",
    why: "Operators write down what a person allows.",
  },
  "trace_mail(uuid)": { role: "viewer", why: "The team sees what became of a mail; it holds no words." },
  "save_view(text,text,text,boolean)": {
    role: "viewer",
    why: "Everybody saves views; sharing asks for more.",
  },
  "remove_view(uuid)": { role: "viewer", why: "Everybody removes their own views." },
  "count_matching_deliveries(text,jsonb)": { role: "viewer", why: "The team sees how many there are." },
  "change_matching_deliveries(text,text,jsonb,timestamp with time zone,text,integer)": {
    role: "operator",
    why: "Operators handle what waits and dead letters.",
  },
  "list_waiting(jsonb,integer)": { role: "viewer", why: "The team sees what waits." },
  "list_flags(jsonb,integer)": { role: "viewer", why: "The team sees the flags." },
  "list_routes(jsonb,integer)": {
    role: "viewer",
    why: "The team sees the routes; those for people's numbers are left out below the role of operator.",
  },
  "set_flag(text,jsonb,bigint,text)": { role: "operator", why: "Flags are flipped by operators." },
  "add_flag_targets(text,bigint,text[],text[],text[],text)": {
    role: "operator",
    why: "Operators say who has a feature.",
  },
  "remove_flag_targets(text,bigint,text[],text[],text[],text)": {
    role: "operator",
    why: "Operators say who has a feature.",
  },
  "set_segment(text,text,bigint)": { role: "operator", why: "Operators keep the segments." },
  "add_segment_members(text,bigint,text[],text[],text)": {
    role: "operator",
    why: "Operators keep the segments.",
  },
  "remove_segment_members(text,bigint,text[],text[],text)": {
    role: "operator",
    why: "Operators keep the segments.",
  },
  "remove_segment(text,bigint,text)": { role: "operator", why: "Operators keep the segments." },
  "stale_flags(timestamp with time zone)": {
    role: "viewer",
    why: "The team sees which flags are done with.",
  },
  "create_rollout(text,jsonb,text,uuid)": { role: "operator", why: "Operators run rollouts." },
  "start_rollout(uuid,bigint,text,jsonb)": { role: "operator", why: "Operators run rollouts." },
  "pause_rollout(uuid,bigint,text)": { role: "operator", why: "Operators run rollouts." },
  "resume_rollout(uuid,bigint,text)": { role: "operator", why: "Operators run rollouts." },
  "advance_rollout(uuid,bigint,text)": { role: "operator", why: "Operators run rollouts." },
  "roll_back_rollout(uuid,bigint,text)": { role: "operator", why: "Operators run rollouts." },
  "complete_rollout(uuid,bigint,text)": { role: "operator", why: "Operators run rollouts." },
  "environment_watch()": { role: "viewer", why: "Counts only: the whole team reads them." },
  "traffic_split()": { role: "viewer", why: "The whole team sees how traffic is split." },
  "traffic_figures(integer)": { role: "viewer", why: "Counts only: the whole team reads them." },
  "card_mails(text,integer)": { role: "operator", why: "It shows what people wrote." },
  "mail_weight()": { role: "viewer", why: "The whole team sees how mail is shared out." },
  "set_mail_weight(numeric,text)": { role: "operator", why: "Operators share mail out, as they set flags." },
  "mail_addresses(integer,integer)": { role: "viewer", why: "Addresses of ours, not of people who wrote." },
  "set_traffic(text,numeric,text)": { role: "operator", why: "Operators split traffic, as they set flags." },
  "forecast_rollout(text,jsonb,numeric,numeric,timestamp with time zone)": {
    role: "viewer",
    why: "The team sees how a rollout would go.",
  },
  "delivery_log(text,jsonb,integer)": {
    role: "viewer",
    why: "The team sees how deliveries went; what a service answered is given to operators only.",
  },
  "destination_figures(text,integer,timestamp with time zone)": {
    role: "viewer",
    why: "The team sees how a destination does.",
  },
  "name_contacts(text[])": { role: "viewer", why: "The team sees whom a flag targets, redacted." },
  "count_contacts(timestamp with time zone)": {
    role: "viewer",
    why: "The team sees how many people a percentage means.",
  },
  "plan_of_template(text)": { role: "viewer", why: "The built-in plans are no secret." },
  "watch_rollout(uuid)": { role: "viewer", why: "The team sees what the guard sees." },
  "add_notification_endpoint(text,text,text,text[])": {
    role: "operator",
    why: "Operators say who is told of rollouts.",
  },
  "set_notification_state(text,text)": { role: "operator", why: "Operators say who is told of rollouts." },
  "remove_notification_endpoint(text)": { role: "operator", why: "Operators say who is told of rollouts." },
  "overview(integer)": { role: "viewer", why: "The team sees whether things are well." },
  "diagnostics()": { role: "viewer", why: "The team sees what is going on." },
  "trace_message(text)": { role: "viewer", why: "The team follows a message; its words are not told." },
  "status()": { role: "viewer", why: "The team sees how the queues stand." },
  "sign_gate(text,text,text,text,boolean,text)": {
    role: "anybody",
    why: "Approvals are independent of the role: it signs for those alone who hold the approval.",
  },
  "revoke_gate(text,text,text,text)": { role: "operator", why: "Operators stop a launch." },
  "launch_facts(text)": { role: "viewer", why: "The team sees what a launch still waits for." },
  "list_conversations(uuid,integer)": { role: "viewer", why: "The team sees who writes, redacted." },
  "list_audit(jsonb,integer)": {
    role: "viewer",
    why: "The team sees who changed what; admins also who is in it, and which hosts are allowed.",
  },
  "test_notification_endpoint(text)": { role: "operator", why: "Operators keep the endpoints." },
  "check_flag(text,text)": { role: "viewer", why: "The team asks whether somebody has a feature, and why." },
  "attention()": { role: "viewer", why: "The team sees what needs somebody." },
  "first_steps()": { role: "viewer", why: "The team sees how far a new installation is." },
  "search_everything(text,integer)": {
    role: "viewer",
    why: "The team finds whatever the panel shows; people by name for operators alone.",
  },
  "search_conversations(text,integer,jsonb)": { role: "viewer", why: "The team finds a conversation." },
  "conversation_messages(uuid,bigint,integer)": {
    role: "viewer",
    why: "The team sees how messages went; what they say is given to operators only.",
  },
  "message_story(uuid)": {
    role: "viewer",
    why: "The team sees why a message went where; what it says is given to operators only.",
  },
  "reveal_contact(uuid,text)": {
    role: "operator",
    why: "Operators see a contact whole, and it is recorded.",
  },
  "reveal_message(uuid,text)": {
    role: "operator",
    why: "Operators see how the provider names a message, and it is recorded.",
  },
  "resend_message(uuid)": { role: "operator", why: "Operators send again what failed." },
  "reply_in_conversation(uuid,text,uuid)": { role: "operator", why: "Operators answer people." },
  "destination_health(timestamp with time zone,jsonb,integer)": {
    role: "viewer",
    why: "The team sees how services do.",
  },
  "take_conversation(uuid,integer,text)": {
    role: "operator",
    why: "Operators take conversations over from the services.",
  },
  "release_conversation(uuid)": { role: "operator", why: "Operators give conversations back." },
  "list_desk_conversations(text,integer)": {
    role: "viewer",
    why: "The team sees which conversations are somebody's.",
  },
  "list_desks(uuid[])": { role: "viewer", why: "The team sees who looks after a conversation." },
  "set_conversation_desk(uuid,jsonb)": { role: "operator", why: "Operators share conversations out." },
  "add_conversation_note(uuid,text)": { role: "operator", why: "Operators note what colleagues need." },
  "remove_conversation_note(uuid)": { role: "operator", why: "Operators remove notes." },
  "list_canned_replies()": { role: "operator", why: "Operators reply." },
  "set_canned_reply(text,text)": { role: "operator", why: "Operators keep the canned replies." },
  "remove_canned_reply(text)": { role: "operator", why: "Operators keep the canned replies." },
  "list_dead_letters(jsonb,integer)": { role: "viewer", why: "The team sees what could not be delivered." },
  "export_contact(text)": { role: "admin", why: "An admin gives a person what there is of them." },
  "erase_contact(text,uuid,integer)": { role: "admin", why: "An admin erases a person." },
  "set_route(uuid,integer,jsonb)": { role: "operator", why: "Operators keep the routes." },
  "move_route(uuid,integer,uuid)": { role: "operator", why: "Operators keep the routes." },
  "list_team(jsonb,integer)": { role: "viewer", why: "The team knows itself by address." },
  "add_team_member(text,text,text[])": { role: "admin", why: "An admin adds people and changes roles." },
  "set_number_pace(text,integer,numeric,integer)": {
    role: "operator",
    why: "Operators say how fast numbers send.",
  },
  "remove_number(text)": { role: "admin", why: "An admin says which numbers are ours." },
  "export_mail_metadata(timestamp with time zone,uuid,integer)": {
    role: "operator",
    why: "Operators take what became of mails with them; nothing of what those say.",
  },
  "list_mailboxes()": { role: "viewer", why: "The team sees which mailboxes are connected, without tokens." },
  "set_mailbox(uuid,text)": { role: "admin", why: "Admins decide how much of a mailbox is read." },
  "analysis_report()": { role: "viewer", why: "The team sees how often analyses of mails were right." },
  "who_is_on_call(text,timestamp with time zone)": {
    role: "viewer",
    why: "Who is on call is no secret within the team.",
  },
  "list_oncall()": { role: "viewer", why: "The team sees its schedules." },
  "add_oncall(jsonb)": { role: "operator", why: "Operators keep the schedules." },
  "set_oncall_person(jsonb)": { role: "operator", why: "Operators keep who can be on call." },
  "remove_oncall_person(jsonb)": { role: "operator", why: "Operators keep who can be on call." },
  "override_oncall(text,jsonb,timestamp with time zone,timestamp with time zone)": {
    role: "operator",
    why: "Operators say who takes over.",
  },
  "remove_oncall(text,uuid)": { role: "operator", why: "Operators keep the schedules." },
  "list_telegram_chats()": { role: "viewer", why: "The team sees which chats the bot is in." },
  "add_telegram_destination(text,bigint,bigint)": {
    role: "operator",
    why: "Operators say where messages go; only to chats that the bot was added to.",
  },
  "link_telegram(text)": { role: "operator", why: "Members link themselves; for others it takes an admin." },
  "reply_in_thread(text,text,uuid,boolean)": {
    role: "operator",
    why: "Operators answer people, as from the panel and from chats.",
  },
  "undo_chat_reply(uuid)": { role: "operator", why: "Any operator may stop an answer that has not left." },
  "list_text_numbers()": { role: "viewer", why: "The team sees which numbers are ours." },
  "set_text_number(text,jsonb)": { role: "operator", why: "Operators keep the numbers for texts." },
  "remove_text_number(text)": { role: "admin", why: "An admin says which numbers are ours." },
  "who_blocks()": { role: "operator", why: "Operators learn who keeps them from a way back." },
  "record_rollback(jsonb)": { role: "operator", why: "Operators take the ways back." },
  "open_incident(text,text,text,text,text,boolean,text,text)": {
    role: "operator",
    why: "Operators open incidents.",
  },
  "say_incident(bigint,text,text)": {
    role: "operator",
    why: "Operators tell the team and the public of an incident.",
  },
  "update_incident(bigint,bigint,jsonb,text,text)": { role: "operator", why: "Operators lead incidents." },
  "acknowledge_incident(bigint)": { role: "operator", why: "Operators take incidents in hand." },
  "resolve_incident(bigint,bigint,text,text)": { role: "operator", why: "Operators lead incidents." },
  "list_incidents(boolean,integer,jsonb)": { role: "viewer", why: "The team sees what is wrong." },
  "read_incident(bigint)": { role: "viewer", why: "The team sees what is wrong." },
  "create_campaign(jsonb)": { role: "operator", why: "Operators write to people." },
  "add_campaign_recipients(uuid,jsonb)": { role: "operator", why: "Operators write to people." },
  "test_campaign(uuid,text,jsonb,boolean)": { role: "operator", why: "Operators write to people." },
  "start_campaign(uuid,bigint,jsonb)": { role: "operator", why: "Operators write to people." },
  "stop_campaign(uuid,bigint,text,boolean)": { role: "operator", why: "Operators write to people." },
  "list_campaigns(integer,jsonb)": { role: "viewer", why: "The team sees what is sent." },
  "read_campaign(uuid)": { role: "viewer", why: "The team sees what is sent." },
  "list_campaign_recipients(uuid,bigint,integer)": {
    role: "viewer",
    why: "The team sees who got a campaign, addresses cut for viewers.",
  },
  "create_announcement(jsonb)": { role: "operator", why: "Operators write to people." },
  "start_announcement(uuid,bigint)": { role: "operator", why: "Operators write to people." },
  "stop_announcement(uuid,bigint,text)": { role: "operator", why: "Operators write to people." },
  "delete_announcement(uuid,bigint)": { role: "operator", why: "Operators write to people." },
  "list_announcements(integer,jsonb)": { role: "viewer", why: "The team sees what is announced." },
  "read_announcement(uuid,uuid,integer)": {
    role: "viewer",
    why: "The team sees who got an announcement, redacted.",
  },
  "list_affected(text,timestamp with time zone,integer,integer)": {
    role: "viewer",
    why: "The team sees for whom a feature failed, redacted.",
  },
  "list_templates(jsonb,integer)": { role: "viewer", why: "The team sees the templates." },
  "send_template(uuid,jsonb,uuid)": { role: "operator", why: "Operators write to people." },
  "list_numbers()": { role: "viewer", why: "The team sees how its numbers and accounts do." },
  "read_person(uuid)": { role: "viewer", why: "The team sees who is one person, redacted." },
  "merge_people(uuid,uuid,text)": { role: "operator", why: "Operators say who is one person." },
  "undo_merge(uuid,text)": { role: "operator", why: "Operators say who is one person." },
  "split_contact(uuid,text)": { role: "operator", why: "Operators say who is one person." },
  "list_imports()": { role: "viewer", why: "The team sees how far the import of a number is." },
  "name_account(text,text)": { role: "admin", why: "Admins say which credentials an account uses." },
  "list_reports(text,integer,uuid)": { role: "viewer", why: "The team reads how things go." },
  "read_report(uuid)": { role: "viewer", why: "The team reads how things go." },
  "report_now(text)": { role: "viewer", why: "The team reads how things go." },
  "list_notices(uuid)": { role: "viewer", why: "The team sees who is told what, and when." },
  "schedule_notices(uuid,timestamp with time zone,jsonb)": {
    role: "operator",
    why: "Operators say who is told of rollouts.",
  },
  "list_kill_switches()": { role: "viewer", why: "The team sees which features the environment stops." },
  "add_feedback(text,text,text,integer,text,uuid)": {
    role: "operator",
    why: "Operators write down complaints.",
  },
  "list_feedback(text,integer)": {
    role: "viewer",
    why: "The team sees what people say; words are for operators.",
  },
  "list_metrics(integer)": { role: "viewer", why: "The team sees business metrics, which are sums." },
  "set_escalation(text,jsonb)": { role: "admin", why: "Admins say who is called." },
};

/** Tables of which even service_role may not write the rows: it has functions for that. */
const CLOSED_TO_SERVICE = [
  "public.team_members",
  "public.team_invitations",
  "public.team_history",
  "public.allowlist_history",
  "public.settings",
  "public.settings_history",
  "private.config_revision",
  "private.config_changes",
  "private.own_migrations",
  "private.guard_skips",
  "private.hash_key",
  "private.erased_keys",
  "private.purges",
  "private.storage_days",
  "public.erasures",
  "public.segments",
  "public.segment_members",
  "public.segment_history",
  "public.rollouts",
  "public.rollout_notices",
  "public.rollout_stages",
  "public.rollout_events",
  "public.notification_endpoints",
  "private.notification_addresses",
  "public.gate_approvals",
  "public.rollback_events",
  "public.incident_updates",
  "public.saved_views",
  "public.announcements",
  "public.campaigns",
  "public.reports",
  "public.announcement_recipients",
  "public.escalation_steps",
  "public.contact_acts",
  "public.route_history",
];

interface Cast {
  anon: Caller;
  stranger: Caller;
  /** A token without a subject. */
  nobody: Caller;
  viewer: Caller;
  operator: Caller;
  admin: Caller;
}

/** A database with rows in each table, and the people who come to it. */
function accessTest(name: string, test: (sql: Sql, cast: Cast) => Promise<void>): void {
  databaseTest(name, async (sql) => {
    for (const statements of Object.values(FILL)) if (statements) await sql.unsafe(statements);
    await test(sql, {
      anon: ANON,
      stranger: await signedIn(sql),
      nobody: { role: "authenticated" },
      viewer: await signedIn(sql, "viewer"),
      operator: await signedIn(sql, "operator"),
      admin: await signedIn(sql, "admin"),
    });
  });
}

/** Whether somebody has this role or a higher one. */
const includes = (who: string, role: TeamRole) => {
  const [has, needs] = [TEAM.indexOf(who as TeamRole), TEAM.indexOf(role)];
  return has >= needs;
};

const names = async (sql: Sql, query: string): Promise<string[]> =>
  (await sql.unsafe(query)).map((row) => row.name);

const TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1`;

class Undo extends Error {}

/** As `as`, and takes everything back afterwards. */
async function attempt(sql: Sql, caller: Caller, statement: string): Promise<string | undefined> {
  const tried = as(sql, caller, async (sql: TransactionSql) => {
    await sql.unsafe(statement);
    throw new Undo();
  });
  try {
    return await refusal(tried);
  } catch (error) {
    if (error instanceof Undo) return undefined;
    throw error;
  }
}

accessTest("each table shows its rows to the intended roles and nobody else", async (sql, cast) => {
  const tables = await names(sql, TABLES);
  assertEquals(Object.keys(READERS).filter((table) => !tables.includes(table)), [], "no such table");
  for (const table of tables) {
    const count = async (sql: Sql | TransactionSql) =>
      (await sql.unsafe(`select count(*)::int as n from ${table}`))[0].n as number;
    const all = await count(sql);
    assert(all > 0, `${table} has no rows, so that nobody could see any`);
    for (const [who, caller] of Object.entries(cast)) {
      let seen = 0;
      const code = await refusal(as(sql, caller, async (sql) => seen = await count(sql)));
      const may = table in READERS && includes(who, READERS[table]);
      assertEquals(seen, may ? all : 0, `${who} sees ${seen} of ${all} rows of ${table}`);
      // Beyond policies: no grant at all for those who can never see a row.
      if (who === "anon" || !(table in READERS)) {
        assertEquals(code, "42501", `${who} may select from ${table}`);
      }
    }
    if (table.startsWith("public.")) {
      assertEquals(await as(sql, SERVICE, count), all, `service_role does not see all of ${table}`);
    }
  }
});

/** One attempt at each way to change a table, none of which gets as far as a constraint. */
const writes = (table: string, column: string) => [
  `insert into ${table} default values`,
  `update ${table} set ${column} = ${column}`,
  `delete from ${table}`,
  `select from ${table} for update`,
];

accessTest("people cannot write tables directly; they call functions", async (sql, cast) => {
  for (const table of await names(sql, TABLES)) {
    const [{ column, view }] = await sql`
      select quote_ident(attname) as column, relkind = 'v' as view
      from pg_attribute join pg_class on pg_class.oid = attrelid
      where attrelid = ${table}::regclass and attnum > 0 and not attisdropped and attidentity = '' and attgenerated = ''
      order by attnum limit 1`;
    const closed: [string, Caller][] = Object.entries(cast);
    if (CLOSED_TO_SERVICE.includes(table)) closed.push(["service_role", SERVICE]);
    for (const [who, caller] of closed) {
      // Nobody can empty a view: its table is tried.
      for (const write of [...writes(table, column), ...view ? [] : [`truncate ${table} cascade`]]) {
        assertEquals(await attempt(sql, caller, write), "42501", `${who}: ${write}`);
      }
    }
  }
});

accessTest("people have no write grant, not even one that a trigger or a policy would block", async (sql) => {
  const grants = `
    select format('%s may %s on %s', r.role, p.privilege, c.oid::regclass) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace,
      unnest(array['anon', 'authenticated']) r(role),
      unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p(privilege)
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p', 'v', 'm', 'f')
      and (has_table_privilege(r.role, c.oid, p.privilege)
        or p.privilege in ('insert', 'update', 'references') and has_any_column_privilege(r.role, c.oid, p.privilege))
    union all
    select format('%s may use %s', r.role, c.oid::regclass)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace, unnest(array['anon', 'authenticated']) r(role)
    where n.nspname in ('public', 'private') and c.relkind = 'S'
      and has_sequence_privilege(r.role, c.oid, 'usage, select, update')
    union all
    select format('%s may create in %s', r.role, n.nspname)
    from pg_namespace n, unnest(array['anon', 'authenticated', 'service_role']) r(role)
    where n.nspname in ('public', 'private') and has_schema_privilege(r.role, n.oid, 'create')
    union all
    select 'anon may use private' where has_schema_privilege('anon', 'private', 'usage')`;
  assertEquals(await names(sql, grants), []);
});

accessTest("policies name the role authenticated, and views use the caller's rights", async (sql) => {
  const loose = `
    select format('%I of %s', polname, polrelid::regclass) as name from pg_policy
    where polroles <> array['authenticated'::regrole::oid]
    union all
    select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind in ('v', 'm')
      and not coalesce('security_invoker=true' = any (c.reloptions), false)`;
  assertEquals(await names(sql, loose), []);
});

const executable = (role: string) => `
  select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ('public', 'private') and has_function_privilege('${role}', p.oid, 'execute') order by 1`;

accessTest(
  "anon executes nothing, and signed-in people only the functions that are listed with a reason",
  async (sql) => {
    assertEquals(await names(sql, executable("anon")), []);
    assertEquals(await names(sql, executable("authenticated")), Object.keys(PEOPLES_FUNCTIONS).sort());
    assertEquals(Object.entries(PEOPLES_FUNCTIONS).filter(([, { why }]) => !why.endsWith(".")), []);
  },
);

accessTest(
  "each function for people refuses lower roles, whatever the arguments",
  async (sql, cast) => {
    for (const [signature, { role }] of Object.entries(PEOPLES_FUNCTIONS)) {
      if (role === "anybody") continue;
      const [{ call }] = await sql`
      select format('select %s(%s)', p.oid::regproc, (
        select string_agg('null::' || format_type(t, null), ', ' order by i)
        from unnest(p.proargtypes) with ordinality as a(t, i))) as call
      from pg_proc p where p.oid = ${signature}::regprocedure`;
      for (const [who, caller] of [...Object.entries(cast), ["service_role", SERVICE] as [string, Caller]]) {
        const allowed = who === "service_role" || includes(who, role);
        assertEquals(await attempt(sql, caller, call) !== "42501", allowed, `${who}: ${call}`);
      }
    }
  },
);

accessTest(
  "security definer functions are for people or triggers, except eleven that are named here",
  async (sql) => {
    const definers = await names(
      sql,
      `select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname in ('public', 'private') and p.prosecdef and p.prorettype <> 'trigger'::regtype order by 1`,
    );
    const open = new Set(Object.keys(PEOPLES_FUNCTIONS));
    // applied_migrations() reads the CLI's record of migrations, clock_fault() whether the Vault holds what the clock needs
    // and how pg_net's last call went, for secret keys only; lock_holders() other roles' sessions, in brief; the two of
    // incidents write them for the clock, which has no other door to them. The two of invitations read the accounts of Auth
    // and write the history, for a secret key whose caller was found to be an admin. The two of organisations' people read
    // the accounts of Auth, for secret keys only, and so does the one that finds who is on call in Telegram.
    assertEquals(definers.filter((name) => !open.has(name)), [
      "list_org_people(uuid)",
      "private.applied_migrations()",
      "private.clock_fault()",
      "private.escalate_incidents(timestamp with time zone)",
      "private.incident_of_part(text,jsonb,timestamp with time zone)",
      "private.lock_holders(text[])",
      "private.oncall_shown(text,text)",
      "private.require_role(text)",
      "set_org_person(uuid,text,jsonb)",
      "settle_invitation(uuid,uuid)",
      "start_invitation(text,text,text)",
    ]);
  },
);

accessTest(
  "a token cannot claim a role of the team; only the team table grants it",
  async (sql, { stranger, viewer }) => {
    const claims = { app_metadata: { role: "admin" }, user_metadata: { role: "admin" }, team_role: "admin" };
    for (const caller of [stranger, viewer]) {
      const forged = { ...caller, ...claims } as Caller;
      assertEquals(await attempt(sql, forged, "select public.set_setting('a', '1', null, 0)"), "42501");
    }
  },
);

databaseTest("close_functions() closes the functions of its transaction and no others", async (sql) => {
  const open = async () =>
    (await sql`
      select proname as name from pg_proc
      where pronamespace in ('public'::regnamespace, 'private'::regnamespace)
        and has_function_privilege('anon', oid, 'execute') order by 1`).map(({ name }) => name);
  const make = (name: string) => `create function ${name}() returns int language sql as 'select 1'`;
  await sql.unsafe(make("public.theirs"));
  await sql.begin(async (sql) => {
    await sql.unsafe(
      "alter default privileges in schema public grant execute on functions to anon, authenticated",
    );
    for (const name of ["public.ours", "private.ours"]) await sql.unsafe(make(name));
    // In a savepoint, which has a number of its own.
    await sql.unsafe(`do $$ begin ${make("private.inner")}; exception when others then raise; end $$`);
    await sql`call private.close_functions()`;
    await sql`grant execute on function public.ours() to authenticated`;
  });
  assertEquals(await open(), ["theirs"]);
  const [{ granted, kept }] = await sql`
    select has_function_privilege('authenticated', 'public.ours()', 'execute') as granted,
      has_function_privilege('authenticated', 'private.ours()', 'execute') as kept`;
  assertEquals([granted, kept], [true, false]);
  // A migration that only replaces functions passes, and they keep their grants.
  await sql.begin(async (sql) => {
    await sql.unsafe(make("public.ours").replace("create", "create or replace"));
    await sql`call private.close_functions()`;
  });
  const [{ still }] =
    await sql`select has_function_privilege('authenticated', 'public.ours()', 'execute') as still`;
  assertEquals([still, await open()], [true, ["theirs"]]);
  // Outside of the transaction it would close nothing, and must not look as if it had.
  await sql.unsafe(make("public.later"));
  await assertRejects(
    () => sql`call private.close_functions()`.execute(),
    Error,
    "no function was made in this",
  );
});

Deno.test("a project whose default privileges grant anon everything ends with the same rights", async () => {
  const [fresh, older] = [await testDatabase(), await testDatabase({ empty: true })];
  try {
    await bootstrap(older.sql);
    for (const kind of ["tables", "functions", "sequences"]) {
      await older.sql.unsafe(
        `alter default privileges in schema public grant all on ${kind} to anon, authenticated, service_role`,
      );
    }
    await migrate(older.sql);
    assertEquals(catalogDifferences(await readCatalog(fresh.sql), await readCatalog(older.sql)), []);
  } finally {
    await fresh.drop();
    await older.drop();
  }
});
