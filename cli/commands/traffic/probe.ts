/** Asks a gateway which environment it sends new visitors to. */
import { CliError, fetchReason } from "../../core/errors.ts";
import type { Stack } from "../../core/stack.ts";

/** How many visitors are sent, as rollout plans ask. */
export const PROBES = 10;
/** A changed split is seen by every gateway within this time. */
const SEEN_WITHIN_MS = 15_000;
const TIMEOUT_MS = 10_000;

/** The address of the gateway in front of a stack, without a trailing slash. */
export function gatewayOf(stack: Stack, given: string | undefined): string {
  if (given !== undefined) return given.replace(/\/+$/, "");
  return stack.dbUrl === undefined ? `${stack.url}/functions/v1/gateway` : stack.url;
}

/** The environment of a new visitor, or the status of an answer that names none: each probe comes without a cookie. @throws {CliError} stack_unreachable */
export async function probe(gateway: string): Promise<string> {
  try {
    const response = await fetch(`${gateway}/health`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const text = await response.text();
    const said = /"environment" *: *"(blue|green)"/.exec(text)?.[1];
    return said ?? `HTTP ${response.status}`;
  } catch (error) {
    throw new CliError("stack_unreachable", `${gateway}/health does not answer: ${fetchReason(error)}`);
  }
}

/** Ten probes, one after the other. */
export async function probes(gateway: string): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < PROBES; i++) seen.push(await probe(gateway));
  return seen;
}

/**
 * Probes until what is seen can be the split: all of ten visitors go to the environment that has everybody. With any
 * other split, ten are only shown, since chance decides about each.
 *
 * @returns the last ten, and whether they agree.
 */
export async function verify(
  gateway: string,
  { green }: { green: number },
  withinMs = SEEN_WITHIN_MS,
): Promise<{ seen: string[]; agree: boolean }> {
  const only = green === 0 ? "blue" : green === 100 ? "green" : undefined;
  const agree = (seen: string[]) =>
    seen.every((one) => only === undefined ? one === "blue" || one === "green" : one === only);
  const deadline = Date.now() + withinMs;
  for (;;) {
    const seen = await probes(gateway);
    // What does not name an environment is no gateway, and waiting would not make it one.
    const strange = seen.every((one) => one !== "blue" && one !== "green");
    if (agree(seen) || strange || Date.now() > deadline) return { seen, agree: agree(seen) };
    await new Promise((done) => setTimeout(done, 250));
  }
}
