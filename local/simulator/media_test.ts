import { assertEquals } from "../../tests/support/assert.ts";
import { fileOf, MediaShelf } from "./media.ts";

const BYTES = new Uint8Array([1, 2, 3]);

Deno.test("MediaShelf: a file is the accounts' that it was given to, samples are everybody's", () => {
  const shelf = new MediaShelf(new Map([["9001", fileOf(BYTES, "image/png", "sample.png")]]));
  const id = shelf.add(fileOf(BYTES, "image/png", "a.png"));
  const seenBy = (id: string) => ["one", "two"].filter((account) => shelf.get(id, account) !== undefined);
  assertEquals(seenBy(id), ["one", "two"]);
  shelf.give(id, "one");
  shelf.give("9001", "one");
  assertEquals([seenBy(id), seenBy("9001")], [["one"], ["one", "two"]]);
  assertEquals([shelf.expire(id, "two"), shelf.isGone(id)], [false, false]);
  shelf.give(id, "two");
  assertEquals(seenBy(id), ["one", "two"]);
  assertEquals([shelf.expire(id, "two"), shelf.isGone(id)], [true, true]);
});

Deno.test("MediaShelf: whose a file is outlives a restart", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const before = new MediaShelf(new Map(), folder);
    const id = await before.keep(BYTES, "image/png", "a.png");
    before.give(id, "one");
    // In memory alone.
    before.give(before.add(fileOf(BYTES, "image/png", "b.png")), "one");
    const after = new MediaShelf(new Map(), folder);
    assertEquals([after.get(id, "one")?.size, after.get(id, "two")], [BYTES.length, undefined]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
