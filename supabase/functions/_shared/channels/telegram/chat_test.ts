import { assertEquals } from "../../../../../tests/support/assert.ts";
import type { Forwarded, SendDeps } from "../channel.ts";
import { createChatDestination } from "./chat.ts";

Deno.test("createChatDestination(): a 429 to the file behind a card pauses the chat, and the card stands", async () => {
  const paused: unknown[] = [], counted: string[] = [], noted: unknown[] = [], called: string[] = [];
  const { deliver } = createChatDestination({
    bot: () => ({ url: "https://telegram.example", token: "1:token" }),
    isOn: () => Promise.resolve(true),
    namesOnCall: () => true,
    noteCard: ({ messageIds }) => Promise.resolve(void noted.push(messageIds)),
    moveChat: () => Promise.resolve(),
    pauseChat: (...args) => Promise.resolve(void paused.push(args)),
    behindCard: () => {},
    count: (what) => counted.push(what),
  });
  const fetch = (url: string) => {
    const method = url.split("/").at(-1)!;
    called.push(method);
    return Promise.resolve(
      method === "sendMessage"
        ? Response.json({ ok: true, result: { message_id: 1 } })
        : Response.json({ ok: false, parameters: { retry_after: 7 } }, { status: 429 }),
    );
  };
  const text = "A long line of a mail\n".repeat(1000);
  const sent = await deliver({
    id: "d1",
    message: { id: "m1", channel: "email", type: "email", text, native: { text_full: text } },
    contact: { id: "p1", name: "Nora", identities: {} },
    card: { token: "abcdefghijklmnop" },
    config: { chat_id: -1005, topic_id: null },
  } as unknown as Forwarded, { fetch } as unknown as SendDeps);
  assertEquals([sent, called, noted, counted], [
    { ok: true },
    ["sendMessage", "sendDocument"],
    [[1]],
    ["file_failed"],
  ]);
  assertEquals(paused, [[-1005, 7000]]);
});
