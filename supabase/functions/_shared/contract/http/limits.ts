/**
 * Limits and patterns of HTTP bodies, without a schema, for code that must start fast.
 *
 * @module
 */

/** Maximum number of outcomes in one report. */
export const MAX_REPORTS = 500;

/** Most feedback, or occurrences of business metrics, in one report. */
export const MAX_SIGNALS = 500;

/** Maximum number of replies in one answer of a service. */
export const MAX_REPLIES = 10;

/** Length of a service's answer that a test shows, in UTF-16 units. */
export const MAX_SHOWN = 2000;

/** Maximum number of custom headers of a destination. */
export const MAX_HEADERS = 20;
/** Maximum length of a custom header's value, in characters. */
export const MAX_HEADER_VALUE = 8192;
/** A custom header's name, case-insensitive. */
export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_|~-]{1,64}$/;
/** A custom header's value: printable ASCII without blanks around it. */
export const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
