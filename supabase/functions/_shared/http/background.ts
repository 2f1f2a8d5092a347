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
