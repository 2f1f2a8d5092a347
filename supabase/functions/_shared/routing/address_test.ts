import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { type AddressParts, addressParts } from "./address.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("addressParts(): domain, scope and type, without a tag, in lower case", () => {
  const cases: [address: string, parts: AddressParts | undefined][] = [
    ["ops@in.example.com", { domain: "ops" }],
    ["Shop.Payments@in.example.com", { domain: "shop", scope: "payments" }],
    ["shop.payments.alert@in.example.com", { domain: "shop", scope: "payments", type: "alert" }],
    ["shop.payments.alert+k7m2@in.example.com", { domain: "shop", scope: "payments", type: "alert" }],
    ["shop-eu.2@in.example.com", { domain: "shop-eu", scope: "2" }],
    ["a.b.c.d@in.example.com", undefined],
    ["a..c@in.example.com", undefined],
    ["under_score@in.example.com", undefined],
    [`${"a".repeat(33)}@in.example.com`, undefined],
    ["@in.example.com", undefined],
    ["", undefined],
  ];
  for (const [address, parts] of cases) assertEquals(addressParts(address), parts, address);
});

Deno.test("addressParts(): any parts that it takes read back, whatever is added after a plus", () => {
  const part = fc.stringMatching(/^[a-z0-9-]{1,32}$/);
  holds(
    fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), fc.string(), (parts, tag) => {
      const [domain, scope, type] = parts;
      const read = addressParts(`${parts.join(".")}+${tag}@in.example.com`);
      assertEquals([read?.domain, read?.scope, read?.type], [domain, scope, type]);
    }),
  );
});
