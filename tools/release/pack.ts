/** Packs the command line as one npm package, for machines without a checkout. */
import { join, ROOT } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";
import { ReleaseError } from "./changelog.ts";

/**
 * The package's program. It does not call exit under Node, because output may still be on its way into a
 * pipe.
 */
const PROGRAM = `#!/usr/bin/env node
import process from "node:process";
import { gatelink } from "../dist/node.js";

process.exitCode = await gatelink(process.argv.slice(2));
`;

/**
 * Bundles the command line with its packages, and packs it.
 * @param to Folder for the tarball; created if it does not exist.
 * @returns Path of the tarball, `gatelink-<version>.tgz`. The same files give the same bytes.
 * @throws {ReleaseError} with the output of the bundler or npm
 */
export async function pack(version: string, to: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-package-" });
  try {
    await bundle(join(folder, "dist"));
    await Deno.rename(join(folder, "dist", "LICENSES.md"), join(folder, "LICENSES.md"));
    await Deno.mkdir(join(folder, "bin"));
    await Deno.writeTextFile(join(folder, "bin", "gatelink.js"), PROGRAM, { mode: 0o755 });
    await Deno.copyFile(join(ROOT, "tools", "release", "package.md"), join(folder, "README.md"));
    await Deno.copyFile(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
    await Deno.writeTextFile(join(folder, "VERSION"), `${version}\n`);
    await Deno.writeTextFile(join(folder, "package.json"), `${JSON.stringify(manifest(version), null, 2)}\n`);
    await Deno.mkdir(to, { recursive: true });
    await well("npm", ["pack", "--silent", "--pack-destination", to], folder);
    return join(to, `gatelink-${version}.tgz`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function manifest(version: string): Record<string, unknown> {
  return {
    name: "gatelink",
    version,
    description: "The command line of Gatelink, the WhatsApp and deep-link gateway for Supabase",
    license: "MIT",
    type: "module",
    // tgk: the name that a team's manual has for it.
    bin: { gatelink: "bin/gatelink.js", tgk: "bin/gatelink.js" },
    engines: { node: ">=20" },
  };
}

/**
 * Vite bundles it, because it builds the admin panel already: another bundler would be another dependency.
 */
async function bundle(to: string): Promise<void> {
  const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const config = join("tools", "release", "vite.config.ts");
  const args = ["run", "-A", imports.vite, "build", "--config", config, "--outDir", to, "--logLevel", "warn"];
  await well(Deno.execPath(), args, ROOT);
}

async function well(program: string, args: string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await run(program, args, { cwd, env: { NO_COLOR: "1" } }).catch(
    (error) => {
      if (error instanceof Deno.errors.NotFound) {
        throw new ReleaseError(`${program} is required but not installed.`);
      }
      throw error;
    },
  );
  if (code !== 0) throw new ReleaseError(`${program} ${args[0]} failed:\n${(stdout + stderr).trim()}`);
}
