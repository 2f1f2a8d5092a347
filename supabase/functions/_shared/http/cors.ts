/**
 * Who in a browser may read the answers from a page of another origin.
 *
 * What an app's SDK asks (a decision as JSON, a claim), and whether the project is up, may be read from anywhere: nothing
 * here goes by cookies, and no answer says more than the same request from a server would. What the team asks may be read from the origins of the
 * admin panel alone, which the setting `panel.origins` names: a secret key belongs into no page.
 *
 * Failure policy: closed. Without the setting, or without a database to read it from, no origin is allowed.
 *
 * @module
 */
import { Problem } from "./problem.ts";

type Answer = Response | Promise<Response>;

const EXPOSED = "Retry-After, RateLimit, RateLimit-Policy, X-Request-Id";
const ACCEPTED = "Authorization, apikey, Content-Type, X-Request-Id, traceparent";
const MAX_AGE = "600";

/** Headers of an answer that any page may read. */
export const ANY_ORIGIN = { "access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED };

/** Lets any page read the answer, a refusal too. */
export async function anyOrigin(answer: () => Answer): Promise<Response> {
  return await withHeaders(answer, ANY_ORIGIN);
}

/** The same refusal, for any page to read. */
export function forAnyOrigin(error: unknown): Problem {
  return withHeadersOn(error, ANY_ORIGIN);
}

/** Headers of the answer to a preflight for what any page may ask. */
export function openPreflight(methods: readonly string[]): Record<string, string> {
  return {
    ...ANY_ORIGIN,
    "access-control-allow-methods": methods.join(", "),
    "access-control-allow-headers": ACCEPTED,
    "access-control-max-age": MAX_AGE,
  };
}

/** Makes what the panel's origins get. @param origins Those of now. */
export function createPanelCors(origins: () => Promise<ReadonlySet<string>>) {
  async function allowed({ headers }: Request): Promise<string | undefined> {
    const origin = headers.get("origin");
    if (origin === null) return undefined;
    const known = await origins().catch(() => new Set<string>());
    return known.has(origin) ? origin : undefined;
  }

  /** Lets the panel read the answer, a refusal too. To a shared cache it is another answer for each origin, and for none. */
  async function panel(request: Request, answer: () => Answer): Promise<Response> {
    const origin = await allowed(request);
    return await withHeaders(answer, {
      vary: "Origin",
      ...(origin === undefined
        ? {}
        : { "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED }),
    });
  }

  /** The answer to a preflight of the panel; of anybody else, one that allows nothing. */
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
