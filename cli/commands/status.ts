/** `gatelink status`: the queues, what holds them up, and counters. */
import type { Result } from "../../supabase/functions/_shared/contract/sql.ts";
import { counted } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import { age, type Cell, destinationState, paint, table, time } from "../core/output.ts";
import { INBOUND_WORDS, mailSetup } from "./email/setup.ts";
import type { PlainCommand } from "../core/session.ts";

/** `status`. */
export const status: PlainCommand = {
  help: `
Examples:
  gatelink status
  gatelink status --json`,
  work: async (session) => {
    const api = await session.api();
    const [status, mail] = await Promise.all([api.rpc("status", {}), mailSetup(api.stack)]);
    const { unrouted, outbound } = status;
    return {
      document: { stack: api.stack.url, ...status, inbound_mail: mail?.inbound ?? null },
      text: [
        `${paint("bold", api.stack.url)} (from ${api.stack.from})`,
        `${counted(unrouted.conversations, "conversation")} ${
          unrouted.conversations === 1 ? "waits" : "wait"
        } for the router` +
        `${unrouted.conversations === 0 ? "" : `, the oldest for ${age(unrouted.oldest_seconds)}`}` +
        `${
          unrouted.held_by_flag === 0 ? "" : `; ${unrouted.held_by_flag} held back by their channel's flag`
        }`,
        `${counted(outbound.open, "message")} to send` +
        `${outbound.open === 0 ? "" : `, the oldest for ${age(outbound.oldest_seconds)}`}`,
        // Where no mail is set up at all, nobody waits for any.
        ...(mail === null || mail.inbound === "none" && mail.sends_by.length === 0
          ? []
          : [`Inbound Parse: ${INBOUND_WORDS[mail.inbound]}`]),
        ...status.kill_switches.map(({ flag_key, since }) =>
          paint("red", `The kill switch of ${flag_key} is set since ${time(since)}: nobody has it`)
        ),
        ...status.rollouts.map(rolloutLine),
        "",
        table(
          ["destination", "state", "queue", "oldest", "dead", "url"],
          status.destinations.map((one): Cell[] => [
            one.name,
            destinationState(one.state),
            one.open,
            age(one.oldest_seconds),
            one.dead,
            one.url,
          ]),
          "No services yet: gatelink destinations add NAME URL",
        ),
        "",
        table(
          ["counter", "label", "value"],
          status.counters.map((one) => [one.name, one.label, one.value]),
          "No counters yet.",
        ),
      ].join("\n"),
    };
  },
};

/** Where a rollout stands, why it waits, and what people say and do. */
function rolloutLine(
  { flag_key, state, stage, hold_reason, killed_since, signals }: Result<"status">["rollouts"][number],
): string {
  const waits = killed_since !== null
    ? ", and waits for its kill switch"
    : hold_reason === null
    ? ""
    : ` and waits: ${hold_reason}`;
  const seen = [
    ...(signals.complaints > 0 ? [counted(signals.complaints, "complaint")] : []),
    ...(signals.ratings > 0 ? [`${signals.positive} of ${signals.ratings} content`] : []),
    ...signals.metrics.map(({ name, on, off }) => `${name}: ${on} with it, ${off} without`),
  ];
  return `The rollout of ${flag_key} is ${state} at ${stage}${waits}${
    seen.length === 0 ? "" : `; ${seen.join("; ")}`
  }`;
}
