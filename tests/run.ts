/**
 * `deno task test [deno test options and paths]`: all tests, in random order, on one embedded Postgres that is
 * started for the run and gone afterwards. Exit code 0 when all passed.
 */
import { StackError } from "../local/stack_error.ts";
import { buildPanel } from "../local/panel_build.ts";
import { ROOT } from "../local/paths.ts";
import { CLUSTER_VARIABLE, startTestCluster } from "./support/cluster.ts";

/** Builds the admin panel once, so that the stacks of the tests need not. One that can't be built fails its own tests. */
async function panel(): Promise<void> {
  await buildPanel().catch((error) => console.error(error.message));
}

async function run(args: string[]): Promise<number> {
  const began = performance.now();
  const [cluster] = await Promise.all([startTestCluster(), panel()]);
  console.log(`Postgres 17 with all migrations is up (${Math.round(performance.now() - began)} ms).`);
  // Ctrl-C reaches `deno test` too, and ends it; the cluster is stopped below.
  const wait = () => {};
  Deno.addSignalListener("SIGINT", wait);
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--shuffle", ...args],
      cwd: ROOT,
      env: { [CLUSTER_VARIABLE]: cluster.url },
      stdin: "null",
    }).spawn();
    const end = () => child.kill("SIGTERM");
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", end);
    const { code } = await child.status;
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(
      code === 0 ? `All tests passed (${seconds} s).` : `Tests failed (${seconds} s, exit code ${code}).`,
    );
    return code;
  } finally {
    await cluster.stop();
  }
}

try {
  Deno.exit(await run(Deno.args));
} catch (error) {
  if (!(error instanceof StackError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
