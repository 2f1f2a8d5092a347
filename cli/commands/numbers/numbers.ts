/** `gatelink numbers`: WhatsApp's numbers and the accounts that they belong to. */
import { type Command, InvalidArgumentError } from "commander";
import type {
  Account,
  WhatsAppNumber,
} from "../../../supabase/functions/_shared/contract/answers/accounts.ts";
import {
  accountEventInWords,
  importInWords,
  limitInWords,
} from "../../../supabase/functions/_shared/contract/words/accounts.ts";
import { errorMeaning } from "../../../supabase/functions/_shared/contract/words/provider_errors.ts";
import { type Cell, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { doctor } from "./doctor.ts";

/** Defines the commands of the group. */
export function numbers(group: Command, run: Run): void {
  listing(group, run);
  naming(group, run);
  imports(group, run);
  doctor(group, run);
}

function listing(group: Command, run: Run): void {
  group.command("list").description("numbers with their account, quality, limit, and what holds them")
    .addHelpText(
      "after",
      `
Example:
  gatelink numbers list`,
    )
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_numbers", {});
        const { accounts, numbers } = document;
        const text = [
          table(
            ["number", "id", "account", "name", "quality", "limit", "state"],
            numbers.map((number): Cell[] => [
              number.address === null ? null : `+${number.address}`,
              number.id,
              accounts.find(({ id }) => id === number.account)?.name ?? number.account,
              number.name,
              quality(number),
              number.messaging_limit === null ? null : limitInWords(number.messaging_limit),
              stateOf(number),
            ]),
            "There are no numbers yet. One appears when Meta sends the first webhook for it.",
          ),
          ...(accounts.length === 0 ? [] : [
            table(
              ["account", "name", "token", "state", "last event"],
              accounts.map((account): Cell[] => [
                account.id,
                account.name,
                variableOf(account),
                account.state === "active" ? ["green", "active"] : ["red", account.state],
                lastEvent(account),
              ]),
            ),
          ]),
        ].join("\n\n");
        return { document, text };
      })
    );
}

function imports(group: Command, run: Run): void {
  group.command("imports").description(
    "how far the import of the WhatsApp Business app's chats is, by number",
  )
    .addHelpText(
      "after",
      `
A number that is used in the app too shares its chats of 180 days when it is connected, if the business agrees. Imported
messages stand in their conversations and are routed to nobody.

Example:
  gatelink numbers imports`,
    )
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_imports", {});
        const text = table(
          ["number", "state", "progress", "messages", "latest", ""],
          document.map((one): Cell[] => [
            one.number_id,
            [IMPORT_COLOURS[one.state], one.state],
            `${one.progress} %`,
            one.messages,
            time(one.at),
            importInWords(one),
          ]),
          "Nothing was imported. Meta sends the chats when a number of the WhatsApp Business app is connected.",
        );
        return { document, text };
      })
    );
}

const IMPORT_COLOURS = { importing: "yellow", complete: "green", declined: "yellow", failed: "red" } as const;

function naming(group: Command, run: Run): void {
  group.command("account").description("name an account, so that its numbers use credentials of their own")
    .argument("<waba-id>", "Meta's id of the WhatsApp Business Account", wabaId)
    .option("--name <name>", "acme: WHATSAPP_ACCESS_TOKEN_ACME and WHATSAPP_APP_SECRET_ACME", accountName)
    .option("--default", "use the credentials without a suffix again")
    .addHelpText(
      "after",
      `
Set the secrets before you name the account: until then its numbers wait, and no others do.

Examples:
  gatelink numbers account 240011223344556 --name acme
  gatelink numbers account 240011223344556 --default`,
    )
    .action((waba: string, options: { name?: string; default?: true }, command: Command) => {
      if ((options.name === undefined) === (options.default === undefined)) {
        command.error("error: give either --name or --default");
      }
      return run(async (session) => {
        const document = await (await session.api()).rpc("name_account", {
          p_id: waba,
          p_name: options.name ?? null,
        });
        const count = document.numbers.length;
        return {
          document,
          text: `Account ${waba} uses ${variableOf(document)}, for ${count} ${
            count === 1 ? "number" : "numbers"
          }.`,
        };
      });
    });
}

function variableOf({ name }: Pick<Account, "name">): string {
  return name === null ? "WHATSAPP_ACCESS_TOKEN" : `WHATSAPP_ACCESS_TOKEN_${name.toUpperCase()}`;
}

function quality({ quality }: WhatsAppNumber): Cell {
  if (quality === null) return null;
  return quality === "red" || quality === "yellow" || quality === "green" ? [quality, quality] : quality;
}

function stateOf({ state, held_since, held_code, status, waiting }: WhatsAppNumber): Cell {
  if (held_since !== null) {
    const why = errorMeaning("whatsapp", held_code ?? "")?.what ?? `error ${held_code}`;
    return ["red", `held: ${why}, ${waiting} waiting`];
  }
  if (state === "paused") return ["yellow", "paused"];
  return status !== null && status !== "connected" ? ["yellow", status] : ["green", "active"];
}

function lastEvent({ id, name, events: [last] }: Account): Cell {
  if (last === undefined) return null;
  return `${time(last.at)} ${accountEventInWords({ account: id, account_name: name, ...last })}`;
}

function wabaId(text: string): string {
  if (/^\d{5,32}$/.test(text)) return text;
  throw new InvalidArgumentError("Use Meta's id of the account: digits.");
}

function accountName(text: string): string {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(text)) return text;
  throw new InvalidArgumentError("Use a lower-case letter, then up to 39 letters, digits and _, like acme.");
}
