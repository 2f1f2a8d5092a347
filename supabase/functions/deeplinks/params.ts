/**
 * Parameters of the addresses that manage links.
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";

/** A whole number of a query. @throws {Problem} `invalid_request` */
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

/** A day of a query, so many days ago without it. @throws {Problem} `invalid_request` */
export function dayParam(query: URLSearchParams, name: string, daysAgo: number): string {
  const text = query.get(name);
  if (text === null) return new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10);
  if (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new Problem("invalid_request", { detail: `\`${name}\` must be a day like 2026-11-21.` });
}

/** What a list is to go on after. @throws {Problem} `invalid_request` */
export function cursorOf(cursor: string): { after_at: string; after_code: string } {
  try {
    const [after_at, after_code] = atob(cursor).split(" ");
    if (!Number.isNaN(Date.parse(after_at)) && after_code !== undefined) return { after_at, after_code };
  } catch {
    // Answered below.
  }
  throw new Problem("invalid_request", { detail: "`cursor` must be one that a list has answered." });
}
