/** `gatelink gates`: launch requirements of a feature, and their sign-offs for it. */
import type { Approval } from "../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { type Command, Option } from "commander";
import { fromCheckout } from "../../core/checkout.ts";
import { CliError } from "../../core/errors.ts";
import { flagKey } from "../flags/api.ts";
import { SIGNED_GATES } from "./people.ts";
import { CHECKLIST } from "./list.ts";
import { type GateResult, openGates, ROLES } from "./gate.ts";
import { type Cell, paint, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { address, reason } from "../../core/values.ts";

/** Defines the commands of the group. */
export function gates(group: Command, run: Run): void {
  checking(group, run);
  signing(group, run);
}

function checking(group: Command, run: Run): void {
  group.command("check", { isDefault: true }).description("check the launch gates")
    .argument("[feature]", "a flag; .enabled is optional (default: gates that concern no flag)", flagKey)
    .option("--markdown", "print a checklist for a pull request")
    .option("--project-ref <ref>", "the hosted project, if the stack's address does not contain it")
    .option(
      "--staging-url <url>",
      "also ask this stack, with the key in STAGING_SECRET_KEY (default: STAGING_URL)",
      address,
    )
    .addHelpText(
      "after",
      `
Exit code 1 while a gate is open; rollout start then refuses. With STAGING_URL set, rollout start asks that stack too.

Examples:
  gatelink gates deeplinks
  gatelink gates deeplinks --markdown
  STAGING_SECRET_KEY=… gatelink gates deeplinks --staging-url https://staging.supabase.co
  gatelink gates --json`,
    )
    .action((
      flag: string | undefined,
      { markdown, projectRef, stagingUrl }: { markdown?: boolean; projectRef?: string; stagingUrl?: string },
    ) =>
      run(async (session) => {
        const { runGates } = await fromCheckout("gatelink gates check", () => import("./run.ts"));
        const results = await runGates(session, flag, { projectRef, stagingUrl });
        const open = openGates(results);
        return {
          document: {
            feature: flag ?? null,
            ready: open.length === 0,
            open: open.map(({ id }) => id),
            gates: results,
          },
          text: markdown ? asMarkdown(flag, results) : asTable(flag, results),
          failed: open.length > 0,
        };
      })
    );
}

const MARKS: Record<GateResult["status"], Cell> = {
  passed: ["green", "ok"],
  not_applicable: ["dim", "n/a"],
  open: ["red", "OPEN"],
};

function summary(flag: string | undefined, results: GateResult[]): string {
  const open = openGates(results).length;
  const what = flag ?? "The installation";
  return open === 0
    ? `${what} is ready.`
    : `${what} is not ready: ${counted(open, "gate")} of ${results.length} open.`;
}

function asTable(flag: string | undefined, results: GateResult[]): string {
  const rows = results.map(({ id, section, status, detail }, index): Cell[] => [
    MARKS[status],
    id,
    section === results[index - 1]?.section ? " " : section,
    detail,
  ]);
  const todo = openGates(results).map(({ id, how }) => `  ${id}: ${how}`);
  const open = todo.length > 0;
  return [
    table(["", "gate", "of", "found"], rows),
    "",
    paint(open ? "red" : "green", summary(flag, results)),
    ...(open ? ["", "To close them:", ...todo] : []),
  ].join("\n");
}

function asMarkdown(flag: string | undefined, results: GateResult[]): string {
  const lines = [`## Launch gates${flag === undefined ? "" : `: \`${flag}\``}`, "", summary(flag, results)];
  let section = "";
  for (const result of results) {
    if (result.section !== section) lines.push("", `### ${section = result.section}`, "");
    const { status, title, detail } = result;
    const text = detail.replaceAll(/([\\`*_<>|[\]])/g, "\\$1");
    lines.push(
      `- [${status === "open" ? " " : "x"}] ${title}${
        status === "not_applicable" ? " (not applicable)" : ""
      }: ${text}`,
    );
  }
  return lines.join("\n");
}

interface SignOptions {
  role: string;
  gate: string[];
  note?: string;
  notApplicable?: string;
  as?: string;
}

/** Gates that can be signed, by their stored name. */
const SIGNABLE = ["approval", ...CHECKLIST.map(({ id }) => id).filter((id) => !id.startsWith("approval_"))];

function signing(group: Command, run: Run): void {
  const role = () => new Option("--role <role>", "the role").choices(ROLES).makeOptionMandatory();
  const gate = () =>
    new Option("--gate <gates...>", "the gates: approval is the launch as a whole; gates lists the others")
      .choices(SIGNABLE).default(["approval"]);

  group.command("sign").description("sign a gate for a person with that role")
    .argument("<feature>", "a flag; .enabled is optional", flagKey)
    .addOption(role())
    .addOption(gate())
    .requiredOption("--as <address>", "the person, by the address that they sign in with")
    .option("--note <text>", "a comment")
    .option("--not-applicable <why>", "the gate does not apply to this feature", reason)
    .addHelpText(
      "after",
      `
The holder of the secret key signs for others, which is recorded; in the admin panel people sign for themselves.
Signatures no longer count after the feature has been rolled back. Checked gates cannot be signed, only declared not
applicable; this also replaces a signature of the same person.

Examples:
  gatelink gates sign deeplinks --role engineering --as lead@example.com
  gatelink gates sign deeplinks --role engineering --as lead@example.com --gate smoke_tests edge_cases --note "on staging"
  gatelink gates sign deeplinks --role product --as pm@example.com --gate communication --not-applicable "nobody notices"`,
    )
    .action((flag: string, options: SignOptions) =>
      run(async (session) => {
        const api = await session.api();
        for (const name of options.gate) {
          const known = CHECKLIST.find(({ id }) => id === name);
          if (known && !(known.roles as readonly string[]).includes(options.role)) {
            throw new CliError(
              "usage",
              `${name} is signed as ${known.roles.join(" or ")}, not as ${options.role}.`,
              "gatelink gates sign --help",
            );
          }
          if (known?.flag !== undefined && known.flag !== flag) {
            throw new CliError(
              "usage",
              `${name} is a gate of ${known.flag} alone.`,
              `gatelink gates ${flag}`,
            );
          }
          // Of those that are checked a signature would be kept, and would close nothing.
          if (known && !SIGNED_GATES.some(({ id }) => id === name) && options.notApplicable === undefined) {
            throw new CliError(
              "usage",
              `${name} is checked, not signed: it closes when its check passes.`,
              `gatelink gates ${flag} shows what is missing; --not-applicable "…" closes a gate that does not apply.`,
            );
          }
        }
        const signed: Approval[] = [];
        for (const name of options.gate) {
          signed.push(
            await api.rpc("sign_gate", {
              p_flag_key: flag,
              p_role: options.role,
              p_gate: name,
              p_note: options.notApplicable ?? options.note ?? null,
              p_applies: options.notApplicable === undefined,
              p_signer: options.as,
            }),
          );
        }
        return {
          document: signed,
          text: signed.map(({ gate, signed_as, role, signed_at }) =>
            `${gate} of ${flag}: signed by ${signed_as} as ${role}, ${time(signed_at)}`
          ).join("\n"),
        };
      })
    );

  group.command("revoke").description("revoke sign-offs, which reopens the gate")
    .argument("<feature>", "a flag; .enabled is optional", flagKey)
    .addOption(role())
    .addOption(gate())
    .requiredOption("--why <reason>", "the reason, which is recorded", reason)
    .addHelpText(
      "after",
      `
Example:
  gatelink gates revoke deeplinks --role engineering --why "the design has changed"`,
    )
    .action((flag: string, options: SignOptions & { why: string }) =>
      run(async (session) => {
        const api = await session.api();
        let revoked = 0;
        for (const name of options.gate) {
          revoked += await api.rpc("revoke_gate", {
            p_flag_key: flag,
            p_role: options.role,
            p_gate: name,
            p_because: options.why,
          });
        }
        if (revoked === 0) {
          throw new CliError(
            "not_found",
            `Nobody has signed ${options.gate.join(", ")} of ${flag} as ${options.role}.`,
            `gatelink gates ${flag}`,
          );
        }
        return { document: { revoked }, text: `${counted(revoked, "sign-off")} revoked.` };
      })
    );
}
