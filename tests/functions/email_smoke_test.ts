/** Every combination of domain, scope and type that routes name, and addresses that none names: each mail goes to its chat. */
import { assertEquals } from "../support/assert.ts";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

const NOON = new Date("2026-11-29T12:00:00Z");
const DOMAINS = ["shop", "infra", "billing"];
// Two: a group takes 20 messages a minute, and each chat gets fewer.
const SCOPES = ["db", "api"];
const TYPES = ["alert", "incident", "request", "report", "billing", "security", "deploy"];

/** From the most to the least that a route names; all have one priority, and the least was made first. */
const ROUTES: [name: string, condition: Record<string, unknown>][] = [
  ["rest", { type: "default" }],
  ["shop", { type: "address", domains: ["shop"] }],
  ["shop.*.alert", { type: "address", domains: ["shop"], types: ["alert"] }],
  ["shop.db", { type: "address", domains: ["shop"], scopes: ["db"] }],
  ["shop.db.alert", { type: "address", domains: ["shop"], scopes: ["db"], types: ["alert", "incident"] }],
  ["infra", { type: "all", of: [{ type: "address", domains: ["infra"] }] }],
];

/** Exact, domain and scope, domain and type, domain, the rest. */
function expected(domain: string, scope?: string, type?: string): string {
  if (domain === "infra") return "infra";
  if (domain !== "shop") return "rest";
  if (scope === "db" && (type === "alert" || type === "incident")) return "shop.db.alert";
  if (scope === "db") return "shop.db";
  return type === "alert" ? "shop.*.alert" : "shop";
}

async function receive(edge: Edge, to: string, n: number): Promise<void> {
  const mail = {
    from: { address: `p${n}@example.org`, name: "" },
    to,
    subject: `To ${to}`,
    text: `Mail ${n}`,
    messageId: `smoke${n}@x`,
  };
  const { body, contentType } = formOf(mimeOf(mail, NOON), mail);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200, to);
}

edgeTest(
  "smoke: each combination of domain, scope and type goes to the chat of the longest match",
  async (edge) => {
    const { sql, telegram } = edge;
    const chats = new Map<string, { id: number; messages: { text: string }[] }>();
    for (const [name, condition] of ROUTES) {
      const chat = telegram.addGroup(name, "supergroup");
      telegram.setMember(chat.id, true);
      await telegram.settled();
      chats.set(name, chat);
      const destination = name.replaceAll(/[^a-z]+/g, "-");
      await sql`select public.add_telegram_destination(${destination}, ${chat.id})`;
      await sql`select public.add_route(${[destination]}, ${sql.json(condition as never)}, 100, ${
        sql.json({ name, channels: ["email"] })
      })`;
    }
    // What is asked is where mails go, not how fast.
    await sql`update public.destinations set rate_per_second = null, rate_burst = 1`;
    await edge.reread();
    const all: [address: string, route: string][] = [
      ["shop", expected("shop")],
      ["SHOP.db.ALERT+tag", "shop.db.alert"],
      ["shop.db.alert.more", "rest"],
      ["unknown", "rest"],
      ["shop..alert", "rest"],
    ];
    for (const domain of DOMAINS) {
      for (const scope of SCOPES) {
        all.push([`${domain}.${scope}`, expected(domain, scope)]);
        for (const type of TYPES) all.push([`${domain}.${scope}.${type}`, expected(domain, scope, type)]);
      }
    }
    for (let from = 0; from < all.length; from += 16) {
      await Promise.all(
        all.slice(from, from + 16).map(([address], i) =>
          receive(edge, `${address}@reply.example.com`, from + i)
        ),
      );
    }
    await edge.settled();
    for (let i = 0; i < 20; i++) {
      if ((await sql`select from public.deliveries where state in ('pending', 'leased')`).length === 0) break;
      await edge.call("wa-router", { headers: { apikey: KEYS.secretKey } });
      await edge.settled();
    }
    const subjects = await sql<{ subject: string; route_name: string }[]>`
    select m.native ->> 'subject' as subject, d.route_name from public.routing_decisions d
    join public.messages m on m.id = d.message_id`;
    const decided = new Map(subjects.map(({ subject, route_name }) => [subject, route_name]));
    const shown = new Map(
      [...chats].flatMap(([name, { messages }]) =>
        messages.map(({ text }) => [text.split("\n")[0], name] as const)
      ),
    );
    for (const [address, route] of all) {
      const subject = `To ${address}@reply.example.com`;
      assertEquals([decided.get(subject), shown.get(subject)], [route, route], address);
    }
  },
);
