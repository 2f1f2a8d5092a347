/** `deno run -A cli/reference.ts` writes docs/cli.md from the commands' own help. */
import type { Command } from "commander";
import { join, ROOT } from "../lib/paths.ts";
import { NAMES } from "./entries.ts";
import { program } from "./program.ts";

/** Where the reference is. */
export const REFERENCE: string = join(ROOT, "docs", "cli.md");

const INTRODUCTION = `# The command line

Generated from the commands' \`--help\` by \`deno run -A cli/reference.ts\`; a test compares them.

Run \`deno task gatelink …\`, or \`npx -y deno@2.9.6 task gatelink …\` if only Node is installed. Each command takes
\`--json\` and \`--help\`. With \`--json\`, stdout contains exactly one JSON document; for an error it is
\`{"error": {"code", "message", "hint"}}\`, where \`code\` is one of \`usage\`, \`stack_not_found\`,
\`stack_unreachable\`, \`unauthorized\`, \`forbidden\`, \`not_found\`, \`conflict\`, \`invalid\`, \`refused\`,
\`unexpected\`. Without it, errors go to stderr. Colours are used on terminals only; \`NO_COLOR\` disables them.

`;

/** The text of docs/cli.md. */
export async function reference(): Promise<string> {
  const gatelink = await program(() => Promise.resolve(), NAMES);
  return [INTRODUCTION.trim(), ...sections(gatelink, "gatelink")].join("\n\n") + "\n";
}

/** A section for the program itself and for each command; a group's own help only lists its commands. */
function sections(command: Command, path: string): string[] {
  const isGroup = command.commands.length > 0 && command.parent !== null;
  const own = isGroup ? [] : [`## ${path}\n\n\`\`\`\n${helpOf(command)}\n\`\`\``];
  return [...own, ...command.commands.flatMap((inner) => sections(inner, `${path} ${inner.name()}`))];
}

/** The help as `--help` prints it on a wide terminal, without what is the same for each command. */
function helpOf(command: Command): string {
  let text = "";
  command.helpOption(false).helpCommand(false)
    .configureHelp({ showGlobalOptions: false, helpWidth: 100 })
    .configureOutput({ writeOut: (part) => text += part, getOutHasColors: () => false })
    .outputHelp();
  return text.trim();
}

if (import.meta.main) await Deno.writeTextFile(REFERENCE, await reference());
