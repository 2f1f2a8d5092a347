/** Cloudflare Workers in tests, under Miniflare. */
import { join, ROOT } from "../../lib/paths.ts";
import { MINIFLARE } from "../../lib/programs.ts";

export interface Worker {
  url: string;
  stop(): Promise<void>;
}

/**
 * Starts a worker; undefined if Miniflare cannot be had, which is said.
 * @param more Further options of Miniflare, such as `modules` and `r2Buckets`.
 */
export async function startWorker(
  path: string,
  variables: Record<string, string>,
  more: Record<string, unknown> = {},
): Promise<Worker | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--quiet", "--no-config", "--no-lock", "--node-modules-dir=none"],
      join(ROOT, "tests", "support", "worker.mjs"),
      ...[MINIFLARE, path, JSON.stringify(variables), JSON.stringify(more)],
    ],
    env: { DENO_TLS_CA_STORE: "system,mozilla", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const stop = async () => {
    await child.stdin.close().catch(() => {});
    await child.status;
    await reader.cancel();
    await errors;
  };
  let said = "";
  while (!said.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) {
      await stop();
      console.error(
        `${MINIFLARE} cannot be had, so this did NOT run: ${(await errors).trim().split("\n").at(-1)}`,
      );
      return undefined;
    }
    said += value;
  }
  return { url: said.trim().replace(/\/$/, ""), stop };
}
