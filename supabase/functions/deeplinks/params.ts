/**
 * Query parameters of the addresses that manage links.
 *
 * @module
 */
import { isZone } from "../_shared/contract/window.ts";
import { Problem } from "../_shared/http/problem.ts";

/**
 * Refuses unknown parameters: with a misspelt filter, the answer would contain everything.
 *
 * @throws {Problem} `invalid_request`
 */
export function knownParams(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (known.includes(name)) continue;
    throw new Problem("invalid_request", {
      detail: `Unknown parameter \`${name}\`; allowed are ${known.join(", ")}.`,
    });
  }
}

/**
 * Refuses a parameter that is given twice, since one of its values would be ignored.
 *
 * @param lists Parameters that may be repeated.
 * @throws {Problem} `invalid_request`
 */
export function singleParams(query: URLSearchParams, lists: readonly string[] = []): void {
  for (const name of new Set(query.keys())) {
    if (lists.includes(name) || query.getAll(name).length === 1) continue;
    throw new Problem("invalid_request", { detail: `\`${name}\` may be given only once.` });
  }
}

/** A parameter with one of the given values; undefined if absent. @throws {Problem} `invalid_request` */
export function wordParam(
  query: URLSearchParams,
  name: string,
  words: readonly string[],
): string | undefined {
  const word = query.get(name) ?? undefined;
  if (word === undefined || words.includes(word)) return word;
  throw new Problem("invalid_request", { detail: `\`${name}\` must be one of ${words.join(", ")}.` });
}

/** A parameter that is an integer. @throws {Problem} `invalid_request` */
export function intParam(
  query: URLSearchParams,
  name: string,
  fallback: number,
  min: number,
  max: number,
): number {
  const text = query.get(name);
  const value = text === null ? fallback : Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Problem("invalid_request", {
    detail: `\`${name}\` must be a whole number from ${min} to ${max}.`,
  });
}

/** A parameter that is a day; `otherwise` if absent. @throws {Problem} `invalid_request` */
export function dayParam(query: URLSearchParams, name: string, otherwise: string): string {
  const text = query.get(name);
  if (text === null) return otherwise;
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new Problem("invalid_request", { detail: `\`${name}\` must be a day like 2026-11-21.` });
}

/**
 * A parameter that is a time zone's name; undefined if absent. Offsets are refused, since the database would read their
 * sign the other way round (POSIX).
 *
 * @throws {Problem} `invalid_request`
 */
export function zoneParam(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^[A-Za-z_]+(\/[A-Za-z0-9_+-]+)*$/.test(text) && isZone(text)) return text;
  throw new Problem("invalid_request", {
    detail: `\`${name}\` must be a time zone like America/New_York.`,
  });
}

/** The position after which a list continues. @throws {Problem} `invalid_request` */
export function cursorOf(cursor: string): { after_at: string; after_code: string } {
  try {
    const [after_at, after_code] = atob(cursor).split(" ");
    if (!Number.isNaN(Date.parse(after_at)) && after_code !== undefined) return { after_at, after_code };
  } catch {
    // Answered below.
  }
  throw new Problem("invalid_request", { detail: "`cursor` must come from a previous answer." });
}
