/** Calls the functions of a stack with the secret key: the only module of the command line that does. */
import { CliError, type ErrorCode, fetchReason } from "./errors.ts";
import { fetchStack } from "./fetch_stack.ts";
import type { Stack } from "./stack.ts";

const TIMEOUT_MS = 60_000;
/** Waits before retries in milliseconds, if the response names none. */
const WAITS_MS = [500, 1000, 2000, 4000];
/** Longest wait that a response can ask for, in milliseconds. */
const MAX_WAIT_MS = 60_000;

/** Options of {@linkcode callFunction}. */
export interface CallOptions {
  body?: unknown;
  /** Whether to retry after a temporary failure. @default {false} */
  again?: boolean;
  /** Longest wait for a response. @default {60_000} */
  timeoutMs?: number;
  /** Advice for a refusal with this code, if there is any. */
  hintOf?(code: string): string | undefined;
}

/**
 * Calls `/functions/v1/<path>`, where the path begins with the function's name, and returns the response's
 * JSON.
 * @throws {CliError} the function's refusal, or stack_unreachable
 */
export async function callFunction<T>(
  stack: Stack,
  method: string,
  path: string,
  { body, again = false, timeoutMs = TIMEOUT_MS, hintOf }: CallOptions = {},
): Promise<{ status: number; body: T }> {
  const address = `${stack.url}/functions/v1/${path}`;
  for (let attempt = 0;; attempt++) {
    const last = !again || attempt === WAITS_MS.length;
    let response: Response, text: string;
    try {
      response = await fetchStack(stack, address, {
        method,
        headers: { apikey: stack.secretKey, accept: "application/json", "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      text = await response.text();
    } catch (error) {
      if (last) throw away(stack, fetchReason(error), error);
      await wait(WAITS_MS[attempt]);
      continue;
    }
    if (response.ok) return { status: response.status, body: JSON.parse(text) };
    if (last || (response.status !== 429 && response.status < 500)) {
      throw refusal(stack, path, response, text, hintOf);
    }
    const asked = Number(response.headers.get("retry-after")) * 1000;
    await wait(Math.min(asked > 0 ? asked : WAITS_MS[attempt], MAX_WAIT_MS));
  }
}

/**
 * Posts bytes to a function, once, and returns the response's JSON.
 * @throws {CliError} the function's refusal, or stack_unreachable
 */
export async function postBytes<T>(
  stack: Stack,
  path: string,
  bytes: Uint8Array,
  contentType: string,
): Promise<T> {
  let response: Response, text: string;
  try {
    response = await fetchStack(stack, `${stack.url}/functions/v1/${path}`, {
      method: "POST",
      headers: { apikey: stack.secretKey, accept: "application/json", "content-type": contentType },
      body: bytes as BodyInit,
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    throw away(stack, fetchReason(error), error);
  }
  if (response.ok) return JSON.parse(text);
  throw refusal(stack, path, response, text, undefined);
}

/** By HTTP status. */
const CODES: Record<number, ErrorCode> = {
  400: "invalid",
  401: "unauthorized",
  403: "forbidden",
  404: "not_found",
  409: "conflict",
  410: "not_found",
  413: "invalid",
  415: "invalid",
  422: "invalid",
};

interface ProblemBody {
  code?: string;
  title?: string;
  detail?: string;
  /** What is wrong with the body, by member. */
  issues?: { path: string; message: string }[];
}

/** Converts an error response of the function. */
function refusal(
  stack: Stack,
  path: string,
  response: Response,
  text: string,
  hintOf: CallOptions["hintOf"],
): CliError {
  const problem = problemOf(text);
  if (problem?.code === undefined) return away(stack, `HTTP ${response.status}`);
  const { code, title = code, detail, issues = [] } = problem;
  if (code === "not_found" && response.status === 404) {
    const [name] = path.split(/[/?]/);
    return new CliError("refused", `${stack.url} has no function ${name}.`, "Deploy it: docs/deploy.md.");
  }
  const wrong = issues.map(({ path, message }) => `${path} ${message}`.trim()).join("; ");
  const what = detail ?? title;
  return new CliError(
    CODES[response.status] ?? "refused",
    wrong === "" ? what : `${what.replace(/\.$/, "")}: ${wrong}`,
    hintOf?.(code),
  );
}

function problemOf(text: string): ProblemBody | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function away(stack: Stack, why: string, cause?: unknown): CliError {
  return new CliError(
    "stack_unreachable",
    `${stack.url} (from ${stack.from}) does not answer: ${why}`,
    stack.dbUrl ? "Start it: deno task start" : "Check the address, and whether the project is paused.",
    { cause },
  );
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
