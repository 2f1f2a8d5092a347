/**
 * The stack's Data API, with the secret key: the only module of the command line that uses postgrest-js, the
 * part of supabase-js that reading tables needs.
 */
import { sentence } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import type { PostgrestClient } from "@supabase/postgrest-js";
import type { Database } from "../../supabase/functions/_shared/contract/database.ts";
import type { Args, FunctionName, Result } from "../../supabase/functions/_shared/contract/sql.ts";
import { CliError, type ErrorCode, fetchReason } from "./errors.ts";
import { fetchStack } from "./fetch_stack.ts";
import type { Stack } from "./stack.ts";

const TIMEOUT_MS = 30_000;

/**
 * Time limit of a rollback's database calls in milliseconds: long enough for a busy database, short enough to
 * try another way.
 */
export const HURRIED_MS = 2000;

/** Rows per request; also the default maximum of a Supabase project. */
export const PAGE = 1000;

/** Reads the tables of a stack, and calls its SQL functions. */
export interface Api {
  readonly stack: Stack;
  /** Calls an SQL function. */
  rpc<Name extends FunctionName>(name: Name, args: Args<Name>): Promise<Result<Name>>;
  /**
   * Runs a query and returns all its rows, page by page, or those of its own limit or range.
   * @param query Called for each page. Without an order, more rows than one page are an error.
   */
  rows<T>(query: (client: Client) => PromiseLike<Answer<T[]>>): Promise<T[]>;
}

/** What postgrest-js builds, with the address that it hides. */
interface Built<T> {
  readonly url: URL;
  range(from: number, to: number): PromiseLike<Answer<T[]>>;
}

/** A client typed with the tables and their columns. */
export type Client = PostgrestClient<Database>;

/**
 * All rows of a query, however many there are, in pages of `PAGE`: a project answers no more at once and does not say so.
 * @param page One page: the rows after `last` in the order of a unique column, the first ones without it, at most `PAGE`.
 */
export async function allRows<T>(
  api: Pick<Api, "rows">,
  page: (client: Client, last: T | undefined) => PromiseLike<Answer<T[]>>,
): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const rows = await api.rows((client) => page(client, all.at(-1)));
    all.push(...rows);
    if (rows.length < PAGE) return all;
  }
}

interface Answer<T = unknown> {
  data: T | null;
  error: { message: string; code?: string; hint?: string | null; details?: unknown } | null;
  status: number;
}

/**
 * The API of a stack. Sends no request yet.
 * @param timeoutMs Longest wait for a response, in milliseconds.
 */
export function connect(stack: Stack, timeoutMs: number = TIMEOUT_MS): Api {
  const fetchInTime = (input: RequestInfo | URL, init?: RequestInit) =>
    fetchStack(stack, input, { ...init, signal: init?.signal ?? AbortSignal.timeout(timeoutMs) })
      .catch((error) => Promise.reject(new Error(fetchReason(error), { cause: error })));

  /** A call by itself: `status` and many others need no more, and postgrest-js takes as long to load as all the rest. */
  async function call(name: string, args: object): Promise<Answer> {
    let response: Response, text: string;
    try {
      response = await fetchInTime(`${stack.url}/rest/v1/rpc/${name}`, {
        method: "POST",
        headers: {
          ...headersOf(stack.secretKey),
          "content-type": "application/json",
          "content-profile": "public",
        },
        body: JSON.stringify(args),
      });
      text = await response.text();
    } catch (error) {
      return { data: null, error: { message: (error as Error).message }, status: 0 };
    }
    const value = parsed(text);
    const { ok, status } = response;
    // A success that is not JSON does not come from PostgREST: something stands in between.
    if (ok && value !== undefined) return { data: value, error: null, status };
    const error = !ok && typeof value === "object" && value !== null ? value : { message: text };
    return { data: null, error: error as Answer["error"], status };
  }

  async function client(): Promise<Client> {
    const { PostgrestClient } = await import("@supabase/postgrest-js");
    return new PostgrestClient<Database>(`${stack.url}/rest/v1`, {
      headers: headersOf(stack.secretKey),
      schema: "public",
      // Each attempt would wait as long again.
      retry: timeoutMs === TIMEOUT_MS,
      fetch: fetchInTime,
    });
  }
  let loaded: Promise<Client> | undefined;

  const settle = async <T>(asked: PromiseLike<Answer<T>>): Promise<T> => {
    const { data, error, status } = await asked;
    if (error) throw failure(stack, error, status);
    return data as T;
  };
  return {
    stack,
    rpc: <Name extends FunctionName>(name: Name, args: Args<Name>) =>
      settle(call(name, args)) as Promise<Result<Name>>,
    rows: async <T>(query: (client: Client) => PromiseLike<Answer<T[]>>) => {
      const db = await (loaded ??= client());
      const all: T[] = [];
      for (;;) {
        const asked = query(db);
        const built = asked as unknown as Built<T>;
        if (built.url.searchParams.has("limit")) return await settle(asked);
        const isOrdered = built.url.searchParams.has("order");
        const page = await settle(built.range(all.length, all.length + PAGE - 1));
        all.push(...page);
        if (page.length < PAGE) return all;
        if (!isOrdered) {
          throw new CliError(
            "refused",
            "There are more rows than one request returns.",
            "Narrow the selection.",
          );
        }
      }
    },
  };
}

/** JSON; null for an empty answer, undefined for text that is not JSON. */
function parsed(text: string): unknown {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `sb_` keys go in `apikey` only; a legacy key is a JWT and must also be sent as a bearer token. */
function headersOf(key: string): Record<string, string> {
  return key.startsWith("sb_") ? { apikey: key } : { apikey: key, authorization: `Bearer ${key}` };
}

/** Our own SQLSTATEs (GL…, by HTTP status), and those of Postgres that a user's input can cause. */
const CODES: Record<string, ErrorCode> = {
  GL300: "conflict",
  GL403: "forbidden",
  GL404: "not_found",
  GL409: "conflict",
  GL422: "invalid",
  "42501": "forbidden",
  "23505": "conflict",
};

/** Read-only (a standby is, too), or full, which Supabase makes read-only. */
const NO_WRITES: ReadonlySet<string> = new Set(["25006", "53100"]);

/** Whether an error says that the database accepts no writes. */
export function acceptsNoWrites(error: unknown): boolean {
  return NO_WRITES.has(sqlState(error) ?? "");
}

/** SQLSTATE of an error of {@linkcode Api}; undefined if it is none of the database. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof CliError ? (error.cause as { code?: string } | undefined)?.code : undefined;
}

/** Converts an error of the Data API. */
export function failure(stack: Stack, error: NonNullable<Answer["error"]>, status: number): CliError {
  const code = error.code ?? "";
  if (status === 401) {
    return new CliError(
      "unauthorized",
      `${stack.url} does not accept the key from ${stack.from}.`,
      "Use a secret key of this project (sb_secret_…, Project Settings > API Keys).",
    );
  }
  if (code === "PGRST202" || code === "PGRST205") {
    return new CliError(
      "refused",
      `The database at ${stack.url} lacks what this command needs: ${error.message}`,
      "Apply the migrations: supabase db push (docs/deploy.md), or restart the local stack.",
    );
  }
  // PostgREST gives an error of the database a code of five characters. Without one it did not come that far.
  if (!/^([0-9A-Z]{5}|PGRST\d{3})$/.test(code) || /^PGRST00/.test(code)) {
    return new CliError(
      "stack_unreachable",
      `${stack.url} (from ${stack.from}) does not answer: ${
        status === 0 ? error.message.replace(/^Error: /, "") : `HTTP ${status}`
      }`,
      stack.dbUrl ? "Start it: deno task start" : "Check the address, and whether the project is paused.",
    );
  }
  if (NO_WRITES.has(code)) {
    return new CliError(
      "refused",
      `The database accepts no writes: it is read-only or full (${error.message}).`,
      "Without the database: gatelink rollback 2 --help. To make it writable again: docs/runbooks/2-environment.md.",
      { cause: error },
    );
  }
  const kind = CODES[code] ?? (/^(22|23514)/.test(code) ? "invalid" : "refused");
  return new CliError(kind, sentence(error.message), error.hint ?? undefined, { cause: error });
}
