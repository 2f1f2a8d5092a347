import { assertEquals } from "../../../tests/support/assert.ts";
import { type Component, judge, type Seen, worst } from "./components.ts";

const NEEDS = "20261129002625";
const BEFORE = "20261129002400";

const SEEN: Seen = {
  found: {
    at: "2026-11-22T03:00:00Z",
    has: NEEDS,
    applied: [BEFORE, NEEDS],
    breaks: null,
    revision: 7,
    queue: {
      unrouted: { n: 1, held: 0, oldest_seconds: 2 },
      deliveries: { n: 0, oldest_seconds: null },
      outbound: { n: 0, oldest_seconds: null },
    },
    components:
      (["database", "queue", "clock", "graph", "senders", "functions", "config", "storage", "guard"] as const)
        .map((
          component,
        ) => ({
          component,
          status: "healthy",
          why: "fine",
        })),
  },
  latencyMs: 3.4,
  needs: [BEFORE, NEEDS],
  cacheMs: 800,
  faults: [],
  switches: {},
};

const found = (change: Partial<NonNullable<Seen["found"]>>): Partial<Seen> => ({
  found: { ...SEEN.found!, ...change },
});

const CASES: [string, Partial<Seen>, string, Component["status"], string][] = [
  ["answering at once", {}, "database", "healthy", "fine"],
  ["slow", { latencyMs: 501 }, "database", "degraded", "took 501 ms to answer"],
  ["away", { found: undefined }, "database", "down", "does not answer"],
  [
    "without migrations",
    found({ has: null, applied: [] }),
    "database",
    "down",
    `at migration null, but this version needs ${NEEDS}; not on record: ${BEFORE}, ${NEEDS}`,
  ],
  [
    "without one between",
    found({ applied: [NEEDS] }),
    "database",
    "down",
    `at migration ${NEEDS}, but this version needs ${NEEDS}; not on record: ${BEFORE}`,
  ],
  [
    "that breaks older code",
    found({ has: "20991231235959", applied: [BEFORE, NEEDS, "20991231000000"], breaks: "20991231000000" }),
    "database",
    "down",
    `migration 20991231000000 breaks this version, which was written for ${NEEDS}`,
  ],
  ["that broke what came before this code", found({ breaks: NEEDS }), "database", "healthy", "fine"],
  [
    "ahead of the code",
    found({ has: "20991231235959", applied: [BEFORE, NEEDS, "20991231235959"] }),
    "database",
    "healthy",
    "fine",
  ],
  ["without a record of migrations", found({ has: null, applied: null }), "database", "healthy", "fine"],
  ["away", { found: undefined }, "queue", "degraded", "unknown while the database does not answer"],
  [
    "with a variable missing",
    { faults: [{ variable: "WHATSAPP_ACCESS_TOKEN", fault: "it is not set", purpose: "send" }] },
    "config",
    "degraded",
    "WHATSAPP_ACCESS_TOKEN: it is not set",
  ],
  [
    "with a setting that is not used",
    { misread: [{ key: "wa_send.rate_per_second", why: "must be a number" }] },
    "config",
    "degraded",
    "the setting wa_send.rate_per_second must be a number",
  ],
  [
    "with a route that cannot be used",
    { unusable: [{ name: "office", why: 'from: is not a time like "09:00"' }] },
    "config",
    "degraded",
    'the route office is invalid: from: is not a time like "09:00"',
  ],
  [
    "with a kill switch thrown",
    { switches: { WA_SEND_ENABLED: false, WA_ROUTER_ENABLED: true } },
    "config",
    "degraded",
    "switched off by WA_SEND_ENABLED",
  ],
  ["kept for 5 s", { cacheMs: 5000 }, "settings_cache", "healthy", "as fresh as it should be"],
  [
    "kept for longer",
    { cacheMs: 65_000.4 },
    "settings_cache",
    "degraded",
    "the last known configuration is used, 65000 ms old, and no change is seen",
  ],
  [
    "kept for longer because of something",
    { cacheMs: 6000, configError: "load_config failed with 42501" },
    "settings_cache",
    "degraded",
    "the last known configuration is used, 6000 ms old, and no change is seen: load_config failed with 42501",
  ],
  [
    "empty",
    { cacheMs: undefined },
    "settings_cache",
    "down",
    "holds no configuration, so every flag is off and links lead nowhere",
  ],
  [
    "with a segment that cannot be read",
    { unreadable: [{ kind: "segment", item: "beta", faults: ["0: expected string"] }] },
    "config",
    "degraded",
    "the segment beta cannot be read and is left out (0: expected string): take its members out and add them anew",
  ],
];

for (const [label, change, component, status, why] of CASES) {
  Deno.test(`judge(): ${component} ${label} -> ${status}`, () => {
    const part = judge({ ...SEEN, ...change }).find((each) => each.component === component)!;
    assertEquals([part.status, part.why], [status, why]);
  });
}

Deno.test("judge(): reports every component with its figures, whatever is unavailable", () => {
  const names = (seen: Seen) => judge(seen).map(({ component }) => component);
  assertEquals(names(SEEN), [
    "database",
    "queue",
    "clock",
    "graph",
    "senders",
    "functions",
    "config",
    "storage",
    "guard",
    "settings_cache",
  ]);
  assertEquals(names({ ...SEEN, found: undefined }), names(SEEN));
  const [database, queue] = judge(SEEN);
  assertEquals([
    database.latency_ms,
    database.needs,
    database.has,
    database.missing,
    database.breaks,
    queue.unrouted,
  ], [
    3,
    NEEDS,
    NEEDS,
    [],
    null,
    { n: 1, held: 0, oldest_seconds: 2 },
  ]);
});

Deno.test("worst(): down over degraded over healthy", () => {
  assertEquals(worst([]), "healthy");
  assertEquals(worst(["healthy", "degraded", "healthy"]), "degraded");
  assertEquals(worst(["down", "degraded", "healthy"]), "down");
});
