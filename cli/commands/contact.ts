/** `gatelink contact`: what there is of a person, given out or erased. */
import { counted } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { CliError } from "../core/errors.ts";
import { table } from "../core/output.ts";
import type { Run } from "../core/session.ts";

/** What the SQL function `erase_contact` gives. */
interface Part {
  erasure: string;
  part: number;
  done: boolean;
  counts: Record<string, number>;
  kept: { dedupe_keys_days: number; opt_outs: number };
  out_of_reach: string[];
}

const PERSON =
  "phone number with its country code, contact's id, another id of theirs, or the id that flags are asked with";

/** Defines the commands of the group. */
export function contact(group: Command, run: Run): void {
  group.command("export").description("all that there is of a person in every table, as one JSON document")
    .argument("<person>", PERSON)
    .addHelpText(
      "after",
      `
Holds numbers, names and words: mind where it goes. That it was given out is kept in contact_acts. Rows that name others
as well (a flag's targets, a history) are given by their key, with the words that name the person.

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
    "erase a person from every table, histories and targets of flags included",
  )
    .argument("<person>", PERSON)
    .option("--yes", "erase, which cannot be undone; without it nothing happens")
    .addHelpText(
      "after",
      `
What waits to be delivered to a service or sent to the person goes too. Histories keep their rows, with tombstones in the
person's place. For 8 days hashes of what came stay, so that a repetition makes nobody anew; an opt-out stays as a hash.
Prints how many rows of which table; the table erasures keeps that. Backups are not reached: docs/personal-data.md.

Example:
  gatelink contact erase +4915100000001 --yes`,
    )
    .action((person: string, { yes }: { yes?: boolean }) =>
      run(async (session) => {
        if (!yes) {
          throw new CliError(
            "usage",
            "Erasing cannot be undone, and nothing was erased.",
            "Look first (gatelink contact export), then say --yes.",
          );
        }
        const api = await session.api();
        const counts: Record<string, number> = {};
        let part: Part | undefined;
        do {
          part = await api.rpc<Part>("erase_contact", { p_person: person, p_erasure: part?.erasure ?? null });
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
            `VisitRecorder: hashes of what came, for ${kept.dedupe_keys_days} days; ${
              counted(kept.opt_outs, "opt-out")
            } as ${kept.opt_outs === 1 ? "a hash" : "hashes"}.`,
            `Out of reach:\n${out_of_reach.map((what) => `- ${what}`).join("\n")}`,
          ].join("\n\n"),
        };
      })
    );
}
