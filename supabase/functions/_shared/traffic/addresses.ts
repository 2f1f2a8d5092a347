/**
 * Addresses at the root of a domain that lead to a function, as a gateway in front of a project rewrites them: those
 * that teams have given to SendGrid, to their services and to their scripts.
 *
 * @module
 */

/** Beginning of the path -> the function's address. */
export const REWRITES: Readonly<Record<string, string>> = {
  "/api/messages": "messages",
  "/api/metrics/error-rate": "gateway/api/metrics/error-rate",
  "/api/sendgrid/inbound": "email-webhook/inbound",
  "/api/sendgrid/send": "email-send",
  "/api/traffic": "gateway/api/traffic",
  "/c": "email-track/c",
  "/health": "health/plain",
  "/pixel": "email-track/pixel",
  "/sendgrid/inbound": "email-webhook/inbound",
  "/u": "email-track/u",
};

const TABLE = Object.entries(REWRITES);

/** Addresses of Meta's Graph API, `/v26.0/…`, lead to the function that answers as Meta does. */
const GRAPH = /^\/v\d{1,3}\.\d{1,2}\//;

/**
 * The function's address that an address at the root stands for: `/sendgrid/inbound/x` -> `email-webhook/inbound/x`.
 *
 * @param path Index of the path's first slash in the URL.
 */
export function rewritten(url: string, path: number): string | undefined {
  if (url[path + 1] === "v" && GRAPH.test(url.slice(path, path + 9))) return `wa-graph${url.slice(path)}`;
  for (const [begin, target] of TABLE) {
    const after = path + begin.length;
    if (url.startsWith(begin, path) && (after === url.length || "/?".includes(url[after]))) {
      return target + url.slice(after);
    }
  }
}

/** The function's name in an address of it: `health/plain?x` -> `health`. */
export function functionIn(target: string): string {
  // Hot in the local stack, where a regular expression would cost as much as finding the function.
  let end = 0;
  while (end < target.length && target[end] !== "/" && target[end] !== "?") end++;
  return target.slice(0, end);
}
