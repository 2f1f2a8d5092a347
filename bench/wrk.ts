/**
 * wrk (https://github.com/wg/wrk) where it is installed: a generator that leaves the machine to what is measured, and that
 * others measure with.
 */
import type { Load } from "./load.ts";

const SCRIPT = new URL("./wrk.lua", import.meta.url).pathname;

/** Whether wrk can be run. */
export async function hasWrk(): Promise<boolean> {
  try {
    await new Deno.Command("wrk", { args: ["-v"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch {
    return false;
  }
}

/**
 * Requests these paths one after the other for some seconds, over connections that are kept. Answers that are under way
 * at the end are not counted.
 * @param headers Sent with each request, `host` among them.
 */
export async function wrk(
  target: { hostname: string; port: number },
  paths: readonly string[],
  headers: Readonly<Record<string, string>>,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<Load> {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-bench-" });
  try {
    const head = `${folder}/head`, list = `${folder}/paths`;
    await Deno.writeTextFile(
      head,
      Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join(""),
    );
    await Deno.writeTextFile(list, paths.join("\n") + "\n");
    const { code, stdout, stderr } = await new Deno.Command("wrk", {
      args: [
        ...["-t2", `-c${connections}`, `-d${seconds}s`, "-s", SCRIPT],
        ...[`http://${target.hostname}:${target.port}`, "--", head, list],
      ],
    }).output();
    const said = new TextDecoder().decode(stdout);
    const line = said.split("\n").find((line) => line.startsWith("{"));
    if (code !== 0 || line === undefined) {
      throw new Error(`wrk failed: ${said}${new TextDecoder().decode(stderr)}`);
    }
    const { requests, us, p50, p95, p99, max, refused, broken } = JSON.parse(line) as Record<string, number>;
    return {
      requests,
      seconds: us / 1e6,
      perSecond: requests / (us / 1e6),
      p50: p50 / 1000,
      p95: p95 / 1000,
      p99: p99 / 1000,
      max: max / 1000,
      statuses: { "302": requests - refused, refused, broken },
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
