/**
 * A loop that works while there is work: poked when something may wait, one round at a time, idle otherwise.
 *
 * @module
 */

/** What a round found. */
export interface Round {
  /** Whether the next round may find more at once. */
  more: boolean;
  /** Milliseconds until something that was found is due; absent when nothing is. */
  nextDueMs?: number;
}

/** Wait before what is due, but could not be claimed, is asked for again: another isolate may hold it. */
const HELD_ELSEWHERE_MS = 200;

/**
 * The outcome of a claim: when the next one makes sense.
 *
 * What was due and was not claimed waits for a place of ours (the end of tracked work is the sign) or is in the hands
 * of another isolate (asked for again a little later).
 */
export function roundOf(nextDueMs: number | null, underWay: boolean): Round {
  if (nextDueMs === null || (nextDueMs <= 0 && underWay)) return { more: false };
  return { more: false, nextDueMs: nextDueMs <= 0 ? HELD_ELSEWHERE_MS : nextDueMs };
}

/**
 * Takes work that goes on after a round. Where it ends with a {@linkcode Round}, because it has claimed what came next
 * itself, that says when another one makes sense; any other end starts one.
 */
export type Track = (work: Promise<Round | void>) => void;

/** Options of {@linkcode createPump}. */
export interface PumpOptions {
  /** Claims and starts work; resolves when the next round may begin. Work that goes on after that is handed to `track`. */
  round(track: Track): Promise<Round>;
  /** Longest wait for something that is not yet due, in milliseconds; what is due later is left to the clock. */
  lingerMs: number;
  /** Once aborted no round begins any more; tracked work goes on to its end. */
  ending?: AbortSignal;
  /** Told of a round that failed. The loop stops then: the next poke, or the clock, starts it again. */
  onError(error: unknown): void;
}

/** A loop of rounds. */
export interface Pump {
  /** Something may wait. Cheap: during a round it only makes that round be followed by another. */
  poke(): void;
  /** Work of this pump that somebody else has claimed for it. */
  track: Track;
  /** Whether a round runs, tracked work goes on or something is waited for. */
  busy(): boolean;
  /** Resolves when the pump is not busy any more. */
  idle(): Promise<void>;
}

/** Makes a {@linkcode Pump}. */
export function createPump({ round, lingerMs, ending, onError }: PumpOptions): Pump {
  let running = false;
  let again = false;
  let tracked = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, by the clock that does not jump. */
  let firesAt = 0;
  let waiting: (() => void)[] = [];

  ending?.addEventListener("abort", () => {
    again = false;
    clearTimeout(timer);
    timer = undefined;
    settle();
  }, { once: true });

  function poke(): void {
    if (ending?.aborted) settle();
    else if (running) again = true;
    else void run();
  }

  function track(work: Promise<Round | void>): void {
    tracked++;
    work.then((round) => {
      tracked--;
      if (round === undefined || round.more) return poke();
      wait(round.nextDueMs);
      settle();
    }, () => {
      tracked--;
      poke();
    });
  }

  async function run(): Promise<void> {
    running = true;
    clearTimeout(timer);
    timer = undefined;
    let nextDueMs: number | undefined;
    try {
      do {
        again = false;
        const found = await round(track);
        nextDueMs = found.nextDueMs;
        if (found.more) again = true;
      } while (again && !ending?.aborted);
    } catch (error) {
      nextDueMs = undefined;
      onError(error);
    }
    running = false;
    wait(nextDueMs);
    settle();
  }

  /** Starts a round when something is due, unless that is soon enough by an earlier timer. */
  function wait(ms: number | undefined): void {
    if (ms === undefined || ms > lingerMs || ending?.aborted) return;
    const at = performance.now() + Math.max(ms, 1);
    if (timer !== undefined) {
      if (firesAt <= at) return;
      clearTimeout(timer);
    }
    firesAt = at;
    timer = setTimeout(() => {
      timer = undefined;
      poke();
    }, Math.max(ms, 1));
  }

  function busy(): boolean {
    return running || tracked > 0 || timer !== undefined;
  }

  function settle(): void {
    if (busy()) return;
    const resolve = waiting;
    waiting = [];
    for (const each of resolve) each();
  }

  function idle(): Promise<void> {
    return busy() ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve();
  }

  return { poke, track, busy, idle };
}
