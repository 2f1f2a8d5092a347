/** `gatelink mailbox`: accounts at Google and Microsoft that identities send as and whose answers are read. */
import { Argument, type Command, Option } from "commander";
import type { Mailbox } from "../../../supabase/functions/_shared/contract/answers/mailboxes.ts";
import type {
  MailboxBegun,
  MailboxDisconnected,
} from "../../../supabase/functions/_shared/contract/http/mailboxes.ts";
import { MAIL_PROVIDER_NAMES } from "../../../supabase/functions/_shared/contract/mail_providers.ts";
import type { Api } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { isId } from "../../core/values.ts";
import { doctor } from "./doctor.ts";

const MAILBOX = "its address or id, as mailbox list shows them";

/** Defines the commands of the group. */
export function mailbox(group: Command, run: Run): void {
  list(group, run);
  connect(group, run);
  takes(group, run);
  disconnect(group, run);
  doctor(group, run);
}

function list(group: Command, run: Run): void {
  group.command("list").description("connected mailboxes, and which need somebody")
    .addHelpText("after", "\nExample:\n  gatelink mailbox list")
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_mailboxes", {});
        return {
          document,
          text: table(
            ["mailbox", "provider", "sends as", "state", "takes", "read"],
            document.map((one): Cell[] => [
              one.address,
              one.provider,
              one.sends ? one.from_email : `${one.from_email} (another way)`,
              one.state === "active" ? "active" : ["red", `connect it again: ${one.error ?? "no reason"}`],
              one.takes,
              one.reading?.read_at ? time(one.reading.read_at) : "not yet",
            ]),
            "No mailbox is connected. Begin with: gatelink mailbox doctor",
          ),
        };
      })
    );
}

function connect(group: Command, run: Run): void {
  group.command("connect").description("print the address at which somebody lets Gatelink into a mailbox")
    .addOption(
      new Option("--provider <name>", "whose mailbox").choices(["google", "microsoft"]).makeOptionMandatory(),
    )
    .option("--identity <address>", "the identity that is to send through it (default: that of its address)")
    .addHelpText(
      "after",
      `
Open the address in a browser within ten minutes, and sign in as the mailbox. Without --identity, the account's address
becomes an identity unless it is one. To connect a mailbox again whose access ended, do the same; at Microsoft, name its
identity.

Examples:
  gatelink mailbox connect --provider google
  gatelink mailbox connect --provider microsoft --identity sales@example.com`,
    )
    .action(({ provider, identity }: { provider: Mailbox["provider"]; identity?: string }) =>
      run(async (session) => {
        const api = await session.api();
        const named = identity === undefined ? undefined : await identityOf(api, identity);
        const { body: document } = await callFunction<MailboxBegun>(api.stack, "POST", "mailboxes/start", {
          body: { provider, ...(named === undefined ? {} : { identity: named }) },
          hintOf: (code) => HINTS[code],
        });
        return { document, text: `Open within ten minutes:\n${document.url}` };
      })
    );
}

function takes(group: Command, run: Run): void {
  group.command("takes").description(
    "what is taken from a mailbox: replies to what was sent, or all that comes in",
  )
    .argument("<mailbox>", MAILBOX)
    .addArgument(new Argument("<what>", "replies, or all").choices(["replies", "all"]))
    .addHelpText("after", "\nExample:\n  gatelink mailbox takes support@example.com all")
    .action((which: string, what: string) =>
      run(async (session) => {
        const api = await session.api();
        const document = await api.rpc("set_mailbox", {
          p_id: (await mailboxOf(api, which)).id,
          p_takes: what,
        });
        return {
          document,
          text: document.takes === "all"
            ? `All that comes into ${document.address} is taken from now on, and routed.`
            : `Only replies are taken from ${document.address}.`,
        };
      })
    );
}

function disconnect(group: Command, run: Run): void {
  group.command("disconnect").description("forget a mailbox and its tokens; its mail waits")
    .argument("<mailbox>", MAILBOX)
    .option("--yes", "do it")
    .addHelpText(
      "after",
      `
Mail of its identity waits until the mailbox is connected again, or the identity has another provider: gatelink email
identities set.

Example:
  gatelink mailbox disconnect sales@example.com --yes`,
    )
    .action((which: string, { yes }: { yes?: true }) =>
      run(async (session) => {
        const api = await session.api();
        const { id, address } = await mailboxOf(api, which);
        if (!yes) throw new CliError("usage", `${address} stays connected.`, "Add --yes.");
        const { body: document } = await callFunction<MailboxDisconnected>(
          api.stack,
          "DELETE",
          `mailboxes/${id}`,
        );
        return {
          document,
          text: document.revoked
            ? `${address} is disconnected, and ${
              MAIL_PROVIDER_NAMES[document.provider]
            } has ended the access.`
            : `${address} is disconnected. ${
              MAIL_PROVIDER_NAMES[document.provider]
            } was not told: its owner ends the access ` +
              "in the account's own settings.",
        };
      })
    );
}

const HINTS: Record<string, string> = {
  config_invalid: "gatelink mailbox doctor says which secrets are missing.",
  identity_not_found: "gatelink email identities list shows the identities.",
};

async function identityOf(api: Api, which: string): Promise<string> {
  if (isId(which)) return which;
  const found = (await api.rpc("list_identities", {})).find(({ from_email }) =>
    from_email === which.trim().toLowerCase()
  );
  if (found !== undefined) return found.id;
  throw new CliError(
    "not_found",
    `There is no identity ${which}.`,
    "gatelink email identities list shows them.",
  );
}

async function mailboxOf(api: Api, which: string): Promise<Mailbox> {
  const name = which.trim().toLowerCase();
  const found = (await api.rpc("list_mailboxes", {})).find(({ id, address, from_email }) =>
    id === name || address === name || from_email === name
  );
  if (found !== undefined) return found;
  throw new CliError("not_found", `There is no mailbox ${which}.`, "gatelink mailbox list shows them.");
}
