/** Waits until every function of a stack uses the configuration as it is now: routes, flags, destinations. */
import type { Sql } from "postgres";
import { untilAll } from "../../cli/core/functions_state.ts";

/** The configuration is cached for a few seconds, from the start on: what was written a moment ago may not count yet. */
export async function configSeen(
  { url, stack }: { url: string; stack: { secretKey: string; functions?: string } },
  sql: Sql,
): Promise<void> {
  const [{ revision }] = await sql<{ revision: number }[]>`
    select (public.load_config(null) ->> 'revision')::float8 as revision`;
  const asked = { ...stack, url, from: "a test", file: undefined };
  await untilAll(asked, "wa_router.enabled", (state) => (state.config_revision ?? 0) >= revision, 15_000);
}
