/**
 * `npx deno task start` is four processes: npx, a shell, `deno task`, the stack. A signal that is sent to npx alone
 * ends npx and the shell and never arrives further down, so the stack looks after those above it.
 */
import { describeProcess, isRunning } from "../lib/processes.ts";

/** Programs that do nothing but wait for the stack: when one is gone, somebody ended it. */
const LAUNCHER = /(^|[/\\\s])(npm exec|npx(-cli\.js)?|deno(\.exe)? task)\s/;
const POLL_MS = 300;

/** Resolves when one of the programs that launched this process has ended; never where none did. */
export async function launcherGone(): Promise<void> {
  const watched = launchers();
  if (watched.length === 0) return new Promise(() => {});
  while (watched.every(isRunning)) {
    await new Promise<void>((done) => Deno.unrefTimer(setTimeout(done, POLL_MS)));
  }
}

/** Process ids of the launchers above this process, nearest first. A shell between two of them is passed over. */
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
