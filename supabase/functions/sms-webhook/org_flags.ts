/**
 * The flags of masked messaging for one organisation.
 *
 * @module
 */
import type { Config } from "../_shared/db/config.ts";
import { evaluate, prepareFlags } from "../_shared/flags/evaluate.ts";
import { MESSAGING_FLAGS, messagingFlag, orgTarget } from "../_shared/masking/flags.ts";
import type { RelayFacts } from "../_shared/masking/relay.ts";

/** Dependencies of {@linkcode createOrgFlags}. */
export interface OrgFlagsDeps {
  killed(feature: string): boolean;
  switchedOn(feature: string): boolean;
  loadConfig(): Promise<Config>;
}

/** Creates the function that says what is on for an organisation. */
export function createOrgFlags(
  { killed, switchedOn, loadConfig }: OrgFlagsDeps,
): (org: string) => Promise<RelayFacts["on"]> {
  return async (org) => {
    const { settings, segments } = await loadConfig();
    const flags = prepareFlags(settings, segments);
    const isOn = ({ key }: { key: string }) =>
      messagingFlag({
        killed: killed(key),
        setting: flags.has(key) ? evaluate(flags, key, orgTarget(org), killed).value : undefined,
        switchedOn: switchedOn(key),
      }).value;
    return { core: isOn(MESSAGING_FLAGS.core), sitter: isOn(MESSAGING_FLAGS.sitter) };
  };
}
