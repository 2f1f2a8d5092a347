/** `gatelink contact`: merge and split contacts, export or erase a person's data. */
import { counted } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import type { Erased, Merge } from "../../supabase/functions/_shared/contract/answers/people.ts";
import { CliError } from "../core/errors.ts";
import { type Cell, table, time } from "../core/output.ts";
import type { Run } from "../core/session.ts";

const CONTACT = "id of a contact, as in gatelink conversations list --json";
const PERSON =
  "phone number with country code, contact id, another id of the person, or the id that flags use";

/** Defines the commands of the group. */
export function contact(group: Command, run: Run): void {
  people(group, run);
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

/** Adds the commands about contacts that are one person. */
function people(group: Command, run: Run): void {
  group.command("merge").description("say that two contacts are one person; this can be undone")
    .argument("<kept>", CONTACT)
    .argument("<other>", CONTACT)
    .requiredOption("--why <reason>", "how one knows, recorded in contact_acts")
    .addHelpText(
      "after",
      `
Opt-outs, export and erasure of one are those of the other from then on. Ids and conversations stay where they are, so
that an answer goes to the number that asked.

Example:
  gatelink contact merge 01968f00-0000-7000-8000-0000000000c1 01968f00-0000-7000-8000-0000000000c2 --why "said so"`,
    )
    .action((kept: string, other: string, { why }: { why: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("merge_people", {
          p_keep: kept,
          p_other: other,
          p_reason: why,
        });
        return { document, text: `Merged. Undo: gatelink contact undo ${document.id}` };
      })
    );

  group.command("undo").description("undo a merge; what each has said since stays")
    .argument("<merge>", "id of the merge, as in gatelink contact merges")
    .option("--why <reason>", "recorded in contact_acts")
    .addHelpText(
      "after",
      `
Example:
  gatelink contact undo 01968f00-0000-7000-8000-0000000000d1`,
    )
    .action((merge: string, { why }: { why?: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("undo_merge", {
          p_id: merge,
          p_reason: why ?? null,
        });
        return { document, text: "Undone: they are two contacts again." };
      })
    );

  group.command("split").description("undo all merges of a contact, the latest first")
    .argument("<contact>", CONTACT)
    .option("--why <reason>", "recorded in contact_acts")
    .addHelpText(
      "after",
      `
Example:
  gatelink contact split 01968f00-0000-7000-8000-0000000000c2`,
    )
    .action((contact: string, { why }: { why?: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("split_contact", {
          p_contact_id: contact,
          p_reason: why ?? null,
        });
        return { document, text: `Split: ${counted(document.length, "merge")} undone.` };
      })
    );

  group.command("merges").description("the contacts that are one person with this one, and who said so")
    .argument("<contact>", CONTACT)
    .addHelpText(
      "after",
      `
Example:
  gatelink contact merges 01968f00-0000-7000-8000-0000000000c1`,
    )
    .action((contact: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("read_person", { p_contact_id: contact });
        const { contacts, merges } = document;
        return {
          document,
          text: [
            table(
              ["contact", "channel", "ends with", "conversations"],
              contacts.map((one): Cell[] => [one.id, one.channel, one.last_four, one.conversations.length]),
              "There is no such contact.",
            ),
            table(
              ["merge", "kept", "other", "when", "why", ""],
              merges.map(rowOf),
              "It was merged with nobody.",
            ),
          ].join("\n\n"),
        };
      })
    );
}

function rowOf({ id, kept, other, merged_at, reason, undone_at }: Merge): Cell[] {
  return [id, kept, other, time(merged_at), reason, undone_at === null ? ["green", "merged"] : "undone"];
}
