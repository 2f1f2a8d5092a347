/** Whether green is there. */
import { slugOf } from "../../../supabase/functions/_shared/http/environment.ts";
import { fetchStack } from "../../core/fetch_stack.ts";
import type { Stack } from "../../core/stack.ts";

/** Whether the functions of green answer as green. */
export async function greenAnswers(stack: Stack): Promise<boolean> {
  const response = await fetchStack(stack, `${stack.url}/functions/v1/${slugOf("health", "green")}/plain`, {
    signal: AbortSignal.timeout(10_000),
  }).catch(() => undefined);
  const body = await response?.json().catch(() => undefined) as { environment?: string } | undefined;
  return body?.environment === "green";
}
