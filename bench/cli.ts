/**
 * How long the command line takes to answer, as a process of its own, started as its task starts it, beside an empty module
 * that the same Deno runs in the same minute: what is left is what `gatelink` loads and does. `status` asks a stack on this
 * machine.
 */
import { join, ROOT } from "../lib/paths.ts";
import { startStack } from "../tests/support/stack.ts";
import { median, print, type Row } from "./report.ts";

const RUNS = { whole: 5, quick: 1 };
/** So many times as long as an empty run may --help and status take. */
const MOST = 3;

/** Runs the bench; `--json` prints one JSON document, `--quick` does little. */
export async function main(args: string[]): Promise<void> {
  const runs = RUNS[args.includes("--quick") ? "quick" : "whole"];
  const { tasks } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const gatelink: string[] = tasks.gatelink.command.split(" ").slice(1);
  // Of this checkout, so that what deno.json and its packages cost is in all of them.
  const folder = join(ROOT, ".gatelink-test", "bench");
  await Deno.mkdir(folder, { recursive: true });
  const stack = await startStack({ checked: false });
  try {
    const empty = join(folder, "empty.ts");
    await Deno.writeTextFile(empty, "");
    const env = { GATELINK_STACK: join(stack.dir, "stack.json") };
    const programs: [what: string, args: string[]][] = [
      ["an empty module (deno run)", ["run", "-A", empty]],
      ["gatelink --help", [...gatelink, "--help"]],
      ["gatelink status", [...gatelink, "status"]],
    ];
    // What is compiled once, and the stack's first answers, are not what every day costs.
    for (const [, args] of programs) await run(args, env);
    const times = programs.map((): number[] => []);
    // In turn, so that what the machine does meanwhile befalls each of them.
    for (let i = 0; i < runs; i++) {
      for (const [index, [, args]] of programs.entries()) times[index].push(await run(args, env));
    }
    const [least, ...rest] = times.map(median);
    const rows: Row[] = [
      { what: `${programs[0][0]}, ms`, value: least },
      ...rest.map((value, index): Row => ({
        what: `${programs[index + 1][0]}, ms`,
        value,
        goal: `at most ${(MOST * least).toFixed(0)}: ${MOST} empty runs`,
      })),
    ];
    print("cli", `medians of ${runs} processes each`, rows, args.includes("--json"));
  } finally {
    await stack.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Milliseconds from the start of a process to its end. @throws Error when it fails */
async function run(args: string[], env: Record<string, string>): Promise<number> {
  const began = performance.now();
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const took = performance.now() - began;
  if (!success) throw new Error(`deno ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
  return took;
}
