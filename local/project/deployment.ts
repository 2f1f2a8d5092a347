/**
 * What the functions of a running local stack are deployed with, and how that changes while it runs, as a project's does
 * on the platform: secrets in `.env` in the folder of the functions (an editor may change it too), and functions that
 * somebody deployed, under `deployed/` in the data folder. The next start serves the checkout again.
 */
import { parseEnv } from "node:util";
import { userSecrets } from "./environment.ts";
import { dirname, join } from "../../lib/paths.ts";

/** Where functions are served from. */
export interface Source {
  /** Folder with a folder per function. */
  functions: string;
  /** The deno.json that names their imports; undefined for that of the checkout. */
  config?: string;
  /** GATELINK_VERSION of what was deployed; it goes when that is no longer served. */
  version?: string;
}

/** What the functions host is started with, besides what never changes. */
export interface Deployment {
  source: Source;
  secrets: Record<string, string>;
}

/** How often it is looked for a change, in milliseconds. */
const LOOK_EVERY_MS = 250;

const pointer = (data: string) => join(data, "deployed.json");

/**
 * Sets and (with null) unsets secrets in `.env`, all or nothing. What else the file holds stays as it is.
 * @param functions Folder of the functions.
 */
export async function changeSecrets(
  functions: string,
  changes: Readonly<Record<string, string | null>>,
): Promise<void> {
  const path = join(functions, ".env");
  const info = await Deno.stat(path).catch(() => undefined);
  let text = info === undefined ? "" : await Deno.readTextFile(path);
  for (const [name, value] of Object.entries(changes)) {
    const line = new RegExp(
      `^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=(?:[ \\t]*(?:"[^"]*"|'[^']*'|\`[^\`]*\`)[^\\n]*|[^\\n]*)\\n?`,
      "gm",
    );
    text = text.replaceAll(line, "");
    if (value === null) continue;
    if (text !== "" && !text.endsWith("\n")) text += "\n";
    text += `${name}=${quoted(name, value)}\n`;
  }
  const draft = `${path}.new`;
  await Deno.writeTextFile(draft, text, { mode: (info?.mode ?? 0o600) & 0o777 });
  await Deno.rename(draft, path);
}

/** A value as `.env` files take it: bare where nothing in it could mean more than itself. */
function quoted(name: string, value: string): string {
  if (/^[\w.,:/@+=-]*$/.test(value)) return value;
  const written = ["'", '"', "`"].filter((mark) => !value.includes(mark))
    .map((mark) => `${mark}${value}${mark}`).find((text) => parseEnv(`${name}=${text}\n`)[name] === value);
  if (written === undefined) throw new RangeError(`the value of ${name} can't be written into a .env file`);
  return written;
}

/**
 * Makes a running stack serve these functions.
 * @param data Data folder of the stack.
 * @param files Path in the project (`supabase/functions/…`, `deno.json`) -> content.
 */
export async function deployFunctions(data: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const folder = join(data, "deployed", crypto.randomUUID());
  for (const [path, content] of files) {
    const target = join(folder, path);
    if (!target.startsWith(folder)) throw new RangeError(`${path} lies outside of the project`);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, content);
  }
  const source: Source = {
    functions: join(folder, "supabase", "functions"),
    config: join(folder, "deno.json"),
  };
  await point(data, source);
}

/**
 * Secrets of a running stack, as {@linkcode changeSecrets}. The version of functions that were deployed is kept with
 * them: the checkout, which the next start serves, is of another.
 */
export async function changeDeployedSecrets(
  { data, functions }: { data: string; functions: string },
  { GATELINK_VERSION: version, ...others }: Readonly<Record<string, string | null>>,
): Promise<void> {
  const deployed = read(pointer(data));
  if (version === undefined || version === null || deployed === "") {
    return await changeSecrets(
      functions,
      version === undefined ? others : { ...others, GATELINK_VERSION: version },
    );
  }
  if (Object.keys(others).length > 0) await changeSecrets(functions, others);
  await point(data, { ...JSON.parse(deployed), version });
}

async function point(data: string, source: Source): Promise<void> {
  const draft = `${pointer(data)}.new`;
  await Deno.writeTextFile(draft, JSON.stringify(source));
  await Deno.rename(draft, pointer(data));
}

/** Forgets what was deployed to an earlier run. */
export async function forgetDeployed(data: string): Promise<void> {
  for (const path of [pointer(data), join(data, "deployed")]) {
    await Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/**
 * Tells of each change until it is stopped.
 * @param own What is served when nothing was deployed; its folder holds `.env` in any case.
 * @param changed Gets what is to be served from now on.
 * @param refused Gets what is wrong with secrets that can't be used; the ones before stay.
 */
export function watchDeployment(
  { data, own }: { data: string; own: Source },
  changed: (deployment: Deployment) => void,
  refused: (error: unknown) => void,
): { stop(): void } {
  const look = () => `${read(join(own.functions, ".env"))}\0${read(pointer(data))}`;
  let seen = look();
  const timer = setInterval(() => {
    const now = look();
    if (now === seen) return;
    seen = now;
    try {
      const deployed = read(pointer(data));
      const source: Source = deployed === "" ? own : JSON.parse(deployed);
      const version: Record<string, string> = source.version === undefined
        ? {}
        : { GATELINK_VERSION: source.version };
      changed({ source, secrets: { ...userSecrets(own.functions), ...version } });
    } catch (error) {
      refused(error);
    }
  }, LOOK_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
