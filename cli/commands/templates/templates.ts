/** `gatelink templates`: WhatsApp's templates, as Meta has them: seen, sent, created, edited. */
import { type Command, InvalidArgumentError } from "commander";
import { randomUUID } from "node:crypto";
import type { Template } from "../../../supabase/functions/_shared/contract/answers/templates.ts";
import type {
  TemplateChanged,
  TemplateCreated,
  TemplatesSynced,
} from "../../../supabase/functions/_shared/contract/http/templates.ts";
import { isSendable, previewOf, slotsOf } from "../../../supabase/functions/_shared/contract/templates.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, clean, facts, table, time } from "../../core/output.ts";
import type { Run, Session } from "../../core/session.ts";
import { json, several } from "../../core/values.ts";

/** Defines the commands of the group. */
export function templates(group: Command, run: Run): void {
  listing(group, run);
  showing(group, run);
  sending(group, run);
  syncing(group, run);
  creating(group, run);
  editing(group, run);
  removing(group, run);
}

function listing(group: Command, run: Run): void {
  group.command("list").description("templates with category, status, quality, and the values that they need")
    .addHelpText("after", "\nExample:\n  gatelink templates list")
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_templates", {});
        const failed = document.syncs.filter(({ error }) => error !== null);
        return {
          document,
          text: [
            table(
              ["template", "language", "account", "category", "status", "quality", "values"],
              document.templates.map((one): Cell[] => [
                one.name,
                one.language,
                one.account_name ?? one.account,
                one.category,
                statusOf(one),
                one.quality,
                slotsOf(one).map(({ key }) => key).join(", "),
              ]),
              "No templates are known yet. They are fetched within a minute after the first webhook of a number.",
            ),
            ...failed.map(({ account, account_name, error }) =>
              `${account_name ?? account}: the templates could not be fetched: ${error}`
            ),
          ].join("\n\n"),
        };
      })
    );
}

function showing(group: Command, run: Run): void {
  group.command("show").description("a template as the person sees it, and the values that it needs")
    .argument("<name>", "its name")
    .option("--language <code>", "needed if it exists in several")
    .option("--set <name=value>", "a value; repeatable", several(assignment))
    .addHelpText("after", "\nExample:\n  gatelink templates show parcel --language en --set first_name=Ada")
    .action((name: string, options: { language?: string; set?: [string, string][] }) =>
      run(async (session) => {
        const document = await find(session, name, options.language);
        const preview = previewOf(document, Object.fromEntries(options.set ?? []));
        const slots = slotsOf(document);
        return {
          document: { ...document, preview, values: slots },
          text: [
            facts({
              template: `${document.name} (${document.language})`,
              category: document.category,
              status: statusOf(document),
              quality: document.quality,
              reason: document.reason,
              fetched: time(document.synced_at),
            }),
            [
              ...(preview.header === undefined ? [] : [`[${preview.header.text}]`]),
              ...preview.body.split("\n").map(clean),
              ...(preview.footer === undefined ? [] : [clean(preview.footer)]),
              ...preview.buttons.map(({ text, target }) =>
                clean(`( ${text} )${target === undefined ? "" : ` ${target}`}`)
              ),
            ].join("\n"),
            table(
              ["value", "kind", "what", "example"],
              slots.map(({ key, kind, label, example }): Cell[] => [key, kind, label, example]),
              "It needs no values.",
            ),
          ].join("\n\n"),
        };
      })
    );
}

interface SendOptions {
  language?: string;
  set?: [string, string][];
  from?: string;
  key?: string;
}

function sending(group: Command, run: Run): void {
  group.command("send").description("send a template to somebody; it is checked first")
    .argument("<name>", "its name")
    .argument("<to>", "a phone number with country code, or a business-scoped user id")
    .option("--language <code>", "needed if it exists in several")
    .option(
      "--set <name=value>",
      "a value: first_name=Ada, 1=Ada, header=https://…; repeatable",
      several(assignment),
    )
    .option("--from <id>", "phone_number_id of the sender, if there are several")
    .option("--key <key>", "idempotency key (default: a new one)")
    .addHelpText(
      "after",
      "\nExample:\n  gatelink templates send parcel +12025550123 --set first_name=Ada --set order_id=17",
    )
    .action((name: string, to: string, { language, set, from, key }: SendOptions) =>
      run(async (session) => {
        const { stack } = await session.api();
        const { body } = await callFunction<{ id: string; status: string }>(stack, "POST", "wa-send", {
          body: {
            to,
            ...(from === undefined ? {} : { from }),
            idempotency_key: key ?? randomUUID(),
            type: "template",
            template: {
              name,
              ...(language === undefined ? {} : { language }),
              parameters: Object.fromEntries(set ?? []),
            },
          },
          hintOf,
        });
        return { document: body, text: `Queued as ${body.id}: gatelink trace ${body.id}` };
      })
    );
}

function syncing(group: Command, run: Run): void {
  group.command("sync").description("fetch all templates from Meta now; the clock does so every six hours")
    .addHelpText("after", "\nExample:\n  gatelink templates sync")
    .action(() =>
      run(async (session) => {
        const { stack } = await session.api();
        const { body } = await callFunction<TemplatesSynced>(stack, "POST", "wa-router/templates/sync", {
          body: { all: true },
          hintOf,
        });
        return {
          document: body,
          text: table(
            ["account", "fetched", "removed", "error"],
            body.accounts.map(({ account, stored, removed, error }): Cell[] => [
              account,
              stored,
              removed,
              error === undefined ? undefined : ["red", error],
            ]),
            "There are no accounts yet. The first webhook of a number names its account.",
          ),
          failed: body.accounts.some(({ error }) => error !== undefined),
        };
      })
    );
}

interface CreateOptions {
  language: string;
  category: string;
  components: unknown;
  named?: true;
  account?: string;
}

function creating(group: Command, run: Run): void {
  group.command("create").description("create a template at Meta, which reviews it")
    .argument("<name>", "lower-case letters, digits and _")
    .requiredOption("--language <code>", "such as en or pt_BR")
    .requiredOption("--category <category>", "marketing, utility or authentication")
    .requiredOption("--components <json>", "Meta's components, with examples for variables", json)
    .option("--named", "its variables have names: {{first_name}}")
    .option("--account <waba-id>", "needed if there are several accounts")
    .addHelpText(
      "after",
      `
Example:
  gatelink templates create parcel --language en --category utility --named --components '[{"type": "BODY", "text": "Hello {{first_name}}", "example": {"body_text_named_params": [{"param_name": "first_name", "example": "Ada"}]}}]'`,
    )
    .action((name: string, { named, ...options }: CreateOptions) =>
      run(async (session) => {
        const { stack } = await session.api();
        const { body } = await callFunction<TemplateCreated>(stack, "POST", "wa-router/templates", {
          body: { name, ...options, ...(named ? { parameter_format: "named" } : {}) },
          hintOf,
        });
        return {
          document: body,
          text: `${name} was created and is ${body.status}. Meta reviews it, mostly within minutes.`,
        };
      })
    );
}

function editing(group: Command, run: Run): void {
  group.command("edit").description("change a template's components or category; Meta reviews it again")
    .argument("<name>", "its name")
    .option("--language <code>", "needed if it exists in several")
    .option("--components <json>", "Meta's components", json)
    .option("--category <category>", "marketing, utility or authentication")
    .addHelpText("after", "\nExample:\n  gatelink templates edit parcel --language en --category utility")
    .action((
      name: string,
      { language, ...changes }: { language?: string; components?: unknown; category?: string },
    ) =>
      run(async (session) => {
        const { id } = await find(session, name, language);
        const { stack } = await session.api();
        const { body } = await callFunction<TemplateChanged>(stack, "PATCH", `wa-router/templates/${id}`, {
          body: changes,
          hintOf,
        });
        return { document: body, text: `${name} was changed and is under review.` };
      })
    );
}

function removing(group: Command, run: Run): void {
  group.command("remove").description("delete a template at Meta; its name is free again after 30 days")
    .argument("<name>", "its name")
    .option("--language <code>", "needed if it exists in several")
    .addHelpText("after", "\nExample:\n  gatelink templates remove parcel --language de")
    .action((name: string, { language }: { language?: string }) =>
      run(async (session) => {
        const found = await find(session, name, language);
        const { stack } = await session.api();
        const { body } = await callFunction<TemplateChanged>(
          stack,
          "DELETE",
          `wa-router/templates/${found.id}`,
          { hintOf },
        );
        return { document: body, text: `${name} (${found.language}) was deleted.` };
      })
    );
}

/** What to do about a refusal. */
function hintOf(code: string): string | undefined {
  switch (code) {
    case "invalid_request":
      return "gatelink templates show <name> lists a template's values; docs/templates.md has the rules.";
    case "template_not_sendable":
      return "gatelink templates show <name> says its status and Meta's reason. Send another template meanwhile.";
    case "unknown_number":
    case "from_required":
      return "gatelink numbers list shows the numbers for --from.";
    case "opted_out":
      return "The person wants no marketing. Templates of other categories still arrive.";
    case "provider_refused":
      return "These are Meta's words. Change what they name and try again.";
    case "provider_unavailable":
      return "gatelink numbers doctor asks Meta about the token and the account.";
  }
}

/** The template of this name, in this language or the only one. */
async function find(session: Session, name: string, language: string | undefined): Promise<Template> {
  const { templates } = await (await session.api()).rpc("list_templates", {});
  const named = templates.filter((one) => one.name === name);
  const found = named.filter((one) => language === undefined || one.language === language);
  if (found.length === 1) return found[0];
  const languages = [...new Set(named.map((one) => one.language))].join(", ");
  throw named.length === 0
    ? new CliError(
      "not_found",
      `There is no template ${name}.`,
      "gatelink templates list; gatelink templates sync",
    )
    : new CliError("usage", `${name} exists in ${languages}.`, "Choose one with --language.");
}

function statusOf({ status }: Template): Cell {
  return [isSendable(status) ? "green" : status === "pending" ? "yellow" : "red", status];
}

function assignment(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError("Use name=value, like first_name=Ada.");
}
