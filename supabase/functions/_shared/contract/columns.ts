/**
 * What columns of JSON hold, by table and column: database.ts, which is made, takes it from here. A column that is not named
 * here may hold any JSON.
 *
 * @module
 */
import type { Json } from "./json.ts";

/** What a flag's row in `settings` says beside on and off; other settings have none of it. */
export interface FlagMetadata {
  /** 0 to 100, in steps of 0.01; absent: on for everybody unless there are targets. */
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

/** A flag's or setting's row as its history keeps it, as far as it is shown. */
export interface SettingState {
  value: string;
  metadata: FlagMetadata;
}

/** What lets a stage of a rollout go on. */
export interface AdvanceWhen {
  no_errors?: true;
  error_rate_below?: number;
  p95_ms_below?: number;
  complaints_at_most?: number;
  positive_share_above?: number;
  min_ratings?: number;
}

/** What ends a rollout in a stage. */
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
  then?: "roll_back" | "hold";
  min_people?: number;
  by?: "people" | "value";
  at_least_per_day?: number;
}

/** What a member of the team was, as its history keeps it. */
export interface TeamStanding {
  role: "viewer" | "operator" | "admin";
  approvals: string[];
}

/** One route that was asked about a message, and why it took the message or not. */
export interface ExplainedRoute {
  /** Its id. */
  route: string;
  name: string;
  matched: boolean;
  why: string;
}

/** Columns by `table.column`. */
interface Columns {
  "destinations.failure_policy": Readonly<Record<string, "hold" | "aside" | "pause">>;
  "incident_updates.changes": Readonly<Record<string, unknown>>;
  /** As the provider gave it, or as we gave it to the provider. */
  "messages.native": Record<string, unknown>;
  "rollout_events.figures": Readonly<Record<string, unknown>>;
  "rollout_events.evidence": unknown;
  "rollout_stages.advance_when": AdvanceWhen;
  "rollout_stages.first_day": FirstDay;
  "rollout_stages.metrics": StageMetric[];
  "rollout_stages.roll_back_when": RollBackWhen;
  /** What the guard remembers, as far as it is shown. */
  "rollouts.guard": { seen: { n: number; failed: number; timed: number; late: number } };
  /** As stored: a short form, or one of another version; routing/condition.ts reads it. */
  "route_history.condition": unknown;
  "routes.condition": unknown;
  "routing_decisions.explanation": ExplainedRoute[];
  "settings.metadata": FlagMetadata;
  "settings_history.after": SettingState;
  "settings_history.before": SettingState;
  "team_history.after": TeamStanding;
  "team_history.before": TeamStanding;
}

/** What a column of JSON holds; its name is `table.column`. */
export type JsonOf<Column extends string> = Column extends keyof Columns ? Columns[Column] : Json;
