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
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** Each address and method, with who may call it and pages of which origins may read what it answers. */
export const ROUTES = [
  // Of visits only what is answered as JSON is for pages of other origins.
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
  { method: "GET", path: "/{code}/stats", auth: "viewer", origins: "panel", handler: "stats" },
  { method: "PATCH", path: "/{code}", auth: "operator", origins: "panel", handler: "change" },
  { method: "DELETE", path: "/{code}", auth: "operator", origins: "panel", handler: "remove" },
] as const satisfies readonly Route[];

/** A visit, or another request that needs to know where it comes from. */
export interface VisitCall extends Pick<Call<Context>, "request" | "context" | "query"> {
  /** The visitor's address once somebody has looked it up, null for none. */
  address?: string | null;
}

type Name = typeof ROUTES[number]["handler"];
type Answer = Response | Promise<Response>;

/** What answers the addresses: those that name a link are given its code, as links have it. */
export interface LinkRoutes extends Omit<RouteDeps<Name, Context>, "handlers"> {
  readonly handlers:
    & Readonly<Record<Exclude<Name, "visit">, (call: Call<Context>, code: string) => Answer>>
    & {
      visit(call: VisitCall, code: string): Answer;
    };
}

/** What may stand before a link's code; the local stack has it at `/l`. */
const OWN = [...ownPaths("deeplinks"), "/l"];
/** Addresses of one part that are no codes. */
const WORDS: readonly string[] = ROUTES.map(({ path }) => path).filter((path) => /^\/[^/{]+$/.test(path));

/** Makes the handler of all addresses. */
export function createHandler({ handlers, ...deps }: LinkRoutes): Handler {
  const ofCodes = Object.entries<LinkRoutes["handlers"][Name]>(handlers).map(([name, handler]) => [
    name,
    (call: Call<Context>) => handler(call, codeOf(call.params.code ?? "")),
  ]);
  const router = createRouter<Name, Context>("deeplinks", ROUTES, {
    ...deps,
    handlers: Object.fromEntries(ofCodes),
  });

  return (request, context) => {
    const address = addressOf(request.url, OWN);
    const { path, query } = address;
    const { method } = request;
    // The way of nearly all requests.
    if (
      (method === "GET" || method === "HEAD") && path.length > 1 && path.indexOf("/", 1) < 0 &&
      !WORDS.includes(path)
    ) {
      return handlers.visit({ request, context, query, address: undefined }, codeOf(path.slice(1)));
    }
    return router(request, context, address);
  };
}

/** Longer than any code with what may stand around it. */
const MAX_PART = 256;

/**
 * The code in a part of an address, as it arrives: in capitals, percent-encoded, with marks that nobody sees, with a query
 * that somebody encoded or glued on, and with what a text of any script puts after an address. What no code can be is
 * given back as it is.
 */
function codeOf(part: string): string {
  if (/^[a-z0-9_-]*$/.test(part)) return part;
  let text = part.slice(0, MAX_PART);
  try {
    text = decodeURIComponent(text);
  } catch {
    // Malformed percent-encoding stands for itself.
  }
  text = text.normalize("NFKC").replace(/\p{Cf}/gu, "").toLowerCase();
  const query = text.search(/[?&#]/);
  if (query > 0) text = text.slice(0, query);
  const [begin = "", code] = /^[\s"'<(\[]*([a-z0-9][a-z0-9_-]*)/.exec(text) ?? [];
  if (code === undefined) return part.toLowerCase();
  // Codes are ASCII: what comes after the last sign that can be in one is the text's.
  const ended = /^(?:[^a-z0-9_]*$|\P{ASCII})/u.test(text.slice(begin.length));
  return ended ? code : part.toLowerCase();
}
