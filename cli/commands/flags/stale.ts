/** `gatelink flags stale`: flags that look done with, and where the code still reads them. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { fromCheckout } from "../../core/checkout.ts";
import { table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";

interface Stale {
  key: string;
  why: "fully_on" | "never_evaluated" | "not_evaluated";
  since: string | null;
}

const WHY: Record<Stale["why"], string> = {
  fully_on: "on for everybody, unchanged",
  never_evaluated: "nobody has ever asked for it",
  not_evaluated: "nobody asks for it any more",
};

/** Adds the command. */
export function stale(group: Command, run: Run): void {
  group.command("stale").description("flags that look done with, and where the code reads them")
    .addHelpText(
      "after",
      `
On for everybody and unchanged for 30 days, or asked for by nobody for as long; a flag that was never asked for counts
from its seventh day on. Exit code 1 when there are any.

Example:
  gatelink flags stale`,
    )
    .action(() =>
      run(async (session) => {
        const { flagPlaces } = await fromCheckout("gatelink flags stale", () =>
          import("../../../lib/flag_places.ts"));
        const [found, places] = await Promise.all([
          (await session.api()).rpc<Stale[]>("stale_flags"),
          flagPlaces(),
        ]);
        const document = found.map((one) => ({ ...one, places: places.get(one.key) ?? [] }));
        return {
          document,
          text: table(
            ["flag", "why", "since", "read in"],
            document.map(({ key, why, since, places }) => [
              key,
              WHY[why],
              time(since),
              places.length === 0
                ? "no code of this checkout"
                : places.map(({ path, line }) =>
                  `${path}:${line}`
                ).join(", "),
            ]),
            "No flag is stale.",
          ) + (document.length === 0 ? "" : `\n\n${counted(document.length, "finding")}.`),
          failed: document.length > 0,
        };
      })
    );
}
