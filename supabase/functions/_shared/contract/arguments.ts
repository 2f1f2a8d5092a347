/**
 * The JSON arguments of SQL functions, by function and argument, where functions, command line or panel write them
 * themselves: plans, conditions, links, changes. The database checks them again.
 *
 * @module
 */
import type { Audience } from "./answers/announcements.ts";
import type { DestinationFormat, WhenTaken } from "./event_types.ts";
import type { AdvanceWhen, FirstDay, FlagMetadata, RollBackWhen, StageMetric } from "./columns.ts";
import type { Database } from "./database.ts";
import type { IncidentStatus, Severity } from "./incidents.ts";
import type { Json } from "./json.ts";
import type { ChangedLink, LinkBody } from "./links.ts";
import type { MailProviderName } from "./mail_providers.ts";
import type { Condition } from "./routing/condition.ts";

/** Every member may also be null, which removes it. */
type OrNull<T> = { [Key in keyof T]: T[Key] | null };

/** Settings of a destination; absent members get their defaults. */
export interface DestinationOptions {
  timeout_ms?: number;
  /** Deliveries per second; null for no limit. */
  rate_per_second?: number | null;
  rate_burst?: number;
  /** Waits between attempts, in seconds; null for the default schedule. */
  retry_seconds?: readonly number[] | null;
  /** Policy by HTTP status; `else` covers all others. */
  failure_policy?: Readonly<Record<string, "hold" | "aside" | "pause">>;
  /** Types of events: names, families such as `template.*`, or `*`. */
  events?: readonly string[];
  format?: DestinationFormat;
  when_taken?: WhenTaken;
}

/** Settings of an organisation with masked numbers; absent members stay, or get their defaults. */
export interface OrgConfig {
  name?: string;
  /** IANA time zone of bookings that name none. */
  zone?: string;
  /** ISO codes of the countries whose national phone numbers detection looks for. */
  countries?: readonly string[];
  before_minutes?: number;
  after_minutes?: number;
  grace_hours?: number;
  quarantine_days?: number;
  recurring_from?: number;
  /** Whether owners and sitters are told by themselves when a part of messaging begins or ends. */
  tell_members?: boolean;
}

/** Somebody of an organisation, by what others know them by: an address, a phone, or both. */
export interface OrgPerson {
  /** Of a confirmed account. */
  email?: string;
  /** With its country code: +12025550143. */
  phone?: string;
  name?: string;
}

/** A booking, by the clocks on the wall: `2026-12-24T18:00:00`. */
export interface BookingDraft {
  client_id: string;
  starts_local: string;
  ends_local: string;
  zone?: string;
  repeats?: "none" | "daily" | "weekly";
  cancelled?: boolean;
}

/** Somebody who can be on call: an address or a name. */
export interface OnCallPersonDraft {
  name?: string;
  email?: string;
  atlassian_id?: string;
}

/** A schedule, or a layer of one that exists. */
export interface OnCallScheduleDraft {
  name: string;
  source?: "rota" | "pagerduty" | "opsgenie" | "jsm";
  external_id?: string;
  zone?: string;
  destination?: string;
  scopes?: readonly string[];
  types?: readonly string[];
  opens_incidents?: boolean;
  /** Address of a member of the team. */
  owner?: string;
  layer?: {
    people: readonly OnCallPersonDraft[];
    unit?: "day" | "week";
    every?: number;
    starts_on?: string;
    handover?: string;
    days?: readonly number[];
    from?: string;
    until?: string;
  };
}

/** Where a text of a masked thread went and why. */
export interface ThreadDecision {
  org_id: string;
  thread_id?: string | null;
  contact_id?: string | null;
  message_id?: string | null;
  from_role: "client" | "sitter" | "owner" | "unknown";
  from_last4?: string | null;
  number_last4?: string | null;
  number_class?: "front_desk" | "sitter" | "pool" | null;
  outcome: "leg" | "owner_inbox" | "held" | "blocked";
  reason: string;
  types?: readonly string[];
  /** The blocked decision that an owner overrides, with the reason. */
  forces?: string;
  force_reason?: string;
  /** Words that no message has. */
  kept_text?: string;
  key?: string;
  by?: string;
}

/** A text from the app, decided. */
export interface ThreadSend extends ThreadDecision {
  thread_id: string;
  /** The sitter who writes; absent for the owner. */
  member_id?: string;
  legs?: readonly string[];
  message: Readonly<Record<string, unknown>>;
  findings: readonly PolicyFinding[];
}

/** What a list of threads is narrowed to. */
export interface ThreadFilter {
  state?: "live" | "ended";
  search?: string;
  before?: { at: string; id: string };
}

/** What detection found in a text, redacted. */
export interface PolicyFinding {
  type: string;
  rule: string;
  score: number;
  redacted: string;
}

/** Settings of a route; absent members get their defaults. */
export interface RouteOptions {
  name?: string;
  mode?: "first" | "all";
  flag_key?: string | null;
  sticky_minutes?: number | null;
  channels?: readonly string[];
}

/** A stage of a rollout's plan. */
export interface StagePlan {
  name: string;
  /** Percentage of people who have the flag, in steps of 0.01. */
  percentage: number;
  user_ids?: string[];
  segments?: string[];
  /** Number of people who also have it. */
  users?: number;
  /** Segments among whose members they are chosen. */
  among?: string[];
  hold_minutes: number;
  min_samples: number;
  overdue_minutes?: number;
  advance_when: AdvanceWhen;
  roll_back_when: RollBackWhen;
  first_day?: FirstDay;
  metrics?: StageMetric[];
}

/** A rollout's plan with all its stages. */
export interface RolloutPlan {
  name?: string;
  stages: StagePlan[];
}

/** A rollout's plan by the name of a template, with the people of its first stage. */
export interface TemplatePlan {
  template: string;
  user_ids?: string[];
  segments?: string[];
}

/** Changes to a flag; null removes a member. */
export type FlagChanges =
  & { on?: boolean; client?: boolean | null }
  & OrNull<{
    /** Percentage of people who have the flag. */
    percentage?: number;
    prerequisites?: readonly string[];
    /** ISO times at which the clock turns it on and off. */
    on_at?: string;
    off_at?: string;
    description?: string;
    launched_at?: string;
  }>;

/** A checked link, as `create_links` stores it. */
export interface LinkRow extends Omit<LinkBody, "password"> {
  /** Hash of the request, to recognise a repeated request. */
  request_hash: string;
  password_hash?: string;
}

/** A checked link, as `update_link` stores it. `password_hash`: absent keeps the password, null removes it. */
export type LinkUpdate = Omit<ChangedLink, "password"> & { password_hash?: string | null };

/** Filter of a list of links. The last two members continue a list. */
export interface LinkFilter {
  [field: string]: string | string[];
}

/** Filter of a destination's log. `before_…` continue it. */
export interface DeliveryLogFilter {
  outcome?: "failed";
  /** Part of the error, or of the status. */
  error?: string;
  /** Of the attempts; `until` is no part of it. */
  since?: string;
  until?: string;
  /** `next` of the page before. */
  before_at?: string;
  before_id?: string;
}

/** Filter of the dead letters. `before_…` continue a list. */
export interface DeadLetterFilter {
  destination?: string;
  /** Part of the last error. */
  error?: string;
  /** Only deliveries that a person dropped. */
  dropped?: boolean;
  before_at?: string;
  before_id?: string;
}

/** Changes to an incident. */
export interface IncidentChanges {
  title?: string;
  kind?: string;
  severity?: Severity;
  status?: IncidentStatus;
  flag_key?: string | null;
  component?: string | null;
  public?: boolean;
  rollback_id?: string | null;
}

/** A step of an escalation. */
export interface EscalationStep {
  after_minutes: number;
  role?: string | null;
  endpoint?: string | null;
}

/** The state of the launch gates when the rollout was started. */
export interface LaunchGates {
  gates: { id: string; status: string; detail?: string | null }[];
  /** Why the rollout starts although gates are open; null or absent if none are. */
  override?: string | null;
}

/** Settings of an identity that mail is sent as; those that are absent have defaults. */
export interface IdentityOptions {
  /** The team's own id of the user who sends as this identity. */
  user_id?: string | null;
  display_name?: string | null;
  /** The inbox for answers; it takes effect once it is confirmed. Null ends forwarding at once. */
  forward_to?: string | null;
  provider?: MailProviderName;
}

/** A step of a rollback, with its result. */
export interface RollbackStep {
  what: string;
  ok: boolean;
  ms: number;
  detail?: string;
}

/** A rollback that was run, and its steps. */
export interface RollbackEvent {
  level: number;
  target: string;
  reason: string;
  ok: boolean;
  steps: RollbackStep[];
  took_ms: number;
  /** ISO time. */
  began_at: string;
}

/** What somebody said of a feature. */
export interface GivenFeedback {
  kind: "complaint" | "rating";
  /** Whom flags are asked for. */
  subject: string;
  /** 1 to 5, of a rating. */
  rating?: number;
  text?: string;
  /** Every feature that is being rolled out, if absent. */
  flag?: string;
  /** Counts once. */
  key?: string;
}

/** Something that somebody did, as a business counts it. */
export interface CountedMetric {
  name: string;
  /** Whom flags are asked for; absent if nobody is known. */
  subject?: string;
  value?: number;
  /** Counts once in 8 days. */
  key?: string;
}

/** Who is to be told what of a rollout. */
export interface Notice {
  /** Days after day 0; before it if negative. */
  day: number;
  to: string;
  text: string;
  /** Whether it says how the rollout does. */
  report?: boolean;
}

/** An announcement that is to be made. */
export interface AnnouncementDraft {
  name: string;
  audience: Audience;
  text?: string;
  template?: {
    name: string;
    language: string;
    category?: string;
    /** Values of its placeholders, in order. */
    parameters?: readonly string[];
  };
  /** The sender; may be absent if there is only one. */
  number_id?: string;
  per_minute?: number;
}

/** A campaign that is to be made; placeholders are {{name}} or {{name|otherwise}}. */
export interface CampaignDraft {
  name: string;
  /** An identity; the default one if absent. */
  from?: string;
  subject: string;
  html?: string;
  text?: string;
  flag_key?: string;
  /** What those without the flag get; nothing if absent. */
  otherwise?: { subject?: string; html?: string; text?: string };
  /** How opens and clicks are tracked; the setting `email.track_campaigns` if absent. */
  track?: "off" | "aggregate" | "individual";
  per_minute?: number;
  /** Shares from 0 to 1. */
  bounce_limit?: number;
  complaint_limit?: number;
  start_at?: string;
}

/** What may be changed when a campaign is started. */
export type CampaignChanges = Pick<
  CampaignDraft,
  "per_minute" | "bounce_limit" | "complaint_limit" | "start_at"
>;

/** A template to send, in Meta's shape. */
export interface TemplateMessage {
  type: "template";
  template: {
    name: string;
    language: { code: string };
    components?: readonly Readonly<Record<string, unknown>>[];
  };
}

/** Which changes the audit lists. */
interface AuditFilter {
  kinds?: readonly string[];
  /** A user id, or a database role. */
  who?: string;
  /** A part of a name, in any case. */
  name?: string;
  /** Exactly this `ref`. */
  ref?: string;
  since?: string;
  /** `at` and `id` of the last entry of the page before. */
  before?: string;
  before_id?: string;
}

/** Which deliveries of a list are meant. */
export interface MatchingFilter {
  destination?: string;
  /** Words of the last error. */
  error?: string;
}

/** Changes to a number for texts; absent members stay as they are. */
export interface TextNumberChanges {
  provider?: "twilio" | "telnyx";
  /** Null: the main one. */
  account?: string | null;
  class?: string | null;
  state?: "active" | "paused";
  /** Segments. */
  max_per_second?: number;
}

/** Somebody goes to a provider to connect a mailbox. */
export interface MailboxStart {
  /** SHA-256 of the state parameter, in hexadecimal digits. */
  state_hash: string;
  provider: "google" | "microsoft";
  identity: string | null;
  /** Sealed. */
  verifier: string;
  return_to: string | null;
  by: string;
}

/** An account that somebody let us into. */
export interface ConnectedMailbox {
  provider: "google" | "microsoft";
  identity: string | null;
  /** The account's own first, then its aliases. */
  addresses: readonly string[];
  name: string | null;
  scopes: readonly string[];
  /** Sealed. */
  access: string;
  refresh: string;
  /** Seconds. */
  expires_in: number;
  by: string;
}

/** How a refresh of a mailbox's tokens ended. */
export interface SettledToken {
  mailbox: string;
  lease: string;
  outcome: "refreshed" | "revoked" | "failed";
  /** Sealed. */
  access?: string;
  refresh?: string;
  /** Seconds. */
  expires_in?: number;
  error?: string;
  retry_after_ms?: number;
}

/** How the reading of a mailbox ended. */
export interface SettledReading {
  mailbox: string;
  lease: string;
  /** Where to go on; absent after an error. */
  cursor?: string;
  /** Whether there is more to read at once. */
  more?: boolean;
  /** The provider had forgotten the cursor before. */
  resynced?: boolean;
  error?: string;
  retry_after_ms?: number;
}

/** The JSON arguments by function and argument name. */
export interface JsonArguments {
  settle_analysis: {
    p_result: {
      source: "model" | "rules";
      sentiment: "positive" | "neutral" | "negative" | null;
      urgency: "critical" | "high" | "normal" | "low" | null;
      summary: string | null;
      confidence: number | null;
      rules_version: string;
      model: string | null;
      latency_ms: number;
      fault: string | null;
      /** Whether it is more urgent than its address says, so that open cards are called attention to. */
      rises: boolean;
    };
  };
  add_identity: { p_options: IdentityOptions };
  begin_mailbox: { p_start: MailboxStart };
  connect_mailbox: { p_mailbox: ConnectedMailbox };
  settle_mailbox_token: { p_settled: SettledToken };
  settle_mailbox_reading: { p_settled: SettledReading };
  add_destination: { p_options: DestinationOptions & { secret?: string } };
  add_route: { p_condition: Condition; p_options: RouteOptions & { id?: string } };
  change_matching_deliveries: { p_filter: MatchingFilter };
  count_matching_deliveries: { p_filter: MatchingFilter };
  add_campaign_recipients: {
    p_recipients: readonly { to: string; fields: Readonly<Record<string, string>> }[];
  };
  create_campaign: { p_campaign: CampaignDraft };
  test_campaign: { p_fields: Readonly<Record<string, string>> };
  start_campaign: { p_changes: CampaignChanges };
  list_campaigns: { p_filter: { search?: string; before?: string } };
  create_announcement: { p_announcement: AnnouncementDraft };
  check_links: { p_links: readonly LinkRow[] };
  create_links: { p_links: readonly LinkRow[] };
  create_rollout: { p_plan: RolloutPlan | TemplatePlan };
  delivery_log: { p_filter: DeliveryLogFilter };
  destination_health: { p_filter: { name?: string; state?: string; search?: string; after?: string } };
  forecast_rollout: { p_plan: RolloutPlan | TemplatePlan };
  list_audit: { p_filter: AuditFilter };
  list_dead_letters: { p_filter: DeadLetterFilter };
  list_announcements: { p_filter: { search?: string; before?: string } };
  list_templates: {
    p_filter: {
      search?: string;
      account?: string;
      name?: string;
      language?: string;
      after?: { name: string; language: string; account: string };
    };
  };
  add_oncall: { p_schedule: OnCallScheduleDraft };
  override_oncall: { p_person: OnCallPersonDraft };
  set_oncall_person: { p_person: OnCallPersonDraft };
  remove_oncall_person: { p_person: OnCallPersonDraft };
  list_team: { p_filter: { search?: string; after?: string } };
  list_identities: { p_filter: { search?: string; after?: string } };
  list_incidents: { p_filter: { search?: string; after?: number } };
  list_links: { p_filter: LinkFilter };
  list_flags: {
    p_filter: {
      search?: string;
      state?: "on" | "off";
      segment?: string;
      on_first?: boolean;
      after?: string;
      after_value?: string;
    };
  };
  list_routes: {
    p_filter: { id?: string; search?: string; active?: boolean; destination?: string; after?: string };
  };
  messages_in_span: {
    p_filter: { direction?: "in" | "out"; trouble?: boolean; link?: string; before?: string };
  };
  list_unknown: { p_filter: { after_at?: string; after_id?: string } };
  search_conversations: { p_before: { at?: string; id?: string } };
  list_waiting: {
    p_filter: {
      destination?: string;
      before_at?: string;
      before_lane?: string;
      before_destination?: string;
    };
  };
  record_decision: { p_decision: ThreadDecision; p_findings: readonly PolicyFinding[] };
  record_feedback: { p_feedback: readonly GivenFeedback[] };
  record_metrics: { p_metrics: readonly CountedMetric[] };
  record_rollback: { p_event: RollbackEvent };
  schedule_notices: { p_notices: readonly Notice[] | null };
  send_in_thread: { p_send: ThreadSend };
  list_threads: { p_filter: ThreadFilter };
  set_booking: { p_booking: BookingDraft };
  set_conversation_desk: { p_changes: { assigned_to?: string | null; unread?: boolean } };
  set_destination: { p_changes: DestinationOptions & { url?: string } };
  set_destination_headers: { p_headers: Readonly<Record<string, string | null>> };
  set_escalation: { p_steps: readonly EscalationStep[] };
  set_flag: { p_changes: FlagChanges };
  set_identity: { p_changes: IdentityOptions & { is_default?: boolean; state?: "active" | "paused" } };
  set_org: { p_config: OrgConfig };
  set_org_person: { p_person: OrgPerson };
  set_route: {
    p_changes: RouteOptions & { condition?: Condition; active?: boolean; destinations?: readonly string[] };
  };
  send_template: { p_message: TemplateMessage };
  /** Null keeps the metadata. */
  set_setting: { p_metadata: FlagMetadata | null };
  set_text_number: { p_changes: TextNumberChanges };
  start_rollout: { p_gates: LaunchGates };
  update_incident: { p_changes: IncidentChanges };
  update_link: { p_link: LinkUpdate };
}

/**
 * Functions whose JSON only passes between the functions' pipeline and the database. One module each builds it, with types
 * of its own, and their tests run on the database.
 */
type OfThePipeline =
  | "add_counts"
  | "add_measurements"
  | "add_media_upload"
  | "answer_category"
  | "claim_deliveries"
  | "claim_outbound"
  | "enqueue_outbound"
  | "find_sent_texts"
  | "hear_oncall"
  | "ingest_mail_events"
  | "ingest_mails"
  | "ingest_updates"
  | "note_storage_objects"
  | "record_decisions"
  | "record_relays"
  | "record_number_check"
  | "record_orphans"
  | "record_outcomes"
  | "reseal_headers"
  | "resolve_mails"
  | "settle_accesses"
  | "settle_chat_files"
  | "settle_deliveries"
  | "settle_oncall_lookup"
  | "settle_oncall_page"
  | "settle_notifications"
  | "settle_outbound"
  | "settle_status_posts"
  | "settle_storage_purges"
  | "settle_text_check"
  | "settle_text_file"
  | "store_templates"
  | "take_telegram_update"
  | "take_uses"
  | "tell_accounts"
  | "tell_members"
  | "track_mails";

type Functions = Database["public"]["Functions"];

/** The arguments of a function that are JSON. */
type JsonNames<Name extends keyof Functions> = {
  [Key in keyof Functions[Name]["Args"]]-?: Json extends Functions[Name]["Args"][Key] ? Key : never;
}[keyof Functions[Name]["Args"]];

/** Functions that take JSON. */
type Takers = {
  [Name in keyof Functions]: [JsonNames<Name>] extends [never] ? never : Name;
}[keyof Functions];

type Nothing<T extends never> = T;
/** A check at compile time: fails if a function that takes JSON is missing above, or a function above takes none. */
export type Undeclared = Nothing<
  | Exclude<Takers, keyof JsonArguments | OfThePipeline>
  | Exclude<keyof JsonArguments | OfThePipeline, Takers>
  | {
    [Name in keyof JsonArguments]:
      | Exclude<JsonNames<Name>, keyof JsonArguments[Name]>
      | Exclude<keyof JsonArguments[Name], JsonNames<Name>>;
  }[keyof JsonArguments]
>;
