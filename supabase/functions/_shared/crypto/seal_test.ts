import { assert, assertEquals, assertNotEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { readSealingKeys, seal, sealedWith, SealError, type SealingKeys, unseal } from "./seal.ts";
import { holds } from "../../../../tests/support/property.ts";

const key = (byte: number) => btoa(String.fromCharCode(...new Uint8Array(32).fill(byte)));
const OLD: SealingKeys = { old: key(1) };
const BOTH: SealingKeys = { new: key(2), old: key(1) };

Deno.test("seal(): any sealed text opens in its place, and nowhere else", async () => {
  await holds(fc.asyncProperty(
    fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
    fc.string(),
    fc.string(),
    async (text, place, other) => {
      const sealed = await seal(OLD, text, place);
      assertEquals(await unseal(OLD, sealed, place), text);
      if (other !== place) await assertRejects(() => unseal(OLD, sealed, other), SealError);
    },
  ));
});

Deno.test("seal(): the same text is never sealed to the same value, and does not show", async () => {
  const [one, two] = [await seal(OLD, "a secret token", "x"), await seal(OLD, "a secret token", "x")];
  assertNotEquals(one, two);
  assert(!one.includes("secret") && !one.includes(btoa("a secret token")));
});

Deno.test("unseal(): refuses a changed character, another key of that name, and another name", async () => {
  const sealed = await seal(OLD, "a secret token", "x");
  for (let at = 3; at < sealed.length; at++) {
    // The last character of base64 may hold bits that mean nothing.
    if (sealed[at] === "." || at === sealed.length - 1) continue;
    const changed = sealed.slice(0, at) + (sealed[at] === "A" ? "B" : "A") + sealed.slice(at + 1);
    await assertRejects(() => unseal(OLD, changed, "x"), SealError);
  }
  await assertRejects(() => unseal({ old: key(9) }, sealed, "x"), SealError, "does not open it");
  await assertRejects(() => unseal({ other: key(1) }, sealed, "x"), SealError, "the key old");
  await assertRejects(() => unseal({ other: key(1) }, sealed.replace("old", "other"), "x"), SealError);
  for (const text of ["", "v1", "v2.old.a.b", "secret"]) {
    await assertRejects(() => unseal(OLD, text, "x"), SealError);
  }
});

Deno.test("keys are rotated by name: the first seals, each opens, and a missing one is named", async () => {
  const before = await seal(OLD, "token", "x");
  assertEquals(await unseal(BOTH, before, "x"), "token");
  const after = await seal(BOTH, await unseal(BOTH, before, "x"), "x");
  assertEquals([sealedWith(before), sealedWith(after), sealedWith("token")], ["old", "new", undefined]);
  assertEquals(await unseal({ new: BOTH.new }, after, "x"), "token");
  await assertRejects(
    () => unseal({ new: BOTH.new }, before, "x"),
    SealError,
    "the key old, which is not there",
  );
  await assertRejects(() => seal({}, "token", "x"), SealError, "no key");
});

Deno.test("readSealingKeys(): returns names and keys in order, or the error without the key", () => {
  assertEquals(readSealingKeys(""), {});
  assertEquals(readSealingKeys(` new:${key(2)} , old:${key(1)}`), BOTH);
  assertEquals(Object.keys(readSealingKeys(`b:${key(2)},a:${key(1)}`)), ["b", "a"]);
  for (
    const [text, fault] of [
      [key(1), "a key has no name: it is like main:base64"],
      [`2026:${key(1)}`, "a key has no name: it is like main:base64"],
      [`a:${key(1)},a:${key(2)}`, "two keys are named a"],
      ["a:c2VjcmV0", "the key a is not 32 bytes in base64"],
      ["a:§", "the key a is not 32 bytes in base64"],
    ]
  ) assertEquals(readSealingKeys(text), fault);
});
