/** The simulator's data model: people, messages, webhooks, and faults. */

/** A JSON object, unchanged. */
export type Json = Record<string, unknown>;

/**
 * The source of time. Tests pass one that they advance manually; everything else uses {@link systemClock}.
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
  /**
   * Nobody made this person here: the business wrote to an unknown number. Whoever plays them elsewhere, such as a test
   * that signs webhooks itself, knows when they wrote; the simulator does not.
   */
  stranger?: true;
  /** Of a group of people with the business: Meta's id of it. It has members and none of the ids above. */
  group?: string;
  /** Ids of the people in a group. */
  members?: string[];
}

/**
 * What a person sends, in the shape of Meta's webhook without `from`, `id` and `timestamp`, which the simulator
 * adds: `{ type: "text", text: { body: "Hi" } }`. May carry `context: { id }` (a reply) and `referral` (an ad).
 */
export type UserMessage = Json & { type: string; context?: { id?: string } };

/** The progress of a message: `sent` reached Meta, `delivered` and `read` reached the recipient. */
export type Progress = "sent" | "delivered" | "read" | "failed";

/** One message of a conversation, whoever wrote it. */
export interface ChatMessage {
  wamid: string;
  /** {@link Contact.id} */
  contact: string;
  from: "user" | "business";
  /** `phone_number_id` of the business's number, if it is not the first. */
  number?: string;
  /** Who of a group wrote it. */
  author?: string;
  /** Milliseconds since the epoch. */
  at: number;
  /** From a user: the webhook's message object. From the business: the body of its call, unchanged. */
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

/** One event for the business: an element of `value[list]` in a webhook of `field`. */
export interface Update {
  /** Counts from 1 over the life of the simulator's data. */
  n: number;
  field: string;
  /** `value`: the item is the whole value of the change, and about an account. */
  list: "messages" | "statuses" | "user_id_update" | "message_echoes" | "value";
  item: Json;
  /** `phone_number_id` that it is about, if it is not the first. */
  number?: string;
  /** WABA id, with `list: "value"`. */
  waba?: string;
  /** The entry of `value.contacts` that belongs to it. */
  person?: Json;
  /** {@link Contact.id}; "" for one about an account. */
  contact: string;
  wamid?: string;
  /** With `list: "statuses"`. */
  status?: Progress;
}

/** The possible faults and their amounts. Every rate is a share from 0 to 1. */
export interface Settings {
  /** Most updates in one POST, 1 to 1,000. From 2 on, updates are collected for up to 250 ms. */
  batch: number;
  /** Share of updates that are sent a second time. */
  duplicateRate: number;
  /** Share of updates that are delayed by up to a second, so that later ones overtake them. */
  shuffleRate: number;
  /** Each update waits a random time up to this many milliseconds. */
  delayMs: number;
  /** Concurrent POSTs, 1 to 64. */
  concurrency: number;
  /** Delay between a send and `sent`, between `sent` and `delivered`, and between `delivered` and `read`. */
  statusDelayMs: number;
  /** Whether a business message is read as soon as it is delivered. Otherwise opening its chat reads it. */
  autoRead: boolean;
  /** How long a review of a template takes. */
  reviewMs: number;
  /** Whether Meta's limits of rate apply: 80 messages/s per number, one per 6 s per pair after a burst. */
  enforceLimits: boolean;
  /**
   * Whether Meta refuses what is not a template (131047) unless the person wrote to the number in the last 24 hours.
   * Strangers who never wrote here are left out.
   */
  enforceWindow: boolean;
  /** The fault of sends, a key of FAULTS (faults.ts), or null. */
  fault: string | null;
  /** Number of next sends that fail. */
  faultNext: number;
  /** Share of the later sends that fail. */
  faultRate: number;
}

/** No faults. */
export const CALM: Readonly<Settings> = Object.freeze({
  batch: 1,
  duplicateRate: 0,
  shuffleRate: 0,
  delayMs: 0,
  concurrency: 8,
  statusDelayMs: 300,
  autoRead: true,
  reviewMs: 1500,
  enforceLimits: false,
  enforceWindow: true,
  fault: null,
  faultNext: 0,
  faultRate: 0,
});

/** One attempt to deliver a POST to the business. `status` is null without a response. */
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
  /** A short description: "text from Amina", "2 messages, 1 status". */
  summary: string;
  /** Attempts so far. */
  tries: number;
  /** The newest attempts, oldest first. */
  attempts: Attempt[];
  state: "waiting" | "acknowledged" | "given up";
  /** The body, truncated to 16,000 characters. */
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

/** The events for listeners. */
export type SimulatorEvent =
  | { type: "contact"; contact: Contact }
  | { type: "message"; message: ChatMessage }
  | { type: "post"; post: PostView }
  | { type: "call"; call: CallView }
  | { type: "settings"; settings: Settings }
  | { type: "account"; account: Json }
  /** A file was added under this id. */
  | { type: "media"; id: string }
  | { type: "typing"; contact: string; until: number };
