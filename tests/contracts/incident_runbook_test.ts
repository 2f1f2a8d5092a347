/** docs/runbooks/incident.md says what the decision matrix says, that commands and notifications read. */
import { assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { KINDS } from "../../supabase/functions/_shared/contract/incidents.ts";

const PAGES = {
  1: "[1, flag off](1-flag.md)",
  2: "[2, environment](2-environment.md)",
  3: "[3, code](3-code.md)",
  4: "[4, database](4-database.md)",
};

Deno.test("incident.md: its table equals the decision matrix, line by line", () => {
  const text = Deno.readTextFileSync(join(ROOT, "docs", "runbooks", "incident.md"));
  const rows = [...text.matchAll(/^\| (.+) \| `(\w+)` \| (P\d) \| (.+) \| (.+) \|$/gm)].map((row) =>
    row.slice(1)
  );
  assertEquals(
    rows,
    KINDS.map(({ kind, issue, severity, wayBack, instead, within }) => [
      issue,
      kind,
      severity,
      wayBack.length > 0 ? wayBack.map((level) => PAGES[level]).join(", then ") : instead!,
      within,
    ]),
  );
});
