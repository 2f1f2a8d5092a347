/**
 * Deadlines for work that cannot be cancelled.
 *
 * @module
 */

/**
 * Settles as `work` does, or rejects with the signal's reason as soon as it aborts. `work` then continues
 * unobserved.
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
