/**
 * The commands of `gatelink`, put together. A command's module, and all that it imports, is loaded for that command alone:
 * `--help` and `status` should not wait for what others compile. Deno puts that off only when it is told to, as the task
 * tells it: --unstable-lazy-dynamic-imports.
 */
import { Command, Help } from "commander";
import { reconcile, status } from "./commands/status.ts";
import type { Run } from "./core/session.ts";

/** Defines a command that has its name and its line of help: arguments, options, commands in it, what it does. */
type Define = (command: Command, run: Run) => void;

interface Entry {
  /** Its line of help. */
  about: string;
  /** What stands behind its name there. @default nothing */
  usage?: string;
  load(): Promise<Define>;
}

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, Entry>> = {
  allowlist: {
    about: "hosts that messages and links may go to",
    load: async () => (await import("./commands/allowlist.ts")).allowlist,
  },
  destinations: {
    about: "services that receive messages",
    load: async () => (await import("./commands/destinations/destinations.ts")).destinations,
  },
  routes: {
    about: "rules that assign messages to services",
    load: async () => (await import("./commands/routes/routes.ts")).routes,
  },
  links: {
    about: "links and QR codes that open a chat, an app or a page",
    load: async () => (await import("./commands/links/links.ts")).links,
  },
  flags: {
    about: "turn features on and off, for everybody or for some",
    load: async () => (await import("./commands/flags/flags.ts")).flags,
  },
  gates: {
    about: "launch requirements of a feature, and their sign-offs",
    load: async () => (await import("./commands/gates/gates.ts")).gates,
  },
  rollout: {
    about: "launch a flag in stages, with automatic rollback",
    load: async () => (await import("./commands/rollout/rollout.ts")).rollout,
  },
  rollback: {
    about: "four ways to roll back: 1 flag, 2 environment, 3 code, 4 database",
    load: async () => (await import("./commands/rollback/rollback.ts")).rollback,
  },
  incident: {
    about: "incidents: open, escalate, update, resolve; texts and status page",
    load: async () => (await import("./commands/incidents/incidents.ts")).incidents,
  },
  feedback: {
    about: "complaints and ratings, which rollouts listen to",
    load: async () => (await import("./commands/feedback.ts")).feedback,
  },
  metric: {
    about: "business metrics, which stages of a rollout can depend on",
    load: async () => (await import("./commands/metric.ts")).metric,
  },
  drill: {
    about: "practise all four rollbacks on a separate stack, and time them",
    load: async () => (await import("./commands/drill/drill.ts")).drill,
  },
  replay: {
    about: "sign recorded webhook bodies and post them to a Gatelink",
    usage: "[options] [paths...]",
    load: async () => (await import("./commands/replay/replay.ts")).replay,
  },
  deliveries: {
    about: "waiting deliveries, and resending",
    load: async () => (await import("./commands/deliveries/deliveries.ts")).deliveries,
  },
  dead: {
    about: "deliveries that were given up (dead letters)",
    load: async () => (await import("./commands/deliveries/dead.ts")).dead,
  },
  contact: {
    about: "export or erase a person's data",
    load: async () => (await import("./commands/contact.ts")).contact,
  },
  status: {
    about: "queues, the state of each service, and counters",
    load: () => Promise.resolve(status),
  },
  reconcile: {
    about: "check that no message was lost: received = stored + duplicates, and so on",
    load: () => Promise.resolve(reconcile),
  },
  trace: {
    about: "the history of one message: receipt, routing, attempts, replies, statuses",
    usage: "<message>",
    load: async () => (await import("./commands/trace.ts")).trace,
  },
  diagnose: {
    about: "recent activity: traffic by route and service, errors, queues",
    load: async () => (await import("./commands/trace.ts")).diagnose,
  },
  resend: {
    about: "resend failed messages: same content and id, starting with a new first attempt",
    usage: "<messages...>",
    load: async () => (await import("./commands/resend.ts")).resend,
  },
};

/** Names of all commands. */
export const NAMES: readonly string[] = Object.keys(COMMANDS);

const HELP = `
The stack is the file named by GATELINK_STACK (a stack.json), else .gatelink/stack.json of the local
stack, else SUPABASE_URL and SUPABASE_SECRET_KEY.

Exit codes:
  0  success
  1  completed, but a check failed or only a part was done
  2  wrong arguments
  3  no stack found, or it does not answer
  4  refused by the stack
  5  unexpected

gatelink --version prints the version.

First steps:
  gatelink status
  gatelink allowlist add hooks.example.com --for forward
  gatelink destinations add orders https://hooks.example.com/whatsapp
  gatelink routes add --to orders --when '{"type":"any"}'`;

/**
 * The command line; `run` does the work of the command that is chosen.
 * @param words What somebody typed. Commands that are not among them are there by name only.
 */
export async function program(run: Run, words: readonly string[]): Promise<Command> {
  const gatelink = new Command("gatelink")
    .description("Manage a Gatelink stack: services, routes, links, flags, rollouts.")
    .option(
      "--json",
      "print only one JSON document on stdout; for errors {error: {code, message, hint}}",
    )
    .configureHelp({ showGlobalOptions: true, subcommandTerm: term })
    .showSuggestionAfterError()
    .addHelpText("after", HELP);
  for (const [name, { about, load }] of Object.entries(COMMANDS)) {
    const command = gatelink.command(name).description(about);
    if (words.includes(name)) (await load())(command, run);
  }
  return gatelink;
}

/** How a command is listed: those of the program alike whether they are loaded or not. */
function term(command: Command): string {
  const entry = command.parent?.parent === null ? COMMANDS[command.name()] : undefined;
  if (entry === undefined) return Help.prototype.subcommandTerm(command);
  return [command.name(), entry.usage].filter(Boolean).join(" ");
}
