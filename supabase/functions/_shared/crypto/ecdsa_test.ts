import { generateKeyPairSync, sign, verify } from "node:crypto";
import fc from "fast-check";
import { assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { readPublicKey, verifyP256 } from "./ecdsa.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const key = pair.publicKey.export({ type: "spki", format: "der" }).toString("base64");

Deno.test("verifyP256(): what was signed is genuine, in every length that DER gives the numbers", async () => {
  await holds(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
    assertEquals(await verifyP256(key, [bytes], sign("sha256", bytes, pair.privateKey)), true);
  }));
});

Deno.test("verifyP256(): with a byte changed, added or missing, it agrees with OpenSSL's rules, which refuse it", async () => {
  const change = fc.record({
    bytes: fc.uint8Array({ maxLength: 50 }),
    at: fc.nat(80),
    how: fc.constantFrom("flip", "add", "drop", "cut"),
    by: fc.integer({ min: 1, max: 255 }),
  });
  await holds(fc.asyncProperty(change, async ({ bytes, at, how, by }) => {
    const genuine = [...sign("sha256", bytes, pair.privateKey)];
    const i = at % genuine.length;
    const forged = Uint8Array.from(
      {
        flip: genuine.with(i, genuine[i] ^ by),
        add: genuine.toSpliced(i, 0, by),
        drop: genuine.toSpliced(i, 1),
        cut: genuine.slice(0, i),
      }[how],
    );
    let expected = false;
    try {
      expected = verify("sha256", bytes, pair.publicKey, forged);
    } catch { /* No signature at all. */ }
    assertEquals([await verifyP256(key, [bytes], forged), expected], [false, false]);
  }));
});

Deno.test("verifyP256(): another curve's key, and what is no key, are refused", async () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const other = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
  const foreign = other.publicKey.export({ type: "spki", format: "der" }).toString("base64");
  assertEquals([readPublicKey(foreign), readPublicKey("?")], [undefined, undefined]);
  assertEquals(await verifyP256(foreign, [bytes], sign("sha256", bytes, other.privateKey)), false);
  assertEquals(await verifyP256("?", [bytes], sign("sha256", bytes, pair.privateKey)), false);
});

Deno.test("verifyP256(): large bytes are verified too, in whatever pieces they come", async () => {
  const large = new Uint8Array((1 << 20) + 10).map((_, i) => i * 31);
  const signature = sign("sha256", large, pair.privateKey);
  const pieces = [large.subarray(0, 10), large.subarray(10)];
  assertEquals(await verifyP256(key, pieces, signature), true);
  assertEquals(await verifyP256(key, pieces.toReversed(), signature), false);
  assertEquals(await verifyP256(key, [large.subarray(1)], signature), false);
});
