/** Each bench still runs and has figures. `--quick` measures nothing: only that is checked here. */
import { BENCHES } from "../../bench/benches.ts";
import type { Row } from "../../bench/report.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { CHROMIUM } from "../support/chromium.ts";

for (const name of Object.keys(BENCHES)) {
  const ignore = name === "panel" && CHROMIUM === undefined;
  Deno.test(
    `deno task bench ${name} --quick: succeeds, with a finite figure in each row`,
    { ignore },
    async () => {
      const args = [
        "run",
        "-A",
        "--no-check",
        "--quiet",
        join("bench", "main.ts"),
        name,
        "--quick",
        "--json",
      ];
      const { code, stdout, stderr } = await run(Deno.execPath(), args, { cwd: ROOT });
      assertEquals(code, 0, stderr);
      const { bench, rows }: { bench: string; rows: Row[] } = JSON.parse(stdout);
      assertEquals(bench, name);
      assert(rows.length > 1, stdout);
      // JSON writes what is not a number as null.
      assertEquals(
        rows.filter(({ what, value }) => what === "" || typeof value !== "number" || value < 0),
        [],
      );
    },
  );
}
