/**
 * The forms of names. The database's check constraints and the API's description are held to them by tests.
 *
 * @module
 */

/** A destination's name. */
export const DESTINATION_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
/** A segment's key. */
export const SEGMENT_KEY = /^[a-z0-9][a-z0-9._-]{0,62}$/;
