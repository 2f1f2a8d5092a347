/**
 * The external programs that the checks run, at exact versions, and how they are run.
 *
 * They are npm packages, run through `npx`, which picks the package for this machine and keeps it in npm's
 * cache.
 */

/** The CLI that deploys: `functions deploy`, `db push`, `db advisors`. */
export const SUPABASE = "supabase@3.1.0";
/** Linter for migrations. */
export const SQUAWK = "squawk-cli@2.66.0";
/** Type-checks the admin panel, whose modules are written for browsers. */
export const TYPESCRIPT = "typescript@7.0.2";
/** Runs Cloudflare Workers: the example of a gateway, in a test. */
export const MINIFLARE = "miniflare@4.20260730.0";
/** The Deno of Supabase's hosted Edge Functions (edge-runtime, "Deno 2.1 compatible", TypeScript 5.6). */
export const DENO_HOSTED = "2.1.4";

/** Result of a program that ended. */
export interface Ended {
  /** Exit code; 128 + n after signal n. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  /** Added to (or, with `clearEnv`, in place of) the environment of this process. */
  env?: Record<string, string>;
  clearEnv?: boolean;
  /** Also print the output while it runs. @default false */
  echo?: boolean;
}

/** Runs a program to its end. Throws if the program does not exist, but not if it fails. */
export async function run(program: string, args: string[], options: RunOptions = {}): Promise<Ended> {
  const { echo = false, ...rest } = options;
  const child = new Deno.Command(program, { args, ...rest, stdin: "null", stdout: "piped", stderr: "piped" })
    .spawn();
  const [stdout, stderr, status] = await Promise.all([
    collect(child.stdout, echo ? Deno.stdout : undefined),
    collect(child.stderr, echo ? Deno.stderr : undefined),
    child.status,
  ]);
  return { code: status.code, stdout, stderr };
}

/** Runs the program of an npm package: `npx(SUPABASE, ["--version"])`. */
export function npx(spec: string, args: string[], options: RunOptions = {}): Promise<Ended> {
  // npm's own notices are not the program's words.
  return run("npx", ["--yes", "--loglevel=error", spec, ...args], options);
}

/**
 * Version and path of the Deno of hosted functions. Returns its path, so that starting it measures only Deno.
 */
export async function hostedDeno(): Promise<{ version: string; path: string }> {
  const spec = `deno@${DENO_HOSTED}`;
  const { code, stdout, stderr } = await npx(spec, [
    "eval",
    "--no-config",
    "--no-lock",
    "console.log(Deno.execPath())",
  ]);
  if (code !== 0) throw new Error(`npx ${spec} failed: ${stderr.trim()}`);
  return { version: DENO_HOSTED, path: stdout.trim() };
}

/** Environment of every Deno that a check starts. */
export const DENO_ENV: Record<string, string> = {
  // 2.1.4 does not look at the system's certificates by itself, which machines behind a proxy need.
  DENO_TLS_CA_STORE: "system,mozilla",
  NO_COLOR: "1",
  // Errors of the checked code, without the stack of Deno itself.
  RUST_LIB_BACKTRACE: "0",
};

async function collect(
  stream: ReadableStream<Uint8Array>,
  echo?: { writeSync(bytes: Uint8Array): number },
): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    echo?.writeSync(bytes);
  }
  return text + decoder.decode();
}
