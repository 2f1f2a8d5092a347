/** Templates as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { Args, Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import { useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** Templates, and when each account's were fetched. */
export function useTemplates(
  filter: Args<"list_templates">["p_filter"] = {},
  limit: number | null = null,
): UseQueryResult<Result<"list_templates">, Refusal> {
  return useRpc("list_templates", { p_filter: filter, p_limit: limit });
}

/** Keys that a change of a template invalidates. */
export const TEMPLATES_CHANGED = ["list_templates"];
