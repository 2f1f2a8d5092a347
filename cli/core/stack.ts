/** Finds the Gatelink that the command line uses. */
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";

/**
 * A stack. The local stack writes all fields to stack.json; for a hosted project only the first two are set.
 */
export interface Stack {
  /** URL of the project, without a trailing slash. */
  url: string;
  secretKey: string;
  /** URL of the local stack's database. */
  dbUrl?: string;
  publishableKey?: string;
  /** Folder of the functions that the local stack serves. */
  functions?: string;
  /** Process id of the local stack. */
  supervisor?: number;
  whatsapp?: { appSecret?: string; phoneNumberId?: string };
  /** Where it was found: a path, or names of variables. */
  from: string;
  /** Path of that file, absolute or from the working folder; undefined if it was not a file. */
  file: string | undefined;
}

/** File of a local stack with the default folder. */
export const DEFAULT_FILE = ".gatelink/stack.json";

const HOW = `Start the local stack (deno task start), name its file in GATELINK_STACK, ` +
  `or set SUPABASE_URL and SUPABASE_SECRET_KEY.`;

/**
 * The stack of this environment: the file named by GATELINK_STACK, else .gatelink/stack.json, else SUPABASE_URL and
 * SUPABASE_SECRET_KEY.
 * @throws {CliError} stack_not_found
 */
export async function findStack(io: Pick<Io, "env" | "readText">): Promise<Stack> {
  const { env } = io;
  const named = env.GATELINK_STACK;
  if (named) {
    const stack = await readStack(io, named);
    if (stack) return stack;
    throw new CliError("stack_not_found", `GATELINK_STACK names ${named}, which does not exist.`, HOW);
  }
  const local = await readStack(io, DEFAULT_FILE);
  if (local) return local;
  const { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey } = env;
  if (!url || !secretKey) throw new CliError("stack_not_found", "No stack was found.", HOW);
  return parse({ url, secretKey }, "SUPABASE_URL and SUPABASE_SECRET_KEY");
}

async function readStack(
  { readText }: Pick<Io, "readText">,
  path: string,
): Promise<Stack | undefined> {
  let text;
  try {
    text = await readText(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new CliError("stack_not_found", `${path} cannot be read: ${message}`, HOW);
  }
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new CliError("stack_not_found", `${path} is not JSON.`, HOW);
  }
  return parse(json, path, path);
}

/**
 * The known fields of what was found. (By hand: a schema library takes longer to load than the stack to
 * answer.)
 */
function parse(json: unknown, from: string, file?: string): Stack {
  const found = fieldsOf(json);
  const wrong = (name: string, wanted: string) =>
    new CliError("stack_not_found", `${from}: ${name} is invalid: use ${wanted}.`, HOW);
  const text = (fields: Record<string, unknown>, name: string): string | undefined => {
    const value = fields[name];
    if (value === undefined || typeof value === "string") return value;
    throw wrong(name, "a text");
  };
  const url = text(found, "url") ?? "", secretKey = text(found, "secretKey");
  if (!/^https?:/.test(url) || !URL.canParse(url)) {
    throw wrong("url", "an address like https://abc.supabase.co");
  }
  if (!secretKey) throw wrong("secretKey", "a secret key (sb_secret_…)");
  const whatsapp = fieldsOf(found.whatsapp), { supervisor } = fieldsOf(found.pids);
  return {
    url: url.replace(/\/+$/, ""),
    secretKey,
    dbUrl: text(found, "dbUrl"),
    publishableKey: text(found, "publishableKey"),
    functions: text(found, "functions"),
    supervisor: typeof supervisor === "number" ? supervisor : undefined,
    whatsapp: { appSecret: text(whatsapp, "appSecret"), phoneNumberId: text(whatsapp, "phoneNumberId") },
    from,
    file,
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
