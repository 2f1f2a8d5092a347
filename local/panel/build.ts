/**
 * `deno task admin:build`: builds the admin panel into admin/dist, for any static host. Does nothing if the
 * sources have not changed.
 */
import { createHash } from "node:crypto";
import { join, ROOT } from "../../lib/paths.ts";

/** Folder of the result. */
export const PANEL: string = join(ROOT, "admin", "dist");
/** Sources of the build. deno.json names the packages. */
const SOURCES = [
  "admin/index.html",
  "admin/messages",
  "admin/docs_pages.ts",
  "admin/vite.config.ts",
  "admin/public",
  "admin/src",
  "docs",
  "supabase/functions/_shared",
  "deno.json",
];
/** File with the hash of the sources of admin/dist. */
const MARK = join(PANEL, "sources.txt");
/** Folder of a build in progress. */
const DRAFTS = join(ROOT, "admin", "dist.new");
/** Held during a build: several stacks may start on one checkout. */
const LOCK = join(ROOT, "admin", ".building");

/** SHA-256 over the names and contents of the sources. */
export async function sourcesHash(): Promise<string> {
  const files: string[] = [];
  const walk = (path: string) => {
    if (Deno.statSync(join(ROOT, path)).isFile) files.push(path);
    else for (const { name } of Deno.readDirSync(join(ROOT, path))) walk(`${path}/${name}`);
  };
  for (const source of SOURCES) walk(source);
  const hash = createHash("sha256");
  for (const file of files.sort()) {
    hash.update(file).update("\0").update(await Deno.readFile(join(ROOT, file))).update("\0");
  }
  return hash.digest("hex");
}

/** Whether admin/dist was built from the current sources. */
export async function panelIsBuilt(): Promise<boolean> {
  const built = await Deno.readTextFile(MARK).catch(() => "");
  return built === await sourcesHash();
}

/** Builds the panel and the pages of masked messaging, unless they are up to date. @throws {Error} with the bundler's output */
export async function buildPanel(): Promise<void> {
  using lock = await Deno.open(LOCK, { create: true, write: true });
  await lock.lock(true);
  // Somebody else may have built it while this one waited.
  if (await panelIsBuilt()) return;
  const hash = await sourcesHash();
  // What a build that was cut off left behind, or still writes.
  await Deno.remove(DRAFTS, { recursive: true }).catch(() => {});
  const draft = join(DRAFTS, crypto.randomUUID());
  const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  // A process of its own: the bundler holds much memory, and the stack that asks goes on serving. Not imported either:
  // its types bring those of Node along, which are not Deno's.
  for (const mode of ["production", "messages"]) {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", imports.vite, "build", "admin"],
        ...["--mode", mode, "--outDir", draft, "--no-emptyOutDir", "--logLevel", "warn"],
      ],
      cwd: ROOT,
      env: { NO_COLOR: "1", NODE_ENV: "production" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    if (!success) {
      const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      throw new Error(`The admin panel can't be built:\n${said.trim()}`);
    }
  }
  await Deno.writeTextFile(join(draft, "sources.txt"), hash);
  await Deno.remove(PANEL, { recursive: true }).catch(() => {});
  await Deno.rename(draft, PANEL);
  await Deno.remove(DRAFTS, { recursive: true });
}

if (import.meta.main) {
  const { task } = await import("../../lib/task.ts");
  task(
    "admin:build",
    "Build the admin panel into admin/dist, for any static host; does nothing if it is up to date.",
  )
    .parse(Deno.args, { from: "user" });
  await buildPanel();
  console.log(
    `The admin panel is in ${PANEL}. Write your project's url and publishable key into config.json there.`,
  );
}
