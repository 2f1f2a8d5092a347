/**
 * Our ids in what providers report.
 *
 * @module
 */

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** A value as one of our ids; null for anything else, which may come from another system on the same account. */
export function uuidOf(value: unknown): string | null {
  return typeof value === "string" && UUID.test(value) ? value : null;
}
