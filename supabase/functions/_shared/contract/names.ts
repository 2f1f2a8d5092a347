/**
 * The forms of names. The database's check constraints and the API's description are held to them by tests.
 *
 * @module
 */

/** A destination's name. */
export const DESTINATION_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
/** A segment's key. */
export const SEGMENT_KEY = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** The code of a link that exists: the last part of its address, in lower case. The database holds rows to it. */
export const LINK_CODE = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** A code that a caller may choose for a new link. Shorter ones are for the installation itself. */
export const CHOSEN_CODE = /^[a-z0-9][a-z0-9_-]{2,63}$/;
