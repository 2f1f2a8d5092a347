/**
 * The future part of a flag's schedule.
 *
 * The clock applies every time that has passed, so restoring an earlier state of a flag must not bring back
 * past times: the flag that was just turned off would be on again within a minute.
 *
 * @module
 */

interface Scheduled {
  schedule?: { on_at?: string; off_at?: string };
}

/** A flag's metadata without the scheduled times up to `now` (Unix milliseconds). */
export function withoutPast<T extends object>(metadata: T, now: number): T {
  const { schedule, ...rest } = metadata as Scheduled;
  const coming = Object.entries(schedule ?? {}).filter(([, at]) => at != null && Date.parse(at) > now);
  return (coming.length === 0 ? rest : { ...rest, schedule: Object.fromEntries(coming) }) as T;
}
