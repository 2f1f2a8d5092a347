/**
 * The wrapper of every function: request id, context, error responses, refusal counters.
 *
 * Hot: this runs for every webhook, so anything that a request may not need (a logger, the trace) is created
 * on first use.
 *
 * @module
 */
import { requireSchema } from "../db/client.ts";
import { count, refusalCounter } from "../db/counters.ts";
import { measure, measuring } from "../db/measurements.ts";
import { log, type Logger } from "../log/log.ts";
import { type Environment, environmentOf, slugOf } from "../http/environment.ts";
import { requireHost } from "../http/host.ts";
import { Problem, problemResponse, PROBLEMS } from "../http/problem.ts";
import { pickMethod } from "../http/routes.ts";
import { state, STATE_HEADER } from "./state.ts";
import { readTraceparent } from "../http/traceparent.ts";
import { countVisit } from "../traffic/count.ts";
import { watchMemory, watchRefusal } from "../traffic/watch.ts";

/** What a handler knows about the request besides the request itself. */
export interface Context {
  /** Name of the function, such as "wa-webhook". */
  readonly fn: string;
  /**
   * The caller's `x-request-id` if it is well-formed, else a new uuid. It is in the response and in each log
   * line.
   */
  readonly requestId: string;
  /**
   * The caller's W3C `traceparent`, to be stored and passed on; undefined if absent or malformed. Parsed on
   * first use.
   */
  readonly traceparent: string | undefined;
  /** Logger that adds function, request id and trace. */
  readonly log: Logger;
  /**
   * Returns the request id for a handler that sets `x-request-id` on its response itself; `serve` then does
   * not. Setting a header later takes half as long as a small response.
   */
  takeId(): string;
}

/** Answers a request, or throws a {@linkcode Problem}. */
export type Handler = (request: Request, context: Context) => Response | Promise<Response>;

/** HTTP methods that a function can offer. */
export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/** Options of {@linkcode serve}. */
export interface ServeOptions {
  /**
   * Whether the handlers answer `schema_too_new` themselves, because of other origins or to include more.
   * @default {false}
   */
  judgesSchema?: boolean;
}

/** What the platform serves: `export default serve(…)`. */
export interface Served {
  /**
   * Answers synchronously if the handler does: a promise costs more than a small response. Never throws,
   * never rejects.
   */
  fetch(request: Request): Response | Promise<Response>;
}

/**
 * Wraps one handler, or one per method, for the platform.
 *
 * - A Host header that is not a valid host is refused (400) before any address is parsed.
 * - A thrown `Problem` becomes its response; anything else becomes `internal_error`, with its stack in the
 *   log.
 * - Each refusal is counted under `<function>_refused` and the problem's code.
 * - Each response is measured under `request`, by the slug that was called and status, from the call to the response's
 *   headers. Refusals by a kill switch have the status `disabled` there: the operator wants them, and they
 *   must not raise a failure alarm.
 * - With handlers by method, others get 405 and `Allow`; GET answers HEAD without its body.
 * - While the database refuses this code as too old: 503 `schema_too_new`. Meta resends its webhooks.
 * - A request with the header of {@linkcode state} gets that state, with secret keys only.
 *
 * @example
 * ```ts
 * export default serve("wa-webhook", { GET: handshake, POST: intake });
 * ```
 */
export function serve(
  fn: string,
  handlers: Handler | Partial<Record<Method, Handler>>,
  { judgesSchema = false }: ServeOptions = {},
): Served {
  const counter = refusalCounter(fn);
  const pick = typeof handlers === "function" ? () => handlers : pickMethod<Parameters<Handler>>(handlers);

  function fetch(request: Request): Response | Promise<Response> {
    const began = performance.now();
    const context = new RequestContext(fn, request.headers);
    try {
      requireHost(request.headers);
      const isAsked = request.headers.has(STATE_HEADER);
      if (!judgesSchema && !isAsked) requireSchema();
      const answer = isAsked ? state(fn, request.headers) : pick(request.method)(request, context);
      return answer instanceof Promise
        ? answer.then(
          (answer) => measured(stamped(answer, context), request, began),
          (error) => refusal(error, request, context, began),
        )
        : measured(stamped(answer, context), request, began);
    } catch (error) {
      return refusal(error, request, context, began);
    }
  }

  /** The series by status, cached: this runs for every request. */
  const series: Record<Environment, ((ms: number) => void)[]> = { blue: [], green: [] };
  const disabled = `${fn} disabled`;

  /** @param failed Whether the visitor's request failed because of us. */
  function measured(
    response: Response,
    { url, headers }: Request,
    began: number,
    failed = response.status >= 500,
  ): Response {
    const { status } = response;
    const now = performance.now();
    const took = now - began;
    const environment = environmentOf(fn, url);
    watchMemory(environment, now);
    (series[environment][status] ??= measuring("request", `${slugOf(fn, environment)} ${status}`))(took);
    countVisit(headers, environment, failed, took);
    return response;
  }

  function refusal(error: unknown, request: Request, context: Context, began: number): Response {
    const problem = error instanceof Problem ? error : new Problem("internal_error", { cause: error });
    count(counter, problem.code);
    watchRefusal(problem.code, environmentOf(fn, request.url));
    report(problem, context);
    const answer = problemResponse(problem, context.requestId);
    const response = request.method === "HEAD" ? new Response(null, answer) : answer;
    // Mail is refused with 503 whatever is wrong with it: its provider would drop it at a 4xx.
    const failed = response.status >= 500 && PROBLEMS[problem.code].status >= 500;
    if (problem.code !== "disabled_by_environment") return measured(response, request, began, failed);
    measure("request", disabled, performance.now() - began);
    return response;
  }

  return { fetch };
}

/** Sets the request id on a response; a response with immutable headers (from `fetch`) is copied. */
function stamped(response: Response, context: RequestContext): Response {
  if (context.idTaken) return response;
  try {
    response.headers.set("x-request-id", context.requestId);
    return response;
  } catch {
    const copy = new Response(response.body, response);
    copy.headers.set("x-request-id", context.requestId);
    return copy;
  }
}

/** Logs our failures with their cause. Callers' refusals are only counted, because there can be many. */
function report(problem: Problem, context: Context): void {
  if (problem.code === "internal_error") {
    context.log.error("the handler failed", { error: problem.cause });
  } else if (problem.status >= 500) {
    context.log.warn(`answered ${problem.code}`, {
      code: problem.code,
      detail: problem.detail,
      error: problem.cause,
    });
  } else {
    context.log.debug(`refused ${problem.code}`, {
      code: problem.code,
      detail: problem.detail,
      error: problem.cause,
    });
  }
}

class RequestContext implements Context {
  readonly fn: string;
  readonly #headers: Headers;
  #requestId: string | undefined;
  #log: Logger | undefined;
  /** Whether the handler has set the id on the response itself. */
  idTaken = false;

  constructor(fn: string, headers: Headers) {
    this.fn = fn;
    this.#headers = headers;
  }

  get requestId(): string {
    if (this.#requestId === undefined) {
      const given = this.#headers.get("x-request-id");
      this.#requestId = given !== null && /^[\w.:-]{8,128}$/.test(given) ? given : crypto.randomUUID();
    }
    return this.#requestId;
  }

  takeId(): string {
    this.idTaken = true;
    return this.requestId;
  }

  get traceparent(): string | undefined {
    return readTraceparent(this.#headers.get("traceparent"));
  }

  get log(): Logger {
    return this.#log ??= log.with({
      function: this.fn,
      request_id: this.requestId,
      trace_id: this.traceparent?.slice(3, 35),
    });
  }
}
