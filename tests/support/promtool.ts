/** Prometheus's own checker. Debian has it in the package `prometheus`. */
import { assert } from "./assert.ts";
import { hasProgram } from "./program.ts";

/** Whether promtool is installed; its tests are ignored otherwise. */
export const PROMTOOL: boolean = await hasProgram("promtool", "what it judges (Debian: prometheus)");

/** Runs promtool. Fails with its output unless it succeeds. */
export async function promtool(args: string[], input = ""): Promise<void> {
  const child = new Deno.Command("promtool", { args, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, `promtool ${args.join(" ")}: ${said}`);
}
