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
 * Lets this work go on after the answer has been sent. Failures are logged: nobody waits for them.
 *
 * The platform may still end the process (CPU, memory, wall clock), so nothing that has been
 * acknowledged may depend on this work.
 */
export function waitUntil(work: Promise<unknown>): void {
  const settled = work.catch((error) => log.error("work after the answer failed", { error }));
  globalThis.EdgeRuntime?.waitUntil(settled);
}

/** Work that is done a while after it was first asked for; see {@linkcode postpone}. */
export interface Postponed {
  /** Has the work done in a while, unless it will be done anyway. */
  begin(): void;
  /** It need not be done any more. */
  cancel(): void;
}

/** Does `work`, after the answer, so many milliseconds after each first `begin()`. Keeps no process alive. */
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
