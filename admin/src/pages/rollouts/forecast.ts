/** What forecast_rollout answers; see its comment in the database. */
export interface Forecast {
  per_minute: number | null;
  failure_rate: number | null;
  traffic: "given" | "measured" | "unknown";
  stages: {
    name: string;
    percentage: number;
    hold_minutes: number;
    per_minute: number | null;
    samples_needed: number;
    minutes_for_samples: number | null;
    minutes: number;
    passes: boolean;
    caught_after_minutes: Record<"2x" | "5x" | "20%", number | null> | null;
  }[];
  minutes: number;
  passes: boolean;
}
