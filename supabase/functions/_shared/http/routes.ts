/**
 * The routes of a function as a table: each address and method, who may call it, and pages of which origins
 * may read it. The common behaviour is implemented here once: 404, 405 with `Allow`, HEAD, preflights, keys.
 *
 * Failure policy: closed. Creating a table throws if a route has no check of its callers; it does not wait
 * for the call.
 *
 * @module
 */
import { anyOrigin, createPanelCors, openPreflight } from "./cors.ts";
import { ENVIRONMENTS, slugOf } from "./environment.ts";
import { Problem } from "./problem.ts";

/**
 * Who may call.
 *
 * - `none`: everybody. `none or secret`: everybody; a secret key gives access to more.
 * - `secret`: a secret key of the project, as `apikey`. `secret bearer`: also as `X-API-Key` or a bearer
 *   token.
 * - `any key bearer`: also a publishable key.
 * - `viewer`, `operator`, `admin`: a team member with this role, or a secret key.
 * - `traffic token`: who has `LB_ADMIN_TOKEN`, as a bearer token.
 * - `org owner`: an owner or admin of an organisation, or a secret key.
 * - `org member`: anybody of an organisation, or a secret key.
 */
export type Auth =
  | "none"
  | "none or secret"
  | "secret"
  | "secret bearer"
  | "any key bearer"
  | "viewer"
  | "operator"
  | "admin"
  | "traffic token"
  | "org owner"
  | "org member";

/** One method of one address. */
export interface Route<Name extends string = string> {
  /** GET also answers HEAD, without the body. */
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /**
   * Relative to the function's own address, such as "/" or "/{code}/stats". A part in braces matches any
   * non-empty text.
   */
  readonly path: string;
  readonly auth: Auth;
  /**
   * Which pages of other origins may read the responses, including refusals, and get a preflight that allows
   * it: those of any origin, or of the panel. If this is an object, it is the headers of the preflight
   * response, and the handler sets the headers of its own responses.
   * @default {undefined} No other origin.
   */
  readonly origins?: "any" | "panel" | Readonly<Record<string, string>>;
  /** Whether the handler checks the key itself, because it does something else first. @default {false} */
  readonly checksItself?: boolean;
  /** Name of the handler. */
  readonly handler: Name;
}

/** A request with its matched route. */
export interface Call<Context = unknown> {
  readonly request: Request;
  readonly context: Context;
  /** Without the question mark. */
  readonly query: string;
  /** The parts of the path that are in braces, undecoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The caller's name from the gate; empty without a gate. */
  readonly by: string;
}

type Answer = Response | Promise<Response>;

/** Dependencies of a router. */
export interface RouteDeps<Name extends string, Context> {
  readonly handlers: Readonly<Record<Name, (call: Call<Context>) => Answer>>;
  /** The gate of each kind of `auth`: returns the caller's name, or throws a Problem. */
  readonly gates?: Partial<Record<Auth, (headers: Headers) => string | Promise<string>>>;
  /** Whether a kill switch stops what is behind the gates. @default {never} */
  killed?(): boolean;
  /** Origins of the admin panel; see {@linkcode createPanelCors}. */
  panelOrigins?(): Promise<ReadonlySet<string>>;
}

/** A parsed address. */
export interface Address {
  /** Relative to the function's own address, with a leading slash and no trailing one. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

/**
 * Answers a request with its route's handler, or throws a Problem if no route matches.
 * @param address The parsed address, if it is parsed already.
 */
export type Router<Context> = (request: Request, context: Context, address?: Address) => Answer;

/** Creates the router of a table. */
export function createRouter<Name extends string, Context>(
  fn: string,
  routes: readonly Route<Name>[],
  { handlers, gates = {}, killed = () => false, panelOrigins = () => Promise.resolve(new Set()) }: RouteDeps<
    Name,
    Context
  >,
): Router<Context> {
  const { panel, panelPreflight } = createPanelCors(panelOrigins);
  type Offer = (request: Request, context: Context, query: string, params: Call["params"]) => Answer;

  function offerOf({ method, path, auth, origins, checksItself, handler }: Route<Name>): Offer {
    const gate = gates[auth];
    if (gate === undefined && !checksItself && !auth.startsWith("none")) {
      throw new Error(`nothing lets callers in: ${method} ${path}`);
    }
    const guarded: Offer = (request, context, query, params) => {
      const answer = (by: string) => handlers[handler]({ request, context, query, params, by });
      if (gate === undefined || checksItself) return answer("");
      if (killed()) throw new Problem("disabled_by_environment");
      const by = gate(request.headers);
      return by instanceof Promise ? by.then(answer) : answer(by);
    };
    if (origins === "any") return (...call) => anyOrigin(() => guarded(...call));
    if (origins === "panel") return (...call) => panel(call[0], () => guarded(...call));
    return guarded;
  }

  /** What OPTIONS answers; undefined where pages of other origins may call nothing. */
  function preflightOf(at: readonly Route<Name>[]): Offer | undefined {
    const methods = (origins: Route["origins"]) =>
      at.filter((route) => route.origins === origins).map(({ method }) => method);
    const open = at.map(({ origins }) => origins).find((origins) =>
      origins !== undefined && origins !== "panel"
    );
    const ofPanel = methods("panel");
    if (open === undefined && ofPanel.length === 0) return undefined;
    return (request) => {
      const wanted = request.headers.get("access-control-request-method");
      if (open === undefined || ofPanel.some((method) => method === wanted)) {
        return panelPreflight(request, ofPanel);
      }
      const headers = open === "any" ? openPreflight(methods("any")) : open as Record<string, string>;
      return new Response(null, { status: 204, headers });
    };
  }

  const exact = new Map<string, (method: string) => Offer>();
  const patterns: { parts: string[]; pick: (method: string) => Offer }[] = [];
  for (const [path, at] of byPath(routes)) {
    const offers = Object.fromEntries(at.map((route) => [route.method, offerOf(route)]));
    const preflight = preflightOf(at);
    const pick = pickMethod(preflight === undefined ? offers : { ...offers, OPTIONS: preflight });
    if (path.includes("{")) patterns.push({ parts: path.split("/"), pick });
    else exact.set(path, pick);
  }
  const longest = Math.max(0, ...patterns.map(({ parts }) => parts.length));

  const own = ownPaths(fn);
  return (request, context, address = addressOf(request.url, own)) => {
    const { path, query } = address;
    const pick = exact.get(path);
    if (pick !== undefined) return pick(request.method)(request, context, query, {});
    // One part more than any pattern has is enough to tell that none fits.
    const given = path.split("/", longest + 1);
    for (const { parts, pick } of patterns) {
      const params = paramsOf(parts, given);
      if (params !== undefined) return pick(request.method)(request, context, query, params);
    }
    throw new Problem("not_found");
  };
}

function byPath<R extends Route>(routes: readonly R[]): Map<string, R[]> {
  const found = new Map<string, R[]>();
  for (const route of routes) {
    const at = found.get(route.path);
    if (at === undefined) found.set(route.path, [route]);
    else at.push(route);
  }
  return found;
}

/** The values of the parts in braces; undefined if the address does not match the pattern. */
function paramsOf(parts: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (given.length !== parts.length) return undefined;
  const params: Record<string, string> = {};
  for (let i = 0; i < parts.length; i++) {
    if (!parts[i].startsWith("{")) {
      if (parts[i] !== given[i]) return undefined;
    } else {
      if (given[i] === "") return undefined;
      params[parts[i].slice(1, -1)] = given[i];
    }
  }
  return params;
}

/**
 * Picks the handler of a method at one address. GET answers HEAD too, without its body; other methods get 405
 * `method_not_allowed` with `Allow`.
 */
export function pickMethod<Args extends unknown[]>(
  handlers: Partial<Record<string, (...args: Args) => Answer>>,
): (method: string) => (...args: Args) => Answer {
  const byMethod = new Map(Object.entries(handlers));
  const { GET } = handlers;
  if (GET !== undefined && !byMethod.has("HEAD")) {
    byMethod.set("HEAD", async (...args) => {
      const response = await GET(...args);
      await response.body?.cancel();
      return new Response(null, response);
    });
  }
  const allow = [...byMethod.keys()].sort().join(", ");
  return (method) => {
    const handler = byMethod.get(method);
    if (handler === undefined) throw new Problem("method_not_allowed", { headers: { allow } });
    return handler;
  };
}

/**
 * Parses an address without creating a URL.
 * @param own Prefixes of a function's addresses, such as "/functions/v1/flags"; one that matches is removed.
 */
export function addressOf(url: string, own: readonly string[]): Address {
  let begin = url.indexOf("/", url.indexOf("://") + 3);
  const mark = url.indexOf("?", begin);
  let end = mark < 0 ? url.length : mark;
  for (const prefix of own) {
    const after = begin + prefix.length;
    if (url.startsWith(prefix, begin) && (after === end || url[after] === "/")) {
      begin = after;
      break;
    }
  }
  while (end > begin && url[end - 1] === "/") end--;
  return { path: end === begin ? "/" : url.slice(begin, end), query: mark < 0 ? "" : url.slice(mark + 1) };
}

/**
 * The prefixes of a function's addresses, under either of its slugs: as callers see it, and as the platform passes
 * it on.
 */
export function ownPaths(fn: string): string[] {
  return ENVIRONMENTS.map((environment) => slugOf(fn, environment))
    .flatMap((slug) => [`/functions/v1/${slug}`, `/${slug}`]);
}
