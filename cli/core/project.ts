/**
 * Runs the real Supabase CLI on a stack's project: on a hosted one as installed and logged in, on the local
 * stack through a stand-in for Supabase's Management API that forwards changes to the stack.
 */
import { dirname, resolve } from "node:path";
import { changeDeployedSecrets, deployFunctions, deployGreen } from "../../local/project/deployment.ts";
import { userSecrets } from "../../local/project/environment.ts";
import { complaints } from "../../tools/deploy/upload.ts";
import { startStandIn } from "../../tools/deploy/stand_in.ts";
import { type Ended, npx, SUPABASE } from "../../lib/programs.ts";
import { slugOf } from "../../supabase/functions/_shared/http/environment.ts";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";
import type { Stack } from "./stack.ts";

/** A project that can be deployed to. */
export interface Project {
  /** `project abcdefghijklmnopqrst`, or `the local stack`. */
  name: string;
  local: boolean;
  /** Runs `supabase <args>` on it and returns stdout. @throws {CliError} refused, with its message */
  supabase(args: string[]): Promise<string>;
  /** Like `supabase`, and parses the output as JSON. */
  json<T>(args: string[]): Promise<T>;
  close(): Promise<void>;
}

/**
 * Opens the project of a stack.
 * @param ref Reference of a hosted project; needed if its URL does not contain it (a custom domain).
 */
export async function openProject({ env, cwd }: Io, stack: Stack, ref?: string): Promise<Project> {
  if (stack.functions !== undefined && ref === undefined && stack.file !== undefined) {
    return await localProject(dirname(resolve(cwd, stack.file)), stack.functions);
  }
  const found = ref ?? /^https:\/\/([a-z]{20})\.supabase\.(?:co|in|red)$/.exec(stack.url)?.[1];
  if (found === undefined) {
    throw new CliError(
      "usage",
      `${stack.url} does not contain the project's reference.`,
      "Give it: --project-ref <the 20 letters in the address of its dashboard>.",
    );
  }
  const run = (args: string[]) =>
    npx(SUPABASE, [...args, "--yes", `--remote=${found}`], {
      env: { ...set(env), SUPABASE_NO_UPDATE_NOTIFIER: "1", NO_COLOR: "1" },
    });
  return project(`project ${found}`, false, run, () => Promise.resolve());
}

/** The variables that have a value: a login through one of them applies to the CLI too. */
function set(env: Io["env"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter((one): one is [string, string] => one[1] !== undefined),
  );
}

async function localProject(data: string, functions: string): Promise<Project> {
  const { supabase, close } = await startStandIn({
    secrets: (changes) => changeDeployedSecrets({ data, functions }, changes),
    // All of one deployment come from the same tree, so files of the same path are the same.
    deployed: (uploads) => {
      const files = new Map(uploads.flatMap((upload) => [...upload.files]));
      const isGreen = uploads.every(({ slug }) => slug.endsWith(slugOf("", "green")));
      return isGreen ? deployGreen(data, functions, files) : deployFunctions(data, files);
    },
  }, userSecrets(functions));
  return project("the local stack", true, supabase, close);
}

function project(
  name: string,
  local: boolean,
  run: (args: string[]) => Promise<Ended>,
  close: () => Promise<void>,
): Project {
  const supabase = async (args: string[]) => {
    const { code, stdout, stderr } = await run(args);
    const said = complaints(stdout + stderr);
    // It ends with 0 after a warning, though what it warns of may keep a function from starting.
    if (code !== 0 || said.length > 0) {
      const printed = (stdout + stderr).trim().split("\n").filter((line) =>
        !/^(Target:|Try rerunning)/.test(line)
      );
      throw new CliError(
        "refused",
        `supabase ${args.slice(0, 2).join(" ")} ended with exit code ${code}: ${
          said[0] ?? printed.at(-1) ?? ""
        }`,
        code !== 0 && /log ?in|access token|unauthorized/i.test(stdout + stderr)
          ? "Log in first: npx supabase login, or set SUPABASE_ACCESS_TOKEN."
          : undefined,
      );
    }
    return stdout;
  };
  return {
    name,
    local,
    supabase,
    json: async <T>(args: string[]) => JSON.parse(await supabase([...args, "--output-format", "json"])) as T,
    close,
  };
}
