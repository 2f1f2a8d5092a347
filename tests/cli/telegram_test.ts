/** `gatelink telegram` on a real stack, with the simulated Telegram: from a chat to a card with buttons. */
import postgres from "postgres";
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, gatelink, stack } from "../support/cli.ts";
import { configSeen } from "../support/config_seen.ts";
import { until } from "../support/until.ts";
import type { TelegramChat } from "../../local/simulator/telegram/telegram.ts";

async function chats(): Promise<TelegramChat[]> {
  return await (await fetch(`${stack.url}/simulator/telegram/chats`)).json();
}

async function act(path: string, body: unknown) {
  const response = await fetch(`${stack.url}/simulator/api/telegram/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assertEquals(response.status, 200, path);
  return await response.json();
}

Deno.test("gatelink telegram: a chat becomes a destination, a text to us a card in it, and who is linked may press", async () => {
  const group = await act("group", { title: "Night shift", kind: "supergroup" });
  await fails(`telegram add night ${group.id}`, 4, "not_found", /Add the bot to the chat/);
  await act("member", { chat: group.id, member: true });
  await until(
    "the chat is known",
    async () => (await document("telegram chats")).some(({ id }: { id: number }) => id === group.id),
  );
  assertEquals((await document(`telegram add night ${group.id}`)).url, `telegram:${group.id}`);
  await fails(`telegram add other ${group.id}`, 4, "conflict", /leads to telegram:/);
  await document(
    `routes add --to night --name night --priority 1 --channels sms --when {"type":"text","match":"exact","value":"night"}`,
  );
  const sql = postgres(stack.dbUrl, { max: 1, onnotice: () => {} });
  await configSeen({ url: stack.url, stack }, sql).finally(() => sql.end());
  await (await fetch(`${stack.url}/simulator/twilio/receive`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ from: "+12025550188", to: "+12025550160", body: "night" }),
  })).body?.cancel();
  const found = async () => (await chats()).find(({ id }) => id === group.id)!.messages[0];
  await until("the card is there", async () => (await found()) !== undefined);
  const card = await found();
  assertEquals(card.text, "…0188 (SMS)\n\nnight");

  const { command, url } = await document(`telegram link admin@example.com`);
  assertMatch(url, /^https:\/\/t\.me\/gatelink_local_bot\?start=[0-9a-f]{64}$/);
  await act("say", { chat: 5100000001, text: command });
  await until(
    "the link was opened",
    async () =>
      (await chats()).find(({ id }) => id === 5100000001)!.messages.some(({ text }) =>
        text.startsWith("You are linked")
      ),
  );
  await act("press", { chat: group.id, message: card.message_id, data: card.buttons[0][0].callback_data });
  await until("the card is up to date", async () => /Acknowledged by Ana/.test((await found()).text));
});

Deno.test("gatelink telegram doctor and connect: what Telegram says of the bot", async () => {
  const { findings } = await document("telegram doctor");
  assertEquals(findings.slice(0, 2).map(({ level, about }: Record<string, string>) => [level, about]), [
    ["ok", "bot"],
    ["ok", "webhook"],
  ]);
  assertMatch((await gatelink("telegram connect")).out, /Telegram reports to .*telegram-webhook/);
  await fails("telegram link nobody@example.com", 4, "not_found", /Nobody of the team/);
  await fails("telegram add x chat", 2, "usage", /-1002000000001/);
});
