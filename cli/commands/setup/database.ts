/** Steps about access and the database. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { listMigrations, migrate, type Migration, pendingMigrations } from "../../../lib/migrate.ts";
import { UserError } from "../../../lib/user_error.ts";
import { CliError, fetchReason } from "../../core/errors.ts";
import { fetchStack } from "../../core/fetch_stack.ts";
import type { Stack } from "../../core/stack.ts";
import { asked, type Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/** Checks that the database, the secret key and the Supabase CLI reach the same project. */
export function access({ stack, sql, project }: Target): WalkStep {
  return {
    name: "access",
    what: "reach the project, its database and its Management API",
    async look() {
      await asked(() => sql`select 1`);
      await requireKey(stack);
      await project.json(["functions", "list"]);
      return { done: true, found: `${project.name} at ${stack.url}` };
    },
  };
}

async function requireKey(stack: Stack): Promise<void> {
  const { url, secretKey: key } = stack;
  let status: number;
  try {
    const answer = await fetchStack(stack, `${url}/rest/v1/settings?select=key&limit=1`, {
      headers: key.startsWith("sb_") ? { apikey: key } : { apikey: key, authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(10_000),
    });
    await answer.body?.cancel();
    status = answer.status;
  } catch (error) {
    throw new CliError(
      "stack_unreachable",
      `${url} does not answer: ${fetchReason(error)}`,
      "Check the reference, and whether the project is paused.",
    );
  }
  if (status === 401 || status === 403) {
    throw new CliError(
      "unauthorized",
      `${url} does not accept the secret key.`,
      "Use a secret key of this project (sb_secret_…, Project Settings > API Keys).",
    );
  }
  if (status >= 500) {
    throw new CliError("stack_unreachable", `${url} answers ${status}.`, "Try again in a minute.");
  }
}

/** Applies the migrations. Those of others in the same project stay as they are. */
export function database({ sql }: Target, folder?: string): WalkStep {
  const place = { place: "The database", remedy: "Use a project of its own, or the checkout that made it." };
  const pending = () => ours(() => asked(() => pendingMigrations(sql, folder, place)));
  return {
    name: "database",
    what: "apply the migrations",
    async look() {
      const left = await pending();
      const all = listMigrations(folder);
      return left.length === 0
        ? { done: true, found: `${counted(all.length, "migration")}, up to ${named(all.at(-1)!)}` }
        : { done: false, lacks: `${left.length} of ${counted(all.length, "migration")} are to be applied` };
    },
    async act() {
      await ours(() => asked(() => migrate(sql, folder, place)));
    },
  };
}

const named = ({ version, name }: Migration) => `${version}_${name}`;

async function ours<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw new CliError("refused", error.message, undefined, { cause: error });
    throw error;
  }
}
