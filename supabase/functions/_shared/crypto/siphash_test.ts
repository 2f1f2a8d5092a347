import { assertEquals, assertNotEquals } from "../../../../tests/support/assert.ts";
import { sipBytes, sipHash, sipKey } from "./siphash.ts";

const KEY = sipKey("000102030405060708090a0b0c0d0e0f");

// From the reference implementation's vectors.h, written most significant byte first: the bytes 0, 1, 2, … of a length.
const vectors: [length: number, hash: string][] = [
  [0, "726fdb47dd0e0e31"],
  [1, "74f839c593dc67fd"],
  [2, "0d6c8009d9a94f5a"],
  [3, "85676696d7fb7e2d"],
  [4, "cf2794e0277187b7"],
  [5, "18765564cd99a68d"],
  [6, "cbc9466e58fee3ce"],
  [7, "ab0200f58b01d137"],
  [8, "93f5f5799a932462"],
  [15, "a129ca6149be45e5"],
];
for (const [length, hash] of vectors) {
  Deno.test(`sipHash(): ${length} bytes -> ${hash}`, () => {
    assertEquals(sipHash(KEY, Uint8Array.from({ length }, (_, i) => i)), hash);
    // What stands behind the length does not count.
    assertEquals(sipHash(KEY, Uint8Array.from({ length: length + 9 }, (_, i) => i), length), hash);
    const out = new Uint8Array(10);
    sipBytes(KEY, Uint8Array.from({ length: length + 9 }, (_, i) => i), length, out, 1);
    assertEquals([...out].map((byte) => byte.toString(16).padStart(2, "0")).join(""), `00${hash}00`);
  });
}

Deno.test("sipHash(): one bit of key or input changes about half of the hash", () => {
  const bits = (a: string, b: string) =>
    (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).replaceAll("0", "").length;
  const input = new TextEncoder().encode("203.0.113.7\n0123456789abcdef");
  const hash = sipHash(KEY, input);
  let sum = 0;
  for (let bit = 0; bit < input.length * 8; bit++) {
    const other = input.slice();
    other[bit >> 3] ^= 1 << (bit & 7);
    sum += bits(hash, sipHash(KEY, other));
  }
  const mean = sum / (input.length * 8);
  assertEquals(mean > 30 && mean < 34, true, `mean ${mean}`);
  assertNotEquals(sipHash(sipKey("000102030405060708090a0b0c0d0e1f"), input), hash);
});
