/**
 * Sentences about queues. The database answers codes and figures; the files of this folder turn them into words, once for
 * functions, command line and panel. They are pure and import only each other, so that all three can use them.
 *
 * @module
 */

import type { WaitingQueue } from "../answers/operations.ts";
import { errorInWords } from "./provider_errors.ts";

/** The same in words. */
export interface Waiting {
  n: number;
  why: string;
  what: string;
  oldest_seconds: number | null;
}

const QUEUES: Readonly<Record<WaitingQueue["queue"], (name: string | null) => string>> = {
  router: () => "conversations for the router",
  destination: (name) => `deliveries to ${name}`,
  number: (name) => `messages to send from ${name}`,
};

const REASONS: Readonly<Record<WaitingQueue["because"], (queue: WaitingQueue) => string>> = {
  flag_off: ({ queue, flag }) => `the flag ${flag} is off${queue === "router" ? " for the contact" : ""}`,
  not_reached: () => "the router has not processed it yet",
  paused: ({ queue }) => queue === "number" ? "the sender is paused" : "the destination is paused",
  circuit_open: ({ at }) => `the destination keeps failing; one delivery probes it at ${at}`,
  retry: ({ at }) => `retry at ${at}`,
  rate: ({ per_second }) => `at most ${per_second} a second`,
  due: () => "due, but not processed yet",
  held: ({ code, at }) =>
    `the provider has blocked the account${
      code == null ? "" : `: ${errorInWords("whatsapp", code)}`
    }; one message tries again at ${at}`,
  number_paced: () => "the number's rate limit, or a pause requested by Meta",
  paced: ({ at }) => `due at ${at}, by rate limit or retry`,
};

/** Each queue, and why it waits. Unknown codes are shown unchanged. */
export function waitingInWords(waiting: readonly WaitingQueue[]): Waiting[] {
  return waiting.map((queue) => ({
    n: queue.n,
    why: REASONS[queue.because]?.(queue) ?? queue.because,
    what: QUEUES[queue.queue]?.(queue.name) ?? queue.queue,
    oldest_seconds: queue.oldest_seconds,
  }));
}
