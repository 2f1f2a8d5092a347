/** Deploys a commit's functions under the slugs of green, with the real Supabase CLI. */
import { listFunctions } from "../../../local/functions/functions.ts";
import { join, ROOT } from "../../../lib/paths.ts";
import { slugOf } from "../../../supabase/functions/_shared/http/environment.ts";
import { CliError } from "../../core/errors.ts";
import { commitNamed, git, worktree } from "../../core/git.ts";
import { openProject } from "../../core/project.ts";
import type { Result, Session } from "../../core/session.ts";
import { greenAnswers } from "./green.ts";

/** The platform bundles a function in seconds. */
const SEEN_WITHIN_MS = 120_000;

export interface DeployOptions {
  from: string;
  projectRef?: string;
  /** The checkout with the commits. @default the one that this runs from */
  repository?: string;
}

/** Deploys green, waits until it answers as green, and sends nobody there. */
export async function deployGreen(session: Session, options: DeployOptions): Promise<Result> {
  const { stack } = await session.api();
  const repository = options.repository ?? ROOT;
  const commit = await commitNamed(repository, options.from);
  const short = await git(repository, "rev-parse", "--short=12", commit);
  const tree = await worktree(repository, commit);
  try {
    const names = [...listFunctions(join(tree.folder, "supabase", "functions")).keys()]
      .filter((name) => name !== "gateway").sort();
    if (!names.includes("health")) throw new CliError("invalid", `${short} has no functions to deploy.`);
    const config = join(tree.folder, "supabase", "config.toml");
    await Deno.writeTextFile(config, inGreen(await Deno.readTextFile(config)));
    const project = await openProject(session.io, stack, options.projectRef);
    try {
      const slugs = names.map((name) => slugOf(name, "green"));
      session.progress(`Deploying ${slugs.length} functions of ${short} to green on ${project.name}`);
      await project.supabase(["functions", "deploy", ...slugs, "--use-api", "--workdir", tree.folder]);
      await answersAsGreen(session);
      return {
        document: { environment: "green", commit, functions: slugs },
        text: `${short} is deployed to green: ${slugs.length} functions. Nobody goes there yet.\n` +
          `Send the first visitors: gatelink traffic ramp --why "…", or gatelink traffic set green 1`,
      };
    } finally {
      await project.close();
    }
  } finally {
    await tree.remove();
  }
}

/** A configuration in which each function has the slug of green; its entry point stays. */
export function inGreen(config: string): string {
  return config.replace(
    /^\[functions\.("?)([\w-]+)\1\]/gm,
    (_, _quote, name) => `[functions.${slugOf(name, "green")}]`,
  );
}

async function answersAsGreen(session: Session): Promise<void> {
  const { stack } = await session.api();
  const deadline = Date.now() + SEEN_WITHIN_MS;
  while (!await greenAnswers(stack)) {
    if (Date.now() > deadline) {
      throw new CliError("refused", `Green does not answer after ${SEEN_WITHIN_MS / 1000} s.`);
    }
    await new Promise((done) => setTimeout(done, 250));
  }
}
