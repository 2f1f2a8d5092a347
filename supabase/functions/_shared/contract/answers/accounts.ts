/**
 * Accounts and numbers of WhatsApp.
 *
 * @module
 */
import { z } from "zod";
import { at, count } from "./common.ts";

const account = z.strictObject({
  /** Meta's WABA id. */
  id: z.string(),
  /** Selects its credentials; null for the default ones. */
  name: z.string().nullable(),
  state: z.enum(["active", "restricted", "banned"]),
  state_at: at.nullable(),
  state_until: at.nullable(),
  state_why: z.string().nullable(),
  /** The newest five events, newest first. */
  events: z.array(z.strictObject({
    kind: z.string(),
    subject: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
    at,
  })),
});
/** An account with its latest events. */
export type Account = z.infer<typeof account>;

const number = z.strictObject({
  id: z.string(),
  address: z.string().nullable(),
  account: z.string().nullable(),
  /** Name of the variable with its token; null for the default. */
  credentials: z.string().nullable(),
  state: z.enum(["active", "paused"]),
  held_since: at.nullable(),
  held_code: z.string().nullable(),
  /** The verified name. */
  name: z.string().nullable(),
  quality: z.string().nullable(),
  messaging_limit: z.string().nullable(),
  status: z.string().nullable(),
  told_at: at.nullable(),
  checked_at: at.nullable(),
  max_per_second: count,
  pair_seconds: z.number(),
  pair_burst: count,
  created_at: at,
  /** Conversations with something to send, at most 1,000. */
  waiting: count,
});
/** A business number. */
export type WhatsAppNumber = z.infer<typeof number>;

const imported = z.strictObject({
  channel: z.string(),
  number_id: z.string(),
  state: z.enum(["importing", "complete", "declined", "failed"]),
  /** The provider's phase. */
  phase: z.int().nullable(),
  /** In percent. */
  progress: z.int().min(0).max(100),
  messages: count,
  /** The provider's code and words. */
  error: z.string().nullable(),
  began_at: at,
  at,
});
/** The import of what a sender exchanged before it was connected. */
export type Import = z.infer<typeof imported>;

const numbers = z.strictObject({ accounts: z.array(account), numbers: z.array(number) });

/** The answers by function name. */
export const ACCOUNTS = {
  list_numbers: numbers,
  numbers_to_check: numbers,
  number_credentials: z.strictObject({ credentials: z.string().nullable() }).nullable(),
  list_imports: z.array(imported),
  name_account: z.strictObject({ id: z.string(), name: z.string().nullable(), numbers: z.array(z.string()) }),
} as const;
