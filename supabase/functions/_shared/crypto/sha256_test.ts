import fc from "fast-check";
import { createHash } from "node:crypto";
import { assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { sha256, sha256Hex } from "./sha256.ts";

Deno.test("sha256() is the hash of bytes, of parts of them, and of any text in UTF-8", () => {
  holds(fc.property(
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(300),
    fc.string({ unit: "binary" }),
    fc.string(),
    (bytes, from, text, before) => {
      const part = bytes.subarray(Math.min(from, bytes.length));
      for (const data of [bytes, part, text, text + "\ud800"]) {
        for (const encoding of ["hex", "base64"] as const) {
          assertEquals(sha256(data, encoding), createHash("sha256").update(data).digest(encoding));
        }
        assertEquals(
          sha256Hex(data, before),
          createHash("sha256").update(before).update(data).digest("hex"),
        );
      }
    },
  ));
});
