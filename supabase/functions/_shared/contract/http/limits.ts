/**
 * Limits and forms of what crosses HTTP, without a schema: for code that must start fast.
 *
 * @module
 */

/** Most outcomes in one report. */
export const MAX_REPORTS = 500;

/** Most feedback, or occurrences of business metrics, in one report. */
export const MAX_SIGNALS = 500;

/** Most replies in one answer of a service. */
export const MAX_REPLIES = 10;

/** UTF-16 units of a service's answer that a test of it shows. */
export const MAX_SHOWN = 2000;

/** Most custom headers of a destination. */
export const MAX_HEADERS = 20;
/** Most characters of a custom header's value. */
export const MAX_HEADER_VALUE = 8192;
/** A custom header's name, in any case. */
export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_|~-]{1,64}$/;
/** A custom header's value: printable ASCII without blanks around it. */
export const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
