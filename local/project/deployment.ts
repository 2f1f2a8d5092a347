/**
 * The deployed state of a running local stack's functions, and its changes, as in a project on the platform:
 * secrets in `.env` in the folder of the functions (which an editor may change too), and deployed functions,
 * under `deployed/` in the data folder. The next start serves the checkout again.
 */
import { parseEnv } from "node:util";
import { userSecrets } from "./environment.ts";
import { dirname, join } from "../../lib/paths.ts";

/** The source of the served functions. */
export interface Source {
  /** Folder with a folder per function. */
  functions: string;
  /** The deno.json with their imports; undefined for that of the checkout. */
  config?: string;
  /** GATELINK_VERSION of the deployed functions; removed when they are no longer served. */
  version?: string;
  /** Folder of the functions that are deployed under green's slugs. */
  green?: string;
}

/** The variable part of the functions host's start options. */
export interface Deployment {
  source: Source;
  secrets: Record<string, string>;
}

/** Interval of the search for changes, in milliseconds. */
const LOOK_EVERY_MS = 250;

const pointer = (data: string) => join(data, "deployed.json");

/**
 * Sets and (with null) unsets secrets in `.env`, atomically. The rest of the file is unchanged.
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

/** A value in the syntax of `.env` files: unquoted if it contains no special characters. */
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
  const folder = await unpacked(data, files);
  const { green } = current(data) ?? {};
  await point(data, {
    functions: join(folder, "supabase", "functions"),
    config: join(folder, "deno.json"),
    ...(green === undefined ? {} : { green }),
  });
}

/**
 * Makes a running stack serve these functions under green's slugs, beside those that it serves.
 * @param own Folder of the functions that it serves while nothing else is deployed.
 */
export async function deployGreen(
  data: string,
  own: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  const folder = await unpacked(data, files);
  await point(data, { ...current(data) ?? { functions: own }, green: join(folder, "supabase", "functions") });
}

/** Takes green down: everybody gets blue. */
export async function removeGreen(data: string): Promise<void> {
  const source = current(data);
  if (source?.green === undefined) return;
  const { green: _, ...others } = source;
  await point(data, others);
}

/** What the pointer says is deployed; undefined while nothing is. */
function current(data: string): Source | undefined {
  const deployed = read(pointer(data));
  return deployed === "" ? undefined : JSON.parse(deployed);
}

async function unpacked(data: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const folder = join(data, "deployed", crypto.randomUUID());
  for (const [path, content] of files) {
    const target = join(folder, path);
    if (!target.startsWith(folder)) throw new RangeError(`${path} lies outside of the project`);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, content);
  }
  return folder;
}

/**
 * Secrets of a running stack, like {@linkcode changeSecrets}. The version of deployed functions is stored
 * with them, because the checkout, which the next start serves, has another one.
 */
export async function changeDeployedSecrets(
  { data, functions }: { data: string; functions: string },
  { GATELINK_VERSION: version, ...others }: Readonly<Record<string, string | null>>,
): Promise<void> {
  const deployed = current(data);
  if (version === undefined || version === null || deployed?.config === undefined) {
    return await changeSecrets(
      functions,
      version === undefined ? others : { ...others, GATELINK_VERSION: version },
    );
  }
  if (Object.keys(others).length > 0) await changeSecrets(functions, others);
  await point(data, { ...deployed, version });
}

async function point(data: string, source: Source): Promise<void> {
  const draft = `${pointer(data)}.new`;
  await Deno.writeTextFile(draft, JSON.stringify(source));
  await Deno.rename(draft, pointer(data));
}

/** Removes what was deployed to an earlier run. */
export async function forgetDeployed(data: string): Promise<void> {
  for (const path of [pointer(data), join(data, "deployed")]) {
    await Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/**
 * Reports each change until it is stopped.
 * @param own Served if nothing is deployed; its folder contains `.env` in any case.
 * @param changed Called with what must be served from now on.
 * @param refused Called with the fault in unusable secrets; the previous ones stay.
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
