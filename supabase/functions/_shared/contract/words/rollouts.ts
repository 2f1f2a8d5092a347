/**
 * What happens to rollouts, in sentences.
 *
 * @module
 */

/** What of an event of a rollout says what to do: its kind, and by which rule. */
export interface EventCode {
  kind: string;
  rule: string | null;
}

const ADVICE: Readonly<Record<string, (rule: string | null) => string>> = {
  started: () =>
    "Tell who is on call. The guard looks every minute; pause it if you see something that it cannot.",
  advanced: () => "Nothing, unless people complain: then pause or roll back.",
  resumed: () => "Nothing: the stage began anew.",
  paused: () => "Find out what is wrong, then resume or roll back. The guard still rolls back by itself.",
  completed: () =>
    "Let it stand for some days, then take the flag out of the code and mark it as launched in docs/flags.md.",
  held: (rule) => HELD[rule ?? ""] ?? HELD.p95,
  paged: (rule) => PAGED[rule ?? ""] ?? PAGED.shared,
  rolled_back: () =>
    "The flag is off. Look into the evidence and the logs, mend it, and begin again with a new rollout.",
};

const HELD: Readonly<Record<string, string>> = {
  no_data:
    "Nobody met the feature lately, or outcomes no longer arrive: see whether the functions run and the feature is used.",
  samples: "Wait: there is too little traffic for this stage. Advance by hand if you know enough.",
  error_rate: "Look at the failures with the flag on. Wait for more outcomes, mend it, or roll back.",
  p95: "Look at what is slow with the flag on. Wait for more outcomes, mend it, or roll back.",
};

const UNCLEAR =
  "There is too little without the flag to compare with: look at the failures with the flag on, and pause or roll back by hand if it is the flag. The stage begins anew.";
const PAGED: Readonly<Record<string, string>> = {
  overdue: "The stage lasts longer than planned: decide whether to advance by hand, to wait or to roll back.",
  flag_changed_by_hand: "The rollout is paused. Resume it to set the stage's percentage again, or roll back.",
  guard_failed:
    "The guard cannot judge this rollout, and nothing moves until it can: see the message, pause or roll back by hand.",
  error_rate_unclear: UNCLEAR,
  p95_unclear: UNCLEAR,
  shared:
    "It happens without the flag too, so turning it off would not help: look at the database, the provider and the services. The rollout waits, and the stage begins anew.",
};

/** What to do now, for whoever is told of an event; empty where nobody is told of its kind. */
export function adviceInWords({ kind, rule }: EventCode): string {
  return ADVICE[kind]?.(rule) ?? "";
}
