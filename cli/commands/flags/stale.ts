/** `gatelink flags stale`: flags that seem finished, and where the code still reads them. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { STALE_WORDS } from "../../../supabase/functions/_shared/contract/words/reports.ts";
import { fromCheckout } from "../../core/checkout.ts";
import { table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";

/** Adds the command. */
export function stale(group: Command, run: Run): void {
  group.command("stale").description("find flags to clean up, and the code that reads them")
    .addHelpText(
      "after",
      `
A flag is stale if it is on or off for everybody and unchanged for 30 days (setting flags.stale_days), was launched that
long ago, is on an hour after its scheduled end, has not been evaluated for 30 days, or was never evaluated in its first
seven days. Exit code 1 if there are any.

Example:
  gatelink flags stale`,
    )
    .action(() =>
      run(async (session) => {
        const { flagPlaces } = await fromCheckout("gatelink flags stale", () =>
          import("../../../lib/flag_places.ts"));
        const [found, places] = await Promise.all([
          (await session.api()).rpc("stale_flags", {}),
          flagPlaces(),
        ]);
        const document = found.map((one) => ({ ...one, places: places.get(one.key) ?? [] }));
        return {
          document,
          text: table(
            ["flag", "why", "since", "read in"],
            document.map(({ key, why, since, places }) => [
              key,
              STALE_WORDS[why],
              time(since),
              places.length === 0
                ? "no code in this checkout"
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
