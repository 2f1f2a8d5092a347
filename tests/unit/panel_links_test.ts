/** What the panel sends of a link that is changed: the difference, by which the function comes to what was written. */
import { assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import { bodyOf, cleaned, patchOf, valueAt, withValue } from "../../admin/src/pages/links/form/body.ts";
import type { Link, LinkBody } from "../../admin/src/pages/links/types.ts";
import { holds } from "../support/property.ts";

/** JSON Merge Patch, as RFC 7396 writes it. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const into: Record<string, unknown> =
    typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete into[name];
    else into[name] = merge(into[name], value);
  }
  return into;
}

const word = fc.constantFrom("", " ", "a", "b");
const some = <T>(shape: { [Name in keyof T]: fc.Arbitrary<T[Name]> }) =>
  fc.record(shape, { requiredKeys: [] });
const body = some({
  default_url: word,
  whatsapp: some({ phone_number_id: word, text: word }),
  utm: some({ source: word, campaign: word }),
  tags: fc.array(word, { maxLength: 2 }),
  targets: fc.array(
    some({
      url: word,
      when: some({ platform: fc.array(word, { maxLength: 2 }), later: some({ unknown: word }) }),
    }),
    { maxLength: 2 },
  ),
  max_uses: fc.constantFrom(1, 2),
  pass_query: fc.boolean(),
  unknown: some({ to: word, this_panel: word }),
}) as unknown as fc.Arbitrary<LinkBody>;

Deno.test("patchOf(): applied to what was there it gives what was written, whatever was there", () => {
  holds(fc.property(body, body, (before, after) => {
    assertEquals(cleaned(merge(before, patchOf(before, after))), cleaned(after));
  }));
});

Deno.test("patchOf(): of what was not touched nothing is sent", () => {
  holds(fc.property(body, (before) => {
    assertEquals(patchOf(before, structuredClone(before)), {});
  }));
});

Deno.test("cleaned(): a condition that is empty stays, so that a rule does not grow wider", () => {
  const targets = [{ when: { platform: [] }, url: "", app: { url: "a", package: "" } }];
  assertEquals(cleaned({ targets, expired_url: " ", utm: { source: "" } } as LinkBody), {
    targets: [{ when: { platform: [] }, app: { url: "a" } }],
  });
});

Deno.test("withValue(): writes one place, and leaves the order and all else as they are", () => {
  const before = { targets: [{ url: "a" }, { when: { query: { x: true }, country: ["DE"] }, url: "b" }] };
  const after = withValue(before, "targets[1].when.query", { y: true });
  assertEquals(JSON.stringify(after.targets[1].when), '{"query":{"y":true},"country":["DE"]}');
  assertEquals(after.targets[0] === before.targets[0], true);
  assertEquals(valueAt(after, "targets[1].when.country"), ["DE"]);
  assertEquals(
    valueAt(withValue(after, "targets[1].when.country", undefined), "targets[1].when.country"),
    undefined,
  );
});

Deno.test("bodyOf(): what can be written, and what this panel does not know", () => {
  const link = {
    code: "c",
    url: "u",
    qr_url: "q",
    uses: 3,
    state: "active",
    password: true,
    version: 2,
    created_at: "t",
    created_by: "me",
    updated_at: "t",
    updated_by: "me",
    default_url: "d",
    later: { unknown: 1 },
  };
  assertEquals(bodyOf(link as unknown as Link) as unknown, { default_url: "d", later: { unknown: 1 } });
});
