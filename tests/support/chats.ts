/** Chats of the simulated Telegram with the real functions: a destination with a route, people who are linked, messages. */
import type { TelegramChat, TelegramUser } from "../../local/simulator/telegram/telegram.ts";
import type { Edge } from "./edge.ts";

/** A supergroup with the bot, a destination `on-call` that leads there, and a route for everything. */
export async function chatWithRoute(edge: Edge): Promise<TelegramChat> {
  const { sql, telegram } = edge;
  const chat = telegram.addGroup("On call", "supergroup");
  telegram.setMember(chat.id, true);
  await telegram.settled();
  const [{ added }] = await sql`select public.add_telegram_destination('on-call', ${chat.id}) as added`;
  await sql`insert into public.routes (name, condition, priority) values ('all', '{"type": "any"}', 1)`;
  await sql`
    insert into public.route_destinations (route_id, destination_id, position)
    select r.id, ${added.id}, 0 from public.routes r where r.name = 'all'`;
  await edge.reread();
  return chat;
}

/** A person of the team who has opened the link; their address is `<first name>@team.example`. */
export async function linkedPerson(
  { sql, telegram }: Edge,
  person: TelegramUser,
  role = "operator",
): Promise<string> {
  const email = `${person.first_name.toLowerCase()}@team.example`;
  const [{ id }] = await sql`
    insert into auth.users (id, email, email_confirmed_at) values (gen_random_uuid(), ${email}, now()) returning id`;
  await sql`insert into public.team_members (user_id, role) values (${id}, ${role})`;
  const [{ link }] = await sql`select public.link_telegram(${email}) as link`;
  telegram.say(person.id, `/start ${link.token}`, { from: person });
  await telegram.settled();
  return id;
}

/** Somebody writes by WhatsApp, and everything that can be done is done. */
export async function says(edge: Edge, text: string): Promise<void> {
  const { meta } = edge;
  const person = meta.contacts.find(({ name }) => name === "Casey") ??
    meta.addContact({ name: "Casey", phone: "12025550143" });
  meta.userSends(person.id, text);
  await meta.settled();
  await edge.settled();
}
