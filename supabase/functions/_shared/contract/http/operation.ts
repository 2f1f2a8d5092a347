/**
 * The answers of `health` and `diagnostics`, and the event about a component's health.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "../answers/common.ts";
import { HEALTH_COMPONENTS, HEALTH_STATES, ROUTING_REASONS } from "../states.ts";

const time = z.iso.datetime({ offset: true });

/** State of a component. */
export const partStatus = z.enum(HEALTH_STATES)
  .describe("degraded: somebody should look; down: it does not work");

/** Kill switches that are set. */
export const killSwitches = z.record(z.string().regex(/_ENABLED$/), z.boolean())
  .describe("Each switch that is set; true lets its feature run");

/** Environment variables that are missing or malformed. */
export const configFaults = z.array(z.strictObject({
  variable: z.string(),
  fault: z.string(),
  purpose: z.string(),
})).describe("Missing or malformed variables");

/** Versions of the database's schema. */
export const schemaVersions = z.strictObject({
  needs: z.string().describe("The newest migration that this version needs"),
  has: z.string().nullable().describe("The newest migration applied; null if there is no record"),
  missing: z.array(z.string()).describe("Migrations that this version needs and that are not on record"),
  breaks: z.string().nullable().describe(
    "The newest migration that older versions are not compatible with; null if there is none",
  ),
}).describe("Gatelink's own migrations; others in the same project are not counted");

const installation = { version: z.string(), environment: z.string(), kill_switches: killSwitches };

/** The members of `health` that its problem repeats, as far as they are known. */
export const about = z.looseObject({
  ...installation,
  config: configFaults,
  database: schemaVersions,
}).partial();

/** A component without its figures. */
export const partBriefly = z.strictObject({ status: partStatus, why: z.string() });
/** See {@linkcode partBriefly}. */
export type PartBriefly = z.infer<typeof partBriefly>;

/** Whether the configuration can be read. */
export const configurationRead = z.strictObject({
  status: partStatus,
  code: z.enum(["config_unreadable", "config_stale", "config_item_unreadable"]).optional(),
  why: z.string(),
}).describe("Whether the functions can read the configuration; items are named by health/detailed only");
/** See {@linkcode configurationRead}. */
export type ConfigurationRead = z.infer<typeof configurationRead>;

/** The answer of `GET health`. */
export const health = z.strictObject({
  status: z.enum(["ok", "degraded"]),
  ...installation,
  config: configFaults,
  database: schemaVersions,
  configuration: configurationRead,
  clock: partBriefly.optional(),
  senders: partBriefly.optional(),
});
/** See {@linkcode health}. */
export type Health = z.infer<typeof health>;

/** Every component; further members are figures. */
export const parts = z.array(z.looseObject({
  component: z.enum(HEALTH_COMPONENTS),
  status: partStatus,
  why: z.string().describe("In words for people"),
})).min(1);

/** The answer of `GET health/detailed`. */
export const healthDetailed = z.strictObject({
  status: partStatus,
  at: time,
  ...installation,
  components: parts,
});
/** See {@linkcode healthDetailed}. */
export type HealthDetailed = z.infer<typeof healthDetailed>;

/** Which of two environments answers. */
const side = z.enum(["blue", "green"]).describe("Which of two environments answers");

/** The answer of `GET health/plain`. */
export const healthPlain = z.strictObject({ status: partStatus, environment: side });
/** See {@linkcode healthPlain}. */
export type HealthPlain = z.infer<typeof healthPlain>;

/** The answer of `GET health/plain/detailed`. */
export const healthPlainDetailed = z.strictObject({
  ...healthPlain.shape,
  components: z.record(z.string(), z.strictObject({ status: partStatus, why: z.string().optional() }))
    .describe("By name; redis is healthy because it is not used"),
});
/** See {@linkcode healthPlainDetailed}. */
export type HealthPlainDetailed = z.infer<typeof healthPlainDetailed>;

/** The answer of a running function to a request with the header `x-gatelink-state`, whose value is a flag's key. */
export const functionState = z.strictObject({
  function: z.string(),
  /** GATELINK_VERSION as this function sees it. */
  version: z.string(),
  kill_switches: killSwitches,
  /** Revision of the configuration in memory; null if there is none because the database is unavailable. */
  config_revision: z.int().nullable(),
  flag: z.strictObject({
    key: z.string(),
    /** Whether the environment turns it off. */
    killed: z.boolean(),
    /** Whether it is on for anybody; false for a flag that does not exist, null without a configuration. */
    on: z.boolean().nullable(),
  }),
});
/** See {@linkcode functionState}. */
export type FunctionState = z.infer<typeof functionState>;

const routeTraffic = z.strictObject({
  route: z.string().nullable().describe("null if none matched"),
  reason: z.enum(ROUTING_REASONS),
  n: count,
  last_at: at,
});
const destinationTraffic = z.strictObject({
  destination: z.string(),
  outcome: z.enum(["delivered", "retry", "dead"]),
  n: count,
  last_at: at,
});
const decision = z.strictObject({
  at,
  message_id: id,
  contact: z.string().nullable().describe("Last four digits"),
  route: z.string().nullable(),
  reason: z.enum(ROUTING_REASONS),
  destinations: z.array(z.string()),
  explanation: z.array(z.unknown()).describe("For each route, why it matched or not"),
  revision: count.describe("Revision of the configuration used"),
}).describe("The routing decision for a message");
const flagState = z.strictObject({
  key: z.string(),
  on: z.boolean(),
  percentage: z.number().nullable().describe("null for everybody"),
  targets: count.describe("The number of ids"),
  version: count,
  updated_at: at,
  updated_by: z.string(),
});
const recentError = z.strictObject({
  where: z.string().describe("A function, `Graph API`, or a destination"),
  code: z.string().describe("A status, Meta's code, or Gatelink's code and the status"),
  n: count,
  last_at: at,
});

/** The SQL function's answer that is passed on unchanged; the edge function puts the queues into words. */
export const activity = z.strictObject({
  at,
  since: at,
  routes: z.array(routeTraffic),
  destinations: z.array(destinationTraffic),
  decisions: z.array(decision).max(50),
  flags: z.array(flagState),
  errors: z.array(recentError),
});

const waiting = z.strictObject({
  what: z.string(),
  n: count,
  oldest_seconds: z.number().nullable(),
  why: z.string().describe("In words for people"),
});

/** The answer of `GET diagnostics`. */
export const diagnostics = z.strictObject({
  ...installation,
  ...activity.shape,
  waiting: z.array(waiting),
});
/** See {@linkcode diagnostics}. */
export type Diagnostics = z.infer<typeof diagnostics>;

/** The event for subscribers of failure notifications. */
export const healthEvent = z.strictObject({
  type: z.enum(["health.failing", "health.recovered"]),
  timestamp: time,
  data: z.strictObject({
    component: z.string(),
    status: partStatus,
    why: z.string(),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode healthEvent}. */
export type HealthEvent = z.infer<typeof healthEvent>;

/** What an endpoint gets when somebody of the team tests it. */
export const testEvent = z.strictObject({
  type: z.literal("test"),
  timestamp: time,
  data: z.strictObject({
    endpoint: z.string().describe("Its name"),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode testEvent}. */
export type TestEvent = z.infer<typeof testEvent>;

/** Schemas of this module that docs/openapi.yaml names. */
export const OPERATION = {
  About: about,
  ConfigFaults: configFaults,
  ConfigurationRead: configurationRead,
  Decision: decision,
  DestinationTraffic: destinationTraffic,
  Diagnostics: diagnostics,
  FlagState: flagState,
  Health: health,
  HealthDetailed: healthDetailed,
  HealthEvent: healthEvent,
  HealthPlain: healthPlain,
  HealthPlainDetailed: healthPlainDetailed,
  KillSwitches: killSwitches,
  PartBriefly: partBriefly,
  PartStatus: partStatus,
  Parts: parts,
  RecentError: recentError,
  RouteTraffic: routeTraffic,
  SchemaVersions: schemaVersions,
  TestEvent: testEvent,
  Waiting: waiting,
} as const;
