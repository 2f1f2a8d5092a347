import { assertEquals } from "../../../tests/support/assert.ts";
import { findingsOf, type OnCallState } from "./findings.ts";

const AT = "2026-11-30T12:00:00.000Z";
const ana = { name: "Ana", email: "ana@example.com", telegram_id: 1 };
const schedule = {
  name: "infra",
  source: "rota" as const,
  external_id: null,
  zone: "UTC",
  destination: "alerts",
  scopes: null,
  types: null,
  opens_incidents: false,
  owner: "ana@example.com",
  layers: [],
  overrides: [],
  shifts: [{ person: "Ana", from: AT, until: AT }],
};
const now = {
  schedule: "infra",
  source: "rota" as const,
  people: [ana],
  known: true,
  at: AT,
  is_stale: false,
  fault: null,
  until: null,
};
const well: OnCallState = {
  check: { routing_killed: false, schedules: [{ name: "infra", source: "rota", people: null, fault: null }] },
  schedules: [schedule],
  now: [now],
  isOn: true,
};
const levels = (state: Partial<OnCallState>) =>
  findingsOf({ ...well, ...state }).map(({ level, about, what }) => `${level} ${about}: ${what}`);
const OK = "ok routing: cards mention who is on call";

Deno.test("findingsOf(): all is well", () => {
  assertEquals(levels({}), [OK, "ok infra: somebody is on call"]);
});

Deno.test("findingsOf(): the switch, a gap, who is not linked, no chat, no owner, a provider that fails", () => {
  assertEquals(
    levels({ isOn: false })[0],
    "warning routing: dynamic_routing.enabled is off: cards mention nobody",
  );
  assertEquals(
    levels({ check: { ...well.check, routing_killed: true } })[0],
    "warning routing: DYNAMIC_ROUTING is false: cards mention nobody",
  );
  assertEquals(levels({ schedules: [], now: [] }), [OK, "warning schedules: there is none"]);
  assertEquals(levels({ now: [{ ...now, people: [] }] }), [OK, "problem infra: nobody is on call"]);
  assertEquals(levels({ now: [{ ...now, people: [{ ...ana, telegram_id: null }] }] }), [
    OK,
    "warning infra: Ana: on call, but not linked in Telegram",
  ]);
  assertEquals(
    levels({
      schedules: [{
        ...schedule,
        destination: null,
        owner: null,
        shifts: [{ person: null, from: AT, until: AT }],
      }],
    }),
    [
      OK,
      "ok infra: somebody is on call",
      "warning infra: a gap in the next two weeks",
      "warning infra: no chat: its cards mention nobody",
      "warning infra: nobody is told of gaps",
    ],
  );
  assertEquals(
    levels({
      schedules: [{ ...schedule, source: "pagerduty", external_id: "P1", shifts: [] }],
      check: {
        routing_killed: false,
        schedules: [{ name: "infra", source: "pagerduty", people: null, fault: "status 401" }],
      },
    }),
    [OK, "problem infra: pagerduty does not answer: status 401"],
  );
});
