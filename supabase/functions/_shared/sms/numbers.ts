/**
 * Who stands at an end of a text. Numbers are digits with their country code in our tables, and have a plus sign only
 * at the edge of a provider.
 *
 * @module
 */

/**
 * - `phone`: a number in E.164, which can be answered.
 * - `short_code`: a few digits, which mean something in one country only.
 * - `sender_name`: letters, which cannot be answered.
 */
export interface Party {
  readonly kind: "phone" | "short_code" | "sender_name";
  /** Digits, or the name as it was given. */
  readonly value: string;
}

const MAX_NAME = 64;

/** Reads one end of a text as a provider writes it; undefined for an empty one. */
export function partyOf(text: string | undefined): Party | undefined {
  const given = text?.trim() ?? "";
  if (given === "") return undefined;
  if (/^\+[1-9]\d{6,14}$/.test(given)) return { kind: "phone", value: given.slice(1) };
  if (/^\d{3,8}$/.test(given)) return { kind: "short_code", value: given };
  // Some routes leave the plus sign out.
  if (/^[1-9]\d{9,14}$/.test(given)) return { kind: "phone", value: given };
  return { kind: "sender_name", value: given.slice(0, MAX_NAME).toWellFormed().replaceAll("\0", "") };
}

/** A number of ours or of a person as providers take it. Short codes have no plus sign. */
export function toProvider(value: string): string {
  return /^[1-9]\d{6,14}$/.test(value) && value.length > 8 ? `+${value}` : value;
}

/** The digits of a number that somebody typed, with or without plus sign, blanks and brackets; undefined for others. */
export function phoneOf(typed: string): string | undefined {
  if (typed.length > 40 || !/^\+?[\d ().-]+$/.test(typed)) return undefined;
  const digits = typed.replace(/\D/g, "");
  return /^[1-9]\d{6,14}$/.test(digits) ? digits : undefined;
}
