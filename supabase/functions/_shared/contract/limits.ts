/**
 * All rate limits for callers in one list. Functions take their figures from it, the panel and the launch gates take the
 * names of the settings, and a test holds the SQL and docs/architecture.md to it.
 *
 * The pace of our own sending is not in the list: the tables `senders` and `destinations` have it.
 *
 * @module
 */

/** A limit in force: `perSecond` on average, up to `burst` at once. */
export interface Limit {
  /** Name of the policy, shown to callers: a word such as "send". */
  readonly name: string;
  /** Takes that become available per second. Above 0; 0.5 is one every two seconds. */
  readonly perSecond: number;
  /** Takes that may come at once after a rest. At least 1. */
  readonly burst: number;
}

/**
 * Where takes are counted: in the database for all isolates (`take_rate`), in the call that does the work (`enqueue_outbound`),
 * or in each isolate's memory, for that isolate only.
 */
export type LimitEngine = "database" | "enqueue" | "isolate";

/** A limit with its built-in values. */
export interface LimitKind {
  /** See {@linkcode Limit}. */
  readonly name: string;
  /** What it limits, as a text for people. */
  readonly of: string;
  /** Takes per second by default. */
  readonly perSecond: number;
  /** The burst, as seconds of the rate: after a rest, the takes of this many seconds may come at once; at least one. */
  readonly burstSeconds: number;
  readonly engine: LimitEngine;
  /** The setting that changes it. @default {undefined} None. */
  readonly setting?: LimitSetting;
}

/** A setting that holds takes per second: a number above 0. */
export interface LimitSetting {
  readonly key: string;
  /** The highest allowed value. */
  readonly most: number;
}

/** All limits by name. */
export const LIMITS = {
  send: {
    name: "send",
    of: "Requests of one key to `wa-send`",
    perSecond: 80,
    burstSeconds: 2,
    engine: "enqueue",
    setting: { key: "wa_send.rate_per_second", most: 10_000 },
  },
  manageLinks: {
    name: "links",
    of: "Requests of one key or person that manage links",
    perSecond: 20,
    burstSeconds: 5,
    engine: "database",
    setting: { key: "deeplinks.rate_per_second", most: 10_000 },
  },
  visits: {
    name: "link_visit",
    of: "Visits of one link from one network",
    perSecond: 20,
    burstSeconds: 60,
    engine: "isolate",
    setting: { key: "deeplinks.visits_per_second", most: 10_000 },
  },
  unknownCodes: {
    name: "orphan",
    of: "Codes that no link has, tried from one network",
    perSecond: 0.2,
    burstSeconds: 100,
    engine: "isolate",
  },
  claims: {
    name: "link_claim",
    of: "Claims from one network",
    perSecond: 0.1,
    burstSeconds: 200,
    engine: "database",
  },
  passwords: {
    name: "link_password",
    of: "Guesses at the password of one link, of all whose network is not known",
    perSecond: 1 / 60,
    burstSeconds: 1200,
    engine: "database",
  },
  evaluations: {
    name: "evaluations",
    of: "Evaluations of flags by one key",
    perSecond: 20_000,
    burstSeconds: 1,
    engine: "isolate",
    setting: { key: "flags.rate_per_second", most: 1_000_000 },
  },
  destinationTests: {
    name: "destination_test",
    of: "Tests of destinations by one key or person",
    perSecond: 0.5,
    burstSeconds: 20,
    engine: "database",
  },
  invitations: {
    name: "invitation",
    of: "Invitations to the team by one key or person",
    perSecond: 1 / 60,
    burstSeconds: 1200,
    engine: "database",
  },
  threadTexts: {
    name: "thread_text",
    of: "Texts and reads of one person or key in masked threads",
    perSecond: 5,
    burstSeconds: 12,
    engine: "database",
  },
} as const satisfies Record<string, LimitKind>;

/** A limit that a setting changes. */
export type SettableLimit = LimitKind & { readonly setting: LimitSetting };

/** All limits that a setting changes. */
export const SETTABLE_LIMITS: readonly SettableLimit[] = Object.values<LimitKind>(LIMITS)
  .filter((limit): limit is SettableLimit => limit.setting !== undefined);

/**
 * The limit that results from a setting's value.
 *
 * Failure policy: a value that is not a number, not above 0 or too high is ignored, and the built-in limit applies.
 * {@linkcode misreadLimits} reports it.
 *
 * @param value The setting's value; undefined if there is no such row.
 */
export function limitOf(kind: LimitKind, value?: string): Limit {
  const set = Number(value);
  const perSecond = kind.setting !== undefined && isRate(kind.setting, set) ? set : kind.perSecond;
  return { name: kind.name, perSecond, burst: Math.max(1, Math.ceil(perSecond * kind.burstSeconds)) };
}

/** Settings of limits whose value is ignored, with the values that are allowed. */
export function misreadLimits(
  settings: Iterable<{ readonly key: string; readonly value: string }>,
): { key: string; why: string }[] {
  return [...settings].flatMap(({ key, value }) => {
    const limit = SETTABLE_LIMITS.find(({ setting }) => setting.key === key);
    if (limit === undefined || isRate(limit.setting, Number(value))) return [];
    return [{
      key,
      why:
        `must be a number above 0, at most ${limit.setting.most}; until then ${limit.perSecond} a second holds`,
    }];
  });
}

function isRate({ most }: LimitSetting, perSecond: number): boolean {
  return perSecond > 0 && perSecond <= most;
}
