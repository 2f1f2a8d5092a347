/**
 * Two environments of one project: each function has two slugs, its name (blue) and its name with `-green`. What is
 * deployed is the same; which environment answers is a constant of the slug that was called.
 *
 * @module
 */

/** One of the two. */
export type Environment = "blue" | "green";

/** Both, the one that always exists first. */
export const ENVIRONMENTS: readonly Environment[] = ["blue", "green"];

const SUFFIX = "-green";

/** The slug of a function in an environment: `health`, `health-green`. */
export function slugOf(fn: string, environment: Environment): string {
  return environment === "green" ? fn + SUFFIX : fn;
}

/**
 * The environment that a request was sent to, from its URL as the platform passes it on or as callers write it. Hot:
 * called for each request.
 */
export function environmentOf(fn: string, url: string): Environment {
  const path = url.indexOf("/", url.indexOf("://") + 3);
  return isGreen(fn, url, path + 1) || url.startsWith(PREFIX, path) && isGreen(fn, url, path + PREFIX.length)
    ? "green"
    : "blue";
}

const PREFIX = "/functions/v1/";

function isGreen(fn: string, url: string, at: number): boolean {
  const after = at + fn.length + SUFFIX.length;
  return url.startsWith(SUFFIX, at + fn.length) && url.startsWith(fn, at) &&
    (after === url.length || url[after] === "/" || url[after] === "?");
}
