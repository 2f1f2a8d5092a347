/** `gatelink allowlist`: the hosts that messages may be forwarded to and links may redirect to. */
import { type Command, Option } from "commander";
import type { Row } from "../../supabase/functions/_shared/contract/sql.ts";
import type { Api } from "../core/api.ts";
import { CliError } from "../core/errors.ts";
import { table, time } from "../core/output.ts";
import { checkPattern, parsePattern } from "../../supabase/functions/_shared/delivery/allowlist.ts";
import type { Run } from "../core/session.ts";

/** What an entry is for, as an option. */
function purpose(): Option {
  return new Option("--for <purpose>", "forward (messages to a service) or redirect (targets of links)")
    .choices(["forward", "redirect"]);
}

/** Defines the commands of the group. */
export function allowlist(group: Command, run: Run): void {
  group.command("add").description("allow a host; other hosts are never called or redirected to")
    .argument("<host>", "host name, or *.host for all subdomains; with :port if it is not 443")
    .addOption(purpose().makeOptionMandatory())
    .addHelpText(
      "after",
      `
Examples:
  gatelink allowlist add hooks.example.com --for forward
  gatelink allowlist add '*.example.com' --for redirect`,
    )
    .action((host: string, options: { for: string }) =>
      run(async (session) => {
        const checked = await checkPattern(host);
        if (!checked.ok) {
          throw new CliError(
            "usage",
            `${host} ${checked.why}.`,
            "A host is api.example.com or *.example.com.",
          );
        }
        const api = await session.api();
        const entry = await api.rpc("allow_host", {
          p_pattern: checked.pattern.text,
          p_purpose: options.for,
        });
        return { document: entry, text: `${entry.pattern} is allowed for ${entry.purpose}.` };
      })
    );

  group.command("list").description("list the allowed hosts")
    .addOption(purpose())
    .addHelpText(
      "after",
      `
Example:
  gatelink allowlist list --for forward`,
    )
    .action((options: { for?: string }) =>
      run(async (session) => {
        const entries = (await entriesOf(await session.api()))
          .filter((entry) => options.for === undefined || entry.purpose === options.for);
        return {
          document: entries,
          text: table(
            ["host", "for", "since", "by"],
            entries.map((entry) => [entry.pattern, entry.purpose, time(entry.created_at), entry.created_by]),
            "No host is allowed yet: gatelink allowlist add HOST --for forward",
          ),
        };
      })
    );

  group.command("history").description("show who allowed or removed which host, newest first")
    .addOption(purpose())
    .addHelpText(
      "after",
      `
Example:
  gatelink allowlist history --for forward`,
    )
    .action((options: { for?: string }) =>
      run(async (session) => {
        const changes = (await historyOf(await session.api()))
          .filter((change) => options.for === undefined || change.purpose === options.for);
        return {
          document: changes,
          text: table(
            ["time", "what", "host", "for", "by"],
            changes.map(({ at, change, pattern, purpose, by }) => [time(at), change, pattern, purpose, by]),
            "No host was allowed yet.",
          ),
        };
      })
    );

  group.command("remove").description("remove a host; takes effect within 5 seconds")
    .argument("<host>", "as it was added")
    .addOption(purpose().makeOptionMandatory())
    .addHelpText(
      "after",
      `
Example:
  gatelink allowlist remove hooks.example.com --for forward`,
    )
    .action((host: string, options: { for: string }) =>
      run(async (session) => {
        // As it is stored, where it can be read; what was stored by hand is removed as it stands.
        const read = parsePattern(host);
        const pattern = read.ok ? read.pattern.text : host;
        const api = await session.api();
        if (!await api.rpc("disallow_host", { p_pattern: pattern, p_purpose: options.for })) {
          throw new CliError(
            "not_found",
            `${pattern} is not on the allowlist for ${options.for}.`,
            "gatelink allowlist list shows the allowed hosts.",
          );
        }
        return {
          document: { pattern, purpose: options.for, removed: true },
          text: `${pattern} is no longer allowed for ${options.for}.`,
        };
      })
    );
}

function entriesOf(
  api: Api,
): Promise<Pick<Row<"destination_allowlist">, "pattern" | "purpose" | "created_at" | "created_by">[]> {
  return api.rows((client) =>
    client.from("destination_allowlist").select("pattern,purpose,created_at,created_by").order("purpose")
      .order("pattern")
  );
}

function historyOf(api: Api): Promise<Omit<Row<"allowlist_history">, "id">[]> {
  return api.rows((client) =>
    client.from("allowlist_history").select("at,by,change,pattern,purpose").order("id", { ascending: false })
  );
}
