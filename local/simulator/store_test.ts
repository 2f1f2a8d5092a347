import { assert, assertEquals } from "../../tests/support/assert.ts";
import type { ChatMessage, Update } from "./model.ts";
import { KEEP, Store } from "./store.ts";

const message = (n: number): ChatMessage => ({
  ...{ wamid: `wamid.${n}`, contact: "c", from: "user", at: n, message: { type: "text" }, progress: "sent" },
});
const update = (n: number): Update => ({ n, field: "messages", list: "messages", item: {}, contact: "c" });

Deno.test("Store: a message's progress never goes back", () => {
  const store = new Store();
  store.putMessage(message(1));
  assertEquals(store.progress("wamid.1", "read")?.progress, "read");
  assertEquals(store.progress("wamid.1", "delivered"), undefined);
  assertEquals(store.messages.get("wamid.1")?.progress, "read");
  assertEquals(store.progress("wamid.unknown", "read"), undefined);
});

Deno.test("Store: the oldest is evicted, in memory and in the file", async () => {
  const file = await Deno.makeTempFile();
  const store = new Store(file);
  const count = KEEP.messages + 5;
  for (let n = 0; n < count; n++) store.putMessage(message(n));
  // Changes of what is there grow the file until it is written anew.
  for (let n = 0; n < 60_000; n++) store.putMessage({ ...message(count - 1), at: n });
  assertEquals(store.messages.size, KEEP.messages);
  assertEquals([...store.messages.keys()][0], "wamid.5");
  const lines = (await Deno.readTextFile(file)).split("\n").length;
  assert(lines < 60_000, `${lines} lines`);
  assertEquals([...new Store(file).messages.keys()], [...store.messages.keys()]);
  await Deno.remove(file);
});

Deno.test("Store: when a person last wrote outlives the message, a restart, and time that passes", async () => {
  const file = await Deno.makeTempFile();
  const store = new Store(file);
  store.putMessage({ ...message(1), contact: "a", at: 500 });
  store.putMessage({ ...message(2), contact: "a", at: 700, number: "2" });
  store.putMessage({ ...message(3), contact: "a", at: 900, from: "business" });
  for (let n = 0; n < KEEP.messages; n++) store.putMessage(message(n + 10));
  const last = (of: Store) => [of.lastWrote("a"), of.lastWrote("a", "2"), of.lastWrote("b")];
  assertEquals(last(store), [500, 700, undefined]);
  store.age("a", undefined, 400);
  assertEquals(last(store), [100, 700, undefined]);
  for (let restart = 0; restart < 2; restart++) assertEquals(last(new Store(file)), [100, 700, undefined]);
  store.clear();
  assertEquals(last(store), [undefined, undefined, undefined]);
  await Deno.remove(file);
});

Deno.test("Store: time passes for one conversation alone", () => {
  const store = new Store();
  store.putMessage({ ...message(1), at: 500 });
  store.putMessage({ ...message(2), at: 600, from: "business" });
  store.putMessage({ ...message(3), at: 700, number: "2" });
  store.putMessage({ ...message(4), at: 800, contact: "another" });
  store.age("c", undefined, 100);
  assertEquals([...store.messages.values()].map(({ at }) => at), [400, 500, 700, 800]);
});

Deno.test("Store: update numbers continue after a restart, and open updates stay open", async () => {
  const file = await Deno.makeTempFile();
  const store = new Store(file);
  for (let n = 0; n < 3; n++) store.putUpdate(update(store.nextN()));
  store.acknowledge(1);
  store.acknowledge(3);
  for (let restart = 0; restart < 3; restart++) {
    const again = new Store(file);
    assertEquals([...again.open.keys()], [2]);
    assertEquals(again.nextN(), 4);
  }
  await Deno.remove(file);
});
