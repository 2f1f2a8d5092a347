/** The panel's routes: a message tried is decided as the router decides it. */
import { assertEquals } from "../support/assert.ts";
import { decisionOf, segmentsOf } from "../../admin/src/pages/routes/try_message.ts";

Deno.test("decisionOf(): a flag that targets a segment is on for its members alone", async () => {
  const beta = {
    id: "r1",
    name: "beta",
    priority: 1,
    condition: { type: "any" as const },
    mode: "first" as const,
    flag_key: "beta.enabled",
    sticky_minutes: null,
    active: true,
    channels: ["whatsapp"],
    version: 1,
    updated_at: "2026-03-02T10:00:00Z",
    updated_by: "a test",
    destinations: ["crm"],
  };
  const metadata = { rollout_percentage: 0, target_segments: ["beta"] };
  const decided = (id: string, memberships: { segment_key: string }[]) =>
    decisionOf({
      routes: [beta],
      destinations: [{ id: "d1", name: "crm", state: "active", circuit_trips: 0 }],
      settings: [{ key: "beta.enabled", value: "true", metadata, version: 1 }],
      segments: segmentsOf(id, memberships),
      message: { channel: "whatsapp", type: "text", text: "hello", number_id: "", contact: { id } },
      now: new Date("2026-03-02T10:00:00Z"),
    });
  const member = await decided("c1", [{ segment_key: "beta" }]);
  assertEquals([member.routeId, member.destinationIds], ["r1", ["d1"]]);
  const other = await decided("c2", [{ segment_key: "team" }]);
  assertEquals([other.routeId, other.explanation[0].why], [null, "flag off: beta.enabled"]);
});
