/**
 * The addresses of links and what answers them.
 *
 * | address                                 | methods             | for whom                          |
 * | --------------------------------------- | ------------------- | --------------------------------- |
 * | `/{code}`                               | GET, HEAD, POST     | visitors; POST brings a password  |
 * | `/{code}/qr.svg`, `/{code}/qr.png`      | GET, HEAD           | everybody                         |
 * | `/.well-known/…`                        | GET, HEAD           | Apple and Google                  |
 * | `/claim`                                | POST                | an app's first open               |
 * | `/`, `/bulk`, `/{code}`, `/{code}/stats`| GET, POST, PATCH, DELETE | secret keys and the team     |
 *
 * OPTIONS asks, for a page of another origin, which of these it may use (`_shared/http/cors.ts`).
 *
 * All of them below `/functions/v1/deeplinks`, below `/l` (the local stack), or at the root of a link domain.
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import { anyOrigin, createPanelCors, openPreflight } from "../_shared/http/cors.ts";

/** A request whose address has been taken apart. */
export interface Call {
  readonly request: Request;
  readonly context: Context;
  /** Without the question mark. */
  readonly query: string;
  /** The visitor's address once somebody has looked it up, null for none. */
  address: string | null | undefined;
}

type Answer = Response | Promise<Response>;

/** What answers each kind of address. */
export interface Routes {
  visit(call: Call, code: string): Answer;
  unlock(call: Call, code: string): Answer;
  qr(call: Call, code: string, form: "svg" | "png"): Answer;
  wellKnown(call: Call, name: string): Answer;
  claim(call: Call): Answer;
  create(call: Call): Answer;
  createMany(call: Call): Answer;
  list(call: Call): Answer;
  change(call: Call, code: string): Answer;
  remove(call: Call, code: string): Answer;
  stats(call: Call, code: string): Answer;
  /** Origins whose pages may manage links. */
  panelOrigins(): Promise<ReadonlySet<string>>;
}

/** Makes the handler of all addresses. */
export function createHandler(routes: Routes): Handler {
  const { panel, panelPreflight } = createPanelCors(routes.panelOrigins);

  return (request, context) => {
    const { path, query } = addressOf(request.url);
    const call: Call = { request, context, query, address: undefined };
    const { method } = request;
    const slash = path.indexOf("/", 1);
    // The way of nearly all requests.
    if (
      slash < 0 && path.length > 1 && (method === "GET" || method === "HEAD") && path !== "/claim" &&
      path !== "/bulk"
    ) {
      return routes.visit(call, codeOf(path.slice(1)));
    }
    const first = slash < 0 ? path.slice(1) : path.slice(1, slash);
    const second = slash < 0 ? "" : path.slice(slash + 1);
    const offered = offer(routes, call, first, second);
    if (offered === undefined) throw new Problem("not_found");
    const { open = {}, managed = {} } = offered;
    const methods = [...Object.keys(open), ...Object.keys(managed)].sort();
    if (method === "OPTIONS") {
      const wanted = request.headers.get("access-control-request-method") ?? "";
      return offered.anyOrigin !== undefined &&
          (Object.hasOwn(open, wanted) || !Object.hasOwn(managed, wanted))
        ? openPreflight(offered.anyOrigin)
        : panelPreflight(request, Object.keys(managed));
    }
    if (Object.hasOwn(managed, method)) return panel(request, managed[method]);
    if (!Object.hasOwn(open, method)) {
      throw new Problem("method_not_allowed", { headers: { allow: methods.join(", ") } });
    }
    return method === "HEAD" ? bodiless(open[method]()) : open[method]();
  };
}

/** What an address offers, by method. */
interface Offer {
  /** For everybody. */
  readonly open?: Record<string, () => Answer>;
  /** For secret keys and the team. */
  readonly managed?: Record<string, () => Answer>;
  /** What of it a page of any origin may use. */
  readonly anyOrigin?: "visit" | "claim";
}

/** What an address offers; undefined when there is nothing. */
function offer(routes: Routes, call: Call, first: string, second: string): Offer | undefined {
  const readable = (get: () => Answer) => ({ GET: get, HEAD: get });
  if (first === ".well-known" && second !== "") {
    return { open: readable(() => routes.wellKnown(call, second)) };
  }
  if (second === "") {
    if (first === "") return { managed: { GET: () => routes.list(call), POST: () => routes.create(call) } };
    if (first === "bulk") return { managed: { POST: () => routes.createMany(call) } };
    if (first === "claim") {
      return { anyOrigin: "claim", open: { POST: () => anyOrigin(() => routes.claim(call)) } };
    }
    const code = codeOf(first);
    return {
      anyOrigin: "visit",
      open: { ...readable(() => routes.visit(call, code)), POST: () => routes.unlock(call, code) },
      managed: { PATCH: () => routes.change(call, code), DELETE: () => routes.remove(call, code) },
    };
  }
  const code = codeOf(first);
  if (second === "stats") return { managed: { GET: () => routes.stats(call, code) } };
  if (second === "qr.svg") return { open: readable(() => routes.qr(call, code, "svg")) };
  if (second === "qr.png") return { open: readable(() => routes.qr(call, code, "png")) };
}

async function bodiless(answer: Answer): Promise<Response> {
  const response = await answer;
  await response.body?.cancel();
  return new Response(null, response);
}

/** What may stand before a link's code: as callers see the function, as it sees itself, as the local stack has it. */
const OWN = ["/functions/v1/deeplinks", "/deeplinks", "/l"];

/** Path below the function's own, with a leading slash and none at the end, and the query. No URL is made for it. */
export function addressOf(url: string): { path: string; query: string } {
  let begin = url.indexOf("/", url.indexOf("://") + 3);
  const mark = url.indexOf("?", begin);
  let end = mark < 0 ? url.length : mark;
  for (const own of OWN) {
    const after = begin + own.length;
    if (url.startsWith(own, begin) && (after === end || url[after] === "/")) {
      begin = after;
      break;
    }
  }
  if (end > begin && url[end - 1] === "/") end--;
  return { path: end === begin ? "/" : url.slice(begin, end), query: mark < 0 ? "" : url.slice(mark + 1) };
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
