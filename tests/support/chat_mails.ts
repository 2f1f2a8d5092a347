/** Mails for chats on the functions: a chat with a destination and a route for an address, and mails as SendGrid posts them. */
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import type { TelegramChat } from "../../local/simulator/telegram/telegram.ts";
import { assertEquals } from "./assert.ts";
import type { Edge } from "./edge.ts";

/** A group with the bot, which gets mails for `shop.<anything>.alert@…`. */
export async function alertChat(edge: Edge): Promise<TelegramChat> {
  const { sql, telegram } = edge;
  const chat = telegram.addGroup("Shop alerts", "supergroup");
  telegram.setMember(chat.id, true);
  await telegram.settled();
  await sql`select public.add_telegram_destination('shop-alerts', ${chat.id})`;
  await sql`select public.add_route('{shop-alerts}', ${
    sql.json({ type: "address", domains: ["shop"], types: ["alert"] })
  }, 10, ${sql.json({ name: "shop alerts", channels: ["email"] })})`;
  await edge.reread();
  return chat;
}

let mails = 0;

/** Somebody writes; resolves when the post was answered with 200 and everything that can be done now is. */
export async function mailIn(edge: Edge, mail: Partial<WrittenMail> = {}): Promise<void> {
  const n = ++mails;
  const written: WrittenMail = {
    from: { address: `monitor-${n}@corp.example`, name: "Monitor" },
    to: "shop.db.alert@reply.example.com",
    subject: `Disk full ${n}`,
    text: `FIRING: the disk of host ${n} is full.`,
    messageId: `alert-${n}@corp.example`,
    ...mail,
  };
  const { body, contentType } = formOf(mimeOf(written, new Date()), written);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  await edge.settled();
}

/** The subjects of the cards in a chat. */
export function cardsIn(chat: TelegramChat): string[] {
  return chat.messages.filter(({ buttons }) => buttons.length > 0).map(({ text }) => text.split("\n", 1)[0]);
}
