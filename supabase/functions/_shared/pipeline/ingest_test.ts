import { assertEquals } from "../../../../tests/support/assert.ts";
import type { InboundUpdate } from "../channels/channel.ts";
import type { Rpc } from "../db/client.ts";
import { createIngest, type IngestOptions } from "./ingest.ts";

const UPDATE: InboundUpdate = {
  key: "s:1",
  channel: "whatsapp",
  provider: "whatsapp",
  field: "messages",
  kind: "status",
};

/** An ingest whose database gives these answers. */
function ingest(answer: (name: string, body: unknown) => unknown, options: IngestOptions = {}) {
  const rpc = ((name: string, body: unknown) => Promise.resolve().then(() => answer(name, body))) as Rpc;
  return createIngest(rpc, { fields: new Set(["messages"]) }, { count: () => {}, ...options });
}

Deno.test("createIngest(): wakes sending only if a status has released messages", async () => {
  let freed = 0;
  const answers: unknown[] = [{ outcomes: "s", freed: true }, { outcomes: "s" }, { outcomes: "d" }];
  const store = ingest(() => answers.shift(), { freed: () => freed++ });
  const told: number[] = [];
  while (answers.length > 0) {
    await store({ updates: [UPDATE], bytes: 1 });
    told.push(freed);
  }
  assertEquals(told, [1, 1, 1]);
});

Deno.test("createIngest(): stores a sender's account once, retrying until it succeeds", async () => {
  const told: unknown[] = [];
  let away = true;
  const store = ingest((name, body) => {
    if (name === "ingest_updates") return { outcomes: "s" };
    told.push((body as { p_senders: { account: string }[] }).p_senders.map(({ account }) => account));
    if (away) throw new TypeError("the database is away");
  });
  const accounts = (account: string) => [{ channel: "whatsapp", provider: "whatsapp", id: "1", account }];
  const deliver = (account: string) => store({ updates: [UPDATE], accounts: accounts(account), bytes: 1 });
  assertEquals(await deliver("a"), "s");
  away = false;
  for (const account of ["a", "a", "b", "b"]) await deliver(account);
  assertEquals(told, [["a"], ["a"], ["b"]]);
});
