/** CPU time of processes, by Linux's /proc: what each part of the pipeline costs a message. */

/** Clock ticks a second; 100 on every Linux that Deno runs on. */
const TICKS = 100;

/** Microseconds of CPU that these processes have used so far, with all that they started and waited for. */
export function cpuOf(pids: Readonly<Record<string, number>>): Record<string, number> {
  const parents = processes();
  return Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => {
      let ticks = 0;
      for (const [id, { ppid, own, waited }] of parents) {
        if (id === pid) ticks += own + (name === "postgres" ? waited : 0);
        // Each connection of Postgres is a process.
        else if (name === "postgres" && ppid === pid) ticks += own;
      }
      return [name, ticks * 1e6 / TICKS];
    }),
  );
}

function processes(): Map<number, { ppid: number; own: number; waited: number }> {
  const found = new Map<number, { ppid: number; own: number; waited: number }>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      // pid (name) state ppid …, and the name may hold anything; proc(5): utime, stime, cutime, cstime are 14 to 17.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number);
      found.set(Number(name), { ppid: Number(fields[1]), own: utime + stime, waited: cutime + cstime });
    } catch {
      // It has ended.
    }
  }
  return found;
}
