/** A drill's own project: the deployed part of this checkout, in a folder with its own git history. */
import { dirname, join, ROOT } from "../../../lib/paths.ts";
import { git } from "../../core/git.ts";

export interface DrillProject {
  folder: string;
  /** Folder of its functions, with its own `.env`. */
  functions: string;
  /** Folder for a copy of its migrations, which no commit contains. */
  drill: string;
  /** Writes a file and commits it; returns the commit. */
  commit(path: string, text: string, message: string): Promise<string>;
  remove(): Promise<void>;
}

/** Creates the project, with one commit. */
export async function makeProject(): Promise<DrillProject> {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-drill-" });
  await copy(join(ROOT, "supabase"), join(folder, "supabase"));
  await Deno.copyFile(join(ROOT, "deno.json"), join(folder, "deno.json"));
  await Deno.writeTextFile(join(folder, ".gitignore"), ".env*\n/.drill/\n");
  const run = (...args: string[]) =>
    git(
      folder,
      "-c",
      "user.name=drill",
      "-c",
      "user.email=drill@example.com",
      "-c",
      "commit.gpgsign=false",
      ...args,
    );
  await run("init", "--quiet", "--initial-branch=main");
  await run("add", "--all");
  await run("commit", "--quiet", "--message", "What is deployed");
  return {
    folder,
    functions: join(folder, "supabase", "functions"),
    drill: join(folder, ".drill"),
    async commit(path, text, message) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
      await run("add", "--all");
      await run("commit", "--quiet", "--message", message);
      return await run("rev-parse", "HEAD");
    },
    remove: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Copies a folder without secrets, tests and the Supabase CLI's files. */
export async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (/^\.env|_test\.ts$|^\.(temp|branches)$/.test(name)) continue;
    if (isDirectory) await copy(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}
