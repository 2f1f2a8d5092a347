/** `gatelink contact`: export or erase a person's data. */
import { counted } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import type { Erased } from "../../supabase/functions/_shared/contract/answers/people.ts";
import { CliError } from "../core/errors.ts";
import { table } from "../core/output.ts";
import type { Run } from "../core/session.ts";

const PERSON =
  "phone number with country code, contact id, another id of the person, or the id that flags use";

/** Defines the commands of the group. */
export function contact(group: Command, run: Run): void {
  group.command("export").description("export all data of a person from every table, as one JSON document")
    .argument("<person>", PERSON)
    .addHelpText(
      "after",
      `
Contains numbers, names and texts: handle it with care. The export is recorded in contact_acts. For rows that also name
others (a flag's targets, a history) it contains only their key and the values that name the person.

Example:
  gatelink contact export +4915100000001 --json`,
    )
    .action((person: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("export_contact", { p_person: person });
        return { document, text: JSON.stringify(document, null, 2) };
      })
    );

  group.command("erase").description(
    "erase a person from every table, including histories and targets of flags",
  )
    .argument("<person>", PERSON)
    .option("--yes", "confirm; this cannot be undone, and without it nothing happens")
    .addHelpText(
      "after",
      `
Queued deliveries and sends of the person are deleted too. Histories keep their rows, with tombstones for the person.
Hashes of updates are kept for 8 days, so that a repetition does not recreate the person; opt-outs stay as hashes.
Prints the number of rows per table and records it in erasures. Backups are not covered: docs/personal-data.md.

Example:
  gatelink contact erase +4915100000001 --yes`,
    )
    .action((person: string, { yes }: { yes?: boolean }) =>
      run(async (session) => {
        if (!yes) {
          throw new CliError(
            "usage",
            "Erasing cannot be undone. Nothing was erased.",
            "Check the data first (gatelink contact export), then add --yes.",
          );
        }
        const api = await session.api();
        const counts: Record<string, number> = {};
        let part: Erased | undefined;
        do {
          part = await api.rpc("erase_contact", { p_person: person, p_erasure: part?.erasure ?? null });
          for (const [name, n] of Object.entries(part.counts)) counts[name] = (counts[name] ?? 0) + n;
          if (!part.done) {
            session.progress(`${counted(counts["public.messages"] ?? 0, "message")} erased so far`);
          }
        } while (!part.done);
        const { erasure, kept, out_of_reach } = part;
        return {
          document: { erasure, counts, kept, out_of_reach },
          text: [
            `Erased: ${erasure}`,
            table(["table", "rows"], Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1)),
            `Kept: hashes of updates, for ${kept.dedupe_keys_days} days; ${
              counted(kept.opt_outs, "opt-out")
            } as ${kept.opt_outs === 1 ? "a hash" : "hashes"}.`,
            `Out of reach:\n${out_of_reach.map((what) => `- ${what}`).join("\n")}`,
          ].join("\n\n"),
        };
      })
    );
}
