/** Asks the running functions for their state; see supabase/functions/_shared/serve/state.ts. */
import { listFunctions } from "../../local/functions/functions.ts";
import { FUNCTIONS } from "../../lib/paths.ts";
import type { FunctionState } from "../../supabase/functions/_shared/contract/http/operation.ts";
import { STATE_HEADER } from "../../supabase/functions/_shared/serve/state.ts";
import { CliError, fetchReason } from "./errors.ts";
import type { Stack } from "./stack.ts";

/**
 * A function's answer: its state; `mute` for one that was deployed before functions could report it; `absent`
 * for one that is not deployed; else why there was no usable answer.
 */
export type Reported =
  & { name: string }
  & ({ state: FunctionState } | { mute: true } | { absent: true } | { failed: string });

const TIMEOUT_MS = 10_000;
const ASK_EVERY_MS = 250;
/** Several instances of a function may run; each request reaches one of them. */
const REQUESTS_EACH = 3;

/** Names of this checkout's functions, which the stack should serve. */
export function functionNames(stack: Stack): string[] {
  return [...listFunctions(stack.functions ?? FUNCTIONS).keys()];
}

/** Asks a function once. */
export async function ask(stack: Stack, name: string, flag: string): Promise<Reported> {
  try {
    const response = await fetch(`${stack.url}/functions/v1/${name}`, {
      headers: { apikey: stack.secretKey, [STATE_HEADER]: flag },
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const body = await response.json().catch(() => undefined) as
      | Partial<FunctionState> & { code?: string }
      | undefined;
    if (response.ok && body?.function === name && body.kill_switches) {
      return { name, state: body as FunctionState };
    }
    if (response.status === 404 && /^not_found$/i.test(body?.code ?? "")) return { name, absent: true };
    if (response.status >= 500) {
      return { name, failed: `answers ${response.status} ${body?.code ?? ""}`.trim() };
    }
    return { name, mute: true };
  } catch (error) {
    return { name, failed: fetchReason(error) };
  }
}

export interface Awaited {
  /** Functions that confirmed it. */
  confirmed: string[];
  /** Functions that run but cannot report their state. */
  mute: string[];
  absent: string[];
}

/**
 * Asks all functions until each deployed one confirms the expected state, in each of several requests.
 *
 * @param flag Key of the flag to ask for; any text if no flag matters.
 * @throws {CliError} refused, naming the functions that do not confirm it in time
 */
export async function untilAll(
  stack: Stack,
  flag: string,
  holds: (state: FunctionState) => boolean,
  timeoutMs: number,
): Promise<Awaited> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const asked = functionNames(stack).flatMap((name) =>
      Array.from({ length: REQUESTS_EACH }, () => ask(stack, name, flag))
    );
    const reports = await Promise.all(asked);
    const late = reports.filter((report) => "failed" in report || "state" in report && !holds(report.state));
    const names = (
      kind: string,
    ) => [...new Set(reports.filter((one) => kind in one).map(({ name }) => name))];
    const confirmed = names("state");
    if (late.length === 0 && confirmed.length > 0) {
      return { confirmed, mute: names("mute"), absent: names("absent") };
    }
    if (Date.now() > deadline) {
      const why = new Map(late.map((report) => [
        report.name,
        `${report.name} ${"failed" in report ? report.failed : "still uses the previous state"}`,
      ]));
      throw new CliError(
        "refused",
        `Not every function has seen it after ${timeoutMs / 1000} s: ${
          [...why.values()].join(", ") || "none can say"
        }.`,
      );
    }
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
  }
}

/** The result of {@linkcode untilAll}, as the end of a sentence. */
export function awaited({ confirmed, mute, absent }: Awaited): string {
  return [
    confirmed.join(", "),
    ...(mute.length === 0 ? [] : [`without an answer: ${mute.join(", ")}`]),
    ...(absent.length === 0 ? [] : [`not deployed: ${absent.join(", ")}`]),
  ].join("; ");
}
