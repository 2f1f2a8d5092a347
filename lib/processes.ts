/** Inspection of other processes. */
import process from "node:process";

/** Parent and command line of a process; undefined if there is no such process, or it cannot be inspected. */
export function describeProcess(pid: number): { ppid: number; args: string } | undefined {
  if (Deno.build.os === "linux") {
    // Small images have no ps.
    const stat = read(`/proc/${pid}/stat`);
    const args = read(`/proc/${pid}/cmdline`)?.replaceAll("\0", " ").trim();
    // pid (name) state ppid …, and the name may hold anything.
    const ppid = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    return ppid === undefined || !args ? undefined : { ppid: Number(ppid), args };
  }
  if (Deno.build.os === "windows") {
    const line = output("tasklist", ["/FI", `PID eq ${pid}`, "/NH", "/FO", "CSV"]);
    return line?.startsWith('"') ? { ppid: 0, args: line } : undefined;
  }
  const match = /^\s*(\d+)\s+(.*)/.exec(output("ps", ["-o", "ppid=,args=", "-p", String(pid)]) ?? "");
  return match ? { ppid: Number(match[1]), args: match[2] } : undefined;
}

/** Whether a process with this id runs. A process that has ended but was not yet reaped does not count. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== "EPERM") return false;
  }
  const stat = Deno.build.os === "linux" ? read(`/proc/${pid}/stat`) : undefined;
  return stat === undefined || !/\) [ZX] /.test(stat);
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function output(command: string, args: string[]): string | undefined {
  try {
    const { stdout } = new Deno.Command(command, { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout);
  } catch {
    return undefined;
  }
}
