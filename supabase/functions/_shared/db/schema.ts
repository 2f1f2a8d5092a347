/**
 * The schema that this code was written for, and whether the database still accepts this code.
 *
 * Migrations only add, so a database may be ahead of the code. A migration that older code must not run on is
 * listed in `private.schema_breaks`. Each database call carries {@linkcode SCHEMA_VERSION}, and the SQL
 * function refuses it in its own transaction (`private.refuse_older_code`): outdated code stores nothing, not
 * even in the seconds before it learns about the migration. Code that answers from memory checks {@linkcode
 * isTooOld}.
 *
 * @module
 */

/**
 * Version of the newest migration in supabase/migrations. Code deploys after the migrations it needs, so
 * a database may be ahead of this, never behind.
 */
export const SCHEMA_VERSION = "20261129002930";

/**
 * Versions of all migrations in supabase/migrations, oldest first: those that must be recorded. Other
 * migrations in the same project are not ours.
 */
export const MIGRATIONS: readonly string[] = [
  "20261129000100",
  "20261129000150",
  "20261129000200",
  "20261129000300",
  "20261129000400",
  "20261129000500",
  "20261129000510",
  "20261129000520",
  "20261129000600",
  "20261129000700",
  "20261129000800",
  "20261129000810",
  "20261129000820",
  "20261129000900",
  "20261129000910",
  "20261129000920",
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
  "20261129002152",
  "20261129002154",
  "20261129002160",
  "20261129002170",
  "20261129002180",
  "20261129002200",
  "20261129002300",
  "20261129002400",
  "20261129002405",
  "20261129002410",
  "20261129002420",
  "20261129002430",
  "20261129002435",
  "20261129002438",
  "20261129002439",
  "20261129002440",
  "20261129002441",
  "20261129002450",
  "20261129002455",
  "20261129002460",
  "20261129002461",
  "20261129002462",
  "20261129002463",
  "20261129002464",
  "20261129002470",
  "20261129002480",
  "20261129002490",
  "20261129002492",
  "20261129002499",
  "20261129002500",
  "20261129002600",
  "20261129002601",
  "20261129002610",
  "20261129002620",
  "20261129002625",
  "20261129002630",
  "20261129002640",
  "20261129002650",
  "20261129002651",
  "20261129002700",
  "20261129002710",
  "20261129002712",
  "20261129002714",
  "20261129002716",
  "20261129002720",
  "20261129002722",
  "20261129002725",
  "20261129002726",
  "20261129002727",
  "20261129002730",
  "20261129002731",
  "20261129002735",
  "20261129002736",
  "20261129002737",
  "20261129002800",
  "20261129002802",
  "20261129002810",
  "20261129002811",
  "20261129002812",
  "20261129002813",
  "20261129002820",
  "20261129002822",
  "20261129002830",
  "20261129002831",
  "20261129002832",
  "20261129002900",
  "20261129002901",
  "20261129002902",
  "20261129002903",
  "20261129002906",
  "20261129002907",
  "20261129002910",
  "20261129002911",
  "20261129002912",
  "20261129002920",
  "20261129002921",
  "20261129002930",
];

/** Header of a call with {@linkcode SCHEMA_VERSION}. */
export const SCHEMA_HEADER = "x-gatelink-schema";

/** SQLSTATE with which the database refuses code that is too old. */
export const TOO_OLD = "GL503";

/**
 * Time for which a database that refused this code is not asked again, in milliseconds. Then one request
 * asks: a rollback may have removed the migration.
 */
const REFUSED_FOR_MS = 5000;

let refusedAt = -Infinity;

/** Records that the database refused this code. */
export function refusedAsTooOld(now: number = performance.now()): void {
  refusedAt = now;
}

/** Whether the database refused this code a moment ago. Hot: called for each request. */
export function isTooOld(now?: number): boolean {
  return refusedAt !== -Infinity && (now ?? performance.now()) - refusedAt < REFUSED_FOR_MS;
}

/** For tests: clears the recorded refusal. */
export function forgetRefusal(): void {
  refusedAt = -Infinity;
}
