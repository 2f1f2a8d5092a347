/** Processes of a bench that serve on a port of their own. */

/** A process of the bench; disposing ends it. */
export interface Helper extends AsyncDisposable {
  port: number;
  pid: number;
}

/** Starts a module that prints `listening on PORT`. @throws Error when it does not */
export async function startHelper(module: URL, ...args: string[]): Promise<Helper> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", module.pathname, ...args],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = Number(/listening on (\d+)/.exec((await reader.read()).value ?? "")?.[1]);
  if (!port) throw new Error(`${module.pathname} did not start`);
  return {
    port,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    },
  };
}
