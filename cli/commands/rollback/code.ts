/** Rollback 3: deploys the functions of an earlier commit from a clean worktree with the real CLI. */
import { listFunctions } from "../../../local/functions/functions.ts";
import { listMigrations } from "../../../lib/migrate.ts";
import { join, ROOT } from "../../../lib/paths.ts";
import { acceptsNoWrites, type Api } from "../../core/api.ts";
import { CliError, told } from "../../core/errors.ts";
import { fetchStack } from "../../core/fetch_stack.ts";
import { awaited, functionNames, untilAll } from "../../core/functions_state.ts";
import { commitNamed, git, worktree } from "../../core/git.ts";
import { irreversible, refuseInVain } from "./irreversible.ts";
import { openProject, type Project } from "../../core/project.ts";
import type { Session } from "../../core/session.ts";
import type { WayBack } from "./steps.ts";

/** Supabase bundles a function in seconds; instances of the previous version may run for up to 400 s. */
const SEEN_WITHIN_MS = 420_000;

export interface CodeOptions {
  why: string;
  projectRef?: string;
  anyway?: boolean;
  /** Longest time until the functions use it, in milliseconds. @default {7 min} */
  timeout?: number;
  /** The checkout with the commits. @default the one that this runs from */
  repository?: string;
}

/** Plans it: creates the worktree and examines it; deploys nothing. */
export async function codeWayBack(session: Session, to: string, options: CodeOptions): Promise<WayBack> {
  const api = await session.api();
  const repository = options.repository ?? ROOT;
  const commit = await commitNamed(repository, to);
  const short = await git(repository, "rev-parse", "--short=12", commit);
  const before = await git(repository, "rev-parse", "--abbrev-ref", "HEAD");
  const tree = await worktree(repository, commit);
  let project: Project | undefined;
  const cleanUp = async () => {
    await project?.close();
    await tree.remove();
  };
  try {
    const readOnly = await requireSchema(api, tree.folder, options.anyway ?? false);
    project = await openProject(session.io, api.stack, options.projectRef);
    const functions = [...listFunctions(join(tree.folder, "supabase", "functions")).keys()].sort();
    if (functions.length === 0) {
      throw new CliError("invalid", `${short} has no functions in supabase/functions.`);
    }
    const staying = functionNames(api.stack).filter((name) => !functions.includes(name));
    return plan(api, project, {
      short,
      subject: await git(repository, "log", "-1", "--format=%cs %s", commit),
      folder: tree.folder,
      functions,
      staying,
      forward: `To undo: gatelink rollback 3 ${before === "HEAD" ? "<commit>" : before} --why "…"`,
      reason: options.why,
      timeout: options.timeout ?? SEEN_WITHIN_MS,
      readOnly,
      cleanUp,
    });
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

interface Parts {
  short: string;
  subject: string;
  folder: string;
  functions: string[];
  /** Deployed functions, if any, that are not in this commit. */
  staying: string[];
  forward: string;
  reason: string;
  timeout: number;
  /** The database accepts no writes, which earlier code cannot change. */
  readOnly: boolean;
  cleanUp(): Promise<void>;
}

function plan(api: Api, project: Project, parts: Parts): WayBack {
  const { short, subject, folder, functions, staying, forward, reason, timeout, readOnly, cleanUp } = parts;
  const names = functions.join(", ");
  let versions = new Map<string, number>();
  return {
    level: 3,
    target: short,
    reason,
    notes: [
      `${short} is ${subject}`,
      ...(staying.length === 0 || project.local
        ? []
        : [`Not in that commit and left as deployed: ${staying.join(", ")}`]),
      ...(project.local ? ["The local stack serves it until its next start."] : []),
      ...(readOnly
        ? [
          "The database accepts no writes, so it cannot say whether it refuses code of that commit, and health answers 503 until it does.",
        ]
        : []),
    ],
    forward,
    cleanUp,
    steps: [
      {
        what: `supabase functions deploy --use-api, from a clean worktree of ${short}`,
        run: async () => {
          versions = await listed(project);
          await project.supabase(["functions", "deploy", "--use-api", "--workdir", folder]);
          return names;
        },
      },
      {
        what: "supabase functions list: check that each is live in a new version",
        run: async () => {
          const now = await listed(project);
          const same = functions.filter((name) => (now.get(name) ?? 0) <= (versions.get(name) ?? 0));
          if (same.length > 0) {
            throw new CliError("refused", `Not live in a new version: ${same.join(", ")}.`);
          }
          return functions.map((name) => `${name} ${now.get(name)}`).join(", ");
        },
      },
      {
        what: `supabase secrets set GATELINK_VERSION=${short}`,
        run: async () => void await project.supabase(["secrets", "set", `GATELINK_VERSION=${short}`]),
      },
      {
        what: "poll each function until it reports that version",
        run: async () =>
          awaited(
            await untilAll(
              api.stack,
              "",
              ({ version, function: name }) => version === short || !functions.includes(name),
              timeout,
            ),
          ),
      },
      {
        what: "check with health that it can serve on this database",
        run: () =>
          healthy(api).catch((error) => {
            if (!readOnly) throw error;
            return `${told(error).message.replace(/\.$/, "")}: the database accepts no writes, as before`;
          }),
      },
    ],
  };
}

/** The live functions, with the number of their deployment. */
async function listed(project: Project): Promise<Map<string, number>> {
  const { functions } = await project.json<
    { functions: { slug: string; version: number; status: string }[] }
  >([
    "functions",
    "list",
  ]);
  return new Map(
    functions.filter(({ status }) => status === "ACTIVE").map(({ slug, version }) => [slug, version]),
  );
}

/**
 * Refuses code that is too old for the database, and code that a migration no longer allows. Returns whether the
 * database accepts no writes.
 *
 * Failure policy: open. This rollback has to work while the database does not; each function checks the schema itself.
 */
async function requireSchema(api: Api, folder: string, anyway: boolean): Promise<boolean> {
  const has = await api.rpc("schema_version", {}).catch((error) => {
    if (error instanceof CliError && error.code === "stack_unreachable") return null;
    throw error;
  });
  if (has === null) return false;
  const migrations = listMigrations(join(folder, "supabase", "migrations")).map(({ version }) => version);
  const newest = migrations.at(-1) ?? "0";
  if (newest > has) {
    throw new CliError(
      "refused",
      `That commit has the migration ${newest}, and the database is at ${has}.`,
      "Apply the migrations first: supabase db push.",
    );
  }
  const state = await api.rpc("schema_state", {}).catch((error) => {
    if (acceptsNoWrites(error)) return null;
    throw error;
  });
  const breaks = state?.breaks ?? null;
  if (breaks !== null && breaks > newest) {
    throw new CliError(
      "refused",
      `That commit is for the migration ${newest}, and the database refuses code that is older than ${breaks}.`,
      `Revert the database first: gatelink rollback 4 ${newest}.`,
    );
  }
  const cut = (await irreversible()).filter(({ version }) => version <= has && !migrations.includes(version));
  refuseInVain(cut, 3, anyway);
  return state === null;
}

/** Asks health, and returns what it says about the schema. @throws {CliError} refused */
export async function healthy({ stack }: Api): Promise<string> {
  const response = await fetchStack(stack, `${stack.url}/functions/v1/health`, {
    signal: AbortSignal.timeout(10_000),
  });
  const said = await response.json() as {
    code?: string;
    status?: string;
    database?: { needs: string; has: string | null; breaks: string | null };
  };
  const { database } = said;
  const broken = database?.breaks != null && database.breaks > database.needs
    ? `, is not compatible with ${database.breaks}`
    : "";
  const schema = database ? `needs ${database.needs}, has ${database.has ?? "no record"}${broken}` : "";
  if (response.ok) return `${said.status}; ${schema}`;
  throw new CliError("refused", `health answers ${response.status} ${said.code ?? ""}; ${schema}`);
}
