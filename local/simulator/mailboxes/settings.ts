/** What goes wrong at the simulated Google and Microsoft. */
import { z } from "zod";

/** How a mail that is to be sent is answered. */
export const SEND_ANSWERS = {
  taken: "It is sent",
  busy: "Too much at once (429, Retry-After)",
  quota: "The day's quota is used up (403)",
  denied: "The account may not send (403)",
  lost: "It is sent, and the answer is lost",
  error: "An error of the provider's (500); it is not sent",
} as const;
export type SendAnswer = keyof typeof SEND_ANSWERS;

export interface MailboxSettings {
  send: SendAnswer;
  /** Seconds that the provider asks to wait with a 429. */
  retryAfter: number;
  /** How a refresh is answered; revoked is a state of the account. */
  refresh: "taken" | "busy" | "error" | "client";
  /** Seconds that the provider's clock is ahead: its tokens end earlier than it says. */
  skew: number;
  /** Seconds that a token lasts by the provider's word. */
  lifetime: number;
}

export const MAILBOX_CALM: MailboxSettings = {
  send: "taken",
  retryAfter: 2,
  refresh: "taken",
  skew: 0,
  lifetime: 3600,
};

const SETTINGS = z.strictObject({
  send: z.enum(Object.keys(SEND_ANSWERS) as [SendAnswer, ...SendAnswer[]]),
  retryAfter: z.int().min(0).max(3600),
  refresh: z.enum(["taken", "busy", "error", "client"]),
  skew: z.int().min(0).max(7200),
  lifetime: z.int().min(1).max(86_400),
});

/** @throws RangeError for a value outside its limits. */
export function parseMailboxSettings(value: unknown): MailboxSettings {
  const read = SETTINGS.safeParse(value);
  if (read.success) return read.data;
  const [{ path, message }] = read.error.issues;
  throw new RangeError(`${path.join(".")}: ${message}`);
}
