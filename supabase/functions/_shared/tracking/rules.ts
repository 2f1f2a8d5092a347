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
  readonly otherwise: Mode;
  /** How a mail of a campaign is tracked that says nothing: the setting `email.track_campaigns`. */
  readonly campaigns: Mode;
}

/** What is kept of the mails that are tracked so. */
export type Mode = "off" | "aggregate" | "individual";

const rules = new WeakMap<Config, TrackingRules>();

/** The rules of a configuration. */
export function trackingOf(config: Config): TrackingRules {
  let known = rules.get(config);
  if (known === undefined) {
    const mode = (name: string, otherwise: Mode) => {
      const value = config.settings.find(({ key }) => key === name)?.value;
      return value === "off" || value === "aggregate" || value === "individual" ? value : otherwise;
    };
    known = {
      flags: prepareFlags(config.settings, config.segments),
      otherwise: mode("email.track", "off"),
      campaigns: mode("email.track_campaigns", "aggregate"),
    };
    rules.set(config, known);
  }
  return known;
}
