/** `gatelink telegram`: chats that messages go to as cards, who of the team is who there, and a check of the bot. */
import { type Command, InvalidArgumentError } from "commander";
import type { TelegramChat } from "../../../supabase/functions/_shared/contract/answers/telegram.ts";
import type { TelegramSetup } from "../../../supabase/functions/_shared/contract/http/telegram.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { destinationName, whole } from "../../core/values.ts";
import { findingsOf, LEVEL_COLOURS } from "./findings.ts";

/** Defines the commands of the group. */
export function telegram(group: Command, run: Run): void {
  chats(group, run);
  add(group, run);
  link(group, run);
  card(group, run);
  connect(group, run);
  doctor(group, run);
}

function chats(group: Command, run: Run): void {
  group.command("chats").description("chats that the bot is in, and the destinations that lead there")
    .addHelpText(
      "after",
      "\nA chat appears here once the bot was added to it, or a person has written to it.\n\nExample:\n  gatelink telegram chats",
    )
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_telegram_chats", {});
        return {
          document,
          text: document.length === 0
            ? "The bot is in no chat. Add it to one, then look again; gatelink telegram doctor says whether Telegram reaches us."
            : table(
              ["chat", "kind", "title", "added by", "state", "destinations"],
              document.map((chat): Cell[] => [
                String(chat.id),
                chat.is_forum ? "forum" : chat.kind,
                chat.title,
                chat.by_team ? "the team" : "somebody who is not linked",
                chat.moved_to !== null ? `became ${chat.moved_to}` : chat.state,
                shownDestinations(chat),
              ]),
            ),
        };
      })
    );
}

function shownDestinations({ destinations }: TelegramChat): string {
  return destinations.map(({ name, topic_id, state, paused_because }) =>
    name + (topic_id === null ? "" : ` (topic ${topic_id})`) +
    (state === "paused" ? `, paused${paused_because === null ? "" : `: ${paused_because}`}` : "")
  ).join("; ");
}

function add(group: Command, run: Run): void {
  group.command("add").description(
    "add a destination: a chat, or a topic of it, that messages go to as cards",
  )
    .argument("<name>", "short name: lower-case letters, digits, - and _", destinationName)
    .argument("<chat>", "the chat's id, as gatelink telegram chats shows it", chatId)
    .option("--topic <id>", "a topic of a forum (default: the chat itself)", topicId)
    .addHelpText(
      "after",
      `
Examples:
  gatelink telegram add on-call -1002000000001
  gatelink telegram add alerts -1002000000002 --topic 2
  gatelink routes add --to alerts --channels email --when '{"type":"address","types":["alert"]}'`,
    )
    .action((name: string, chat: number, { topic }: { topic?: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("add_telegram_destination", {
          p_name: name,
          p_chat_id: chat,
          ...(topic === undefined ? {} : { p_topic_id: topic }),
        });
        return {
          document,
          text: `${facts({ name: document.name, chat: document.url })}

Next: gatelink routes add --to ${document.name} --when '{"type":"any"}'`,
        };
      })
    );
}

function card(group: Command, run: Run): void {
  group.command("card").description("list every message that a card stands for")
    .argument("<card>", "its name, which stands behind the counter on the card", cardName)
    .option("--limit <n>", "show at most N", whole(1, 10_000), 1000)
    .addHelpText(
      "after",
      `
When more mails come than a chat can take, those of one kind (address, subject without numbers) get one card with a counter.

Example:
  gatelink telegram card k7m2p5xwq4t6r3sa`,
    )
    .action((name: string, { limit }: { limit: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("card_mails", { p_token: name, p_limit: limit });
        return {
          document,
          text: table(
            ["time", "from", "to", "subject", "id"],
            document.map((mail): Cell[] => [
              time(mail.at),
              mail.from ?? "",
              mail.to ?? "",
              mail.subject ?? mail.text ?? "",
              mail.message_id,
            ]),
          ),
        };
      })
    );
}

function cardName(text: string): string {
  if (/^[a-z2-7]{16}$/.test(text)) return text;
  throw new InvalidArgumentError("It has 16 lower-case letters and digits.");
}

function link(group: Command, run: Run): void {
  group.command("link").description(
    "print a link by which a member of the team proves who the person is in Telegram",
  )
    .argument("<email>", "the member's address here")
    .addHelpText(
      "after",
      `
Buttons work for linked operators and admins alone. The link is valid for 10 minutes, once. Give it to that person and nobody
else: whoever opens it acts as that member.

Example:
  gatelink telegram link ana@example.com`,
    )
    .action((email: string) =>
      run(async (session) => {
        const api = await session.api();
        const { body: setup } = await callFunction<TelegramSetup>(api.stack, "GET", "telegram-webhook/setup");
        if (setup.bot === null) {
          throw new CliError(
            "refused",
            "The bot cannot be asked for its name.",
            "gatelink telegram doctor says why.",
          );
        }
        const { token, expires_at } = await api.rpc("link_telegram", { p_email: email });
        const url = `https://t.me/${setup.bot.username}?start=${token}`;
        const command = `/start ${token}`;
        return {
          document: { url, command, expires_at },
          text: `${
            facts({ link: url, until: expires_at })
          }\n\nOr send this to @${setup.bot.username}: ${command}`,
        };
      })
    );
}

function connect(group: Command, run: Run): void {
  group.command("connect").description("tell Telegram where to report to: sets the bot's webhook")
    .addHelpText(
      "after",
      "\nRepeating it changes nothing; after a rotation of the secret, do it again.\n\nExample:\n  gatelink telegram connect",
    )
    .action(() =>
      run(async (session) => {
        const api = await session.api();
        const { body } = await callFunction<TelegramSetup>(api.stack, "POST", "telegram-webhook/setup");
        return { document: body, text: `Telegram reports to ${body.webhook?.url ?? body.url}` };
      })
    );
}

function doctor(group: Command, run: Run): void {
  group.command("doctor").description("check the bot, its webhook, and the chats that messages go to")
    .addHelpText("after", "\nExit code 1 if there is a problem.\n\nExample:\n  gatelink telegram doctor")
    .action(() => run((session) => examine(session)));
}

async function examine(session: Session): Promise<Result> {
  const api = await session.api();
  const { body: setup } = await callFunction<TelegramSetup>(api.stack, "GET", "telegram-webhook/setup");
  const findings = findingsOf(setup, await api.rpc("list_telegram_chats", {}));
  const advice = findings.flatMap(({ about, advice }) => advice === undefined ? [] : [`${about}: ${advice}`]);
  return {
    document: { findings, setup },
    text: [
      table(
        ["", "about", "found"],
        findings.map(({ level, about, what }): Cell[] => [[LEVEL_COLOURS[level], level], about, what]),
      ),
      ...(advice.length === 0 ? [] : [advice.join("\n")]),
    ].join("\n\n"),
    failed: findings.some(({ level }) => level === "problem"),
  };
}

function chatId(value: string): number {
  if (/^-?\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value))) return Number(value);
  throw new InvalidArgumentError("Use an id such as -1002000000001.");
}

function topicId(value: string): number {
  if (/^[1-9]\d{0,9}$/.test(value)) return Number(value);
  throw new InvalidArgumentError("Use a topic's id, such as 2.");
}
