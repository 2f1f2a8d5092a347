/**
 * CORS: which pages of other origins may read a response.
 *
 * Requests from an app's SDK (a decision as JSON, a claim) and the health check may be read from any origin:
 * nothing here uses cookies, and no response says more than a server would get for the same request. The
 * team's requests may be read only from the origins of the admin panel, listed in the setting
 * `panel.origins`: a secret key does not belong in a page.
 *
 * Failure policy: closed. Without the setting, or without a database to read it from, no origin is allowed.
 *
 * @module
 */
import { Problem } from "./problem.ts";

type Answer = Response | Promise<Response>;

const EXPOSED = "Content-Disposition, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id";
const ACCEPTED = "Authorization, apikey, Content-Type, X-Request-Id, traceparent";
const MAX_AGE = "600";

/** Headers of a response that any page may read. */
export const ANY_ORIGIN = { "access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED };

/** Lets any page read the response, including a refusal. */
export async function anyOrigin(answer: () => Answer): Promise<Response> {
  return await withHeaders(answer, ANY_ORIGIN);
}

/** The same refusal, readable by any page. */
export function forAnyOrigin(error: unknown): Problem {
  return withHeadersOn(error, ANY_ORIGIN);
}

/** Preflight headers of an endpoint that any page may call. */
export function openPreflight(methods: readonly string[]): Record<string, string> {
  return {
    ...ANY_ORIGIN,
    "access-control-allow-methods": methods.join(", "),
    "access-control-allow-headers": ACCEPTED,
    "access-control-max-age": MAX_AGE,
  };
}

/** Creates CORS for the panel's origins. @param origins The current origins. */
export function createPanelCors(origins: () => Promise<ReadonlySet<string>>) {
  async function allowed({ headers }: Request): Promise<string | undefined> {
    const origin = headers.get("origin");
    if (origin === null) return undefined;
    const known = await origins().catch(() => new Set<string>());
    return known.has(origin) ? origin : undefined;
  }

  /**
   * Lets the panel read the response, including a refusal. Shared caches get one response for each origin,
   * and one for none.
   */
  async function panel(request: Request, answer: () => Answer): Promise<Response> {
    const origin = await allowed(request);
    return await withHeaders(answer, {
      vary: "Origin",
      ...(origin === undefined
        ? {}
        : { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED }),
    });
  }

  /** The response to a preflight: allows the panel's origins, and nothing for others. */
  async function panelPreflight(request: Request, methods: readonly string[]): Promise<Response> {
    const origin = await allowed(request);
    const headers: Record<string, string> = { vary: "Origin" };
    if (origin !== undefined) {
      Object.assign(headers, {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": methods.join(", "),
        "access-control-allow-headers": ACCEPTED,
        "access-control-max-age": MAX_AGE,
      });
    }
    return new Response(null, { status: 204, headers });
  }

  return { panel, panelPreflight };
}

async function withHeaders(answer: () => Answer, headers: Record<string, string>): Promise<Response> {
  try {
    const response = await answer();
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  } catch (error) {
    throw withHeadersOn(error, headers);
  }
}

function withHeadersOn(error: unknown, headers: Record<string, string>): Problem {
  const problem = error instanceof Problem ? error : new Problem("internal_error", { cause: error });
  Object.assign(problem.headers, headers);
  return problem;
}
