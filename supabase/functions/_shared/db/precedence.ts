/**
 * Which calls of the database go first: those that store webhooks, because providers wait for the answer.
 *
 * @module
 */
import type { Rpc } from "./client.ts";

/** How long a call waits for those that go first, in milliseconds: the database may be held up. */
const PATIENCE_MS = 250;

/** Calls that go first, and those that come after them, in one isolate. */
export interface Precedence {
  /** Calls that never wait. */
  first(rpc: Rpc): Rpc;
  /**
   * Calls of which, while one that goes first is under way, only one runs; the others wait for their turn, in
   * their order.
   *
   * Failure policy: open. Who has waited for a quarter of a second calls all the same.
   */
  after(rpc: Rpc): Rpc;
}

/** Runs something after so many milliseconds, unless it is called off by what this returns. */
export type Later = (run: () => void, ms: number) => () => void;

const later: Later = (run, ms) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};

/** Creates a {@linkcode Precedence}; the functions share {@linkcode precedence}. */
export function createPrecedence(after: Later = later): Precedence {
  let firsts = 0;
  let others = 0;
  const waiting = new Set<() => void>();

  const isHeld = () => firsts > 0 && others > 0;

  function wake(): void {
    for (const go of waiting) {
      if (isHeld()) return;
      go();
    }
  }

  function turn(): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        callOff();
        waiting.delete(go);
        others++;
        resolve();
      };
      const callOff = after(go, PATIENCE_MS);
      waiting.add(go);
    });
  }

  return {
    first: (rpc) => async (name, args, options) => {
      firsts++;
      try {
        return await rpc(name, args, options);
      } finally {
        firsts--;
        wake();
      }
    },
    after: (rpc) => async (name, args, options) => {
      if (isHeld()) await turn();
      else others++;
      try {
        return await rpc(name, args, options);
      } finally {
        others--;
        wake();
      }
    },
  };
}

/** The precedence of this isolate. */
export const precedence: Precedence = createPrecedence();
