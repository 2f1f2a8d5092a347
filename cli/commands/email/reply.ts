/** `gatelink email reply`: an answer in the thread of a mail, which can be undone for ten seconds. */
import { type Command, InvalidArgumentError } from "commander";
import { CliError } from "../../core/errors.ts";
import { facts, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { isId } from "../../core/values.ts";

interface Options {
  text?: string;
  anyway?: boolean;
  undo?: boolean;
}

/** Adds the command to the group. */
export function reply(group: Command, run: Run): void {
  group.command("reply").description(
    "answer in a thread; the answer leaves after 10 seconds, until then it can be undone",
  )
    .argument(
      "<thread>",
      "a reply token, the id of a message, thread or conversation, or a Message-ID of ours; with --undo the answer's id",
    )
    .option("--text <text>", "what to answer", words)
    .option("--anyway", "also where a machine or a list wrote the last mail")
    .option("--undo", "undo the answer with this id, while it waits")
    .addHelpText(
      "after",
      `
The last message of the person in the thread is answered, from the address that it was written to, or else from the
default identity. As from Telegram, somebody may send 10 answers an hour, and a thread may have 30.

Examples:
  gatelink email reply 01968f00-0000-7000-8000-000000000001 --text "We are on it."
  gatelink email reply abcdefghijklmnop --text "Thank you."
  gatelink email reply 01968f00-0000-7000-8000-000000000002 --undo`,
    )
    .action((thread: string, { text, anyway, undo }: Options) =>
      run(async (session) => {
        const api = await session.api();
        if (undo) {
          if (!isId(thread)) {
            throw new CliError(
              "usage",
              "--undo takes the id that the answer was given.",
              "gatelink email reply ID --undo",
            );
          }
          const document = await api.rpc("undo_chat_reply", { p_id: thread });
          return {
            document,
            text: document.state === "undone"
              ? "Undone: nothing was sent."
              : `Too late: it is ${document.state}.`,
            failed: document.state !== "undone",
          };
        }
        if (text === undefined) {
          throw new CliError("usage", "What is the answer?", `gatelink email reply ${thread} --text TEXT`);
        }
        const document = await api.rpc("reply_in_thread", {
          p_thread: thread,
          p_text: text,
          p_key: crypto.randomUUID(),
          ...(anyway ? { p_anyway: true } : {}),
        });
        if ("error" in document) {
          throw new CliError(
            "refused",
            document.words,
            document.error === "automatic" ? "gatelink email reply … --anyway" : "gatelink email doctor",
          );
        }
        const { id, to, from, due_at } = document;
        return {
          document,
          text: `${facts({ answer: id, to, from, leaves: due_at === null ? "" : time(due_at) })}

Undo: gatelink email reply ${id} --undo`,
        };
      })
    );
}

function words(value: string): string {
  const text = value.trim();
  if (text === "") throw new InvalidArgumentError("Use a text.");
  if (text.length > 20_000) throw new InvalidArgumentError("Use at most 20,000 characters.");
  return text;
}
