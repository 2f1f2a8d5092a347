/** `gatelink email weight`: how much of the mail comes here while a former system takes the rest. */
import { type Command, InvalidArgumentError } from "commander";
import type { MailShare } from "../../../supabase/functions/_shared/contract/answers/mail.ts";
import { facts, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { reason } from "../../core/values.ts";

function percentage(text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (value >= 0 && value <= 100 && Number(value.toFixed(2)) === value) return value;
  throw new InvalidArgumentError("Use 0 to 100, in steps of 0.01.");
}

/** Adds the command to the group. */
export function weight(group: Command, run: Run): void {
  group.command("weight").description(
    "show or set how much of the mail comes here, the rest goes to a former system",
  )
    .argument("[percentage]", "0 to 100: the share of threads that come here", percentage)
    .option("--why <reason>", "the reason, which is recorded", reason)
    .addHelpText(
      "after",
      `
The Worker behind Cloudflare's Email Routing reads the share every five seconds, and keeps a thread on one side. It is the
flag mail_routing.enabled: a ramp is a rollout of it, which another share by hand pauses and 0 ends as rolled back.
Without a former system (OLD_ADDRESS of the Worker) all mail comes here, whatever the share.

Examples:
  gatelink email weight
  gatelink email weight 10 --why "first mails"
  gatelink email weight 0 --why "back to the former system"`,
    )
    .action((share: number | undefined, { why }: { why?: string }) =>
      run(async (session) => {
        const api = await session.api();
        const document = share === undefined
          ? await api.rpc("mail_weight", {})
          : await api.rpc("set_mail_weight", { p_percentage: share, p_reason: why ?? null });
        return { document, text: shown(document) };
      })
    );
}

function shown({ weight, changed_at, changed_by, reason, rollout }: MailShare): string {
  return facts({
    "comes here": `${weight} %`,
    "former system": `${+(100 - weight).toFixed(2)} %`,
    since: changed_at === null ? "never set" : `${time(changed_at)} by ${changed_by}`,
    why: reason,
    ramp: rollout === null
      ? null
      : `${rollout.state} at ${rollout.stage}${
        rollout.waits_because === null ? "" : `, waits because of ${rollout.waits_because}`
      }: gatelink rollout show ${rollout.id}`,
  });
}
