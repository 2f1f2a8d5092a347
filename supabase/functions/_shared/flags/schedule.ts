/**
 * What of a flag's schedule is still to come.
 *
 * The clock acts on every time that has passed, so a flag that is set to what it was must not bring past times with it:
 * what was turned off would be on again within a minute.
 *
 * @module
 */

interface Scheduled {
  schedule?: { on_at?: string; off_at?: string };
}

/** A flag's metadata without scheduled times that are not after `now` (Unix milliseconds). */
export function withoutPast<T extends object>(metadata: T, now: number): T {
  const { schedule, ...rest } = metadata as Scheduled;
  const coming = Object.entries(schedule ?? {}).filter(([, at]) => at != null && Date.parse(at) > now);
  return (coming.length === 0 ? rest : { ...rest, schedule: Object.fromEntries(coming) }) as T;
}
