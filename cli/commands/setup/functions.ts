/** Step: the functions, in the version of this checkout. */
import { listFunctions } from "../../../local/functions/functions.ts";
import { ROOT } from "../../../lib/paths.ts";
import { join } from "../../../lib/paths.ts";
import { CliError } from "../../core/errors.ts";
import { fetchStack } from "../../core/fetch_stack.ts";
import type { Stack } from "../../core/stack.ts";
import { untilAll } from "../../core/functions_state.ts";
import { git } from "../../core/git.ts";
import { setSecrets } from "./secrets.ts";
import type { Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/** Supabase restarts functions with changed secrets; an old one may run for up to 400 s. */
const SEEN_WITHIN_MS = 420_000;

/** The version of a checkout, as `GATELINK_VERSION` names it; with `-dirty` if files have changed since the commit. */
export function versionOf(root: string): Promise<string> {
  return git(root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*");
}

/**
 * Deploys the functions, sets their version, and waits until each answers with it.
 * @param root The checkout that is deployed. @default this one
 */
export function functions(target: Target, root: string = ROOT, timeoutMs: number = SEEN_WITHIN_MS): WalkStep {
  const { project, stack } = target;
  const names = [...listFunctions(join(root, "supabase", "functions")).keys()].sort();
  return {
    name: "functions",
    what: "deploy the functions",
    async look() {
      const version = await versionOf(root);
      // The local stack has no list of what is deployed: it serves all of them from the start.
      const { functions } = project.local
        ? { functions: names.map((slug) => ({ slug, status: "ACTIVE" })) }
        : await project.json<{ functions: { slug: string; status: string }[] }>(["functions", "list"]);
      const live = new Set(functions.filter(({ status }) => status === "ACTIVE").map(({ slug }) => slug));
      const missing = names.filter((name) => !live.has(name));
      if (missing.length > 0) return { done: false, lacks: `to be deployed: ${missing.join(", ")}` };
      const said = await health(stack);
      if (said.version !== version) {
        return { done: false, lacks: `deployed in version ${said.version ?? "unknown"}, this is ${version}` };
      }
      if (!said.ok) {
        throw new CliError("refused", `health answers ${said.status}: ${said.code ?? "not well"}`);
      }
      return { done: true, found: `${names.length} in version ${version}; health says ${said.state}` };
    },
    async act() {
      const version = await versionOf(root);
      await project.supabase(["functions", "deploy", "--use-api", "--workdir", root]);
      await setSecrets(target, { GATELINK_VERSION: version });
      await untilAll(stack, "", (state) => state.version === version, timeoutMs);
    },
  };
}

/** What health says. */
export async function health(
  stack: Stack,
): Promise<{ ok: boolean; status: number; version?: string; state?: string; code?: string }> {
  const { url } = stack;
  try {
    const answer = await fetchStack(stack, `${url}/functions/v1/health`, {
      signal: AbortSignal.timeout(15_000),
    });
    const body = await answer.json().catch(() => ({})) as {
      version?: string;
      status?: string;
      code?: string;
    };
    return {
      ok: answer.ok,
      status: answer.status,
      version: body.version,
      state: body.status,
      code: body.code,
    };
  } catch (error) {
    throw new CliError(
      "stack_unreachable",
      `${url}/functions/v1/health does not answer: ${error instanceof Error ? error.message : error}`,
      "Look into the function's log in the dashboard.",
    );
  }
}
