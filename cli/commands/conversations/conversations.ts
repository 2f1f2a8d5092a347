/** `gatelink conversations`: who has a conversation, the services or a person of the team. */
import type { Command } from "commander";
import type { TakenOver } from "../../../supabase/functions/_shared/contract/answers/messages.ts";
import { facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { conversationId, durationWithin, whole } from "../../core/values.ts";

const ID = "id of the conversation, as the list and the panel's address show it";

/** Defines the commands of the group. */
export function conversations(group: Command, run: Run): void {
  group.command("list").description("list the latest conversations, and who has them")
    .option("--limit <n>", "how many", whole(1, 200), 50)
    .addHelpText(
      "after",
      `
Shows no names, numbers and texts: the panel does.

Example:
  gatelink conversations list --limit 10`,
    )
    .action(({ limit }: { limit: number }) =>
      run(async (session) => {
        const listed = await (await session.api()).rpc("list_conversations", { p_limit: limit });
        const document = listed.map(({ id, channel, number_id, window_closes_at, taken_over, last }) => ({
          id,
          channel,
          number_id,
          window_closes_at,
          taken_over,
          last_at: last?.created_at ?? null,
        }));
        return {
          document,
          text: table(
            ["conversation", "channel", "last message", "window closes", "taken over"],
            document.map((row) => [
              row.id,
              row.channel,
              row.last_at === null ? null : time(row.last_at),
              row.window_closes_at === null ? null : time(row.window_closes_at),
              row.taken_over === null ? null : takenInWords(row.taken_over),
            ]),
            "No conversations yet.",
          ),
        };
      })
    );

  group.command("take").description(
    "take a conversation over from the services, which then get none of its messages",
  )
    .argument("<id>", ID, conversationId)
    .option(
      "--for <time>",
      "how long, 1m to 30d (default: the setting takeover.minutes, else 1h)",
      durationWithin(60_000, 30 * 86_400_000, "1m to 30d"),
    )
    .option("--by <name>", "who has it, for services and panel (default: the role of the key)")
    .addHelpText(
      "after",
      `
What comes in meanwhile goes to destinations with --when-taken mark alone, and is not delivered later. Taking it again
sets the new end. An answer in the panel or in the WhatsApp Business app takes a conversation over by itself.

Examples:
  gatelink conversations take 01968f00-0000-7000-8000-000000000001 --for 2h --by desk:anna`,
    )
    .action((id: string, options: { for?: number; by?: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("take_conversation", {
          p_conversation_id: id,
          p_minutes: options.for === undefined ? null : Math.ceil(options.for / 60_000),
          p_by: options.by ?? null,
        });
        return {
          document,
          text: facts({ conversation: id, "taken over": takenInWords(document.taken_over!) }),
        };
      })
    );

  group.command("release").description("give a conversation back to the services")
    .argument("<id>", ID, conversationId)
    .addHelpText(
      "after",
      `
Example:
  gatelink conversations release 01968f00-0000-7000-8000-000000000001`,
    )
    .action((id: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("release_conversation", { p_conversation_id: id });
        return {
          document,
          text: document.released ? "The services have it again." : "The services had it already.",
        };
      })
    );
}

function takenInWords({ by, until }: TakenOver): string {
  return `by ${by} until ${time(until)}`;
}
