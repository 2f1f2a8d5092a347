/**
 * Looks at how all parts do, and has told what there is to tell, from any isolate that is up. The clock does that too, but
 * cannot tell that it is dead.
 *
 * Failure policy: open. What cannot be looked at is looked at a minute later.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";

/** What {@linkcode createWatch} needs. */
export interface WatchDeps {
  rpc: Rpc;
  /** Delivers the notifications that are due. */
  notify(): Promise<unknown>;
  /** Milliseconds of a clock that does not jump. */
  now(): number;
  onError(error: unknown): void;
}

const EVERY_MS = 60_000;

/** A function that looks, at most once a minute, and never throws. */
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
