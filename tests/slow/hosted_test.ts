/** What the runtime does of its own (cryptography, HTTP, timers) is the same in the Deno that functions are deployed to. */
import { assertEquals } from "../support/assert.ts";
import { DENO_ENV, hostedDeno, run } from "../../lib/programs.ts";
import { ROOT } from "../../lib/paths.ts";
import { CASES_VARIABLE } from "../support/property.ts";

const SUBJECTS = ["crypto", "delivery", "http", "json"].map((name) => `supabase/functions/_shared/${name}`);

Deno.test("hosted Deno: signatures, deliveries, bodies and JSON are as in the current one", async () => {
  const { path } = await hostedDeno();
  const { code, stdout, stderr } = await run(path, [
    ...["test", "--allow-all", "--no-check", "--quiet", "--config=deno.json"],
    // It can't read today's lock file, and must not touch node_modules.
    ...["--no-lock", "--node-modules-dir=none"],
    ...SUBJECTS,
  ], { cwd: ROOT, env: { ...DENO_ENV, [CASES_VARIABLE]: "few" } });
  assertEquals(code, 0, stdout.split(" ERRORS ")[1] ?? stderr);
});
