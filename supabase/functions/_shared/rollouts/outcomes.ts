/**
 * Outcomes of people with a flag on and off: counted in this process, sent in groups, and read by the guard
 * of rollouts.
 *
 * Only the first outcome per person, flag and minute counts: somebody who tries repeatedly is one unhappy
 * person, and a burst of retries after one failure would look like many.
 *
 * Failure policy: open. It is never on a request's path; a group that cannot be sent is kept and sent with
 * the next one, and a process that dies loses its last seconds.
 *
 * @module
 */
import { configFaults } from "../config/env.ts";
import { DbError, rpc } from "../db/client.ts";
import { postpone, waitUntil } from "../http/background.ts";
import { sharedRun } from "../http/shared_run.ts";
import { log } from "../log/log.ts";
import { addLatency, EDGES_MS, emptyHistogram } from "./latency.ts";

/** Whether people have the feature. */
export type Arm = "on" | "off";

/** One person's result. */
export interface Outcome {
  readonly failed: boolean;
  /** Duration; absent if it was not measured. */
  readonly latencyMs?: number;
}

/** One minute of one arm, as `record_outcomes` takes it. */
export interface OutcomeSum {
  readonly flag: string;
  readonly arm: Arm;
  /** Minutes since 1970. */
  readonly minute: number;
  n: number;
  failed: number;
  timed: number;
  ms: number;
  readonly le: number[];
  /**
   * People who failed or waited long, possibly not all: id, whether it failed, and the number of `EDGES_MS`
   * exceeded.
   */
  readonly people: [id: string, failed: boolean, place: number][];
}

/** Outcomes in memory; see {@linkcode createOutcomes}. */
export interface Outcomes {
  /** Counts an outcome, unless one of this person was counted for this flag in this minute. */
  outcome(flagKey: string, arm: Arm, subjectId: string, outcome: Outcome): void;
  /** Records that a flag was evaluated. */
  evaluated(flagKey: string): void;
  /** Sends what has been collected. Never rejects. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createOutcomes}. */
export interface OutcomesOptions {
  /**
   * Sends one group. If it rejects, the group is kept for the next time, unless the database refused its
   * data.
   */
  send(outcomes: OutcomeSum[], evaluated: string[]): Promise<unknown>;
  /** Milliseconds since 1970. @default {Date.now} */
  now?(): number;
  /** Milliseconds from the first outcome of a group to its sending. @default {5000} */
  delayMs?: number;
  /** Most people counted in a minute; others are ignored. @default {50_000} */
  maxSubjects?: number;
  /** Most sums in memory while they cannot be sent; further outcomes are ignored. @default {5000} */
  maxSums?: number;
}

/** People who take longer are remembered through a stage, so that one slow client counts once. */
const LONG_MS = 250;

/** Most slow people listed per minute and arm; if more are slow, they are not the same few. */
const MAX_SLOW = 200;
/** Most people listed per minute and arm: who failed is listed beyond {@linkcode MAX_SLOW}, to be told afterwards. */
const MAX_PEOPLE = 2000;

/** A flag's use is recorded at most once in this time, in milliseconds. */
const EVALUATED_MS = 3_600_000;

/** Creates outcomes; the functions share {@linkcode outcome}. */
export function createOutcomes(options: OutcomesOptions): Outcomes {
  const { send, now = Date.now, delayMs = 5000, maxSubjects = 50_000, maxSums = 5000 } = options;
  let sums = new Map<string, OutcomeSum>();
  /** Who has been counted in the minute `countedIn`, and for which flag. */
  let counted = new Set<string>();
  let countedIn = 0;
  /** When each flag's use was last recorded, and which records still have to be sent. */
  const noted = new Map<string, number>();
  let toNote = new Set<string>();
  const flush = sharedRun(sendAll);
  const sendLater = postpone(delayMs, flush);

  function outcome(flag: string, arm: Arm, subjectId: string, { failed, latencyMs }: Outcome): void {
    const minute = Math.floor(now() / 60_000);
    if (minute !== countedIn) {
      counted = new Set();
      countedIn = minute;
    }
    const who = `${flag}\n${subjectId}`;
    if (counted.has(who) || counted.size >= maxSubjects) return;
    const key = `${flag}\n${arm}\n${minute}`;
    let sum = sums.get(key);
    if (sum === undefined) {
      if (sums.size >= maxSums) return;
      sum = { flag, arm, minute, n: 0, failed: 0, timed: 0, ms: 0, le: emptyHistogram(), people: [] };
      sums.set(key, sum);
    }
    counted.add(who);
    sum.n++;
    if (failed) sum.failed++;
    if (latencyMs !== undefined) {
      const ms = Math.max(0, Math.round(latencyMs));
      sum.timed++;
      sum.ms += ms;
      addLatency(sum.le, ms);
    }
    const place = EDGES_MS.filter((edge) => (latencyMs ?? 0) > edge).length;
    const listed = failed ? MAX_PEOPLE : MAX_SLOW;
    if ((failed || (latencyMs ?? 0) > LONG_MS) && sum.people.length < listed) {
      sum.people.push([subjectId, failed, place]);
    }
    sendLater.begin();
  }

  function evaluated(flag: string): void {
    const at = noted.get(flag);
    if (at !== undefined && now() - at < EVALUATED_MS) return;
    if (noted.size >= maxSums) return;
    noted.set(flag, now());
    toNote.add(flag);
    sendLater.begin();
  }

  async function sendAll(): Promise<void> {
    sendLater.cancel();
    if (sums.size === 0 && toNote.size === 0) return;
    const [group, flags] = [sums, toNote];
    sums = new Map();
    toNote = new Set();
    await send([...group.values()], [...flags]).catch((error) => {
      if (error instanceof DbError) {
        log.error("outcomes were refused by the database and are dropped", { error, sums: group.size });
        return;
      }
      log.warn("outcomes could not be sent and are kept", { error });
      for (const [key, sum] of group) keep(key, sum);
      for (const flag of flags) toNote.add(flag);
      sendLater.begin();
    });
  }

  function keep(key: string, sum: OutcomeSum): void {
    const since = sums.get(key);
    if (since === undefined) return void sums.set(key, sum);
    since.n += sum.n;
    since.failed += sum.failed;
    since.timed += sum.timed;
    since.ms += sum.ms;
    for (let i = 0; i < since.le.length; i++) since.le[i] += sum.le[i];
    since.people.push(...sum.people.slice(0, MAX_PEOPLE - since.people.length));
  }

  return { outcome, evaluated, flush };
}

const shared = createOutcomes({
  send(outcomes, evaluated) {
    // A process that has no database (a deployment check, a unit test) has nobody to tell.
    if (configFaults("SUPABASE_URL", "SUPABASE_SECRET_KEYS").length > 0) return Promise.resolve();
    return rpc("record_outcomes", { p_outcomes: outcomes, p_evaluated: evaluated });
  },
});

/**
 * Counts the result of a person whom a flag was on or off for. Costs a few map entries; sent within seconds.
 *
 * @param subjectId The id that the flag was evaluated with.
 * @example
 * ```ts
 * outcome("checkout.enabled", "on", contact.id, { failed: !response.ok, latencyMs: 120 });
 * ```
 */
export const outcome: Outcomes["outcome"] = shared.outcome;

/** Records that a flag was evaluated; flags that nobody evaluates are reported as stale. */
export const evaluated: Outcomes["evaluated"] = shared.evaluated;

/** Sends this process's outcomes now; called before the process stops. Never rejects. */
export const flushOutcomes: Outcomes["flush"] = shared.flush;

// The platform says when it is about to end the process, though not always.
globalThis.addEventListener("beforeunload", () => waitUntil(flushOutcomes()));
