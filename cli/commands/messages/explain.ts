/** `gatelink messages explain`: why texts went where they went, and what to do about it. */
import type { Command } from "commander";
import type { HeldReason, InboxReason, Relayed } from "../../../supabase/functions/_shared/masking/relay.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, clean, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id } from "../../core/values.ts";

type Reason = Relayed["reason"] | InboxReason | HeldReason;

/** What each reason of relay() means to somebody who asks. */
const WORDS: Readonly<Record<Reason, string>> = {
  relayed: "relayed to the other side",
  owner: "sent by the owner to the client",
  forced: "was blocked, and the owner let it pass",
  loop: "came from a number of ours: nothing is relayed to oneself",
  keyword: "STOP, START or HELP: the provider answers, nobody else is told",
  off: "messaging was off for the organisation: kept and listed, never relayed later",
  no_active_window:
    "outside of every assignment window of the sitter: see the booking's times and the buffers",
  opted_out: "the receiver does not want texts from this number: only their START ends that",
  no_client: "the thread has lost its client: gatelink messages proof",
  group: "a group text: they never enter a thread",
  short_code: "the sender is no phone number",
  late: "the thread is over, or its number was taken back",
  front_desk: "for the owner: written to the public number, or a thread at the front desk",
  unknown_sender: "nobody with this phone has a thread on the number",
  both_sides: "client and sitter on one phone: the owner decides",
  sitter_off: "texts of sitters are off: see ENABLE_SITTER_MESSAGES_V1",
  not_assigned: "the sitter is no longer on the thread",
  no_sitter: "no sitter is on the thread, or none wants texts",
  anti_poaching: "detection found contact details: the owner can let it pass with a reason",
};

/** Defines the command. */
export function explaining(group: Command, run: Run): void {
  group.command("explain").description("why texts went where they went: of a thread, a message or a decision")
    .argument("<id>", "id of a thread, a message or a decision", id)
    .addHelpText(
      "after",
      `
The latest twenty decisions, newest first. Of a match only the last two characters are kept.

Examples:
  gatelink messages explain 01968f00-0000-7000-8000-000000000001`,
    )
    .action((asked: string) =>
      run(async (session) => {
        const api = await session.api();
        const decisions = await api.rows((client) =>
          client.from("thread_decisions").select(
            "id,at,org_id,thread_id,message_id,from_role,from_last4,number_last4,number_class,outcome,reason,types,forces,force_reason,done_at",
          ).or(`thread_id.eq.${asked},message_id.eq.${asked},id.eq.${asked}`).order("id", {
            ascending: false,
          })
            .limit(20)
        );
        if (decisions.length === 0) {
          throw new CliError(
            "not_found",
            `No decision belongs to ${asked}.`,
            "gatelink messages diagnostics ORG lists the latest; a text that was never decided did not reach us.",
          );
        }
        const findings = await api.rows((client) =>
          client.from("policy_findings").select("decision_id,ord,type,rule,score,redacted,was_right")
            .in("decision_id", decisions.map((one) => one.id)).order("decision_id").order("ord").limit(400)
        );
        const document = decisions.map((one) => ({
          ...one,
          findings: findings.filter(({ decision_id }) => decision_id === one.id),
        }));
        return {
          document,
          text: table(
            ["at", "from", "decision", "why", "found"],
            document.map((one): Cell[] => [
              time(one.at),
              `${one.from_role}${one.from_last4 ? ` …${one.from_last4}` : ""}`,
              one.outcome,
              WORDS[one.reason as Reason] ?? one.reason,
              one.findings.map(({ type, redacted }) => `${type} ${clean(redacted)}`).join(", "),
            ]),
          ),
        };
      })
    );
}
