/** `gatelink resend`: resends failed messages. */
import { counted } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { CliError } from "../core/errors.ts";
import { table } from "../core/output.ts";
import type { Run } from "../core/session.ts";
import { id, several } from "../core/values.ts";

const WHY: Readonly<Record<string, string>> = {
  window_closed: "the window is closed, and it has no fallback",
  opted_out: "the person has opted out of such messages",
  template_not_sendable: "Meta does not send this template now: gatelink templates list",
  feature_off: "sending is off for the person",
};

/** Defines the command. */
export function resend(command: Command, run: Run): void {
  command.argument("<messages...>", "ids of outbound messages", several(id))
    .addHelpText(
      "after",
      `
Exit code 1 if one of them cannot be sent now. gatelink trace shows why a message failed, and the remedy.

Example:
  gatelink resend 01968f00-0000-7000-8000-000000000001`,
    )
    .action((messages: string[]) =>
      run(async (session) => {
        const api = await session.api();
        const results: { id: string; result: string; why: string | null }[] = [];
        for (const message of messages) {
          try {
            const { error } = await api.rpc("resend_message", { p_message_id: message });
            results.push({
              id: message,
              result: error === undefined ? "queued" : "refused",
              why: error === undefined ? null : WHY[error] ?? error,
            });
          } catch (error) {
            if (!(error instanceof CliError) || !["not_found", "conflict"].includes(error.code)) throw error;
            results.push({ id: message, result: "refused", why: error.message });
          }
        }
        const queued = results.filter(({ result }) => result === "queued").length;
        return {
          document: { results },
          text: `${
            table(["message", "result", "why"], results.map((one) => [one.id, one.result, one.why]))
          }\n\n${counted(queued, "message")} queued again.`,
          failed: queued < results.length,
        };
      })
    );
}
