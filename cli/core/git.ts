/** Git commands of the command line. */
import { run } from "../../lib/programs.ts";
import { CliError } from "./errors.ts";

/** Runs git in a repository and returns its output. @throws {CliError} refused, with git's message */
export async function git(repository: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run("git", ["-C", repository, ...args]).catch((error) => {
    if (error instanceof Deno.errors.NotFound) throw new CliError("refused", "git is not installed.");
    throw error;
  });
  if (code === 0) return stdout.trim();
  throw new CliError("refused", `git ${args[0]}: ${stderr.trim().split("\n").at(-1)}`);
}

/** The commit with any name that git accepts. @throws {CliError} not_found */
export async function commitNamed(repository: string, name: string): Promise<string> {
  try {
    return await git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(
      "not_found",
      `There is no commit ${name} here.`,
      "git log --oneline -10 lists the newest; git fetch fetches missing ones.",
    );
  }
}

/** A clean worktree of a commit in a new folder, which `remove` deletes. */
export async function worktree(
  repository: string,
  commit: string,
): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-worktree-" });
  await git(repository, "worktree", "add", "--detach", "--quiet", folder, commit);
  return {
    folder,
    remove: async () => void await git(repository, "worktree", "remove", "--force", folder),
  };
}
