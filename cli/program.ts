/** The commands of `gatelink`, put together. */
import { Command } from "commander";
import { allowlist } from "./allowlist.ts";
import { contact } from "./contact.ts";
import { dead } from "./dead.ts";
import { deliveries } from "./deliveries.ts";
import { destinations } from "./destinations.ts";
import { drill } from "./drill.ts";
import { flags } from "./flags.ts";
import { gates } from "./gates.ts";
import { links } from "./links.ts";
import { operations } from "./operations.ts";
import { replay } from "./replay.ts";
import { resend } from "./resend.ts";
import { rollback } from "./rollback.ts";
import { rollout } from "./rollout.ts";
import { routes } from "./routes.ts";
import type { Run } from "./session.ts";
import { tracing } from "./trace.ts";

const HELP = `
Which stack: the file named by GATELINK_STACK (a stack.json), else .gatelink/stack.json of the local
stack, else SUPABASE_URL and SUPABASE_SECRET_KEY.

Exit codes:
  0  well
  1  done, but what was checked is not well, or only a part was done
  2  wrong arguments
  3  no stack, or it does not answer
  4  refused by the stack
  5  unexpected

First steps:
  gatelink status
  gatelink allowlist add hooks.example.com --for forward
  gatelink destinations add orders https://hooks.example.com/whatsapp
  gatelink routes add --to orders --when '{"type":"any"}'`;

/** The whole command line; `run` does the work of the command that is chosen. */
export function program(run: Run): Command {
  const gatelink = new Command("gatelink")
    .description("Work with a Gatelink stack: services, routes, links, replays, proofs.")
    .option(
      "--json",
      "print one JSON document on stdout and nothing else; of an error {error: {code, message, hint}}",
    )
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .addHelpText("after", HELP);
  for (
    const add of [
      allowlist,
      destinations,
      routes,
      links,
      flags,
      gates,
      rollout,
      rollback,
      drill,
      replay,
      deliveries,
      dead,
      contact,
      operations,
      tracing,
      resend,
    ]
  ) {
    add(gatelink, run);
  }
  return gatelink;
}
