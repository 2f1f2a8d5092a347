/**
 * What the configuration says about tracking, computed once per revision.
 *
 * @module
 */
import type { Config } from "../db/config.ts";
import { type Flag, prepareFlags } from "../flags/evaluate.ts";

/** See the module. */
export interface TrackingRules {
  readonly flags: ReadonlyMap<string, Flag>;
  /** How a mail is tracked whose author says nothing: the setting `email.track`. */
  readonly otherwise: "off" | "aggregate" | "individual";
}

const rules = new WeakMap<Config, TrackingRules>();

/** The rules of a configuration. */
export function trackingOf(config: Config): TrackingRules {
  let known = rules.get(config);
  if (known === undefined) {
    const value = config.settings.find(({ key }) => key === "email.track")?.value;
    known = {
      flags: prepareFlags(config.settings, config.segments),
      otherwise: value === "aggregate" || value === "individual" ? value : "off",
    };
    rules.set(config, known);
  }
  return known;
}
