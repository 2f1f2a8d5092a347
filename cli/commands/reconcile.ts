/** `gatelink reconcile`: proves that no message was lost. */
import { table, verdict } from "../core/output.ts";
import type { PlainCommand } from "../core/session.ts";

/** `reconcile`. */
export const reconcile: PlainCommand = {
  help: `
Exit code 1 if a check fails.

Example:
  gatelink reconcile || echo "something was lost"`,
  work: async (session) => {
    const found = await (await session.api()).rpc("reconcile", {});
    return {
      document: found,
      text: table(
        ["", "check", "expected", "found"],
        found.checks.map((check) => [verdict(check.ok), check.name, check.expected, check.found]),
      ),
      failed: !found.ok,
    };
  },
};
