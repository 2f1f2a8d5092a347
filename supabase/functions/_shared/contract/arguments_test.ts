/** Wrong JSON arguments do not compile: `deno task check` fails if one of the expected errors is absent. */
import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Args } from "./sql.ts";

Deno.test("Args: declared JSON arguments accept their shape, and no other", () => {
  const route = { p_destinations: ["crm"], p_condition: { type: "any" } } as const;
  const taken: [
    Args<"create_rollout">["p_plan"],
    Args<"set_flag">["p_changes"],
    Args<"add_route">["p_condition"],
  ] = [{ template: "standard" }, { percentage: 50, on_at: null }, route.p_condition];
  assertEquals(taken.length, 3);
  const refused: unknown[] = [
    // @ts-expect-error a plan has stages or a template
    { name: "ours" } satisfies Args<"create_rollout">["p_plan"],
    // @ts-expect-error a percentage is a number
    { percentage: "50" } satisfies Args<"set_flag">["p_changes"],
    // @ts-expect-error `set_flag` has no such change
    { target_user_ids: ["a"] } satisfies Args<"set_flag">["p_changes"],
    // @ts-expect-error no condition has this type
    { type: "moon" } satisfies Args<"add_route">["p_condition"],
    // @ts-expect-error a link that is created has the hash of its request
    [{ default_url: "https://example.com/" }] satisfies Args<"create_links">["p_links"],
    // @ts-expect-error a failure holds, steps aside or pauses
    { failure_policy: { 404: "drop" } } satisfies Args<"set_destination">["p_changes"],
  ];
  assertEquals(refused.length, 6);
});
