/**
 * `npx deno task start` consists of four processes: npx, a shell, `deno task`, the stack. A signal to npx
 * alone ends npx and the shell but never reaches the stack, so the stack watches its ancestors.
 */
import { describeProcess, isRunning } from "../lib/processes.ts";

/** Programs that only wait for the stack: if one has ended, somebody stopped it. */
const LAUNCHER = /(^|[/\\\s])(npm exec|npx(-cli\.js)?|deno(\.exe)? task)\s/;
const POLL_MS = 300;

/** Resolves when one of the programs that launched this process has ended; never if there are none. */
export async function launcherGone(): Promise<void> {
  const watched = launchers();
  if (watched.length === 0) return new Promise(() => {});
  while (watched.every(isRunning)) {
    await new Promise<void>((done) => Deno.unrefTimer(setTimeout(done, POLL_MS)));
  }
}

/** Process ids of the launchers above this process, nearest first. Skips a shell between two of them. */
function launchers(): number[] {
  const found: number[] = [];
  for (let pid = Deno.ppid; pid > 1;) {
    const parent = describeProcess(pid);
    if (!parent) break;
    if (LAUNCHER.test(parent.args)) found.push(pid);
    else if (!/^\S*sh -c\s/.test(parent.args)) break;
    pid = parent.ppid;
  }
  return found;
}
