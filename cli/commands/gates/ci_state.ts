/** Whether CI passed for the commit that is checked out. */
import { join } from "../../../lib/paths.ts";
import { fetchReason } from "../../core/errors.ts";
import { git } from "../../core/git.ts";
import type { Io } from "../../core/io.ts";

/** The content of `.ci/last.json`, which `.ci/run` writes. */
interface LastRun {
  commit: string;
  /** False if files had changed since that commit. */
  clean: boolean;
  passed: number;
  failed: number;
  at: string;
}

/** The state, and a text about it. */
export interface CiState {
  ok: boolean;
  said: string;
}

/**
 * Reads the last `.ci/run` of this checkout; if that was another commit, asks GitHub, with GITHUB_API_URL and
 * GITHUB_TOKEN as in GitHub's own workflows.
 *
 * Failure policy: closed. An unknown state is not ok.
 */
export async function ciState(root: string, env: Io["env"]): Promise<CiState> {
  const commit = await git(root, "rev-parse", "HEAD");
  const short = commit.slice(0, 12);
  const dirty = await git(root, "status", "--porcelain", "--untracked-files=no") !== "";
  if (dirty) return { ok: false, said: `files have changed since ${short} without a CI run` };
  const local = await lastRun(root);
  if (local?.commit === commit && local.clean) {
    const { passed, failed, at } = local;
    return {
      ok: failed === 0 && passed > 0,
      said: `${passed} passed, ${failed} failed for ${short} (.ci/run at ${at})`,
    };
  }
  const repository = await gitHub(root);
  if (repository !== undefined) return await askGitHub(repository, commit, env);
  return {
    ok: false,
    said: local === undefined
      ? `there is no known CI run for ${short}`
      : `the last .ci/run was for ${local.commit.slice(0, 12)}${
        local.clean ? "" : " with changes"
      }, not for ${short}`,
  };
}

async function lastRun(root: string): Promise<LastRun | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(join(root, ".ci", "last.json")));
  } catch {
    return undefined;
  }
}

/** `owner/name` of the remote origin, if it is on GitHub. */
async function gitHub(root: string): Promise<string | undefined> {
  const url = await git(root, "remote", "get-url", "origin").catch(() => "");
  return /^(?:https:\/\/github\.com\/|git@github\.com:|ssh:\/\/git@github\.com\/)([^/]+\/[^/]+?)(?:\.git)?\/?$/
    .exec(url)
    ?.[1];
}

interface CheckRun {
  name: string;
  status: string;
  conclusion: string | null;
}

async function askGitHub(repository: string, commit: string, env: Io["env"]): Promise<CiState> {
  const api = env.GITHUB_API_URL ?? "https://api.github.com";
  const token = env.GITHUB_TOKEN;
  const short = commit.slice(0, 12);
  try {
    const response = await fetch(`${api}/repos/${repository}/commits/${commit}/check-runs?per_page=100`, {
      headers: {
        accept: "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) {
      await response.body?.cancel();
      return { ok: false, said: `GitHub answers ${response.status} for ${short} of ${repository}` };
    }
    const { check_runs: runs } = await response.json() as { check_runs: CheckRun[] };
    const bad = runs.filter(({ status, conclusion }) =>
      status !== "completed" || !["success", "neutral", "skipped"].includes(conclusion ?? "")
    );
    if (runs.length === 0) return { ok: false, said: `GitHub has no check of ${short}` };
    return bad.length === 0 ? { ok: true, said: `${runs.length} checks passed for ${short} on GitHub` } : {
      ok: false,
      said: bad.map(({ name, status, conclusion }) => `${name}: ${conclusion ?? status}`).join(", "),
    };
  } catch (error) {
    return { ok: false, said: `GitHub cannot be reached for ${short}: ${fetchReason(error)}` };
  }
}
