/** What overview() answers; see its comment in the database. */
import type { HealthPart } from "../../../../supabase/functions/_shared/contract/words/health.ts";
import type { Change } from "../../../../supabase/functions/_shared/contract/words/changes.ts";

export interface OverviewData {
  at: string;
  health: HealthPart[];
  per_minute: { minute: string; in: number; out: number }[];
  functions: FunctionFigures[];
  queue: Record<
    "unrouted" | "deliveries" | "outbound",
    { n: number; oldest_seconds: number | null; held?: number }
  >;
  dead_letters: number;
  rollouts: RunningRollout[];
  changes: Change[];
}

/** A part of `health`, in words. */
export interface Component {
  component: string;
  status: "healthy" | "degraded" | "down";
  why: string;
}

export interface FunctionFigures {
  name: string;
  requests: number;
  errors: number;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
}

export interface RunningRollout {
  id: string;
  flag_key: string;
  state: string;
  stage: number;
  stage_name: string | null;
  percentage: number | string | null;
}
