/**
 * The types of JSON columns, by table and column. The generated `database.ts` refers to them. A column that is not named
 * here may hold any JSON.
 *
 * @module
 */
import type { Json } from "./json.ts";

/** The metadata of a flag's row in `settings`; other settings have none. */
export interface FlagMetadata {
  /** 0 to 100, in steps of 0.01. If absent, the flag is on for everybody, or for its targets if it has any. */
  rollout_percentage?: number;
  target_user_ids?: string[];
  target_segments?: string[];
  prerequisites?: string[];
  /** ISO times at which the clock turns it on and off. */
  schedule?: { on_at?: string; off_at?: string };
  /** Roles that have to approve its launch. */
  approvers?: string[];
  description?: string;
  /** Whether apps, which have a publishable key, may read it. */
  client?: boolean;
  launched_at?: string | null;
  [name: string]: unknown;
}

/** The part of a setting's row in its history that is shown. */
export interface SettingState {
  value: string;
  metadata: FlagMetadata;
}

/** The conditions under which a rollout advances from a stage. */
export interface AdvanceWhen {
  no_errors?: true;
  error_rate_below?: number;
  p95_ms_below?: number;
  complaints_at_most?: number;
  positive_share_above?: number;
  min_ratings?: number;
}

/** The conditions under which a stage rolls back. */
export interface RollBackWhen {
  error_rate_above?: number;
  p95_ms_above?: number;
  plain?: { minutes: number; min_samples: number; error_rate_above?: number; mean_ms_above?: number };
  complaints_above?: number;
}

/** Tighter triggers of the first 24 hours of a stage. */
export type FirstDay = Pick<RollBackWhen, "error_rate_above" | "p95_ms_above" | "complaints_above">;

/** What a stage asks of a business metric. */
export interface StageMetric {
  name: string;
  max_fall?: number;
  max_rise?: number;
  then?: "roll_back" | "hold";
  min_people?: number;
  by?: "people" | "value";
  at_least_per_day?: number;
  of?: string;
  share_above?: number;
  share_below?: number;
  back_below?: number;
  back_above?: number;
  at_most_per_hour?: number;
}

/** A team member's row in its history. */
export interface TeamStanding {
  role: "viewer" | "operator" | "admin";
  approvals: string[];
}

/** One evaluated route, and why it matched the message or not. */
export interface ExplainedRoute {
  /** Its id. */
  route: string;
  name: string;
  matched: boolean;
  why: string;
}

/** Types of columns by `table.column`. */
interface Columns {
  "destinations.failure_policy": Readonly<Record<string, "hold" | "aside" | "pause">>;
  "incident_updates.changes": Readonly<Record<string, unknown>>;
  /** As received from the provider, or as sent to it. */
  "messages.native": Record<string, unknown>;
  "rollout_events.figures": Readonly<Record<string, unknown>>;
  "rollout_events.evidence": unknown;
  "rollout_stages.advance_when": AdvanceWhen;
  "rollout_stages.first_day": FirstDay;
  "rollout_stages.metrics": StageMetric[];
  "rollout_stages.roll_back_when": RollBackWhen;
  /** The part of the guard's state that is shown. */
  "rollouts.guard": { seen: { n: number; failed: number; timed: number; late: number } };
  /** As stored, perhaps in a short form or by another version; `routing/condition.ts` parses it. */
  "route_history.condition": unknown;
  "routes.condition": unknown;
  "routing_decisions.explanation": ExplainedRoute[];
  "settings.metadata": FlagMetadata;
  "settings_history.after": SettingState;
  "settings_history.before": SettingState;
  "team_history.after": TeamStanding;
  "team_history.before": TeamStanding;
}

/** The type of a JSON column; its name is `table.column`. */
export type JsonOf<Column extends string> = Column extends keyof Columns ? Columns[Column] : Json;
