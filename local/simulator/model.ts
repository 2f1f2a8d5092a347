/** The words the simulator speaks: who writes, what was said, what is sent as a webhook, what can go wrong. */

/** A JSON object as it came or as it goes. */
export type Json = Record<string, unknown>;

/**
 * Where time comes from. Tests pass one they advance by hand; everything else uses {@link systemClock}.
 * Milliseconds throughout, since the epoch for `now`.
 */
export interface Clock {
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
}

/** The computer's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (id) => clearTimeout(id as number),
};

/**
 * A person with WhatsApp. Since usernames exist a person may hide the phone number from businesses: then `phone`
 * is absent and the business-scoped user id (`bsuid`) is all a business sees.
 */
export interface Contact {
  /** The simulator's own id. */
  id: string;
  name: string;
  /** Digits only, country code first. */
  phone?: string;
  bsuid?: string;
  parentBsuid?: string;
  /** Without the @. */
  username?: string;
}

/**
 * What a person sends, in the shape of Meta's webhook without `from`, `id` and `timestamp`, which the simulator
 * adds: `{ type: "text", text: { body: "Hi" } }`. May carry `context: { id }` (a reply) and `referral` (an ad).
 */
export type UserMessage = Json & { type: string; context?: { id?: string } };

/** How far a message came: `sent` reached Meta, `delivered` and `read` reached the other side. */
export type Progress = "sent" | "delivered" | "read" | "failed";

/** One message of a conversation, whoever wrote it. */
export interface ChatMessage {
  wamid: string;
  /** {@link Contact.id} */
  contact: string;
  from: "user" | "business";
  /** Milliseconds since the epoch. */
  at: number;
  /** From a user: the webhook's message object. From the business: the body of its call, as it came. */
  message: Json;
  progress: Progress;
  /** Why it failed. */
  error?: { code: number; title: string };
}

/** A read receipt, with or without "typing…", that the business sent for a user's message. */
export interface Receipt {
  message_id: string;
  typing: boolean;
  /** ISO 8601. */
  time: string;
}

/** One thing Meta has to tell the business: an element of `value[list]` in a webhook of `field`. */
export interface Update {
  /** Counts up from 1 for the life of the simulator's data. */
  n: number;
  field: string;
  list: "messages" | "statuses" | "user_id_update";
  item: Json;
  /** The entry of `value.contacts` that goes with it. */
  person?: Json;
  /** {@link Contact.id} */
  contact: string;
  wamid?: string;
  /** With `list: "statuses"`. */
  status?: Progress;
}

/** What may be made worse than it is, and how much. Every rate is a share from 0 to 1. */
export interface Settings {
  /** Most updates in one POST, 1 to 1,000. From 2 on, updates gather for up to 250 ms. */
  batch: number;
  /** Share of updates that are sent a second time. */
  duplicateRate: number;
  /** Share of updates that are held back up to a second, so that later ones overtake them. */
  shuffleRate: number;
  /** Each update waits a random time up to this many milliseconds. */
  delayMs: number;
  /** POSTs in flight at once, 1 to 64. */
  concurrency: number;
  /** Between a send and `sent`, between `sent` and `delivered`, and between `delivered` and `read`. */
  statusDelayMs: number;
  /** Whether a business message is read as soon as it is delivered. Otherwise it is read when its chat is opened. */
  autoRead: boolean;
  /** Whether Meta's limits hold: 80 messages/s a number, one per 6 s a pair after a burst, the 24-hour window. */
  enforceLimits: boolean;
  /** What goes wrong with sends, a key of FAULTS (faults.ts), or null. */
  fault: string | null;
  /** How many of the next sends go wrong. */
  faultNext: number;
  /** Which share of the sends after those goes wrong. */
  faultRate: number;
}

/** A well-behaved Meta. */
export const CALM: Readonly<Settings> = Object.freeze({
  batch: 1,
  duplicateRate: 0,
  shuffleRate: 0,
  delayMs: 0,
  concurrency: 8,
  statusDelayMs: 300,
  autoRead: true,
  enforceLimits: false,
  fault: null,
  faultNext: 0,
  faultRate: 0,
});

/** One try to hand a POST to the business. `status` is null when no answer came. */
export interface Attempt {
  at: number;
  ms: number;
  status: number | null;
  error?: string;
}

/** A webhook POST as the page shows it. */
export interface PostView {
  id: number;
  at: number;
  updates: number;
  /** In a few words: "text from Amina", "2 messages, 1 status". */
  summary: string;
  /** Tries so far. */
  tries: number;
  /** The newest tries, oldest first. */
  attempts: Attempt[];
  state: "waiting" | "acknowledged" | "given up";
  /** The body, cut at 16,000 characters. */
  body: string;
}

/** A call of the Graph API as the page shows it. */
export interface CallView {
  id: number;
  at: number;
  what: string;
  status: number;
  detail?: string;
}

/** What the simulator tells those who listen. */
export type SimulatorEvent =
  | { type: "contact"; contact: Contact }
  | { type: "message"; message: ChatMessage }
  | { type: "post"; post: PostView }
  | { type: "call"; call: CallView }
  | { type: "settings"; settings: Settings }
  | { type: "typing"; contact: string; until: number };
