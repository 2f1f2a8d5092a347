import { assertEquals } from "@std/assert";
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
  const rpc = ((name: string, body: unknown) => Promise.resolve(answer(name, body))) as Rpc;
  return createIngest(rpc, { fields: new Set(["messages"]) }, { count: () => {}, ...options });
}

Deno.test("createIngest(): tells that messages may go where a status has freed some, and not else", async () => {
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
