import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { createHmac } from "node:crypto";
import { hmacKey, hmacSha256, hmacSha256Base64 } from "./hmac.ts";
import { holds } from "../../../../tests/support/property.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("hmacSha256() returns the values of RFC 4231", () => {
  // Section 4, the cases whose keys are text.
  const message = bytes("what do ya want for nothing?");
  assertEquals(
    hmacSha256("Jefe", message),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  const hiThere = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
  assertEquals(hmacSha256("\v".repeat(20), bytes("Hi There")), hiThere);
});

Deno.test("hmacSha256() equals node:crypto for any key and message", () => {
  // Around a block of the key, and around the size from which a message gets memory of its own.
  const key = fc.oneof(fc.string({ unit: "binary" }), fc.string({ minLength: 60, maxLength: 70 }));
  const length = fc.oneof(fc.nat(300), fc.integer({ min: 16_300, max: 16_400 }), fc.constant(3_000_000));
  holds(
    fc.property(fc.array(key, { minLength: 1, maxLength: 20 }), length, fc.nat(255), (keys, size, byte) => {
      const message = new Uint8Array(size).fill(byte);
      for (const key of keys) {
        assertEquals(hmacSha256(key, message), createHmac("sha256", key).update(message).digest("hex"));
      }
    }),
    { cases: 50 },
  );
});

Deno.test("hmacSha256Base64() equals node:crypto for any key and text", () => {
  const key = fc.uint8Array({ maxLength: 130 });
  // Around the size from which a text gets memory of its own, in letters of one to four bytes.
  const text = fc.tuple(
    fc.string({ unit: "binary" }),
    fc.constantFrom("a", "ß", "€", "👋"),
    fc.integer({ min: 5400, max: 5500 }),
  )
    .map(([start, letter, times]) => start + letter.repeat(times));
  holds(
    fc.property(key, fc.oneof(fc.string({ unit: "binary" }), text), (key, text) => {
      assertEquals(
        hmacSha256Base64(hmacKey(key), text),
        createHmac("sha256", key).update(text).digest("base64"),
      );
    }),
  );
});
