/**
 * local/start.ts for a test: ends, as by SIGTERM, when its standard input ends, because then the parent
 * process is gone and nobody else would end it.
 */
async function end(): Promise<void> {
  for await (const _ of Deno.stdin.readable) {
    // Nobody says anything.
  }
  Deno.kill(Deno.pid, "SIGTERM");
}

void end();
await import("../../local/start.ts");
