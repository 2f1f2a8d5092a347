/**
 * `gatelink flags schedule | history | restore`: future changes, past changes, and restoring an earlier
 * state.
 */
import { audience } from "../../../supabase/functions/_shared/contract/words/flags.ts";
import type { Command } from "commander";
import { withoutPast } from "../../../supabase/functions/_shared/flags/schedule.ts";
import { CliError } from "../../core/errors.ts";
import { flagKey, flagNamed, versionOf } from "./api.ts";
import { paint, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { later, reason, whole } from "../../core/values.ts";

/** Adds `schedule`. */
export function schedule(group: Command, run: Run): void {
  group.command("schedule").description(
    "schedule a flag to turn on or off; the clock does so within a minute",
  )
    .argument("<flag>", "its key; .enabled is optional", flagKey)
    .requiredOption("--why <reason>", "the reason, recorded in the history", reason)
    .option("--on-at <time>", "ISO 8601, or a duration from now, like 2h", later)
    .option("--off-at <time>", "likewise", later)
    .option("--clear", "clear the schedule")
    .option("--version <n>", "only if it is still at this version", whole(0, 1e15))
    .addHelpText(
      "after",
      `
Examples:
  gatelink flags schedule referrals --on-at 2026-12-01T08:00:00Z --off-at 2027-01-07T00:00:00Z --why "the campaign"
  gatelink flags schedule referrals --off-at 30m --why "a look at it"
  gatelink flags schedule referrals --clear --why "put off"`,
    )
    .action((
      key: string,
      options: { why: string; onAt?: string; offAt?: string; clear?: boolean; version?: number },
    ) =>
      run(async (session) => {
        const { onAt, offAt, clear } = options;
        if ((onAt === undefined && offAt === undefined) === !clear) {
          throw new CliError(
            "usage",
            "Give --on-at or --off-at, or --clear.",
            "gatelink flags schedule --help",
          );
        }
        const api = await session.api();
        const changes = clear ? { on_at: null, off_at: null } : {
          ...(onAt === undefined ? {} : { on_at: onAt }),
          ...(offAt === undefined ? {} : { off_at: offAt }),
        };
        const flag = await api.rpc("set_flag", {
          p_key: key,
          p_changes: changes,
          p_expected_version: versionOf(await flagNamed(api, key), options.version),
          p_reason: options.why,
        });
        const { on_at, off_at } = flag.metadata.schedule ?? {};
        const said = [
          ...(on_at ? [`on at ${time(on_at)}`] : []),
          ...(off_at ? [`off at ${time(off_at)}`] : []),
        ];
        return {
          document: flag,
          text: said.length === 0 ? `Nothing is scheduled for ${key}.` : `${key} turns ${said.join(", ")}.`,
        };
      })
    );
}

/** Adds `history` and `restore`. */
export function history(group: Command, run: Run): void {
  group.command("history").description("show a flag's changes: who, what, when and why; newest first")
    .argument("<flag>", "its key; .enabled is optional; it may have been deleted", flagKey)
    .option("--limit <n>", "show at most N", whole(1, 1000), 20)
    .addHelpText(
      "after",
      `
Example:
  gatelink flags history deeplinks --limit 5`,
    )
    .action((key: string, { limit }: { limit: number }) =>
      run(async (session) => {
        const changes = await (await session.api()).rows((client) =>
          client.from("settings_history").select("version,before,after,changed_at,changed_by,reason,gates")
            .eq(
              "key",
              key,
            )
            .order("version", { ascending: false }).limit(limit)
        );
        if (changes.length === 0) {
          throw new CliError("not_found", `There has never been a flag ${key}.`, "gatelink flags list");
        }
        return {
          document: changes,
          text: table(
            ["version", "when", "on for", "was", "by", "why"],
            changes.map(({ version, before, after, changed_at, changed_by, reason, gates }) => [
              version,
              time(changed_at),
              after === null ? "(deleted)" : audience(after),
              before === null ? "(not there)" : audience(before),
              changed_by,
              gates === "not_asked" ? `${reason ?? ""} (launch gates not asked)`.trim() : reason,
            ]),
          ) + `\n\n${paint("dim", `Back to one of them: gatelink flags restore ${key} VERSION --why "…"`)}`,
        };
      })
    );

  group.command("restore").description("restore an earlier version of a flag")
    .argument("<flag>", "its key; .enabled is optional", flagKey)
    .argument("<version>", "as shown by flags history", whole(1, 1e15))
    .requiredOption("--why <reason>", "the reason, recorded in the history", reason)
    .addHelpText(
      "after",
      `
This creates a new version; the history is kept. Schedules of that version that have passed are not restored.

Example:
  gatelink flags restore deeplinks 7 --why "the list of testers was right then"`,
    )
    .action((key: string, version: number, { why }: { why: string }) =>
      run(async (session) => {
        const api = await session.api();
        const flag = await flagNamed(api, key);
        const [then] = await api.rows((client) =>
          client.from("settings_history").select("after").eq("key", key).eq("version", version)
        );
        if (!then?.after) {
          throw new CliError(
            "not_found",
            `${key} has no version ${version}.`,
            `gatelink flags history ${key}`,
          );
        }
        const restored = await api.rpc("set_setting", {
          p_key: key,
          p_value: then.after.value,
          p_metadata: withoutPast(then.after.metadata, Date.now()),
          p_expected_version: flag.version,
          p_reason: `${why} (restored version ${version})`,
        });
        return {
          document: { ...restored, on_for: audience(restored) },
          text: `${key} is as it was at version ${version}: on for ${
            audience(restored)
          } (now version ${restored.version}).`,
        };
      })
    );
}
