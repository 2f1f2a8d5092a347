/** Templates as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import { useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** All templates, and when each account's were fetched. */
export function useTemplates(): UseQueryResult<Result<"list_templates">, Refusal> {
  return useRpc("list_templates", {});
}

/** Keys that a change of a template invalidates. */
export const TEMPLATES_CHANGED = ["list_templates"];
