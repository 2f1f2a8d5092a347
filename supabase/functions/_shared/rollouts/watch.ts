/**
 * Checks the health of all parts and sends the notifications that are due, from any running isolate. The
 * clock does the same, but cannot report its own failure.
 *
 * Failure policy: open. A failed check is repeated a minute later.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";

/** Dependencies of {@linkcode createWatch}. */
export interface WatchDeps {
  rpc: Rpc;
  /** Delivers the notifications that are due. */
  notify(): Promise<unknown>;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  onError(error: unknown): void;
}

const EVERY_MS = 60_000;

/** Returns a function that checks at most once a minute and never throws. */
export function createWatch({ rpc, notify, now, onError }: WatchDeps): () => Promise<void> {
  let last = -Infinity;
  return async () => {
    if (now() - last < EVERY_MS) return;
    last = now();
    try {
      if (await rpc("watch", {})) await notify();
    } catch (error) {
      onError(error);
    }
  };
}
