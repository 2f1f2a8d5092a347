/** `gatelink status`: the queues, what holds them up, and counters. */
import { counted } from "../../supabase/functions/_shared/contract/words/sentences.ts";
import { age, type Cell, destinationState, paint, table } from "../core/output.ts";
import type { PlainCommand } from "../core/session.ts";

/** `status`. */
export const status: PlainCommand = {
  help: `
Examples:
  gatelink status
  gatelink status --json`,
  work: async (session) => {
    const api = await session.api();
    const status = await api.rpc("status", {});
    const { unrouted, outbound } = status;
    return {
      document: { stack: api.stack.url, ...status },
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
