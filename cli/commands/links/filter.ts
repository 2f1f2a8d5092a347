/** The filters that lists and exports of links share. */
import type { Command } from "commander";
import type { ListFilter } from "./api.ts";
import { linkState } from "../../core/values.ts";

/** Filters as they were given. */
export interface FilterOptions {
  tag?: string;
  campaign?: string;
  state?: string;
  externalId?: string;
}

/** Adds the options to a command. */
export function filtered(command: Command): Command {
  return command
    .option("--tag <tag>", "only links with this tag")
    .option("--campaign <campaign>", "only links with this utm campaign")
    .option("--state <state>", "only active, disabled or blocked links", linkState)
    .option("--external-id <id>", "only the link with this external id");
}

/** Filters as the function takes them. */
export function filterOf({ tag, campaign, state, externalId }: FilterOptions): ListFilter {
  return {
    ...(tag !== undefined && { tag }),
    ...(campaign !== undefined && { campaign }),
    ...(state !== undefined && { state }),
    ...(externalId !== undefined && { external_id: externalId }),
  };
}
