/**
 * A loop that runs while there is work: woken when something may wait, one round at a time, otherwise idle.
 *
 * @module
 */

/** Result of a round. */
export interface Round {
  /** Whether another round may find more immediately. */
  more: boolean;
  /** Milliseconds until the next known work is due; absent if there is none. */
  nextDueMs?: number;
}

/** Wait before asking again for due work that could not be claimed, because another isolate may hold it. */
const HELD_ELSEWHERE_MS = 200;

/**
 * When the next claim makes sense.
 *
 * Due work that was not claimed either waits for one of our places (a tracked delivery will end) or is held
 * by another isolate (ask again a little later).
 */
export function roundOf(nextDueMs: number | null, underWay: boolean): Round {
  if (nextDueMs === null || (nextDueMs <= 0 && underWay)) return { more: false };
  return { more: false, nextDueMs: nextDueMs <= 0 ? HELD_ELSEWHERE_MS : nextDueMs };
}

/**
 * Takes work that continues after a round. If it resolves to a {@linkcode Round}, because it has claimed the
 * next work itself, that decides when the next round starts; otherwise one starts when the work ends.
 */
export type Track = (work: Promise<Round | void>) => void;

/** Options of {@linkcode createPump}. */
export interface PumpOptions {
  /**
   * Claims and starts work; resolves when the next round may begin. Work that continues is passed to `track`.
   */
  round(track: Track): Promise<Round>;
  /** Longest wait for work that is not yet due, in milliseconds; later work is left to the clock. */
  lingerMs: number;
  /** Once aborted, no round starts; tracked work continues to its end. */
  ending?: AbortSignal;
  /** Called after a round fails. The loop stops then: the next poke, or the clock, starts it again. */
  onError(error: unknown): void;
}

/** A loop of rounds. */
export interface Pump {
  /** Wakes the loop. Cheap: during a round it only requests another one. */
  poke(): void;
  /** Tracks work that another component claimed for this pump. */
  track: Track;
  /** Whether a round runs, tracked work continues or the pump waits for due work. */
  busy(): boolean;
  /** Resolves when the pump is no longer busy. */
  idle(): Promise<void>;
}

/** Creates a {@linkcode Pump}. */
export function createPump({ round, lingerMs, ending, onError }: PumpOptions): Pump {
  let running = false;
  let again = false;
  let tracked = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, by a monotonic clock. */
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

  /** Schedules a round for when something is due, unless an earlier timer covers it. */
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
