/** What a job has started, and that it is gone when the job is. */
import { describeProcess, isRunning } from "../../lib/processes.ts";
import { until } from "../support/until.ts";

/** How long they may take to end in order, in milliseconds. A stack stops its functions and its Postgres. */
const PATIENCE_MS = 20_000;

/** Process ids of all that descends from a process; none on Windows. */
export function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const [child, parent] of everybody()) children.set(parent, [...children.get(parent) ?? [], child]);
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((pid) => [pid, ...below(pid)]);
  return below(pid);
}

/** Asks them to end, and kills those that don't in time. Resolves when all are gone. */
export async function endAll(pids: readonly number[], withinMs: number = PATIENCE_MS): Promise<void> {
  const left = () => pids.filter(isRunning);
  for (const pid of left()) send(pid, "SIGTERM");
  const deadline = Date.now() + withinMs;
  while (left().length > 0 && Date.now() < deadline) await new Promise((done) => setTimeout(done, 50));
  for (const pid of left()) send(pid, "SIGKILL");
  await until("they are gone", () => left().length === 0);
}

/** Sends it, unless the process is gone already or somebody else's. */
export function send(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It needs it no more.
  }
}

/** All processes, each with its parent. */
function everybody(): [pid: number, parent: number][] {
  if (Deno.build.os === "windows") return [];
  if (Deno.build.os === "linux") {
    return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name))
      .flatMap(({ name }) => {
        const parent = describeProcess(Number(name))?.ppid;
        return parent === undefined ? [] : [[Number(name), parent] as [number, number]];
      });
  }
  const { stdout } = new Deno.Command("ps", { args: ["-A", "-o", "pid=,ppid="] }).outputSync();
  return new TextDecoder().decode(stdout).trim().split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
}
