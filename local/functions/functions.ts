/**
 * Serves Edge Functions in this process like the hosted platform: those in supabase/config.toml, each from
 * its `index.ts` with `export default { fetch }`, with the request in its hosted form.
 */
import { Problem, problemResponse } from "../../supabase/functions/_shared/http/problem.ts";
import { log } from "../../supabase/functions/_shared/log/log.ts";
import { type Environment, slugOf } from "../../supabase/functions/_shared/http/environment.ts";
import { functionIn, rewritten } from "../../supabase/functions/_shared/traffic/addresses.ts";
import { dirname, join } from "../../lib/paths.ts";
import type { LocalGateway } from "./gateway.ts";

/** The default export of a function's module. */
interface Served {
  fetch(request: Request): Response | Promise<Response>;
}

export interface Functions {
  /**
   * The response to a request for a function; undefined for any other request. Never rejects: an exception is
   * logged and answered 500 as problem+json.
   * @param peer Address of the caller.
   */
  fetch(request: Request, peer: string): Response | Promise<Response> | undefined;
  /** Loads all functions now, so that the first request need not wait; a failure is logged. */
  preload(): Promise<void>;
}

/** Path prefix of functions. */
const PREFIX = "/functions/v1/";

/**
 * Paths that a link domain passes to the function deeplinks (docs/deploy.md), here on the stack's own host.
 * The function sees the original address, and its pages stay pages, as on a custom domain.
 */
const LINK_PATHS: readonly string[] = ["/l/", "/.well-known/"];

/** Paths that a tracking domain passes to the function email-track (docs/tracking.md), in the same way. */
const TRACK_PATHS: readonly string[] = ["/c/", "/pixel/", "/u/"];

/** The function that serves an address at the root as it is; undefined for any other address. */
function servedAtRoot(url: string, path: number): string | undefined {
  if (LINK_PATHS.some((begin) => url.startsWith(begin, path))) return "deeplinks";
  return TRACK_PATHS.some((begin) => url.startsWith(begin, path)) ? "email-track" : undefined;
}

/**
 * Names of the functions in a folder, and their entry points: those in config.toml beside the folder, else
 * each folder with an index.ts.
 */
export function listFunctions(folder: string): Map<string, string> {
  let names: string[];
  try {
    const config = Deno.readTextFileSync(join(dirname(folder), "config.toml"));
    names = [...config.matchAll(/^\s*\[functions\.("?)([\w-]+)\1\]/gm)].map((match) => match[2]);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    names = [...Deno.readDirSync(folder)].filter((entry) => entry.isDirectory).map((entry) => entry.name);
  }
  return new Map(
    names.map((name) => [name, join(folder, name, "index.ts")] as const)
      .filter(([name, path]) => !name.startsWith("_") && isFile(path)),
  );
}

/** What a function sees of a request where that differs from what arrived. */
const SEEN_URL = Symbol("url"), SEEN_HEADERS = Symbol("headers");

interface Seen extends Request {
  [SEEN_URL]?: string;
  [SEEN_HEADERS]?: Headers;
}

/**
 * Makes a property of all requests the value under a symbol where there is one. Defining the property on each request
 * takes longer, and a new Request would move its body through a stream, which costs more than everything else here.
 */
function letSee(name: "url" | "headers", symbol: typeof SEEN_URL | typeof SEEN_HEADERS): void {
  const property = Object.getOwnPropertyDescriptor(Request.prototype, name)!;
  const own = property.get!;
  Object.defineProperty(Request.prototype, name, {
    ...property,
    get(this: Record<symbol, unknown>) {
      return this[symbol] ?? own.call(this);
    },
  });
}
letSee("url", SEEN_URL);
letSee("headers", SEEN_HEADERS);

/** A function's address, or the function that sees the address as it is. */
type Target = string | { readonly own: string };

/** Two environments; see {@linkcode serveFunctions}. */
export interface TwoEnvironments {
  /** Folder of the functions that have green's slugs. */
  green: string;
  /** Decides for requests to addresses at the root. */
  gateway: LocalGateway;
}

/**
 * Serves the functions of a folder. Each is loaded at its first request, or by `preload`.
 *
 * @param two With it, the functions of a second folder have the slugs of green, and what comes to an address at the root
 *   is split between the two, as by a proxy in front of a project; without it, everything is blue.
 */
export function serveFunctions(folder: string, two?: TwoEnvironments): Functions {
  const functions = new Map(
    [...listFunctions(folder)].map(([name, path]) => [name, new LoadedOnce(name, path)]),
  );
  if (two !== undefined) {
    for (const [name, path] of listFunctions(two.green)) {
      const slug = slugOf(name, "green");
      functions.set(slug, new LoadedOnce(slug, path));
    }
  }

  /**
   * Answers synchronously if the function does: small responses are many, and a promise costs as much as one.
   */
  function answer(name: string, request: Request): Response | Promise<Response> {
    const found = functions.get(name);
    try {
      if (!found) throw new Problem("not_found");
      const response = found.served?.fetch(request) ?? found.load().then((served) => served.fetch(request));
      return response instanceof Promise
        ? response.then(checked).catch((error) => refusal(name, request, error))
        : checked(response);
    } catch (error) {
      return refusal(name, request, error);
    }
  }

  /** Without a custom domain the platform serves no web pages: HTML becomes plain text. */
  function answerWithoutPages(name: string, request: Request): Response | Promise<Response> {
    const response = answer(name, request);
    if (request.method !== "GET") return response;
    return response instanceof Promise ? response.then(withoutPages) : withoutPages(response);
  }

  /** Answers at a function's address, or as the function that serves an address at the root as it is. */
  function at(
    target: Target,
    request: Seen,
    path: number,
    environment: Environment,
  ): Response | Promise<Response> {
    if (typeof target !== "string") return answer(deployed(target.own, environment), request);
    const name = functionIn(target);
    const slug = deployed(name, environment);
    // On the platform the function sees /NAME/rest?query.
    request[SEEN_URL] = request.url.slice(0, path + 1) +
      (slug === name ? target : slug + target.slice(name.length));
    return answerWithoutPages(slug, request);
  }

  /** The slug in an environment; blue's where green has not got the function. */
  function deployed(name: string, environment: Environment): string {
    if (environment === "blue") return name;
    const slug = slugOf(name, environment);
    return functions.has(slug) ? slug : name;
  }

  async function split(
    request: Request,
    path: number,
    target: Target,
    { gateway }: TwoEnvironments,
  ): Promise<Response> {
    // The gateway's own addresses are not split.
    if (typeof target === "string" && functionIn(target) === "gateway") {
      return await at(target, request, path, "blue");
    }
    const { url } = request;
    const mark = url.indexOf("?", path);
    return await gateway(
      request,
      mark < 0 ? url.slice(path) : url.slice(path, mark),
      (environment) => at(target, request, path, environment),
    );
  }

  return {
    preload: async () => {
      for (const found of functions.values()) await found.load().catch(() => {});
    },
    fetch(request: Seen, peer) {
      // http://127.0.0.1:54321/functions/v1/NAME/rest?query
      const url = request.url;
      const path = url.indexOf("/", 8);
      if (url.startsWith(PREFIX, path)) {
        request[SEEN_HEADERS] = new ForwardedHeaders(request.headers, peer);
        return at(url.slice(path + PREFIX.length), request, path, "blue");
      }
      const own = servedAtRoot(url, path);
      const target = own !== undefined && functions.has(own) ? { own } : rewritten(url, path);
      if (target === undefined) return undefined;
      request[SEEN_HEADERS] = new ForwardedHeaders(request.headers, peer);
      return two === undefined ? at(target, request, path, "blue") : split(request, path, target, two);
    },
  };
}

class LoadedOnce {
  served: Served | undefined;
  #name: string;
  #path: string;
  #loading: Promise<Served> | undefined;

  constructor(name: string, path: string) {
    this.#name = name;
    this.#path = path;
  }

  load(): Promise<Served> {
    return this.#loading ??= this.#import();
  }

  async #import(): Promise<Served> {
    try {
      const module = await import(`file://${this.#path}`);
      if (typeof module.default?.fetch !== "function") {
        throw new TypeError("index.ts has no `export default { fetch }`");
      }
      return this.served = module.default;
    } catch (error) {
      log.error("the function could not be loaded", { function: this.#name, error });
      throw new Problem("internal_error", { cause: LOGGED });
    }
  }
}

/** Marks a failure that is already logged. */
const LOGGED = Symbol("logged");

function refusal(name: string, request: Request, error: unknown): Response {
  const requestId = request.headers.get("x-request-id") ?? crypto.randomUUID();
  const problem = error instanceof Problem ? error : new Problem("internal_error", { cause: error });
  if (problem.status >= 500 && problem.cause !== LOGGED) {
    log.error("the function failed", { function: name, request_id: requestId, error: problem.cause });
  }
  return problemResponse(problem, requestId);
}

function checked(response: Response): Response {
  if (!(response instanceof Response)) throw new TypeError("the function returned no Response");
  return response;
}

function withoutPages(response: Response): Response {
  if (response.body === null) return response;
  const type = response.headers.get("content-type");
  if (type === null || !/^text\/html\b/i.test(type)) return response;
  const headers = new Headers(response.headers);
  headers.set("content-type", type.replace(/^text\/html/i, "text/plain"));
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

/**
 * A request's headers with the caller's address appended to `x-forwarded-for`, as a proxy would. A view
 * instead of a copy, which would take a third of the time of a small request.
 */
export class ForwardedHeaders extends Headers {
  #original: Headers;
  #peer: string;

  constructor(original: Headers, peer: string) {
    super();
    this.#original = original;
    this.#peer = peer;
  }

  override get(name: string): string | null {
    const value = this.#original.get(name);
    if (name.length !== 15 || name.toLowerCase() !== "x-forwarded-for") return value;
    return value === null ? this.#peer : `${value}, ${this.#peer}`;
  }
  override has(name: string): boolean {
    return this.get(name) !== null;
  }
  override getSetCookie(): string[] {
    return this.#original.getSetCookie();
  }
  #copy(): Headers {
    const copy = new Headers(this.#original);
    copy.append("x-forwarded-for", this.#peer);
    return copy;
  }
  override entries(): ReturnType<Headers["entries"]> {
    return this.#copy().entries();
  }
  override keys(): ReturnType<Headers["keys"]> {
    return this.#copy().keys();
  }
  override values(): ReturnType<Headers["values"]> {
    return this.#copy().values();
  }
  override forEach(use: (value: string, key: string, parent: this) => void, self?: unknown): void {
    this.#copy().forEach((value, key) => use.call(self, value, key, this));
  }
  override [Symbol.iterator](): ReturnType<Headers["entries"]> {
    return this.entries();
  }
  override append(): never {
    throw new TypeError("The headers of a request can't be changed");
  }
  override set(): never {
    return this.append();
  }
  override delete(): never {
    return this.append();
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
