/**
 * The team's page, where people continue from an address that leads nowhere.
 *
 * @module
 */
import type { Rules } from "./rules.ts";
import { checkWeb } from "./urls.ts";

/**
 * The address of the setting `deeplinks.home_url`. Failure policy: closed. Undefined if the setting is absent, if links
 * may not lead to the address, or if the address is a link of this installation.
 *
 * @param rules Undefined while none could be read.
 */
export function homeOf(rules: Rules | undefined): string | undefined {
  const check = rules?.homeUrl === undefined ? undefined : checkWeb(rules.homeUrl, rules);
  return check?.ok && rules?.ownCode?.(check.url) === undefined ? check.url : undefined;
}
