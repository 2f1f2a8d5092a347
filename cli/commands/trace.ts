/** `gatelink trace` and `gatelink diagnose`: the history of one message, and recent activity. */
import { storyInWords } from "../../supabase/functions/_shared/contract/words/story.ts";
import { waitingInWords } from "../../supabase/functions/_shared/contract/words/waiting.ts";
import type { Command } from "commander";
import { CliError } from "../core/errors.ts";
import { age, type Cell, facts, table, time } from "../core/output.ts";
import type { Run } from "../core/session.ts";

/** Most decisions shown as text; --json has all 50. */
const DECISIONS = 10;

/** Defines `trace`. */
export function trace(command: Command, run: Run): void {
  command.argument("<message>", "Gatelink's id, WhatsApp's (wamid…), or the trace id of a traceparent")
    .addHelpText(
      "after",
      `
Times are the database's, except "written" and statuses, which are Meta's. Shows no texts and no phone numbers.

Examples:
  gatelink trace 01968f00-0000-7000-8000-000000000001
  gatelink trace wamid.HBgLMTIwMjU1NTAxNDM= --json`,
    )
    .action((message: string) =>
      run(async (session) => {
        const answer = await (await session.api()).rpc("trace_message", { p_message: message });
        if (answer === null) {
          throw new CliError(
            "not_found",
            "There is no message with that id.",
            "Give Gatelink's id or WhatsApp's complete id (wamid…).",
          );
        }
        const story = { ...answer, events: storyInWords(answer.events) };
        // Our own clock's first word; what Meta's clock says may lie before it.
        const first = story.events.find(({ what }) => what === "stored" || what === "queued");
        const begin = Date.parse(first?.at ?? story.events[0]?.at);
        return {
          document: story,
          text: [
            facts({
              message: `${story.id} (${story.type}, ${story.direction})`,
              trace: story.trace_id,
              ...(story.others.length === 0 ? {} : { "also of the trace": story.others.join(", ") }),
              conversation: story.conversation_id,
              status: story.status,
            }),
            table(
              ["time", "after", "what", "detail"],
              story.events.map(({ at, what, detail }): Cell[] => [
                time(at),
                seconds(Date.parse(at) - begin),
                what,
                detail,
              ]),
            ),
          ].join("\n\n"),
        };
      })
    );
}

/** Defines `diagnose`. */
export function diagnose(command: Command, run: Run): void {
  command.addHelpText(
    "after",
    `
Covers the last hour. Contains no personal data: contacts appear as their last four digits.

Examples:
  gatelink diagnose
  gatelink diagnose --json`,
  )
    .action(() =>
      run(async (session) => {
        const answer = await (await session.api()).rpc("diagnostics", {});
        const found = { ...answer, waiting: waitingInWords(answer.waiting) };
        return {
          document: found,
          text: [
            table(
              ["waits", "n", "oldest", "why"],
              found.waiting.map((one) => [one.what, one.n, age(one.oldest_seconds), one.why]),
              "Nothing is waiting.",
            ),
            table(
              ["errors of", "code", "n", "last"],
              found.errors.map((one) => [one.where, one.code, one.n, time(one.last_at)]),
              "Nothing failed.",
            ),
            table(
              ["route", "reason", "n", "last"],
              found.routes.map((one) => [one.route ?? "(none)", one.reason, one.n, time(one.last_at)]),
              "Nothing was routed.",
            ),
            table(
              ["destination", "outcome", "n", "last"],
              found.destinations.map((one) => [one.destination, one.outcome, one.n, time(one.last_at)]),
              "No service was called.",
            ),
            table(
              ["flag", "", "percent", "targets", "changed"],
              found.flags.map((one) => [
                one.key,
                one.on ? ["green", "on"] : ["yellow", "off"],
                one.percentage,
                one.targets,
                time(one.updated_at),
              ]),
              "There are no flags.",
            ),
            table(
              ["decided", "message", "contact", "route", "reason"],
              found.decisions.slice(0, DECISIONS).map((one) => [
                time(one.at),
                one.message_id,
                one.contact,
                one.route ?? "(none)",
                one.reason,
              ]),
              "No decisions yet.",
            ),
          ].join("\n\n"),
        };
      })
    );
}

/** "+0.120 s" after the message was stored or queued. */
function seconds(ms: number): string {
  return `${ms < 0 ? "-" : "+"}${(Math.abs(ms) / 1000).toFixed(3)} s`;
}
