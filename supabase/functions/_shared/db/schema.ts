/**
 * Which schema this code was written for, and whether the database still takes it.
 *
 * Migrations only add, so a database may be ahead of the code. One that older code must not run on says so in
 * `private.schema_breaks`. Each call to the database carries {@linkcode SCHEMA_VERSION}, and the function in SQL refuses
 * it in its own transaction (`private.refuse_older_code`): nothing is stored by code that would mean something else by it,
 * not even in the seconds in which it has not yet heard of the migration. What is answered from memory asks
 * {@linkcode isTooOld}.
 *
 * @module
 */

/**
 * Version of the newest migration in supabase/migrations. Code deploys after the migrations it needs, so
 * a database may be ahead of this, never behind.
 */
export const SCHEMA_VERSION = "20261129002500";

/**
 * Versions of all migrations in supabase/migrations, oldest first: what has to be on record. Others in the same project
 * are somebody else's.
 */
export const MIGRATIONS: readonly string[] = [
  "20261129000100",
  "20261129000200",
  "20261129000300",
  "20261129000400",
  "20261129000500",
  "20261129000600",
  "20261129000700",
  "20261129000800",
  "20261129000900",
  "20261129001000",
  "20261129001100",
  "20261129001200",
  "20261129001300",
  "20261129001400",
  "20261129001500",
  "20261129001600",
  "20261129001700",
  "20261129001800",
  "20261129001900",
  "20261129002000",
  "20261129002100",
  "20261129002150",
  "20261129002200",
  "20261129002300",
  "20261129002400",
  "20261129002450",
  "20261129002500",
];

/** Header in which a call says {@linkcode SCHEMA_VERSION}. */
export const SCHEMA_HEADER = "x-gatelink-schema";

/** SQLSTATE with which the database refuses code that is too old for it. */
export const TOO_OLD = "GL503";

/**
 * So long nobody asks the database again which has refused this code, in milliseconds. Then one request does: a way back
 * may have taken the migration away.
 */
const REFUSED_FOR_MS = 5000;

let refusedAt = -Infinity;

/** Writes down that the database has refused this code. */
export function refusedAsTooOld(now: number = performance.now()): void {
  refusedAt = now;
}

/** Whether the database refused this code a moment ago. Hot: asked by each request. */
export function isTooOld(now?: number): boolean {
  return refusedAt !== -Infinity && (now ?? performance.now()) - refusedAt < REFUSED_FOR_MS;
}

/** For tests: nothing has been refused. */
export function forgetRefusal(): void {
  refusedAt = -Infinity;
}
