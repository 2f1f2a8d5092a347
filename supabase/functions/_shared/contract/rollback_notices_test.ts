import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { TEMPLATES } from "./incidents.ts";
import { fromBrackets, rollbackNotice, type RolledBack } from "./rollback_notices.ts";

const INCIDENT: RolledBack = {
  number: 7,
  kind: "error_rate",
  flag_key: "green.enabled",
  title: "Green fails",
  severity: "P0",
  status: "identified",
  component: null,
  opened_at: "2026-11-30T10:00:00Z",
  updates: [],
  rollback: null,
  rollout: null,
};
const NOW = new Date("2026-11-30T10:09:30Z");
const notice = (
  name: "emergency_rollback" | "planned_rollback",
  incident: Partial<RolledBack> = {},
  options: Partial<Parameters<typeof rollbackNotice>[3]> = {},
) =>
  rollbackNotice(name, TEMPLATES[name].text, { ...INCIDENT, ...incident }, {
    now: NOW,
    public: false,
    ...options,
  });

Deno.test("rollbackNotice(): the emergency one is filled from the incident", () => {
  const text = notice("emergency_rollback", {
    rollout: { state: "rolled_back", finished_at: "2026-11-30T10:04:10Z" },
  }, { system: "Mail tracking", commander: "Ada" });
  assertEquals(
    text,
    `🚨 EMERGENCY ROLLBACK - Mail tracking

Status: COMPLETED
Time: 2026-11-30 10:04 UTC
Impact: Service restored to previous stable version
Downtime: 5 minutes

Next Steps:
- Monitoring system stability
- Investigating root cause
- Will provide update in 1 hour

Team: Ada`,
  );
});

Deno.test("rollbackNotice(): nothing is called completed before a way back was taken", () => {
  const text = notice("emergency_rollback");
  assert(text.includes("Status: IN PROGRESS"), text);
  assert(text.includes("Downtime: 10 minutes so far"), text);
  assert(text.includes("EMERGENCY ROLLBACK - green\n"), text);
  assert(!text.includes("Team:"), "nobody is named");
  const said = notice("emergency_rollback", {}, { completedAt: "2026-11-30T10:01:00Z" });
  assert(said.includes("Status: COMPLETED") && said.includes("Downtime: 1 minute\n"), said);
});

Deno.test("rollbackNotice(): the planned one shows how far it is", () => {
  const text = notice("planned_rollback", {}, { reason: "slower than blue", minutes: 20, lead: "Grace" });
  assertEquals(
    text,
    `📢 PLANNED ROLLBACK - green

Status: IN PROGRESS
Reason: slower than blue
Expected Duration: 20 minutes
Impact: No expected service disruption

Progress:
✅ Phase 1: Traffic reduction started
⏳ Phase 2: Rollback in progress
⏸️ Phase 3: Verification pending

Team: Grace`,
  );
  const over = notice("planned_rollback", {}, { phase: 4 });
  assert(over.includes("Status: COMPLETED") && over.split("✅").length === 4, over);
});

Deno.test("rollbackNotice(): the public reads no names and no commands", () => {
  const own = "Team: {{incident_commander}}\n{{way_back}}\n{{title}}";
  const options = { now: NOW, public: true, commander: "Ada" };
  assertEquals(rollbackNotice("emergency_rollback", own, INCIDENT, options), "Green fails");
});

Deno.test("fromBrackets(): a plan's placeholders are those of templates; other brackets stay", () => {
  assertEquals(
    fromBrackets("Time: [TIMESTAMP], [X minutes], [INCIDENT_COMMANDER], [1], [toString], [text]"),
    "Time: {{timestamp}}, {{minutes}}, {{incident_commander}}, [1], [toString], [text]",
  );
});
