/** `gatelink email unknown`: messages and forwards whose provider never said whether it took them. */
import { type Command, Option } from "commander";
import { type Cell, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, reason, whole } from "../../core/values.ts";

const HOW = { sent: "it went", resend: "send it again", drop: "give it up" } as const;

/**
 * Defines the commands of the group.
 * @param words The group that it belongs to, and what it sends, for the help.
 */
export function unknown(
  group: Command,
  run: Run,
  words: { group: string; thing: string } = { group: "email", thing: "mail" },
): void {
  group.command("list").description("those that wait, oldest first")
    .option("--limit <n>", "show at most N", whole(1, 500), 50)
    .addHelpText(
      "after",
      `
The provider's answer was lost, so a repetition could be a second ${words.thing}. Its events settle most of them within seconds;
what is overdue has had none for 15 minutes and waits for a person.

Example:
  gatelink ${words.group} unknown list`,
    )
    .action(({ limit }: { limit: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_unknown", { p_limit: limit });
        return {
          document,
          text: table(
            ["since", "overdue", "what", "channel", "sent as", "id"],
            document.map((one): Cell[] => [
              time(one.since),
              one.overdue ? ["yellow", "yes"] : "no",
              one.what,
              one.channel,
              one.sender,
              one.id,
            ]),
            "There are none.",
          ),
        };
      })
    );

  group.command("resolve").description("say what happened to one, or what shall")
    .argument("<id>", `its id, as ${words.group} unknown list shows it`, id)
    .addOption(
      new Option("--as <how>", "sent: it went; resend: send it again, perhaps twice; drop: give it up")
        .choices(Object.keys(HOW)).makeOptionMandatory(),
    )
    .requiredOption("--why <reason>", "the reason, which is recorded", reason)
    .addHelpText(
      "after",
      `
Look at the provider first: its activity shows whether it took the ${words.thing}.

Example:
  gatelink ${words.group} unknown resolve 01968f00-0000-7000-8000-000000000001 --as sent --why "in the provider's log"`,
    )
    .action((message: string, { as: how, why }: { as: keyof typeof HOW; why: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("resolve_unknown", {
          p_id: message,
          p_how: how,
          p_reason: why,
        });
        return { document, text: `Recorded: ${HOW[how]}. It is ${document.status} now.` };
      })
    );
}
