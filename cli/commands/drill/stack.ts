/** The stack of a drill: this checkout's local stack as a separate process, with its own ports and data. */
import { join, ROOT } from "../../../lib/paths.ts";
import { CliError } from "../../core/errors.ts";

export interface DrillStack {
  /** Path of its stack.json. */
  file: string;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 120_000;

/** Starts it with these functions. @throws {CliError} stack_unreachable, with its output */
export async function startDrillStack(functions: string): Promise<DrillStack> {
  const parent = await Deno.makeTempDir({ prefix: "gatelink-drill-data-" });
  // Postgres may run as another user, who has to pass through.
  if (Deno.build.os !== "windows") await Deno.chmod(parent, 0o755);
  const data = join(parent, "data"), file = join(data, "stack.json");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "local", "start.ts"), "--port", "0", "--data", data]
      .concat(["--no-mail", "--functions", functions]),
    cwd: ROOT,
    // Never the database of whoever runs this.
    env: { DATABASE_URL: "", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let said = "", ended = false;
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) said += text;
  });
  const gone = Promise.all([child.status, ...reading]).finally(() => ended = true);
  const stop = async () => {
    if (!ended) child.kill("SIGINT");
    await gone;
    await Deno.remove(parent, { recursive: true });
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!said.includes("Gatelink is up")) {
    if (ended || Date.now() > deadline) {
      await stop();
      throw new CliError(
        "stack_unreachable",
        "The drill's stack does not start.",
        said.trim().slice(-2000),
      );
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return { file, stop };
}
