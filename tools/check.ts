/** `deno task check`: checks the repository without running it. */
import { join } from "node:path";
import { ROOT } from "../lib/paths.ts";
import { leaks } from "./leaks.ts";
import { DENO_ENV, hostedDeno, run, TYPESCRIPT } from "../lib/programs.ts";
import { type Finding, main } from "./report.ts";

/** Runs Deno; its output becomes the detail of a failure. */
async function deno(path: string, what: string, args: string[], cwd: string = ROOT): Promise<Finding> {
  const { code, stdout, stderr } = await run(path, args, { cwd, env: DENO_ENV });
  return { ok: code === 0, what, detail: code === 0 ? "" : stdout + stderr };
}

/** Files that git tracks or would add, relative to the root. */
async function files(...patterns: string[]): Promise<string[]> {
  const args = [
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
    "--deduplicate",
    "--",
    ...patterns,
  ];
  const { code, stdout, stderr } = await run("git", args, { cwd: ROOT });
  if (code !== 0) throw new Error(`git ls-files failed: ${stderr}`);
  const names = stdout.split("\0").filter((name) => name !== "");
  // Deleted, and not yet committed as such.
  const here = await Promise.all(
    names.map((name) => Deno.stat(join(ROOT, name)).then(() => true, () => false)),
  );
  return names.filter((_, index) => here[index]);
}

/** Deployed modules, including those that no function reaches yet, without tests. */
async function deployed(): Promise<string[]> {
  return (await files("supabase/functions")).filter((path) => /\.ts$/.test(path) && !/_test\.ts$/.test(path));
}

/** Folders with modules for Deno. The panel's modules run in browsers, with a document and without Deno. */
async function folders(): Promise<string[]> {
  const names = (await files("*.ts")).filter((path) => !path.startsWith("admin/")).map((path) =>
    path.split("/")[0]
  );
  return [...new Set(names)];
}

/** Checks the types of deployed modules with the Deno that they are deployed to. */
export async function hostedTypes(root: string, modules: readonly string[]): Promise<Finding> {
  const { version, path } = await hostedDeno();
  return await deno(path, `types under deno ${version}: ${modules.length} modules of supabase/functions`, [
    // It can't read today's lock file, and must not touch node_modules.
    ...["check", "--quiet", "--config=deno.json", "--no-lock", "--node-modules-dir=none"],
    ...modules,
  ], root);
}

/** Checks the types of the admin panel. */
async function panelTypes(): Promise<Finding> {
  const { code, stdout, stderr } = await run("npx", [
    ...["--yes", "--loglevel=error", "--package", TYPESCRIPT],
    ...["tsc", "--project", "admin"],
  ], { cwd: ROOT, env: DENO_ENV });
  return {
    ok: code === 0,
    what: `types of the admin panel under ${TYPESCRIPT}`,
    detail: code === 0 ? "" : stdout + stderr,
  };
}

async function noLeaks(): Promise<Finding> {
  const names = await files();
  const found: string[] = [];
  for (const name of names) {
    const text = await Deno.readTextFile(join(ROOT, name));
    for (const { line, what } of leaks(name, text)) found.push(`${name}:${line}: ${what}`);
  }
  return {
    ok: found.length === 0,
    what: `no secrets, no work left over: ${names.length} files`,
    detail: found.join("\n"),
  };
}

if (import.meta.main) {
  await main({
    name: "check",
    description: "Check format, lint, types under the current and the hosted Deno, and look for secrets.",
    run: async (say) => {
      const current = { version: Deno.version.deno, path: Deno.execPath() };
      say(await deno(current.path, "format", ["fmt", "--check"]));
      say(await deno(current.path, "lint", ["lint"]));
      say(
        await deno(current.path, `types under deno ${current.version}`, [
          "check",
          "--quiet",
          ...await folders(),
        ]),
      );
      say(await panelTypes());
      say(await hostedTypes(ROOT, await deployed()));
      say(await noLeaks());
    },
  });
}
