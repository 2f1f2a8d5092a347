/**
 * The patterns of names. Tests hold the database's check constraints and docs/openapi.yaml to them.
 *
 * @module
 */

/** A destination's name. */
export const DESTINATION_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
/** A segment's key. */
export const SEGMENT_KEY = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** The code of an existing link: the last part of its address, in lower case. A check constraint enforces it. */
export const LINK_CODE = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** A code that a caller may choose for a new link. Shorter codes are reserved for the installation. */
export const CHOSEN_CODE = /^[a-z0-9][a-z0-9_-]{2,63}$/;
