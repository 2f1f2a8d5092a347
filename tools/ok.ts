/** `deno task ok`: every check that must pass before a merge, in sequence; stops at the first failure. */
import { ROOT } from "../lib/paths.ts";
import { task } from "../lib/task.ts";

const TASKS = ["check", "lint:sql", "deploy:check", "test"];

if (import.meta.main) {
  task("ok", `Run everything that must pass before a merge: deno task ${TASKS.join(", ")}.`)
    .addHelpText("after", "\nStops at the first failure, with its exit code.")
    .parse(Deno.args, { from: "user" });
  for (const name of TASKS) {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["task", name],
      cwd: ROOT,
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    if (code !== 0) Deno.exit(code);
  }
}
