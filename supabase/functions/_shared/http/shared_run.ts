/**
 * Runs of some work, one at a time, that callers share.
 *
 * @module
 */

/**
 * Returns a function that runs the work, at once if it is idle. A call while it runs is answered by the run that
 * follows, which all such calls share: the current one may have looked for work already, and would miss what the
 * caller knows of.
 *
 * A run that fails rejects the promises of its callers, and the next one begins nevertheless.
 *
 * @example
 * const deliver = sharedRun(deliverWhatIsDue);
 * await record(notification);
 * await deliver(); // the notification has been claimed, here or elsewhere
 */
export function sharedRun<T>(work: () => Promise<T>): () => Promise<T> {
  let isRunning = false;
  let next: PromiseWithResolvers<T> | undefined;

  async function run(): Promise<T> {
    isRunning = true;
    try {
      return await work();
    } finally {
      // In one go: no call comes between the end of a run and the beginning of the one that was asked for.
      isRunning = false;
      const following = next;
      next = undefined;
      following?.resolve(run());
    }
  }

  return () => isRunning ? (next ??= Promise.withResolvers<T>()).promise : run();
}
