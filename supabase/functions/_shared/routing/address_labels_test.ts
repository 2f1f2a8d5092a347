import { assertEquals } from "../../../../tests/support/assert.ts";
import { addressLabel, namedParts } from "./address_labels.ts";

Deno.test("namedParts(): of conditions within conditions, of none that cannot be read", () => {
  const named = namedParts([
    {
      type: "all",
      of: [{ type: "email" }, { type: "not", of: { type: "address", domains: ["Shop"], types: ["tax"] } }],
    },
    { type: "address", scopes: ["eu", 7], domains: "no list" },
    null,
    "x",
  ]);
  assertEquals([[...named.domains], [...named.scopes], named.types.has("tax")], [["shop"], ["eu"], true]);
  assertEquals(named.types.has("alert"), true, "known without a route");
  assertEquals([named.areAsked, namedParts([{ type: "any" }]).areAsked], [true, false]);
});

Deno.test("namedParts(): a condition that is nested without end ends", () => {
  const loop: Record<string, unknown> = { type: "all" };
  loop.of = [loop];
  assertEquals(namedParts([loop]).areAsked, false);
});

Deno.test("addressLabel(): only parts that routes name, whoever writes", () => {
  const named = namedParts([{ type: "address", domains: ["shop"], scopes: ["eu"], types: ["tax"] }]);
  for (
    const [address, label] of [
      ["shop.eu.alert@in.example.com", "shop eu alert"],
      ["Shop.EU.Tax+token@in.example.com", "shop eu tax"],
      ["shop.db@in.example.com", "shop other -"],
      ["shop@in.example.com", "shop - -"],
      ["a.b.c@in.example.com", "other other other"],
      ["a.b.c.d@in.example.com", "other other other"],
      [undefined, "other other other"],
    ] as const
  ) assertEquals(addressLabel(address, named), label, address);
});
