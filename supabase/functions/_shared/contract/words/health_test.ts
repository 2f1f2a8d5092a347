import { assertEquals } from "../../../../../tests/support/assert.ts";
import type { HealthPart } from "../answers/operations.ts";
import { healthInWords, troublesInWords } from "./health.ts";

// A newer database may name components that this version does not know.
const CASES: [component: string, because: string, HealthPart["figures"], why: string][] = [
  ["database", "connections", { used: 7, most: 100 }, "responding; 7 of 100 connections in use"],
  ["queue", "overdue", { seconds: 75 }, "something has been due for 75 s and is not processed"],
  [
    "queue",
    "stopped",
    {
      destinations: [{ name: "crm", state: "paused" }, { name: "erp", state: "circuit_open" }, {
        name: "shop",
        state: "failing",
        n: 3,
      }],
    },
    "crm is paused, erp keeps failing: its circuit is open, shop failed 3 times in a row",
  ],
  [
    "queue",
    "stopped",
    {
      destinations: [
        { name: "a", state: "paused", error: "status 410" },
        { name: "b", state: "failing", n: 3, error: "redirect 302" },
        { name: "c", state: "failing", n: 4 },
        { name: "d", state: "gave_up", n: 1 },
        { name: "e", state: "replies", n: 2, error: "too_many" },
        { name: "f", state: "replies", n: 1, error: "later" },
        { name: "g", state: "later" },
      ],
    },
    "a is paused because it answered: status 410, b failed 3 times in a row: redirect 302, c failed 4 times in a row, d had 1 delivery given up within the last hour: see the dead letters, e had replies in 2 answers of the last hour that could not be used: there are more than 10, f had replies in 1 answer of the last hour that could not be used: later, g later",
  ],
  ["queue", "taken", {}, "nothing is overdue"],
  ["clock", "ran", { seconds: 40 }, "last ran 40 s ago"],
  ["clock", "starting", { seconds: 120 }, "starting: installed 120 s ago"],
  ["clock", "never", { seconds: 200 }, "has never run"],
  [
    "clock",
    "unheard",
    { http_seconds: 75, fault: null },
    "its calls do not arrive: none to wa-router for 75 s",
  ],
  [
    "clock",
    "unheard",
    { http_seconds: 75, fault: "not_sent" },
    "its calls do not arrive: none to wa-router for 75 s; pg_net sends nothing; select net.worker_restart() restarts it",
  ],
  [
    "clock",
    "unheard",
    { http_seconds: 75, fault: "status 401" },
    "its calls do not arrive: none to wa-router for 75 s; wa-router answers 401: the Vault's gatelink_secret_key is revoked or another project's",
  ],
  [
    "clock",
    "unheard",
    { http_seconds: 75, fault: "status 500" },
    "its calls do not arrive: none to wa-router for 75 s; wa-router answers 500",
  ],
  [
    "graph",
    "calls",
    { failed: 1, calls: 9, success_seconds: 3600 },
    "1 of 9 calls failed in 15 minutes; last success 3600 s ago",
  ],
  [
    "graph",
    "calls",
    { failed: 0, calls: 0, success_seconds: null },
    "0 of 0 calls failed in 15 minutes; last success not known",
  ],
  [
    "functions",
    "failing",
    {
      functions: [
        { name: "deeplinks", failed: 3, requests: 12 },
        { name: "wa-send", failed: 7, requests: 2000 },
        { name: "flags", failed: 3, requests: 3 },
      ],
    },
    "failed in 10 minutes: deeplinks 3 of 12 requests (25 %), wa-send 7 of 2000 requests (0.4 %), flags 3 of 3 requests (100 %)",
  ],
  ["functions", "answering", { requests: 609 }, "0 of 609 requests failed in 10 minutes"],
  [
    "config",
    "faults",
    { faults: ["no_route", "router_off", "send_off"] },
    "no active route leads to an active destination, wa_router.enabled is off: messages are stored and wait, wa_send.enabled is off: nothing is sent",
  ],
  ["config", "revision", { revision: 7 }, "revision 7"],
  ["moon", "eclipse", {}, "eclipse"],
];
const POOL: [because: string, figures: HealthPart["figures"], why: string][] = [
  [
    "warning",
    { numbers: 10, closed: 8, draining: 2, days_left: 1 },
    "8 of 10 numbers are closed to one person, 2 drain; at this growth all are in 1 day",
  ],
  [
    "warning",
    { numbers: 10, closed: 9, draining: 0, days_left: null },
    "9 of 10 numbers are closed to one person",
  ],
  [
    "exhausted",
    { numbers: 0, closed: 0, draining: 1, days_left: 0 },
    "there is no number to lend, 1 drain: new threads go to the front desk, with the owner in between",
  ],
];
for (const [because, figures, why] of POOL) {
  Deno.test(`healthInWords(): a pool of numbers: ${why}`, () =>
    assertEquals(healthInWords([{ component: "pool", status: "degraded", because, figures }])[0].why, why));
}

for (const [component, because, figures, why] of CASES) {
  Deno.test(`healthInWords(): ${component}, ${why}`, () => {
    assertEquals(
      healthInWords([{
        component: component as HealthPart["component"],
        status: "degraded",
        because,
        figures,
      }]),
      [
        { component: component as HealthPart["component"], status: "degraded", why },
      ],
    );
  });
}

Deno.test("healthInWords(): keeps the other members of a component", () => {
  const figures = { failed: 0, calls: 1, success_seconds: 5 };
  const last_success = "2026-11-29T10:00:00Z";
  const [part] = healthInWords([{
    component: "graph",
    status: "healthy",
    because: "calls",
    figures,
    last_success,
  }]);
  assertEquals(part, {
    component: "graph",
    status: "healthy",
    why: "0 of 1 calls failed in 15 minutes; last success 5 s ago",
    last_success,
  });
});

Deno.test("troublesInWords(): one entry per destination, the worst component first, with the number waiting", () => {
  const parts: HealthPart[] = [
    {
      component: "queue",
      status: "degraded",
      because: "stopped",
      figures: {
        destinations: [
          { name: "orders", state: "failing", n: 3, error: "status 500", waiting: 13 },
          { name: "crm", state: "paused", waiting: 1 },
          { name: "chat", state: "gave_up", n: 2 },
        ],
      },
    },
    { component: "clock", status: "healthy", because: "ran", figures: { seconds: 3 } },
    { component: "config", status: "down", because: "faults", figures: { faults: ["no_route"] } },
  ];
  assertEquals(troublesInWords(parts), [
    { component: "config", status: "down", why: "no active route leads to an active destination" },
    {
      component: "queue",
      status: "degraded",
      destination: "orders",
      why: "orders failed 3 times in a row: status 500; 13 messages wait",
    },
    { component: "queue", status: "degraded", destination: "crm", why: "crm is paused; 1 message waits" },
    {
      component: "queue",
      status: "degraded",
      destination: "chat",
      why: "chat had 2 deliveries given up within the last hour: see the dead letters",
    },
  ]);
  assertEquals(troublesInWords([{ component: "clock", status: "healthy", because: "ran", figures: {} }]), []);
});

Deno.test("troublesInWords(): overdue work and the destination it waits for do not hide each other", () => {
  const figures = {
    seconds: 700,
    destinations: [{ name: "orders", state: "circuit_open", waiting: 10_000 }],
  };
  const parts: HealthPart[] = [{ component: "queue", status: "down", because: "overdue", figures }];
  const words = [
    "something has been due for 700 s and is not processed",
    "orders keeps failing: its circuit is open; 10,000 or more messages wait",
  ];
  assertEquals(troublesInWords(parts).map(({ why }) => why), words);
  assertEquals(healthInWords(parts)[0].why, words.join(", "));
});
