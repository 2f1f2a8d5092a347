/** `gatelink setup`: production in one command, step by step. */
import { type Command, InvalidArgumentError } from "commander";
import { DESTINATION_NAME } from "../../../supabase/functions/_shared/contract/names.ts";
import { fromCheckout } from "../../core/checkout.ts";
import type { Run } from "../../core/session.ts";
import { duration, several } from "../../core/values.ts";
import type { SetupOptions } from "./options.ts";
import type { Service } from "./service.ts";

/** The options that say what is set up, for setup and upgrade alike. */
export function onProject(command: Command): Command {
  return command
    .option(
      "--project-ref <ref>",
      "the hosted project: the 20 letters in its dashboard's address (default: the stack)",
      ref,
    )
    .option("--db-url <url>", "its database (default: SUPABASE_DB_URL, else asked for)")
    .option("--dry-run", "show what is left to do, and do nothing");
}

/** Defines the command. */
export function setup(command: Command, run: Run): void {
  onProject(command)
    .option("--admin <email>", "the first admin of the panel", email)
    .option("--service <url>", "where messages go: https://host/path, or name=https://host/path", service)
    .option(
      "--account <id>",
      "WhatsApp Business account; repeatable (default: those of the token)",
      several(digits),
    )
    .option("--wait <time>", "how long to wait for the test message (default: 5m)", duration)
    .option("--no-message", "leave the test message out")
    .addHelpText(
      "after",
      `
Looks, does what is left, and looks again: access, database, secrets, functions, clock, team, service, flags, Meta's
webhooks, a test message, the idle bill. It stops at the first failure; repeated, it goes on there. What is there
already is left as it is, so it is harmless on a finished project.

Values come from the environment, else they are asked for and not shown: SUPABASE_SECRET_KEY, SUPABASE_DB_URL,
WHATSAPP_APP_SECRET, WHATSAPP_ACCESS_TOKEN, GATELINK_CLOCK_KEY. They are stored in the project alone. Log in first:
npx supabase login.

Exit code 1: a step failed.

Examples:
  gatelink setup --project-ref abcdefghijklmnopqrst --dry-run
  gatelink setup --project-ref abcdefghijklmnopqrst --admin you@example.com --service https://hooks.example.com/whatsapp`,
    )
    .action((options: SetupOptions) =>
      run(async (session) => {
        const { runSetup } = await fromCheckout("gatelink setup", () => import("./run.ts"));
        return await runSetup(session, options);
      })
    );
}

function ref(text: string): string {
  if (/^[a-z]{20}$/.test(text)) return text;
  throw new InvalidArgumentError("Use the 20 letters in the address of its dashboard.");
}

function email(text: string): string {
  if (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text)) return text;
  throw new InvalidArgumentError("Use an address like you@example.com.");
}

function digits(text: string): string {
  if (/^\d{5,20}$/.test(text)) return text;
  throw new InvalidArgumentError("Use the account's id, digits alone.");
}

/** The first service is called support unless it has a name. */
function service(text: string): Service {
  const at = text.search(/=https?:/);
  const name = at < 0 ? "support" : text.slice(0, at), url = at < 0 ? text : text.slice(at + 1);
  if (!DESTINATION_NAME.test(name) || !URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new InvalidArgumentError("Use https://host/path, or name=https://host/path.");
  }
  return { name, url };
}
