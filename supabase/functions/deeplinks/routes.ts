/**
 * The addresses of links: below `/functions/v1/deeplinks`, below `/l` (the local stack), or at the root of a link domain.
 *
 * @module
 */
import { openPreflight } from "../_shared/http/cors.ts";
import {
  addressOf,
  type Call,
  createRouter,
  ownPaths,
  type Route,
  type RouteDeps,
} from "../_shared/http/routes.ts";
import { Problem } from "../_shared/http/problem.ts";
import { appendedQuery, codeOf, strayPart } from "../_shared/links/visitor/code.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** Each address and method, with who may call it and the origins whose pages may read the answer. */
export const ROUTES = [
  // Pages of other origins may only read visits that are answered as JSON.
  {
    method: "GET",
    path: "/{code}",
    auth: "none or secret",
    origins: openPreflight(["GET", "HEAD"]),
    handler: "visit",
  },
  { method: "POST", path: "/{code}", auth: "none or secret", handler: "unlock" },
  { method: "GET", path: "/{code}/qr.svg", auth: "none", handler: "qrSvg" },
  { method: "GET", path: "/{code}/qr.png", auth: "none", handler: "qrPng" },
  { method: "POST", path: "/claim", auth: "none", origins: "any", handler: "claim" },
  {
    method: "GET",
    path: "/.well-known/apple-app-site-association",
    auth: "none",
    handler: "appleAppSiteAssociation",
  },
  { method: "GET", path: "/.well-known/assetlinks.json", auth: "none", handler: "assetLinks" },

  { method: "GET", path: "/", auth: "viewer", origins: "panel", handler: "list" },
  { method: "POST", path: "/", auth: "operator", origins: "panel", handler: "create" },
  { method: "POST", path: "/bulk", auth: "operator", origins: "panel", handler: "createMany" },
  { method: "PATCH", path: "/bulk", auth: "operator", origins: "panel", handler: "changeMany" },
  { method: "GET", path: "/{code}/stats", auth: "viewer", origins: "panel", handler: "stats" },
  { method: "PATCH", path: "/{code}", auth: "operator", origins: "panel", handler: "change" },
  { method: "DELETE", path: "/{code}", auth: "operator", origins: "panel", handler: "remove" },
] as const satisfies readonly Route[];

/** A visit, or another request whose network address is needed. */
export interface VisitCall extends Pick<Call<Context>, "request" | "context" | "query"> {
  /** The visitor's address once it was looked up; null if there is none. */
  address?: string | null;
}

type Name = typeof ROUTES[number]["handler"];
type Answer = Response | Promise<Response>;

/** The handlers of the addresses. Those that name a link receive its code in canonical form. */
export interface LinkRoutes extends Omit<RouteDeps<Name, Context>, "handlers"> {
  readonly handlers:
    & Readonly<Record<Exclude<Name, "visit">, (call: Call<Context>, code: string) => Answer>>
    & {
      visit(call: VisitCall, code: string): Answer;
    };
  /** Answers the root of the links for people without a key; undefined if there is nothing to show. */
  root?(call: VisitCall): Promise<Response | undefined>;
  /** What people see at an address that does not exist; undefined if there is nothing to show. `code` begins it. */
  lost?(call: VisitCall, error: unknown, code: string): Response | undefined;
}

/** Path prefixes of a link's code; the local stack uses `/l`. */
const OWN = [...ownPaths("deeplinks"), "/l"];
/** Addresses of one segment that are not codes. */
const WORDS: readonly string[] = ROUTES.map(({ path }) => path).filter((path) => /^\/[^/{]+$/.test(path));

/** Creates the handler of all addresses. */
export function createHandler({ handlers, root, lost, ...deps }: LinkRoutes): Handler {
  const ofCodes = Object.entries<LinkRoutes["handlers"][Name]>(handlers).map(([name, handler]) => [
    name,
    (call: Call<Context>) => handler(call, codeOf(call.params.code ?? "")),
  ]);
  const router = createRouter<Name, Context>("deeplinks", ROUTES, {
    ...deps,
    handlers: Object.fromEntries(ofCodes),
  });

  /** Answers a visit of the code that a path segment holds. */
  function visit(request: Request, context: Context, part: string, query: string): Answer {
    const code = codeOf(part);
    const whole = code === part || code === part.toLowerCase() ? query : withAppended(part, query);
    return handlers.visit({ request, context, query: whole, address: undefined }, code);
  }

  return (request, context) => {
    const address = addressOf(request.url, OWN);
    const { path, query } = address;
    const { method } = request;
    // The path of nearly all requests.
    if (
      (method === "GET" || method === "HEAD") && path.length > 1 && path.indexOf("/", 1) < 0 &&
      !WORDS.includes(path)
    ) {
      return visit(request, context, path.slice(1), query);
    }
    const call: VisitCall = { request, context, query };
    const isRead = method === "GET" || method === "HEAD";
    if (isRead && /^\/+$/.test(path) && root !== undefined && !hasKey(request.headers)) {
      return root(call).then((answer) => answer ?? router(request, context, address));
    }
    try {
      return router(request, context, address);
    } catch (error) {
      const stray = isRead && isNotFound(error) ? strayPart(path) : undefined;
      if (stray !== undefined) return visit(request, context, stray, query);
      const answer = isRead ? lost?.(call, error, codeOf(path.split("/", 2)[1] ?? "")) : undefined;
      if (answer === undefined) throw error;
      return answer;
    }
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof Problem && error.code === "not_found";
}

/** The query of a visit, after what was appended to the code. */
function withAppended(part: string, query: string): string {
  return [appendedQuery(part), query].filter((text) => text !== "").join("&");
}

function hasKey(headers: Headers): boolean {
  return headers.has("apikey") || headers.has("authorization");
}
