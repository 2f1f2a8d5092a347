/** The local stack as the project that deployed functions talk to: real Postgres, Data API and Auth. */
import { join } from "node:path";
import { ROOT } from "../../local/paths.ts";
import type { Project } from "./probe.ts";

const START_TIMEOUT_MS = 120_000;

/** Runs `use` with a new local stack and the path of its stack.json; nothing of it remains. */
export async function withStack<T>(use: (project: Project, stackFile: string) => Promise<T>): Promise<T> {
  const data = await Deno.makeTempDir({ prefix: "gatelink-stack-" });
  await Deno.chmod(data, 0o755);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "start", "--port", String(freePorts()), "--data", data],
    cwd: ROOT,
    // Never the database of whoever runs this.
    env: { DATABASE_URL: "" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let printed = "";
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) printed += text;
  })();
  let ended = false;
  child.status.then(() => ended = true);
  try {
    const deadline = Date.now() + START_TIMEOUT_MS;
    const stackFile = join(data, "stack.json");
    let project: Project | undefined;
    while (!project && !ended && Date.now() < deadline) {
      await new Promise((done) => setTimeout(done, 100));
      project = await ready(stackFile);
    }
    if (!project) throw new Error(`the local stack did not start:\n${printed}`);
    return await use(project, stackFile);
  } finally {
    if (!ended) child.kill("SIGINT");
    await Promise.all([child.status, reading]);
    await Deno.remove(data, { recursive: true });
  }
}

/** A port that is free together with the next one, where the stack puts Postgres. */
function freePorts(): number {
  for (;;) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    try {
      Deno.listen({ hostname: "127.0.0.1", port: listener.addr.port + 1 }).close();
      return listener.addr.port;
    } catch {
      // Taken, or past the last one.
    }
  }
}

async function ready(path: string): Promise<Project | undefined> {
  try {
    const project: Project = JSON.parse(await Deno.readTextFile(path));
    const response = await fetch(`${project.url}/functions/v1/health`, {
      signal: AbortSignal.timeout(5_000),
    });
    await response.body?.cancel();
    return response.ok ? project : undefined;
  } catch {
    // Not written yet, or nobody listens yet.
    return undefined;
  }
}
