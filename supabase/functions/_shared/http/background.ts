/**
 * Work after the answer.
 *
 * @module
 */
import { log } from "../log/log.ts";

declare global {
  var EdgeRuntime: { waitUntil(promise: Promise<unknown>): void } | undefined;
}

/**
 * Lets work continue after the response has been sent. Failures are only logged, since nobody waits for the
 * result.
 *
 * The platform may still end the process (CPU, memory, wall clock), so nothing that has been acknowledged may
 * depend on this work.
 */
export function waitUntil(work: Promise<unknown>): void {
  const settled = work.catch((error) => log.error("work after the answer failed", { error }));
  globalThis.EdgeRuntime?.waitUntil(settled);
}

/** Work that runs some time after it was first requested; see {@linkcode postpone}. */
export interface Postponed {
  /** Schedules the work unless it is scheduled already. */
  begin(): void;
  /** Cancels the scheduled work. */
  cancel(): void;
}

/**
 * Runs `work` in the background, `ms` milliseconds after the first `begin()`. Does not keep the process
 * alive.
 */
export function postpone(ms: number, work: () => Promise<void>): Postponed {
  let cancel: (() => void) | undefined;
  function begin(): void {
    if (cancel !== undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      cancel = undefined;
      resolve(work());
    }, ms);
    Deno.unrefTimer(timer);
    cancel = () => {
      clearTimeout(timer);
      resolve();
    };
    waitUntil(promise);
  }
  return {
    begin,
    cancel() {
      cancel?.();
      cancel = undefined;
    },
  };
}
