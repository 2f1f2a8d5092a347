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
