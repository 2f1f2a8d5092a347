/**
 * Calls of SQL functions over the project's Data API (PostgREST) with the secret key. The only module that
 * uses the Data API.
 *
 * It uses `fetch` instead of supabase-js: for our calls, that library takes twice the CPU (0.4 ms instead of
 * 0.2 for a body of 60 KB, because it serialises with a replacer and builds each request from scratch), adds
 * 40 ms to the start of a fresh process, and turns a failed connection into an error without a code. It would
 * save ten lines.
 *
 * Failure policy: an outage (network, time-out, 5xx of a gateway, a server that is starting, stopping or
 * full) is a `Problem` database_unavailable, so that callers try again. An error in the call itself is a
 * {@linkcode DbError}; repeating it would not help. A missing function means a schema that this version does
 * not know: `Problem` schema_outdated. A schema that code as old as this must not use: schema_too_new.
 * Serialisation failures and deadlocks are repeated here, because Postgres has rolled them back.
 *
 * @module
 */
import { keyHeaders, type Project, project } from "../config/project.ts";
import type { Args, FunctionName, Result } from "../contract/sql.ts";
import { Problem } from "../http/problem.ts";
import { isTooOld, refusedAsTooOld, SCHEMA_HEADER, SCHEMA_VERSION, TOO_OLD } from "./schema.ts";

/**
 * The database refused the call: bad data, a broken rule, a missing function. It is logged, so it contains no
 * text that quotes data.
 */
export class DbError extends Error {
  override readonly name = "DbError";
  /** SQLSTATE such as "23505", or PostgREST's own such as "PGRST202"; "" when it gave none. */
  readonly code: string;
  /** Name of the function called. */
  readonly fn: string;
  /** HTTP status of the Data API's answer, 0 when it gave none. */
  readonly status: number;

  constructor(fn: string, code: string, message: string, status = 0) {
    super(message);
    this.fn = fn;
    this.code = code;
    this.status = status;
  }
}

/** Whether the database refused this code as too old. Nothing cached may replace its answer then. */
export function isRefusedAsTooOld(error: unknown): boolean {
  return error instanceof Problem && error.code === "schema_too_new";
}

/**
 * Refuses a request that would be answered from memory while the database refuses this code as too old.
 *
 * @throws {Problem} `schema_too_new`
 */
export function requireSchema(): void {
  if (isTooOld()) throw new Problem("schema_too_new");
}

/** Options of one {@linkcode Rpc}. */
export interface RpcOptions {
  /** Longest wait for the response over all attempts, in milliseconds. @default {10_000} */
  timeoutMs?: number;
}

/**
 * Calls the SQL function `name` and returns its result; null for a function without one.
 *
 * The result is not validated here; tests do that (contract/answers.ts).
 *
 * @throws {Problem} `database_unavailable`, `schema_outdated`, `schema_too_new`
 * @throws {DbError} if the database refused the call.
 */
export type Rpc = <Name extends FunctionName>(
  name: Name,
  args: Args<Name>,
  options?: RpcOptions,
) => Promise<Result<Name>>;

/** Options of {@linkcode createRpc}. */
export interface RpcEndpoint {
  /** Base URL of the project and secret key. @default {from the environment} */
  endpoint?: () => Project;
  /** @default {globalThis.fetch} */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Wait before attempt 2, 3, … in milliseconds. @default {jittered, from 20 to 160} */
  backoffMs?: (attempt: number) => number;
}

const ATTEMPTS = 4;

/** Creates an {@linkcode Rpc}; the functions share {@linkcode rpc}. */
export function createRpc(options: RpcEndpoint = {}): Rpc {
  const { endpoint = project, fetch = globalThis.fetch, backoffMs = jittered } = options;

  return async <Name extends FunctionName>(
    name: Name,
    args: Args<Name>,
    { timeoutMs = 10_000 }: RpcOptions = {},
  ): Promise<Result<Name>> => {
    const { url, key } = endpoint();
    const address = `${url}/rest/v1/rpc/${name}`;
    const signal = AbortSignal.timeout(timeoutMs);
    const init = { method: "POST", headers: headers(key), body: JSON.stringify(args), signal };
    for (let attempt = 1;; attempt++) {
      let status: number, text: string;
      try {
        const response = await fetch(address, init);
        status = response.status;
        text = await response.text();
      } catch (cause) {
        throw new Problem("database_unavailable", { cause });
      }
      if (status >= 200 && status < 300) return result(name, text) as Result<Name>;
      const error = failure(name, status, text);
      if (!(error instanceof DbError) || !UNDONE.test(error.code)) throw error;
      if (attempt === ATTEMPTS || signal.aborted) throw new Problem("database_unavailable", { cause: error });
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt)));
    }
  };
}

/** Calls an SQL function; see {@linkcode Rpc}. */
export const rpc: Rpc = createRpc();

/**
 * serialization_failure, deadlock_detected, lock_not_available: rolled back by Postgres, likely to succeed
 * next time.
 */
const UNDONE = /^(40001|40P01|55P03)$/;

/**
 * Connection exceptions (08), insufficient resources (53), the server shutting down or starting up
 * (57P), system errors (58), a statement cancelled for its time (57014), a standby during a failover
 * (25006); PostgREST without a connection (PGRST000 to 003).
 */
const OUTAGE = /^(08...|53...|57P..|58...|57014|25006|PGRST00[0-3])$/;

/**
 * Data exceptions (22) and broken constraints (23). Their messages quote data: message texts and phone
 * numbers.
 */
const QUOTING = /^2[23]...$/;

/** The form of the Data API's codes; any other `code` comes from a server in between. */
const KNOWN_CODE = /^([0-9A-Z]{5}|PGRST\d{3}|PGRSTX\d{2})$/;

/** Converts an error response to an error. */
function failure(fn: string, status: number, text: string): DbError | Problem {
  const body = json(text) as { code?: unknown; message?: unknown } | undefined;
  const code = typeof body?.code === "string" && KNOWN_CODE.test(body.code) ? body.code : "";
  const said = typeof body?.message === "string" ? body.message : `HTTP ${status}: ${text.slice(0, 500)}`;
  const error = new DbError(fn, code, QUOTING.test(code) ? "the data was refused" : said, status);
  // A gateway that refuses our key cannot be told apart from one that has not yet heard of a new key.
  if (code === TOO_OLD) {
    refusedAsTooOld();
    return new Problem("schema_too_new", { cause: error });
  }
  if (isMissing(fn, error)) return new Problem("schema_outdated", { cause: error });
  const outage = code === "" ? status >= 500 || status === 429 || status === 408 : OUTAGE.test(code);
  return outage ? new Problem("database_unavailable", { cause: error }) : error;
}

/**
 * Whether the called function itself is missing: PostgREST says so from its schema cache, or Postgres does if
 * that cache is stale. (A function that calls a missing one also fails with 42883.)
 */
function isMissing(fn: string, { code, message }: DbError): boolean {
  return code === "PGRST202" || (code === "42883" && message.startsWith(`function public.${fn}(`));
}

function result(fn: string, text: string): unknown {
  if (text === "") return null;
  const value = json(text);
  if (value !== undefined) return value;
  // A 2xx that is no JSON does not come from PostgREST: something stands in between.
  throw new Problem("database_unavailable", {
    cause: new DbError(fn, "", `not JSON: ${text.slice(0, 200)}`),
  });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function headers(key: string): Record<string, string> {
  return {
    "content-type": "application/json",
    "content-profile": "public",
    [SCHEMA_HEADER]: SCHEMA_VERSION,
    ...keyHeaders(key),
  };
}

function jittered(attempt: number): number {
  return 20 * 2 ** (attempt - 1) * (1 + Math.random());
}
