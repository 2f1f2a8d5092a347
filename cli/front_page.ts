/**
 * The page of `gatelink --help`. Laid out here, because the parser of arguments, commander, takes longer to load
 * than the page to be printed. A test compares it with commander's page at every width.
 */
import { COMMANDS, type Entry } from "./entries.ts";

/** What the page says first. */
export const ABOUT = "Manage a Gatelink stack: channels, services, links, campaigns, rollouts.";

/** The option that every command takes. */
export const JSON_OPTION: readonly [flags: string, about: string] = [
  "--json",
  "print only one JSON document on stdout; for errors {error: {code, message, hint}}",
];

/** What the page says below the list of commands. */
export const NOTES = `
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

/** Headings of the list of commands; they come in the order in which `COMMANDS` first needs them. */
const GROUPS: Readonly<Record<string, string>> = {
  "Production": "setup upgrade",
  "Services": "allowlist destinations routes deliveries dead replay",
  "Channels and people":
    "links numbers templates conversations messages email campaign mailbox sms telegram contact",
  "Features and releases":
    "flags gates rollout traffic rollback incident feedback metric report announce drill",
  "What happened": "status reconcile trace diagnose resend",
};

/** The heading of a command that is in no group, and of `help`. */
export const OTHERS = "Other commands:";

/** The heading that a command is listed below. */
export function headingOf(name: string): string {
  const found = Object.entries(GROUPS).find(([, names]) => names.split(" ").includes(name));
  return found === undefined ? OTHERS : `${found[0]}:`;
}

/** A command as the page lists it. */
export function termOf(name: string, entry: Entry): string {
  return entry.usage === undefined ? name : `${name} ${entry.usage}`;
}

/** The page, for lines of so many characters. */
export function frontPage(columns: number): string {
  const options: Item[] = [JSON_OPTION, ["-h, --help", "display help for command"]];
  const commands: [heading: string, item: Item][] = [
    ...Object.entries(COMMANDS).map((
      [name, entry],
    ): [string, Item] => [headingOf(name), [termOf(name, entry), entry.about]]),
    [OTHERS, ["help [command]", "display help for command"]],
  ];
  const width = Math.max(...[...options, ...commands.map(([, item]) => item)].map(([term]) => term.length));
  const list = (items: Item[]) =>
    items.map(([term, about]) => {
      const indent = " ".repeat(width + 4);
      return `  ${term.padEnd(width)}  ${wrapped(about, columns - width - 4).join(`\n${indent}`)}`;
    });
  return [
    "Usage: gatelink [options] [command]",
    "",
    ...wrapped(ABOUT, columns),
    "",
    "Options:",
    ...list(options),
    "",
    ...[...new Set(commands.map(([heading]) => heading))].flatMap((heading) => [
      heading,
      ...list(commands.filter(([of]) => of === heading).map(([, item]) => item)),
      "",
    ]).slice(0, -1),
    NOTES,
    "",
  ].join("\n");
}

type Item = readonly [term: string, about: string];

/** Narrower columns are not wrapped: they would be harder to read than long lines. */
const NARROWEST = 40;

/** Text in lines of at most so many characters, broken between words. */
function wrapped(text: string, columns: number): string[] {
  if (columns < NARROWEST) return [text];
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && line.length <= columns) lines[lines.length - 1] = line;
    else lines.push(word);
  }
  return lines;
}
