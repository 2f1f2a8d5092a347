/**
 * How an installation does: figures, health, what waits, and the proof that nothing was lost.
 *
 * @module
 */
import { z } from "zod";
import { activity } from "../http/operation.ts";
import { HEALTH_COMPONENTS, HEALTH_STATES, ROLLOUT_STATES } from "../states.ts";
import { openIncident } from "./incidents.ts";
import { at, count, destinationState, figures, id, rate } from "./common.ts";
import { killSwitches, signalsSeen } from "./signals.ts";

/** One part, in codes that words/health.ts puts into words. Further members are figures that are shown as they are. */
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
  /** Conversations; those that a flag holds among them. */
  unrouted: queue.extend({ held: count }),
  deliveries: queue,
  outbound: queue,
});

/** What was changed, in codes that words/changes.ts puts into words. */
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

const overview = z.strictObject({
  at,
  health: z.array(part),
  per_minute: z.array(z.strictObject({ minute: at, in: count, out: count })),
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
  /** Those that are open. */
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
/** Whether things are well, over the last minutes. */
export type Overview = z.infer<typeof overview>;

/** One queue in which something waits, in codes that words/waiting.ts puts into words. */
const waiting = z.strictObject({
  /** router: conversations; destination: deliveries to the one called `name`; number: messages from the one of that id. */
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
  /** When it goes on, for circuit_open, retry, held and paced. */
  at: at.nullable(),
  /** As it is written in the database, for rate. */
  per_second: z.string().nullable(),
  /** The one that is off, for flag_off. */
  flag: z.string().nullable(),
  /** The provider's, for held. */
  code: z.string().nullable(),
});
export type WaitingQueue = z.infer<typeof waiting>;

const diagnostics = z.strictObject({ ...activity.shape, waiting: z.array(waiting) });
/** What is going on, over the last hour. */
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
/** What waits, and what was counted. */
export type Status = z.infer<typeof status>;

const reconciliation = z.strictObject({
  ok: z.boolean(),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), expected: z.int(), found: z.int() })),
  updates: z.record(z.enum(["received", "stored", "duplicates", "purged"]), z.int()),
  messages: z.record(z.enum(["inbound", "decided", "waiting", "unmatched"]), z.int()),
  deliveries: z.record(z.enum(["total", "pending", "leased", "delivered", "dead"]), z.int()),
});
/** Whether everything that came is accounted for. */
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
  /** When the clock's job of every minute last ran, in seconds since 1970; null when never. */
  clock_at: z.number().nullable(),
  health: z.array(part),
  queue: queues,
  overdue_seconds: z.number(),
  /** Whom a fault of the account keeps from sending. */
  held: z.array(z.strictObject({ channel: z.string(), sender: z.string(), code: z.string() })),
  destinations: z.array(z.strictObject({
    name: z.string(),
    state: destinationState,
    open: count,
    oldest_seconds: z.number(),
    dead: count,
  })),
  /** Of each severity, from the worst. */
  incidents: z.array(
    z.strictObject({ severity: z.string(), open: count, unacknowledged_seconds: z.number() }),
  ),
  /** Links whose password somebody is guessing at. */
  links_guessed: count,
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
    /** In seconds since 1970; null while it is under way. */
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
/** All that the function metrics prints. */
export type MetricsSnapshot = z.infer<typeof metrics>;

/** A transaction that holds a lock. */
const lockHolder = z.strictObject({
  pid: count,
  role: z.string().nullable(),
  state: z.string().nullable(),
  /** Since its beginning; null where that may not be known. */
  seconds: count.nullable(),
  /** The beginning of its statement, without values. */
  statement: z.string().nullable(),
});
export type LockHolder = z.infer<typeof lockHolder>;

/** Of Gatelink's own migrations; others in the project are not counted. */
const schema = z.strictObject({
  /** The newest migration applied; null where nobody keeps a record. */
  has: z.string().nullable(),
  /** Each migration applied; null where nobody keeps a record. */
  applied: z.array(z.string()).nullable(),
  /** The newest that code for an earlier one must not run on; null where there is none. */
  breaks: z.string().nullable(),
});

/** By function. */
export const OPERATIONS = {
  overview,
  diagnostics,
  status,
  reconcile: reconciliation,
  metrics,
  health: schema.extend({ at, revision: count, queue: queues, components: z.array(part) }),
  /** With the clock, both halves of it, and whom we write as. */
  schema_state: schema.extend({ clock: part, senders: part }),
  take_rate: rate,
  who_blocks: z.array(lockHolder),
} as const;
