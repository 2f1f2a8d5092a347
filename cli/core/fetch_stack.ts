/** Fetches from a stack, and waits while a local one replaces its functions. */
import { fetchReason } from "./errors.ts";
import type { Stack } from "./stack.ts";

const ASK_EVERY_MS = 50;
/** A local stack loads its functions in one to two seconds; a busy machine takes longer. */
const BACK_WITHIN_MS = 20_000;

/**
 * `fetch` for addresses of a stack. While a local stack replaces its functions (a secret or their code has changed) it
 * refuses connections: nothing was sent, so it is asked again for as long as the stack's process runs, up to 20 s.
 * @throws as `fetch` does
 */
export async function fetchStack(
  { supervisor }: Pick<Stack, "supervisor">,
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Response> {
  const deadline = Date.now() + BACK_WITHIN_MS;
  for (;;) {
    try {
      return await fetch(input, init);
    } catch (error) {
      const wasRefused = /connection refused|ECONNREFUSED/i.test(fetchReason(error));
      if (!wasRefused || supervisor === undefined || Date.now() > deadline) throw error;
      if (!await isRunning(supervisor)) throw error;
      await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    }
  }
}

/** Whether a process runs, be it another user's. Most commands never ask, and load no Node module. */
async function isRunning(pid: number): Promise<boolean> {
  const { kill } = await import("node:process");
  try {
    return kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
