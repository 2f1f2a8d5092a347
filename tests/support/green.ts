/** Deploys this checkout's functions, or a changed copy of them, to green of a running local stack. */
import { deployGreen } from "../../local/project/deployment.ts";
import { FUNCTIONS, join } from "../../lib/paths.ts";
import { assert } from "./assert.ts";
import type { RunningStack } from "./stack.ts";
import { until } from "./until.ts";

/** Changes of files, by path below supabase/functions. */
export type Changes = Readonly<Record<string, (text: string) => string>>;

/** All modules of the functions, as the CLI uploads them. */
async function modules(changes: Changes): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const open = new Set(Object.keys(changes));
  const read = async (folder: string) => {
    for await (const { name, isDirectory } of Deno.readDir(join(FUNCTIONS, folder))) {
      const path = folder === "" ? name : `${folder}/${name}`;
      if (isDirectory) await read(path);
      else if (/\.ts$/.test(name) && !/_test\.ts$/.test(name)) {
        const text = await Deno.readTextFile(join(FUNCTIONS, path));
        const changed = changes[path]?.(text) ?? text;
        if (open.delete(path)) assert(changed !== text, `${path} was not changed`);
        files.set(`supabase/functions/${path}`, new TextEncoder().encode(changed));
      }
    }
  };
  await read("");
  assert(open.size === 0, `not there: ${[...open]}`);
  return files;
}

/** Deploys green, and waits until it answers as green. */
export async function greenOn(stack: RunningStack, changes: Changes = {}): Promise<void> {
  const before = stack.pids()?.functions;
  await deployGreen(stack.dir, FUNCTIONS, await modules(changes));
  // Else the former green would answer, until the host ends.
  await until("the host was restarted", () => {
    const now = stack.pids()?.functions;
    return now !== undefined && now !== before;
  });
  await until("green answers", async () => {
    const response = await fetch(`${stack.url}/functions/v1/health-green/plain`).catch(() => undefined);
    return (await response?.json().catch(() => undefined))?.environment === "green";
  });
  await until("blue answers", async () => {
    const response = await fetch(`${stack.url}/health`).catch(() => undefined);
    await response?.body?.cancel();
    return response?.ok === true;
  });
}
