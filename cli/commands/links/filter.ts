/** The filters shared by lists and exports of links. */
import { type Command, Option } from "commander";
import { LINK_FILTERS } from "../../../supabase/functions/_shared/contract/link_fields.ts";
import type { ListFilter } from "./api.ts";
import { linkState, several } from "../../core/values.ts";

/** The given filters, by option name. */
export type FilterOptions = Readonly<Record<string, unknown>>;

/** One option for each filter, except the code, which is an argument of `links show`. */
const OPTIONS = LINK_FILTERS.filter(({ name }) => name !== "code").map(({ name, matching }) => {
  const words = name.replaceAll("_", " ");
  const help = name === "search"
    ? "only links with these words in code, title, note, address, text or tags"
    : matching === "whole"
    ? `only links with this ${words}`
    : `only links with this in the ${words}, in any case`;
  const flags = `--${name.replaceAll("_", "-")} <${name === "search" ? "words" : name.split("_").at(-1)}>`;
  return {
    name,
    // A link has a single value for all other filters.
    option: name === "tag"
      ? new Option(flags, `${help}; repeated, with all of them`).argParser(several((tag) => tag))
      : new Option(flags, help),
  };
});

/** Adds the options to a command. */
export function filtered(command: Command): Command {
  for (const { option } of OPTIONS) command.addOption(option);
  return command.option("--state <state>", "only active, disabled, blocked or deleted links", linkState);
}

/** Converts the options to the function's filters. */
export function filterOf(options: FilterOptions): ListFilter {
  const given = [
    ...OPTIONS.map(({ name, option }) => [name, options[option.attributeName()]] as const),
    ["state", options.state] as const,
  ];
  return Object.fromEntries(
    given.filter((entry): entry is [string, string | string[]] => entry[1] !== undefined),
  );
}
