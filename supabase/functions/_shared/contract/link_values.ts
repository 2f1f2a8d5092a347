/**
 * Schemas of the values in links: texts that the database can store, addresses, times.
 *
 * @module
 */
import { z } from "zod";
import { LIMITS } from "./link_limits.ts";

const NOT_STORABLE = "is not valid Unicode, or has a NUL";

/** Postgres cannot store NUL or a lone surrogate; a lone surrogate is not allowed in an address either. */
function isStorable(text: string): boolean {
  try {
    encodeURIComponent(text);
    return !text.includes("\0");
  } catch {
    return false;
  }
}

/** Any text that the database can store. */
export const storable = (max: number, error?: string) =>
  z.string().max(max, error).refine(isStorable, NOT_STORABLE);

/** A text of one line, trimmed. */
export const line = (max: number) =>
  z.string().trim().min(1, "must not be empty").max(max, `at most ${max} characters`).regex(
    /^\P{Cc}*$/u,
    "has control characters",
  ).refine(isStorable, NOT_STORABLE).meta({ pattern: "^\\P{Cc}*\\S\\P{Cc}*$" });

/** A text of several lines, trimmed. */
export const lines = (max: number) =>
  z.string().trim().min(1, "must not be empty").max(max, `at most ${max} characters`).regex(
    /^(\P{Cc}|[\n\r\t])*$/u,
    "has control characters",
  ).refine(isStorable, NOT_STORABLE).meta({ pattern: "^(\\P{Cc}|[\\n\\r\\t])*\\S(\\P{Cc}|[\\n\\r\\t])*$" });

/** An address, not yet checked against the allowlist. */
export const url = line(2000).describe("An address with a host on the redirect allowlist");

/** A time with a UTC offset, converted to UTC. */
export const instant = z.iso.datetime({ offset: true, error: 'is not a time like "2026-11-21T09:00:00Z"' })
  .transform((text) => new Date(text).toISOString())
  .refine((text) => /^(?!0000)\d{4}-/.test(text), "is not in the years 1 to 9999")
  .describe("With a UTC offset: `Z` or `+02:00`");

/** One value, or a list of them. */
export const some = <T extends z.ZodType>(item: T) =>
  z.union([item.transform((one) => [one]), z.array(item).min(1, "must not be empty").max(LIMITS.list)]);
