/**
 * The list of commands. A command's module, and all that it imports, is loaded for that command alone: `--help` and
 * `status` should not wait for what others compile. Deno puts that off only when it is told to, as the task tells it:
 * --unstable-lazy-dynamic-imports.
 */
import type { Command } from "commander";
import type { PlainCommand, Run } from "./core/session.ts";

/** Defines a command that has its name and its line of help: arguments, options, commands in it, what it does. */
type Define = (command: Command, run: Run) => void;

/** A command in the list of all. */
export type Entry =
  & {
    /** Its line of help. */
    about: string;
    /** Its usage, as the list of commands shows it after its name. @default nothing */
    usage?: string;
  }
  & ({ load(): Promise<Define> } | { plain(): Promise<PlainCommand> });

/** All commands by name, in the order of the help. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  setup: {
    about: "production in one command: database, secrets, functions, clock, team, service, Meta",
    load: async () => (await import("./commands/setup/setup.ts")).setup,
  },
  upgrade: {
    about: "a new version to production: gates asked, the way back said first",
    load: async () => (await import("./commands/setup/upgrade.ts")).upgrade,
  },
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
  traffic: {
    about: "two environments, blue and green: deploy, split, ramp, back",
    load: async () => (await import("./commands/traffic/traffic.ts")).traffic,
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
  report: {
    about: "how rollouts and features did: two-hourly, daily, weekly",
    load: async () => (await import("./commands/report/report.ts")).report,
  },
  announce: {
    about: "write to many people: beta users, everybody, or whom a feature failed for",
    load: async () => (await import("./commands/announce/announce.ts")).announce,
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
  numbers: {
    about: "WhatsApp's numbers and accounts: credentials, quality, limits, a check with Meta",
    load: async () => (await import("./commands/numbers/numbers.ts")).numbers,
  },
  templates: {
    about: "WhatsApp's templates: see, send, create and edit them",
    load: async () => (await import("./commands/templates/templates.ts")).templates,
  },
  conversations: {
    about: "take a conversation over from the services, and give it back",
    load: async () => (await import("./commands/conversations/conversations.ts")).conversations,
  },
  messages: {
    about: "masked messaging of organisations: proof, diagnostics, backfill, a text's check",
    load: async () => (await import("./commands/messages/messages.ts")).messages,
  },
  email: {
    about: "identities that mail is sent as, and why a mail was treated as it was",
    load: async () => (await import("./commands/email/email.ts")).email,
  },
  campaign: {
    about: "a mail to many people: make, fill, test, start and stop it, and its figures",
    load: async () => (await import("./commands/campaign/campaign.ts")).campaign,
  },
  mailbox: {
    about: "accounts at Google and Microsoft that identities send as and whose answers are read",
    load: async () => (await import("./commands/mailbox/mailbox.ts")).mailbox,
  },
  sms: {
    about: "numbers for texts, a check of their providers, and texts that nobody knows whether they went",
    load: async () => (await import("./commands/sms/sms.ts")).sms,
  },
  telegram: {
    about: "chats that messages go to as cards, who is who there, and a check of the bot",
    load: async () => (await import("./commands/telegram/telegram.ts")).telegram,
  },
  oncall: {
    about: "who is on call: rotas, schedules of providers, and a check of them",
    load: async () => (await import("./commands/oncall/oncall.ts")).oncall,
  },
  contact: {
    about: "export or erase a person's data",
    load: async () => (await import("./commands/contact.ts")).contact,
  },
  status: {
    about: "queues, the state of each service, and counters",
    plain: async () => (await import("./commands/status.ts")).status,
  },
  reconcile: {
    about: "check that no message was lost: received = stored + duplicates, and so on",
    plain: async () => (await import("./commands/reconcile.ts")).reconcile,
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
