/**
 * Sentences about the events of rollouts.
 *
 * @module
 */

/** The members of a rollout's event that determine what to do: its kind and rule. */
export interface EventCode {
  kind: string;
  rule: string | null;
}

/** The members that determine the sentence; a row of `rollout_events` has them. */
export interface EventFacts extends EventCode {
  verdict: string | null;
  /** Its names, numbers and limits. */
  figures: Readonly<Record<string, unknown>>;
}

type Words = (event: EventFacts) => string;

const EVENTS: Readonly<Record<string, Words>> = {
  created: ({ figures: { flag, plan } }) => `a rollout of ${flag} with the plan ${plan} was created`,
  started: ({ figures, figures: { plan, stage } }) =>
    `the rollout by the plan ${plan} began with ${stage} (${share(figures)})`,
  advanced: ({ figures, figures: { stage, paused } }) =>
    `${stage} (${share(figures)}) began${paused === true ? ", and it stays paused" : ""}`,
  held: (event) =>
    event.rule !== null && event.rule in PAGES
      ? byRule(PAGES, event)
      : `the stage has lasted long enough, but ${byRule(HOLDS, event)}`,
  checked: ({ rule }) =>
    rule === "first_day_over" ? "the first day is over: the usual limits apply" : `holds: ${rule}`,
  paged: (event) => byRule(PAGES, event),
  paused: ({ figures: { stage } }) => `paused at ${stage}`,
  resumed: ({ figures: { stage } }) => `resumed: ${stage} restarts`,
  rolled_back: (event) => byRule(ROLLED_BACK, event),
  completed: ({ figures: { early } }) => `completed${early === true ? " by hand" : ""}: on for everybody`,
};

const HOLDS: Readonly<Record<string, Words>> = {
  no_data: () => "nobody has used the feature lately",
  incident: () => "a severe incident is open",
  proof: ({ figures: { org, without_number, without_client, without_front_desk, without_thread } }) =>
    `of the organisation ${org} ${
      [
        [without_number, "threads lack their number"],
        [without_client, "threads lack their client"],
        [without_front_desk, "front desks are missing"],
        [without_thread, "people who wrote have no thread"],
      ].filter(([n]) => Number(n) > 0).map(([n, what]) => `${n} ${what}`).join(", ")
    }`,
  samples: ({ figures: { n, min_samples } }) => `there are ${n} outcomes of ${min_samples}`,
  error_rate: ({ figures: { failed, n, error_rate } }) =>
    `${failed} of ${n} failed, which is not certainly below ${percentOf(error_rate)}`,
  p95: ({ figures: { late, timed, p95_ms } }) =>
    `${late} of ${timed} took longer than ${p95_ms} ms, which is not certainly below 5 %`,
  complaints: ({ figures: { complaints } }) => `${people(complaints)} with the feature complained`,
  people: ({ figures: { metric, on, off, min_people } }) =>
    `${Number(on) + Number(off)} of ${min_people} people are counted for ${metric}`,
  guardrail_unclear: ({ figures, figures: { metric, on, off } }) =>
    `${metric} seems to have ${changed(figures)} (${on} people with the flag, ${off} without it)`,
  goal: ({ figures: { metric, per_day, at_least_per_day } }) =>
    `${metric} is at ${per_day} a day, and the goal is ${at_least_per_day}`,
  share: ({ figures: { metric, of, n, of_n, share_above, share_below } }) =>
    Number(of_n) === 0
      ? `no ${of} has been counted yet, and ${metric} shall be a share of it`
      : `${n} ${metric} of ${of_n} ${of} is not ${
        share_above === undefined ? "" : `more than ${percentOf(share_above)}`
      }${share_above === undefined || share_below === undefined ? "" : " and "}${
        share_below === undefined ? "" : `less than ${percentOf(share_below)}`
      }`,
  ratings: ({ figures: { ratings, min_ratings } }) => `${ratings} of ${min_ratings} people rated the feature`,
  feedback: ({ figures: { positive, ratings, positive_share_above } }) =>
    `${positive} of ${ratings} people are content, which is not more than ${percentOf(positive_share_above)}`,
};

const ALARMS: Readonly<Record<string, Words>> = {
  error_rate_relative: (event) => `more fail with the flag on than without it${whose(event)}`,
  error_rate_plain: (event) =>
    `more than ${percentOf(event.figures.error_rate)} failed within ${event.figures.minutes} minutes${
      whose(event)
    }`,
  error_rate_absolute: (event) => `more than ${percentOf(event.figures.error_rate)} fail${whose(event)}`,
  error_rate_unclear: ({ figures: { error_rate } }) =>
    `more than ${percentOf(error_rate)} fail with the flag on, and it is not clear whether it is the flag`,
  error_rate_no_control: ({ figures: { error_rate } }) =>
    `more than ${
      percentOf(error_rate)
    } fail with the flag on, and nobody without it does the same, so nothing says whether it is the flag`,
  p95_no_control: ({ figures: { p95_ms } }) =>
    `the p95 is above ${p95_ms} ms with the flag on, and nobody without it does the same, so nothing says whether it is the flag`,
  p95_relative: (event) =>
    `more take longer than ${event.figures.p95_ms} ms with the flag on than without it${whose(event)}`,
  p95_absolute: (event) => `the p95 is above ${event.figures.p95_ms} ms${whose(event)}`,
  p95_unclear: ({ figures: { p95_ms } }) =>
    `the p95 is above ${p95_ms} ms with the flag on, and it is not clear whether it is the flag`,
  mean_plain: (event) =>
    `the mean was above ${event.figures.mean_ms} ms for ${event.figures.minutes} minutes${whose(event)}`,
};

/** What is watched of two environments besides outcomes. */
const ENVIRONMENTS: Readonly<Record<string, Words>> = {
  database_errors: (event) =>
    event.verdict === "page"
      ? `calls of the database fail in green (${event.figures.green}) and in blue (${event.figures.blue})`
      : `${event.figures.green} calls of the database failed in green, none in blue: everybody is back on blue`,
  memory_growth: (event) =>
    `the memory of green grows by ${event.figures.green} MB a minute${
      event.verdict === "page"
        ? ` and that of blue by ${event.figures.blue} MB`
        : ": everybody is back on blue"
    }`,
  connections: ({ figures: { used, most } }) => `${used} of ${most} connections of the database are in use`,
  elevated_errors: ({ figures: { failed, n, error_rate } }) =>
    `${failed} of ${n} requests failed in green, more than ${percentOf(error_rate)} and more than in blue`,
  elevated_latency: ({ figures: { mean, mean_ms } }) =>
    `requests take ${mean} ms on average in green, more than ${mean_ms} ms and more than in blue`,
};

const PAGES: Readonly<Record<string, Words>> = {
  ...ALARMS,
  ...ENVIRONMENTS,
  silent: ({ figures: { minutes, expected } }) =>
    `nobody with the flag has been heard of for ${minutes} minutes, in which about ${expected} outcomes would be usual: the rollout waits`,
  control_silent: ({ figures: { minutes, expected } }) =>
    `nobody without the flag has been heard of for ${minutes} minutes, in which about ${expected} outcomes would be usual: there is nothing to compare with, and the rollout waits`,
  sample_ratio: ({ figures: { on, off, percentage } }) =>
    `${on} outcomes with the flag and ${off} without it are not ${
      percent(percentage)
    }: outcomes with the flag are lost, and the rollout waits`,
  kill_switch: () => "the kill switch is set: nobody has the feature, and the rollout waits",
  guardrail: ({ figures, figures: { metric, on, off } }) =>
    `${metric} has ${
      changed(figures)
    } with the flag on (${on} people with it, ${off} without it): the rollout waits`,
  overdue: ({ figures: { stage, overdue_minutes } }) =>
    `${stage} has lasted longer than ${+(Number(overdue_minutes) / 60).toFixed(2)} hours`,
  flag_changed_by_hand: ({ figures: { set_to, percentage } }) =>
    `paused: the flag was set to ${
      set_to === null ? "its targets alone" : percent(set_to)
    } by hand, the stage has ${percent(percentage)}`,
  guard_failed: ({ figures: { error, sqlstate } }) => `the guard failed: ${error} (${sqlstate})`,
};

const ROLLED_BACK: Readonly<Record<string, Words>> = {
  ...ALARMS,
  ...ENVIRONMENTS,
  complaints: ({ figures: { complaints, complaints_above } }) =>
    `${people(complaints)} with the feature complained, more than ${complaints_above}: the flag is off`,
  guardrail: ({ figures, figures: { metric, on, off } }) =>
    `${metric} has ${
      changed(figures)
    } with the flag on (${on} people with it, ${off} without it): the flag is off`,
  share: ({ figures: { metric, of, n, of_n, back_below, back_above } }) =>
    `${n} ${metric} of ${of_n} ${of} is certainly ${
      back_below === undefined ? "" : `less than ${percentOf(back_below)}`
    }${back_below === undefined || back_above === undefined ? "" : " or "}${
      back_above === undefined ? "" : `more than ${percentOf(back_above)}`
    }: the flag is off`,
  too_many: ({ figures: { metric, last_hour, at_most_per_hour } }) =>
    `${metric} happened ${last_hour} times in an hour, more than ${at_most_per_hour}: the flag is off`,
  by_hand: () => "rolled back by hand: the flag is off",
  flag_off_by_hand: () => "rolled back: the flag was turned off by hand",
};

/** How a business metric has changed. */
function changed({ max_fall, max_rise }: EventFacts["figures"]): string {
  return max_rise === undefined
    ? `fallen by more than ${percentOf(max_fall)}`
    : `risen by more than ${percentOf(max_rise)}`;
}

/** The cause of an alarm, and its consequence. */
function whose({ verdict }: EventFacts): string {
  return verdict === "page"
    ? ", with the flag and without it: a shared incident, the flag is not to blame"
    : ": the flag is off";
}

function byRule(words: Readonly<Record<string, Words>>, event: EventFacts): string {
  return words[event.rule ?? ""]?.(event) ?? event.rule ?? event.kind;
}

/** Whom a stage is for: a percentage, or so many people. */
function share({ percentage, users, of_users }: EventFacts["figures"]): string {
  if (users === undefined) return percent(percentage);
  return users === of_users ? people(users) : `${people(users)} of ${of_users}`;
}

function people(count: unknown): string {
  return Number(count) === 1 ? "1 person" : `${count} people`;
}

function percent(value: unknown): string {
  return `${Number(value)} %`;
}

/** A fraction as a percentage, without binary rounding errors: 0.07 is 7 %. */
function percentOf(share: unknown): string {
  return percent(+(Number(share) * 100).toPrecision(12));
}

/** The sentence for an event. Unknown kinds and rules are shown unchanged. */
export function eventInWords(event: EventFacts): string {
  return EVENTS[event.kind]?.(event) ?? event.kind;
}

const ADVICE: Readonly<Record<string, (rule: string | null) => string>> = {
  started: () =>
    "Inform whoever is on call. The guard checks every minute; pause the rollout if you see something that it cannot.",
  advanced: () => "Nothing, unless people complain: then pause or roll back.",
  resumed: () => "Nothing: the stage restarted.",
  paused: () => "Find out what is wrong, then resume or roll back. The guard still rolls back by itself.",
  completed: () =>
    "Wait some days, then remove the flag from the code and mark it as launched in docs/flags.md.",
  held: (rule) => HELD[rule ?? ""] ?? HELD.p95,
  paged: (rule) => PAGED[rule ?? ""] ?? PAGED.shared,
  rolled_back: () =>
    "The flag is off. Check the evidence and the logs, fix the cause, and start a new rollout.",
};

const HELD: Readonly<Record<string, string>> = {
  no_data:
    "Nobody has used the feature lately, or outcomes no longer arrive: check that the functions run and the feature is used.",
  incident:
    "Lead the incident: gatelink incident list --open. The rollout goes on by itself once it is resolved or less severe.",
  proof:
    "Find what is missing: gatelink messages proof; gatelink messages backfill gives people a thread. The rollout goes on by itself once nothing is.",
  samples: "Wait: there is too little traffic for this stage. Advance by hand if you know enough.",
  error_rate: "Look at the failures with the flag on. Wait for more outcomes, fix the cause, or roll back.",
  p95: "Look at what is slow with the flag on. Wait for more outcomes, fix the cause, or roll back.",
  complaints:
    "Read the complaints: gatelink feedback list. Advance by hand if the feature is not the cause, or roll back.",
  people: "Wait: too few people have done it. Advance by hand if you know enough.",
  guardrail_unclear: "Wait for more people, or look at what those with the flag do differently.",
  goal: "Wait, lower the goal in a new plan, or find out why fewer do it than expected.",
  share:
    "Look at what is counted: gatelink metric list. Wait, find out what keeps the share where it is, or advance by hand.",
  ratings: "Ask people how they find the feature: gatelink feedback add, the API, or 5/5 in a chat.",
  feedback: "Read what people say: gatelink feedback list. Improve the feature, or roll back.",
};

const UNCLEAR =
  "There are too few outcomes without the flag to compare with: look at the failures with the flag on, and pause or roll back by hand if the flag causes them. The stage restarts.";
const LOST =
  "People with the flag may fail before they can report it: try the feature yourself, check what reports the outcomes, and roll back by hand if in doubt.";
const NO_CONTROL =
  "The guard does not blame a flag that it cannot compare: look at what fails, and roll back by hand if the flag causes it. The stage restarts.";
const PAGED: Readonly<Record<string, string>> = {
  overdue: "The stage lasts longer than planned: decide whether to advance by hand, to wait or to roll back.",
  flag_changed_by_hand: "The rollout is paused. Resume it to set the stage's percentage again, or roll back.",
  guard_failed:
    "The guard cannot judge this rollout, and nothing advances until it can: read the message, and pause or roll back by hand.",
  kill_switch:
    "Nobody has the feature while the variable stops it. Unset it to go on, or roll back: until then the rollout stays at its stage.",
  guardrail:
    "People with the flag do it less, or more, often than those without: find out why, and roll back if it is the feature. The rollout waits.",
  silent: LOST,
  control_silent:
    "The guard cannot tell the flag's fault from another without them: check what reports outcomes of people without the flag. The rollout goes on once they are heard of again.",
  sample_ratio: LOST,
  connections:
    "Find out who holds them: select public.who_blocks() and pg_stat_activity. Do not send more visitors to green before.",
  elevated_errors:
    "Look at the failures in green: gatelink traffic status. Go back if you cannot explain them.",
  elevated_latency:
    "Look at what is slow in green: gatelink traffic status. Go back if you cannot explain it.",
  error_rate_no_control: NO_CONTROL,
  p95_no_control: NO_CONTROL,
  error_rate_unclear: UNCLEAR,
  p95_unclear: UNCLEAR,
  shared:
    "It happens without the flag too, so turning it off would not help: look at the database, the provider and the services. The rollout waits, and the stage restarts.",
};

/** What to do now, for the person who is notified; empty for kinds without a notification. */
export function adviceInWords({ kind, rule }: EventCode): string {
  return ADVICE[kind]?.(rule) ?? "";
}
