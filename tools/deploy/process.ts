/**
 * Starts one uploaded function in a fresh process of the hosted Deno, with the hosted environment and
 * permissions.
 */
import { fileURLToPath } from "node:url";
import { DENO_ENV } from "../../lib/programs.ts";
import type { Project } from "./probe.ts";
import type { Unpacked } from "./unpacked.ts";

/** A running function. */
export interface Running {
  /** `http://127.0.0.1:<port>` */
  origin: string;
  /** Milliseconds (performance.now) at which the process was started, and at which it accepted requests. */
  spawnedAt: number;
  readyAt: number;
  /** Ends it and returns its complete output. */
  stop(): Promise<string>;
}

/**
 * The permissions of a hosted worker at Supabase (edge-runtime, permissions of a user worker): no programs,
 * no FFI.
 */
const RIGHTS = [
  "--allow-net",
  "--allow-env",
  "--allow-read",
  "--allow-write",
  "--allow-import",
  "--allow-sys=hostname",
  "--no-prompt",
];

const READY_TIMEOUT_MS = 20_000;

/** Starts it. Rejects with its output if it ends, or does not listen in time. */
export async function start(unpacked: Unpacked, deno: string, project: Project): Promise<Running> {
  const spawnedAt = performance.now();
  const child = new Deno.Command(deno, {
    args: [
      "run",
      ...RIGHTS,
      ...unpacked.flags,
      // Nothing may be fetched now, as hosted everything is in the bundle; and no code compiled by an earlier start.
      "--cached-only",
      "--no-code-cache",
      fileURLToPath(new URL("serve.ts", import.meta.url)),
      unpacked.entry,
    ],
    cwd: unpacked.dir,
    clearEnv: true,
    env: { ...DENO_ENV, ...denoHome(), ...environment(project) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();

  let printed = "";
  let heard = () => {};
  const streams = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      printed += text;
      heard();
    }
  });
  const ended = Promise.all([child.status, ...streams]);
  const stop = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await ended;
    return printed;
  };

  const timeout = AbortSignal.timeout(READY_TIMEOUT_MS);
  const port = await new Promise<string | undefined>((resolve) => {
    heard = () => {
      const match = /^ready (\d+)$/m.exec(printed);
      if (match) resolve(match[1]);
    };
    ended.then(() => resolve(undefined));
    timeout.addEventListener("abort", () => resolve(undefined));
  });
  const readyAt = performance.now();
  if (port === undefined) throw new Error(`it did not start:\n${await stop()}`);
  return { origin: `http://127.0.0.1:${port}`, spawnedAt, readyAt, stop };
}

/** The environment of a hosted function: Supabase's variables, and the secrets from docs/deploy.md. */
export function environment(project: Project): Record<string, string> {
  return {
    SUPABASE_URL: project.url,
    SUPABASE_DB_URL: project.dbUrl,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: project.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: project.secretKey }),
    SUPABASE_JWKS: JSON.stringify({ keys: [] }),
    SUPABASE_ANON_KEY: project.publishableKey,
    SUPABASE_SERVICE_ROLE_KEY: project.secretKey,
    SB_REGION: "eu-central-1",
    SB_EXECUTION_ID: crypto.randomUUID(),
    DENO_DEPLOYMENT_ID: "deploy-check",
    WHATSAPP_APP_SECRET: project.whatsapp.appSecret,
    WHATSAPP_VERIFY_TOKEN: project.whatsapp.verifyToken,
    WHATSAPP_ACCESS_TOKEN: "deploy-check-access-token",
  };
}

/** Where Deno caches packages. */
function denoHome(): Record<string, string> {
  const names = [
    "HOME",
    "DENO_DIR",
    "XDG_CACHE_HOME",
    "LOCALAPPDATA",
    "USERPROFILE",
    "TMPDIR",
    "TEMP",
    "SystemRoot",
  ];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
