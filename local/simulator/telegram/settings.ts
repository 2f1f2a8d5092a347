/** How the simulated Telegram behaves, and the limits of that. */
import { z } from "zod";

/** What may be wrong with sending and editing. */
export const TELEGRAM_FAULTS = {
  none: "Accepts",
  "429": "429: too many requests",
  "500": "502: a bad gateway",
  parse: "400: cannot read the format",
  lost: "504: takes the message, the answer gets lost",
  hang: "Does not answer",
} as const;

const SETTINGS = z.strictObject({
  fault: z.enum(Object.keys(TELEGRAM_FAULTS) as [keyof typeof TELEGRAM_FAULTS]),
  /** After so many calls it accepts again; null: never. */
  times: z.int().min(1).max(1_000_000).nullable(),
  /** Whether a group takes at most 20 messages a minute, and all chats 30 a second. */
  paced: z.boolean(),
  /** How often each webhook is posted again. */
  copies: z.int().min(0).max(50),
});

export type TelegramSettings = z.infer<typeof SETTINGS>;

/** Nothing fails. */
export const TELEGRAM_CALM: TelegramSettings = Object.freeze({
  fault: "none",
  times: null,
  paced: true,
  copies: 0,
});

/** Validates complete settings; a RangeError names the first one outside its limits. */
export function parseTelegramSettings(settings: unknown): TelegramSettings {
  const result = SETTINGS.safeParse(settings);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new RangeError(`${issue.path.join(".") || "settings"}: ${issue.message}`);
}
