/** How the simulated SendGrid behaves, and the limits of that. */
import { z } from "zod";
import { FATES } from "./store.ts";

const SETTINGS = z.strictObject({
  /**
   * `accept`; `lose`: takes the mail, and a gateway in between gives up waiting for the answer (504); `miss`: the same,
   * but the mail is not taken; or the status of an error.
   */
  answer: z.union([z.enum(["accept", "lose", "miss"]), z.int().min(400).max(599)]),
  /** After so many mails it accepts again; null: never. */
  times: z.int().min(1).max(1_000_000).nullable(),
  /** Whether it reports what becomes of mails. */
  events: z.boolean(),
  /** What becomes of mails. */
  fate: z.enum(FATES),
  /** How often each report is sent again, with another sg_event_id. */
  repeats: z.int().min(0).max(50),
  /** Time between the reports about one mail. */
  delayMs: z.int().min(0).max(600_000),
  /** Whether the last report about a mail comes first. */
  outOfOrder: z.boolean(),
  /** How often each mail that people write is posted again. */
  copies: z.int().min(0).max(50),
  /** So many next answers of the webhooks get lost; SendGrid posts again then. */
  loseAnswers: z.int().min(0).max(1_000),
});

export type MailSettings = z.infer<typeof SETTINGS>;

/** Nothing fails. */
export const MAIL_CALM: MailSettings = Object.freeze({
  ...{ answer: "accept" as const, times: null },
  ...{ events: true, fate: "delivered" as const, repeats: 0, delayMs: 0, outOfOrder: false },
  ...{ copies: 0, loseAnswers: 0 },
});

/** What the API can answer, as the page offers it. */
export const MAIL_ANSWERS: readonly { value: MailSettings["answer"]; label: string }[] = [
  { value: "accept", label: "202: accepts" },
  { value: "lose", label: "504: takes the mail, the answer gets lost" },
  { value: "miss", label: "504: does not take the mail" },
  { value: 429, label: "429: too many requests" },
  { value: 500, label: "500: internal error" },
  { value: 503, label: "503: not available" },
  { value: 400, label: "400: refuses the mail" },
  { value: 401, label: "401: refuses the key" },
  { value: 403, label: "403: refuses the sender" },
  { value: 413, label: "413: too large" },
];

/** Validates complete settings; a RangeError names the first one outside its limits. */
export function parseMailSettings(settings: unknown): MailSettings {
  const result = SETTINGS.safeParse(settings);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new RangeError(`${issue.path.join(".") || "settings"}: ${issue.message}`);
}
