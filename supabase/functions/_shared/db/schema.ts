/**
 * Which schema this code was written for.
 *
 * @module
 */

/**
 * Version of the newest migration in supabase/migrations. Code deploys after the migrations it needs, so
 * a database may be ahead of this, never behind.
 */
export const SCHEMA_VERSION = "20261129002500";
