/**
 * The state of an installation: figures, health, queues, and the proof that nothing was lost.
 *
 * @module
 */
import { z } from "zod";
import { activity } from "../http/operation.ts";
import { HEALTH_COMPONENTS, HEALTH_STATES, ROLLOUT_STATES } from "../states.ts";
import { openIncident } from "./incidents.ts";
import { at, count, destinationState, figures, id, rate } from "./common.ts";
import { killSwitches, signalsSeen } from "./signals.ts";

/** One component, with a code for which `words/health.ts` has the sentence. Further members are figures. */
const part = z.object({
  component: z.enum(HEALTH_COMPONENTS).exclude(["settings_cache"]),
  status: z.enum(HEALTH_STATES),
  because: z.string(),
  figures,
}).catchall(z.unknown());
export type HealthPart = z.infer<typeof part>;

const age = z.number().nullable();
const queue = z.strictObject({ n: count, oldest_seconds: age });
const queues = z.strictObject({
  /** Conversations, including those that a flag holds back. */
  unrouted: queue.extend({ held: count }),
  deliveries: queue,
  outbound: queue,
});

/** A change, with a code for which `words/changes.ts` has the sentence. */
const change = z.strictObject({
  at,
  kind: z.string(),
  name: z.string(),
  change: z.string(),
  figures,
  who: z.string(),
  why: z.string().nullable(),
});
export type Change = z.infer<typeof change>;

const minutes = z.array(z.strictObject({ minute: at, in: count, out: count }));

const overview = z.strictObject({
  at,
  health: z.array(part),
  per_minute: minutes,
  functions: z.array(z.strictObject({
    name: z.string(),
    requests: count,
    errors: count,
    p50_ms: z.number().nullable(),
    p95_ms: z.number().nullable(),
    p99_ms: z.number().nullable(),
  })),
  queue: queues,
  dead_letters: count,
  /** Open incidents. */
  incidents: z.array(openIncident),
  rollouts: z.array(z.strictObject({
    id,
    flag_key: z.string(),
    state: z.enum(["running", "paused"]),
    stage: count,
    stage_name: z.string().nullable(),
    /** Why it stays at its stage. */
    hold_reason: z.string().nullable(),
    /** Since when its kill switch is set, as the functions say; null where it is not. */
    killed_since: at.nullable(),
    percentage: z.number().nullable(),
  })),
  changes: z.array(change),
});
/** The health of the installation over the last minutes. */
export type Overview = z.infer<typeof overview>;

/** A queue with waiting items, with a code for which `words/waiting.ts` has the sentence. */
const waiting = z.strictObject({
  /** router: conversations; destination: deliveries to the destination `name`; number: messages from the number with the id `name`. */
  queue: z.enum(["router", "destination", "number"]),
  /** Null for the router, which has one queue. */
  name: z.string().nullable(),
  n: count,
  oldest_seconds: age,
  because: z.enum([
    "flag_off",
    "not_reached",
    "paused",
    "circuit_open",
    "retry",
    "rate",
    "due",
    "held",
    "number_paced",
    "paced",
  ]),
  /** When the queue moves again, for circuit_open, retry, held and paced. */
  at: at.nullable(),
  /** The limit as stored in the database, for rate. */
  per_second: z.string().nullable(),
  /** The flag that is off, for flag_off. */
  flag: z.string().nullable(),
  /** The provider's error code, for held. */
  code: z.string().nullable(),
});
export type WaitingQueue = z.infer<typeof waiting>;

const diagnostics = z.strictObject({ ...activity.shape, waiting: z.array(waiting) });
/** The overview of the last hour. */
export type Diagnostics = z.infer<typeof diagnostics>;

const status = z.strictObject({
  revision: count,
  unrouted: z.strictObject({ conversations: count, held_by_flag: count, oldest_seconds: age }),
  destinations: z.array(z.strictObject({
    name: z.string(),
    url: z.string(),
    state: destinationState,
    circuit_open_until: at.nullable(),
    open: count,
    oldest_seconds: age,
    dead: count,
  })),
  outbound: z.strictObject({ open: count, oldest_seconds: age }),
  kill_switches: killSwitches,
  /** Those under way. */
  rollouts: z.array(z.strictObject({
    flag_key: z.string(),
    state: z.enum(["running", "paused"]),
    stage: z.string(),
    hold_reason: z.string().nullable(),
    killed_since: at.nullable(),
    signals: signalsSeen,
  })),
  counters: z.array(z.strictObject({ name: z.string(), label: z.string(), value: count })),
});
/** Queues and recent figures. */
export type Status = z.infer<typeof status>;

const reconciliation = z.strictObject({
  ok: z.boolean(),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), expected: z.int(), found: z.int() })),
  updates: z.record(z.enum(["received", "stored", "duplicates", "purged"]), z.int()),
  messages: z.record(z.enum(["inbound", "decided", "waiting", "unmatched"]), z.int()),
  deliveries: z.record(z.enum(["total", "pending", "leased", "delivered", "dead"]), z.int()),
});
/** Whether every incoming update is accounted for. */
export type Reconciliation = z.infer<typeof reconciliation>;

const metrics = z.strictObject({
  revision: count,
  counters: z.array(z.strictObject({ name: z.string(), label: z.string(), value: count })),
  measurements: z.array(z.strictObject({
    name: z.string(),
    label: z.string(),
    n: count,
    ms: z.number(),
    counts: z.array(count),
  })),
  /** When the clock's minute job last ran, in seconds since 1970; null if never. */
  clock_at: z.number().nullable(),
  health: z.array(part),
  queue: queues,
  overdue_seconds: z.number(),
  /** Senders that cannot send because of a fault of their account. */
  held: z.array(z.strictObject({ channel: z.string(), sender: z.string(), code: z.string() })),
  destinations: z.array(z.strictObject({
    name: z.string(),
    state: destinationState,
    open: count,
    oldest_seconds: z.number(),
    dead: count,
  })),
  /** Counts by severity, the most severe first. */
  incidents: z.array(
    z.strictObject({ severity: z.string(), open: count, unacknowledged_seconds: z.number() }),
  ),
  /** Links with many failed password attempts. */
  links_guessed: count,
  /** Pools of numbers of organisations, as the clock last saw them. */
  pools: z.array(z.strictObject({ org: id, numbers: count, draining: count, needed: count, closed: count })),
  /** How right people found analyses of mails, by source; only sources with samples. */
  ai_accuracy: z.array(z.strictObject({ source: z.string(), ratio: z.number() })),
  /** Chats and people of the team who use cards, within 30 days. */
  chats: z.strictObject({ reached: count, active: count, linked: count, acting: count }),
  /** Business metrics since the beginning. */
  business: z.array(z.strictObject({ name: z.string(), n: count, value: z.number() })),
  flags: z.array(z.strictObject({ key: z.string(), on: z.boolean(), percentage: z.number().nullable() })),
  rollouts: z.array(z.strictObject({
    flag: z.string(),
    state: z.enum(ROLLOUT_STATES),
    stage: count,
    percentage: z.number(),
    hold_reason: z.string().nullable(),
    killed: z.boolean(),
    /** What people and business metrics say of its stage; null unless it is under way. */
    signals: z.strictObject({
      complaints: count,
      ratings: count,
      positive: count,
      metrics: z.array(z.strictObject({
        name: z.string(),
        on: count,
        off: count,
        per_day: z.number(),
        /** Evidence of a fall, in millionths; null where nothing is compared. */
        s: count.nullable(),
      })),
    }).nullable(),
    /** When it ended, in seconds since 1970; null while it is in progress. */
    finished_at: z.number().nullable(),
    /** S of each test of the guard, in millionths; null unless it is in progress. */
    s: z.strictObject({
      errors: count,
      errors_relative: count,
      slow: count,
      slow_relative: count,
      longer: count,
    }).nullable(),
    /** The guard's last recorded verdict; `at` in seconds since 1970. */
    verdict: z.strictObject({ verdict: z.string(), rule: z.string().nullable(), at: z.number() }).nullable(),
  })),
});
/** Everything that the function `metrics` prints. */
export type MetricsSnapshot = z.infer<typeof metrics>;

/** A transaction that holds a lock. */
const lockHolder = z.strictObject({
  pid: count,
  role: z.string().nullable(),
  state: z.string().nullable(),
  /** Seconds since it began; null if the database does not permit to read that. */
  seconds: count.nullable(),
  /** The first part of its statement, without values. */
  statement: z.string().nullable(),
});
export type LockHolder = z.infer<typeof lockHolder>;

/** Gatelink's own migrations; other migrations of the project are not counted. */
const schema = z.strictObject({
  /** The newest migration applied; null if there is no record. */
  has: z.string().nullable(),
  /** Each migration applied; null if there is no record. */
  applied: z.array(z.string()).nullable(),
  /** The newest breaking migration, on which older code must not run; null if there is none. */
  breaks: z.string().nullable(),
});

/** The answers by function name. */
export const OPERATIONS = {
  overview,
  traffic: minutes,
  diagnostics,
  status,
  reconcile: reconciliation,
  metrics,
  health: schema.extend({ at, revision: count, queue: queues, components: z.array(part) }),
  /** The health of the database's components, with both of the clock's jobs, and the senders. */
  schema_state: schema.extend({ clock: part, senders: part }),
  take_rate: rate,
  who_blocks: z.array(lockHolder),
} as const;
