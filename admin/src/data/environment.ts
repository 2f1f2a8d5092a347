/** What the functions report about their environment, and the kill switches set there. */
import type { Health } from "../../../supabase/functions/_shared/contract/http/operation.ts";
import { project } from "./client.ts";
import { useRead } from "./query.ts";
import { Refusal } from "./refusal.ts";

/** Answer of `GET /functions/v1/health`, including errors. */
export type Environment = Pick<Health, "version" | "environment" | "kill_switches">;

/**
 * The functions' health, polled. Sends no headers, so that it costs one request even from another origin.
 *
 * @param every Polling interval in milliseconds. @default that of lists
 */
export const useEnvironment = (every?: number) =>
  useRead<Environment>(["health"], async () => {
    const found = await fetch(`${project().url}/functions/v1/health`).then((answer) => answer.json())
      .catch(() => undefined);
    if (found?.kill_switches === undefined) throw new Refusal("network", "The functions are not responding.");
    return found;
  }, every === undefined ? {} : { every });
