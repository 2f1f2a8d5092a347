/** Prometheus' own judge. Debian has it in the package `prometheus`. */
import { assert } from "@std/assert";

let known: boolean | undefined;

/** Whether promtool is there; says so once where it is not. */
export async function hasPromtool(): Promise<boolean> {
  if (known === undefined) {
    try {
      known =
        (await new Deno.Command("promtool", { args: ["--version"], stdout: "null", stderr: "null" }).output())
          .success;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      known = false;
    }
    if (!known) {
      console.log("promtool is not installed (Debian: prometheus): what it would judge is left out");
    }
  }
  return known;
}

/** Runs promtool where it is there. Fails with what it says unless it is content. */
export async function promtool(args: string[], input = ""): Promise<void> {
  if (!await hasPromtool()) return;
  const child = new Deno.Command("promtool", { args, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, `promtool ${args.join(" ")}: ${said}`);
}
