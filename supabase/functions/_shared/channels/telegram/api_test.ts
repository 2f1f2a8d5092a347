import fc from "fast-check";
import { assertEquals } from "../../../../../tests/support/assert.ts";
import { holds } from "../../../../../tests/support/property.ts";
import { chatCaller } from "./api.ts";

const BOT = { url: "https://telegram.example", token: "1:token" };

/** A caller that Telegram answers so, and what it paused. */
function calling(status: number, answer: unknown) {
  const paused: [chat: number, ms: number][] = [];
  const call = chatCaller(
    () => Promise.resolve(Response.json(answer, { status })),
    (chat, ms) => {
      paused.push([chat, ms]);
      return Promise.resolve();
    },
  );
  return { call, paused };
}

Deno.test("a 429 to any call about a chat pauses that chat for as long as it says, a file's as well", async () => {
  await holds(
    fc.asyncProperty(
      fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
      fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
      fc.boolean(),
      async (chat, seconds, isFile) => {
        const parameters = seconds === undefined ? undefined : { retry_after: seconds };
        const { call, paused } = calling(429, { ok: false, description: "Too Many Requests", parameters });
        const form = new FormData();
        form.set("chat_id", String(chat));
        const answer = await call(BOT, "sendMessage", isFile ? form : { chat_id: chat, text: "x" });
        const ms = seconds === undefined ? 5000 : seconds * 1000;
        assertEquals(paused, [[chat, ms]]);
        assertEquals([answer.ok, !answer.ok && answer.fault, !answer.ok && answer.retryAfterMs], [
          false,
          "throttled",
          ms,
        ]);
      },
    ),
  );
});

Deno.test("no other answer pauses a chat", async () => {
  for (
    const [status, answer] of [
      [200, { ok: true, result: { message_id: 1 } }],
      [400, { ok: false, description: "Bad Request: chat not found" }],
      [400, { ok: false, description: "moved", parameters: { migrate_to_chat_id: -100 } }],
      [403, { ok: false, description: "Forbidden: bot was kicked" }],
      [502, "Bad Gateway"],
    ] as const
  ) {
    const { call, paused } = calling(status, answer);
    await call(BOT, "editMessageText", { chat_id: 7, text: "x" });
    assertEquals(paused, [], `${status}`);
  }
});
