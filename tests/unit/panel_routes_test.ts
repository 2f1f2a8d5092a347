/** The panel's routes: conditions survive their editor, and a message tried is decided as the router decides it. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import {
  choicesOf,
  conditionOf,
  type Draft,
  draftOf,
  fresh,
} from "../../admin/src/pages/routes/condition_draft.ts";
import { decisionOf, segmentsOf } from "../../admin/src/pages/routes/try_message.ts";
import {
  type Condition,
  CONDITION_TYPES,
} from "../../supabase/functions/_shared/contract/routing/condition.ts";
import { conditions } from "../support/conditions.ts";
import { holds } from "../support/property.ts";

/** A condition and those inside. */
function all(condition: Condition): Condition[] {
  const { of } = condition as { of?: Condition | Condition[] };
  return [condition, ...[of ?? []].flat().flatMap(all)];
}

Deno.test("draftOf(), conditionOf(): opening and saving any condition does not change it", () => {
  holds(fc.property(conditions, (condition) => {
    for (const part of all(condition)) assertEquals(conditionOf(draftOf(part)), part);
  }));
});

Deno.test("conditionOf(): a cleared field sets no condition, and each choice is kept", () => {
  const referral = { type: "referral", source_id: "", source_type: "ad" } as const;
  const drafts: [Draft, Condition][] = [
    [{ ...referral, ctwa: "either" }, { type: "referral", source_type: "ad" }],
    [{ ...referral, ctwa: "with" }, { type: "referral", source_type: "ad", ctwa: true }],
    [{ ...referral, ctwa: "without" }, { type: "referral", source_type: "ad", ctwa: false }],
    [{ type: "link", codes: [], tags: ["a"], campaigns: [] }, { type: "link", tags: ["a"] }],
    [
      { type: "email", kinds: [], identities: [], subjects: ["a"], verified: "without" },
      { type: "email", subjects: ["a"], verified: false },
    ],
    [{ type: "email", kinds: [], identities: [], subjects: [], verified: "either" }, { type: "email" }],
    [{ type: "address", domains: [], scopes: ["eu"], types: [] }, { type: "address", scopes: ["eu"] }],
    [{ type: "link_token", present: false }, { type: "link_token", present: false }],
  ];
  for (const [draft, condition] of drafts) assertEquals(conditionOf(draft), condition);
});

Deno.test("choicesOf(): offers and shows every condition type of the router", () => {
  for (const type of CONDITION_TYPES) {
    assertEquals(fresh(type).type, type);
    for (const nested of [false, true]) {
      assert(choicesOf({ type, nested }).some(({ value }) => value === type), `${type}, nested: ${nested}`);
    }
  }
  assertEquals(choicesOf({ type: "any", nested: true }).some(({ value }) => value === "default"), false);
});

Deno.test("decisionOf(): a flag that targets a segment is on for its members only", async () => {
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
