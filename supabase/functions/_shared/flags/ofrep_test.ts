import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { aLittleWrong } from "../../../../tests/support/a_little_wrong.ts";
import { holds } from "../../../../tests/support/property.ts";
import { evaluation, flagFailure, flagValue } from "../contract/http/flags.ts";
import { prepareFlags, type Setting } from "./evaluate.ts";
import { answer, prepareRemote, readContext } from "./ofrep.ts";

Deno.test("readContext(): accepts exactly the bodies that the contract describes", () => {
  const bodies = [{}, { context: {} }, {
    context: { targetingKey: "user-17", sig: "0f", plan: { name: "free" } },
  }];
  holds(fc.property(fc.oneof(aLittleWrong(bodies.slice(1)), fc.jsonValue()), (body) => {
    assertEquals(readContext(body).ok, evaluation.safeParse(body).success, JSON.stringify(body));
  }));
  assertEquals(bodies.map((body) => readContext(body).ok), [true, true, true]);
});

Deno.test("answer(): a value or a failure as in the contract, whatever a flag's row contains", () => {
  const metadata = fc.record({
    type: fc.constantFrom("string", "number", "object", "boolean", 7),
    rollout_percentage: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constant("half")),
    target_user_ids: fc.array(fc.constantFrom("u1", "u2")),
    target_segments: fc.array(fc.constantFrom("beta", "staff")),
    prerequisites: fc.array(fc.constantFrom("other.enabled", "gone.enabled")),
    description: fc.string(),
    launched_at: fc.constantFrom(null, "2026-11-21T10:00:00Z"),
  }, { requiredKeys: [] });
  const value = fc.constantFrom("true", "false", "many", "12", "[1]", '{"a":1}', "null");
  holds(fc.property(value, metadata, fc.constantFrom("", "u1", "u3"), (value, metadata, id) => {
    const settings: Setting[] = [
      { key: "a.enabled", value, metadata, version: 3 },
      { key: "other.enabled", value: "true", metadata: {}, version: 1 },
    ];
    const remote = prepareRemote(settings), flags = prepareFlags(settings);
    const given = answer(remote, flags, "a.enabled", id, { killed: () => false, metadata: true });
    // As it is sent.
    const sent = JSON.parse(JSON.stringify(given));
    const schema = given.errorCode === undefined ? flagValue : flagFailure;
    assertEquals(schema.safeParse(sent).error, undefined, JSON.stringify(sent));
  }));
});
