/** Reads what the verdicts of rollouts need, on the list and on the page of one. */
import { useMemo } from "react";
import { useRpc } from "../../data/query.ts";
import { type Rollout, underWay, useProgress } from "../../data/rollouts.ts";
import { useNow } from "../../ui/Time.tsx";
import { type RolloutFacts, type Verdict, verdictOf } from "../../words/rollout_verdict.ts";

/** What only the page of one rollout reads. */
export type Extra = Pick<RolloutFacts, "gates" | "because">;

/** Returns the verdict of each of these rollouts; until its figures are read, the part that its state tells. */
export function useVerdicts(rollouts: readonly Rollout[]): (rollout: Rollout, extra?: Extra) => Verdict {
  const now = useNow();
  const open = useMemo(() => rollouts.filter(underWay).map(({ id }) => id), [rollouts]);
  const progress = useProgress(open).data;
  const killed = useRpc("list_kill_switches", {}, { enabled: open.length > 0 }).data;
  return (rollout, extra) => {
    const { guard, stages } = progress?.get(rollout.id) ?? {};
    const stage = stages?.find(({ position }) => position === rollout.stage);
    const go = stage?.advance_when;
    return verdictOf({
      ...extra,
      state: rollout.state,
      holdReason: rollout.hold_reason,
      stage: rollout.stage,
      stageStartedAt: rollout.stage_started_at === null ? undefined : Date.parse(rollout.stage_started_at),
      stages: stages?.length,
      percentage: stage === undefined ? undefined : Number(stage.percentage),
      holdMinutes: stage?.hold_minutes,
      minSamples: stage?.min_samples,
      seen: guard?.seen,
      isRead: progress?.has(rollout.id) ?? false,
      limits: { errorRate: go?.no_errors ? 0 : go?.error_rate_below, p95Ms: go?.p95_ms_below },
      killed: killed?.some(({ flag_key }) => flag_key === rollout.flag_key),
    }, now);
  };
}
