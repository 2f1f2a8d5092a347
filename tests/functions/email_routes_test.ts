/** Routes for mails: what the intake stores is what conditions ask, and each mail goes to the route that names it. */
import { assertEquals } from "../support/assert.ts";
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";

const NOON = new Date("2026-11-29T12:00:00Z");

async function addAlex({ sql }: Edge): Promise<void> {
  await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    const [{ identity }] = await sql`select public.add_identity('alex@example.com', ${
      sql.json({ forward_to: "alex@corp.example", is_default: true })
    }) as identity`;
    for (const what of ["from", "forward"]) {
      const [{ begun }] = await sql`select public.begin_identity_check(${identity.id}, ${what}) as begun`;
      await sql`select public.check_identity(${identity.id}, ${what}, ${begun.code})`;
    }
  });
}

/** Posts a mail as SendGrid does, and resolves when it was routed. */
async function receive(edge: Edge, mail: WrittenMail): Promise<void> {
  const { body, contentType } = formOf(mimeOf(mail, NOON), mail);
  const { status } = await edge.call("email-webhook/inbound", {
    headers: { "content-type": contentType, ...edge.mail.poster.headersFor(body) },
    body,
  });
  assertEquals(status, 200);
  await edge.settled();
}

edgeTest("routes take mails by kind, author, identity, subject and address", async (edge) => {
  const { sql, set, call } = edge;
  await addAlex(edge);
  await set({ "email_router.enabled": "true", "email_send.enabled": "true" });
  await sql`select public.allow_host('hooks.example.com', 'forward'), public.add_destination('d', 'https://hooks.example.com/')`;
  const routes: [name: string, condition: Record<string, unknown>][] = [
    ["other identity", { type: "email", identities: ["bob@example.com"] }],
    ["unverified", { type: "email", verified: false }],
    ["calendar", { type: "email", kinds: ["calendar"] }],
    ["replies", { type: "email", kinds: ["reply"], identities: ["alex@example.com"], subjects: ["order"] }],
    ["alerts", { type: "address", domains: ["shop"], scopes: ["payments"], types: ["alert"] }],
    ["shop", { type: "address", domains: ["shop"] }],
    ["rest", { type: "default" }],
  ];
  for (const [i, [name, condition]] of routes.entries()) {
    await sql`select public.add_route('{d}', ${sql.json(condition as never)}, ${i + 1}, ${
      sql.json({ name, channels: ["email"] })
    })`;
  }
  await edge.reread();
  const { body: { id } } = await call("email-send", {
    headers: { apikey: KEYS.secretKey },
    body: { to: "casey@example.org", subject: "Your order", text: "It is ready." },
  });
  await edge.settled();
  const token = edge.mail.sent.find(({ customArgs }) => customArgs.gl_message === id)!.replyTo!.email;
  const mails: [to: string, subject: string, route: string][] = [
    [token, "Re: Your order", "replies"],
    [token, "Something else", "rest"],
    ["shop.payments.alert@reply.example.com", "Down", "alerts"],
    ["Shop.Payments+7@reply.example.com", "Question", "shop"],
    ["nobody@reply.example.com", "Your order", "rest"],
  ];
  for (const [i, [to, subject]] of mails.entries()) {
    await receive(edge, {
      from: { address: "casey@example.org", name: "Casey" },
      to,
      subject,
      text: `Mail ${i}`,
      messageId: `m${i}@example.org`,
    });
  }
  const decided = await sql`
    select m.native ->> 'subject' as subject, d.route_name from public.routing_decisions d
    join public.messages m on m.id = d.message_id where m.channel = 'email' order by m.text`;
  assertEquals(
    decided.map(({ subject, route_name }) => [subject, route_name]),
    mails.map(([, subject, route]) => [subject, route]),
  );
});
