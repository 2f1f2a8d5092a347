/** Which Gatelink the command line talks to. */
import { z } from "zod";
import { dirname, resolve } from "node:path";
import { CliError } from "./errors.ts";
import type { Io } from "./io.ts";

const STACK = z.object({
  url: z.url({ protocol: /^https?$/ }),
  secretKey: z.string().min(1),
  dbUrl: z.string().optional(),
  publishableKey: z.string().optional(),
  functions: z.string().optional(),
  whatsapp: z.object({ appSecret: z.string(), phoneNumberId: z.string() }).partial().optional(),
});

/** What is known of a stack. The local stack writes it to stack.json; of a hosted project the first two are set. */
export interface Stack extends z.infer<typeof STACK> {
  /** Where it was found: a path, or the names of variables. */
  from: string;
  /** Folder of the file that it was found in, a whole path; undefined where that was no file. */
  folder: string | undefined;
}

/** File of the local stack, when it was started with its default folder. */
export const DEFAULT_FILE = ".gatelink/stack.json";

const HOW = `Start the local stack (deno task start), name its file in GATELINK_STACK, ` +
  `or set SUPABASE_URL and SUPABASE_SECRET_KEY.`;

/**
 * The stack of this environment: the file named by GATELINK_STACK, else .gatelink/stack.json, else SUPABASE_URL and
 * SUPABASE_SECRET_KEY.
 * @throws {CliError} stack_not_found
 */
export async function findStack({ env, cwd }: Pick<Io, "env" | "cwd">): Promise<Stack> {
  const named = env.GATELINK_STACK;
  if (named) {
    const stack = await readStack(cwd, named);
    if (stack) return stack;
    throw new CliError("stack_not_found", `GATELINK_STACK names ${named}, and there is no such file.`, HOW);
  }
  const local = await readStack(cwd, DEFAULT_FILE);
  if (local) return local;
  const { SUPABASE_URL: url, SUPABASE_SECRET_KEY: secretKey } = env;
  if (!url || !secretKey) throw new CliError("stack_not_found", "There is no stack to talk to.", HOW);
  return parse({ url, secretKey }, "SUPABASE_URL and SUPABASE_SECRET_KEY");
}

async function readStack(cwd: string, path: string): Promise<Stack | undefined> {
  const file = resolve(cwd, path);
  let text;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new CliError("stack_not_found", `${path} cannot be read: ${(error as Error).message}`, HOW);
  }
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new CliError("stack_not_found", `${path} is not JSON.`, HOW);
  }
  return parse(json, path, dirname(file));
}

function parse(json: unknown, from: string, folder?: string): Stack {
  const result = STACK.safeParse(json);
  if (result.success) return { ...result.data, url: result.data.url.replace(/\/+$/, ""), from, folder };
  const [issue] = result.error.issues;
  throw new CliError("stack_not_found", `${from}: ${issue.path.join(".")} is wrong: ${issue.message}`, HOW);
}
