/** `gatelink email identities`: addresses that mail is sent as, and the inboxes that answers go to. */
import { type Command, Option } from "commander";
import type { Identity } from "../../../supabase/functions/_shared/contract/answers/mail.ts";
import type { CheckedAddress, CodeMailed } from "../../../supabase/functions/_shared/contract/http/mail.ts";
import { MAIL_PROVIDERS } from "../../../supabase/functions/_shared/contract/mail_providers.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Api } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { isId } from "../../core/values.ts";
import { mailAddress } from "./values.ts";

const IDENTITY = "its address or id, as email identities list shows them";
const PROVIDERS: readonly Identity["provider"][] = MAIL_PROVIDERS;

interface AddOptions {
  user?: string;
  name?: string;
  forwardTo?: string;
  provider?: Identity["provider"];
}

/** Defines the commands of the group. */
export function identities(group: Command, run: Run): void {
  adding(group, run);
  changing(group, run);
}

function adding(group: Command, run: Run): void {
  group.command("add").description("add an address; a code is mailed to it, and to the inbox")
    .argument("<address>", "the address that mail is sent as", mailAddress)
    .option("--user <id>", "your id of the user who sends as it")
    .option("--name <name>", "the name that recipients see")
    .option("--forward-to <address>", "the inbox that answers go to", mailAddress)
    .addOption(new Option("--provider <name>", "who carries its mail (default: sendgrid)").choices(PROVIDERS))
    .addHelpText(
      "after",
      `
The domain must be authenticated at the provider. The first identity is the default one.

Example:
  gatelink email identities add alex@example.com --user user-1 --name "Alex" --forward-to alex@corp.example`,
    )
    .action((address: string, { user, name, forwardTo, provider }: AddOptions) =>
      run(async (session) => {
        const api = await session.api();
        const added = await api.rpc("add_identity", {
          p_from_email: address,
          p_options: { user_id: user, display_name: name, forward_to: forwardTo, provider },
        }).catch(advised("gatelink email identities list shows it, and verify has a new code mailed."));
        const codes = [
          await tried(api, added, "from"),
          ...(forwardTo === undefined ? [] : [await tried(api, added, "forward")]),
        ];
        return {
          document: { ...added, codes },
          text: `${described(added)}\n\n${codes.map((code) => wordsOf(code, added)).join("\n")}`,
          failed: codes.some(({ error }) => error !== undefined),
        };
      })
    );

  group.command("verify").description("enter a code that was mailed, or have one mailed")
    .argument("<identity>", IDENTITY)
    .argument("[code]", "the eight digits; without it, a new code is mailed", code)
    .option("--inbox", "the code of the inbox that answers go to")
    .addHelpText(
      "after",
      `
A code is valid for 30 minutes and five tries. One a minute is mailed.

Examples:
  gatelink email identities verify alex@example.com 12345678
  gatelink email identities verify alex@example.com --inbox`,
    )
    .action((name: string, code: string | undefined, { inbox = false }: { inbox?: boolean }) =>
      run(async (session) => {
        const api = await session.api();
        const identity = await identityNamed(api, name);
        const what = inbox ? "forward" : "from";
        if (code === undefined) {
          const mailed = await mailCode(api, identity, what);
          return {
            document: { id: identity.id, what, ...mailed },
            text: wordsOf({ what, ...mailed }, identity),
          };
        }
        const { ok, left } = await api.rpc("check_identity", {
          p_id: identity.id,
          p_what: what,
          p_code: code,
        });
        const text = ok
          ? what === "from"
            ? `${identity.from_email} is verified: mail can be sent as it.`
            : `Answers to ${identity.from_email} are forwarded to ${identity.forward_to_confirm}.`
          : left > 0
          ? `This is not the code. ${counted(left, "try", "tries")} left.`
          : `This code is not valid any more. Have a new one mailed: leave out the code.`;
        return { document: { id: identity.id, what, ok, left }, text, failed: !ok };
      })
    );
}

function changing(group: Command, run: Run): void {
  group.command("list").description("all identities, the default one first")
    .addHelpText(
      "after",
      `
Example:
  gatelink email identities list`,
    )
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_identities", {});
        return {
          document,
          text: table(
            ["address", "state", "default", "user", "answers go to", "through", "id"],
            document.map((one): Cell[] => [
              one.from_email,
              stateOf(one),
              one.is_default ? "yes" : null,
              one.user_id,
              inboxOf(one),
              one.provider,
              one.id,
            ]),
            "There are none: gatelink email identities add --help",
          ),
        };
      })
    );

  const change = (name: string, about: string, changes: Record<string, unknown>, said: string) =>
    group.command(name).description(about)
      .argument("<identity>", IDENTITY)
      .addHelpText("after", `\nExample:\n  gatelink email identities ${name} alex@example.com`)
      .action((identity: string) =>
        run(async (session) => {
          const api = await session.api();
          const { id, from_email } = await identityNamed(api, identity);
          const document = await api.rpc("set_identity", { p_id: id, p_changes: changes });
          return { document, text: `${from_email} ${said}` };
        })
      );
  change(
    "default",
    "send as this identity where a user has none",
    { is_default: true },
    "is the default identity now.",
  );
  change(
    "pause",
    "send and forward nothing for it; everything waits",
    { state: "paused" },
    "is paused: what is sent as it and forwarded for it waits.",
  );
  change("resume", "end a pause", { state: "active" }, "is active again.");

  group.command("forward").description("change the inbox that answers go to; a code is mailed to it")
    .argument("<identity>", IDENTITY)
    .argument("<inbox>", "the new inbox, or none", (text) => text === "none" ? text : mailAddress(text))
    .addHelpText(
      "after",
      `
Until the new inbox's code is entered, answers go to the old one. With none they are kept, and forwarded nowhere.

Examples:
  gatelink email identities forward alex@example.com alex@corp.example
  gatelink email identities forward alex@example.com none`,
    )
    .action((name: string, inbox: string) =>
      run(async (session) => {
        const api = await session.api();
        const { id } = await identityNamed(api, name);
        const changed = await api.rpc("set_identity", {
          p_id: id,
          p_changes: { forward_to: inbox === "none" ? null : inbox },
        }).catch(advised("Give the address of a person's own mailbox."));
        if (changed.forward_to_confirm === null) {
          return {
            document: { ...changed, codes: [] },
            text: `Answers to ${changed.from_email} go to ${changed.forward_to ?? "no inbox"}.`,
          };
        }
        const mailed = await tried(api, changed, "forward");
        return {
          document: { ...changed, codes: [mailed] },
          text: wordsOf(mailed, changed),
          failed: mailed.error !== undefined,
        };
      })
    );

  group.command("remove").description("remove an identity; its conversations stay")
    .argument("<identity>", IDENTITY)
    .option("--yes", "confirm; answers that still come are kept and forwarded nowhere")
    .addHelpText("after", "\nExample:\n  gatelink email identities remove alex@example.com --yes")
    .action((name: string, { yes }: { yes?: boolean }) =>
      run(async (session) => {
        if (!yes) {
          throw new CliError(
            "usage",
            "Answers to a removed identity are forwarded nowhere. Nothing was removed.",
            "Add --yes, or pause it: gatelink email identities pause --help",
          );
        }
        const api = await session.api();
        const { id, from_email } = await identityNamed(api, name);
        await api.rpc("remove_identity", { p_id: id })
          .catch(advised("Wait until they are sent, or pause it: gatelink email identities pause --help"));
        return { document: { id, from_email, removed: true }, text: `${from_email} is removed.` };
      })
    );
}

/** Adds what to do next to a refusal of the database that says nothing of it. */
function advised(hint: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof CliError) || error.hint !== undefined) throw error;
    throw new CliError(error.code, error.message, hint, { cause: error.cause });
  };
}

/** Eight digits; blanks between them are left out. */
function code(text: string): string {
  return text.replaceAll(" ", "");
}

/** The identity with this address or id. @throws {CliError} not_found */
async function identityNamed(api: Api, name: string): Promise<Identity> {
  const wanted = name.trim().toLowerCase();
  const found = (await api.rpc("list_identities", {}))
    .find((each) => (isId(wanted) ? each.id : each.from_email) === wanted);
  if (found !== undefined) return found;
  throw new CliError(
    "not_found",
    `There is no identity ${name}.`,
    "gatelink email identities list shows them.",
  );
}

type Mailed = { what: CheckedAddress } & Partial<CodeMailed> & { error?: { code: string; message: string } };

/** Has a code mailed. */
async function mailCode(api: Api, { id }: Identity, what: CheckedAddress): Promise<CodeMailed> {
  const { body } = await callFunction<CodeMailed>(api.stack, "POST", `email-send/identities/${id}/code`, {
    body: { what },
    hintOf: (code) => HINTS[code],
  });
  return body;
}

const HINTS: Record<string, string | undefined> = {
  config_invalid: "Set what the log names for the functions: docs/email.md.",
  mail_not_sent: "Correct the key, the sender or the domain at the provider: docs/email.md.",
  rate_limited: "Wait a minute.",
  identity_not_found: "gatelink email identities list shows the state of each.",
};

/** Has a code mailed for an identity that was just changed, which stands even if the mail cannot be sent. */
async function tried(api: Api, identity: Identity, what: CheckedAddress): Promise<Mailed> {
  try {
    return { what, ...await mailCode(api, identity, what) };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { what, error: { code: error.code, message: error.message } };
  }
}

function wordsOf({ what, to, sent, expires_at, error }: Mailed, { from_email }: Identity): string {
  const inbox = what === "forward" ? " --inbox" : "";
  if (error !== undefined) {
    return `No code was mailed: ${error.message}\nOnce that is repaired: gatelink email identities verify ${from_email}${inbox}`;
  }
  const went = sent === "unknown" ? "may have been mailed (the provider's answer was lost)" : "was mailed";
  return `A code ${went} to ${to}; it is valid until ${time(expires_at ?? null)}.
Enter it: gatelink email identities verify ${from_email} CODE${inbox}`;
}

function described(one: Identity): string {
  return facts({
    identity: one.from_email,
    state: stateOf(one),
    default: one.is_default ? "yes" : "no",
    user: one.user_id,
    "answers go to": inboxOf(one),
    id: one.id,
  });
}

function stateOf({ state }: Identity): Cell {
  return state === "active" ? ["green", state] : ["yellow", state];
}

function inboxOf({ forward_to, forward_to_confirm }: Identity): Cell {
  if (forward_to_confirm === null) return forward_to;
  return `${forward_to ?? "nobody"} (${forward_to_confirm} is not confirmed)`;
}
