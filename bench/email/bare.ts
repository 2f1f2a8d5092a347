/**
 * The least that a receiver of mail must do, as somebody writes it in an hour: verify SendGrid's signature, parse the form
 * and the mail, insert one row, answer. Nothing is looked up, judged, kept raw, counted or forwarded.
 *
 * It uses nothing of Gatelink's, so that it stays what it is. Arguments: address of the database, public key. Prints its
 * port.
 */
import { createPublicKey, verify } from "node:crypto";
import postgres from "postgres";
import PostalMime from "postal-mime";

const [dbUrl, publicKey] = Deno.args;
const key = createPublicKey(`-----BEGIN PUBLIC KEY-----\n${publicKey}\n-----END PUBLIC KEY-----\n`);
const sql = postgres(dbUrl, { max: 10, onnotice: () => {} });
const encoder = new TextEncoder();

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const { headers } = request;
  const bytes = new Uint8Array(await request.arrayBuffer());
  const timestamp = encoder.encode(headers.get("x-twilio-email-event-webhook-timestamp") ?? "");
  const signed = new Uint8Array(timestamp.length + bytes.length);
  signed.set(timestamp);
  signed.set(bytes, timestamp.length);
  const signature = atob(headers.get("x-twilio-email-event-webhook-signature") ?? "");
  if (!verify("sha256", signed, key, Uint8Array.from(signature, (char) => char.charCodeAt(0)))) {
    return new Response(null, { status: 401 });
  }
  const form = await new Response(bytes, { headers: { "content-type": headers.get("content-type")! } })
    .formData();
  const mail = await PostalMime.parse(String(form.get("email")));
  await sql`insert into bench_email.mails (message_id, sender, recipient, subject, date, in_reply_to, body_text, body_html, envelope)
    values (${mail.messageId ?? ""}, ${mail.from?.address ?? ""}, ${String(form.get("to"))}, ${
    mail.subject ?? ""
  },
      ${mail.date ?? null}, ${mail.inReplyTo ?? null}, ${mail.text ?? null}, ${mail.html ?? null},
      ${sql.json(JSON.parse(String(form.get("envelope"))))})
    on conflict do nothing`;
  return new Response('{"received":1,"stored":1,"duplicates":0}', {
    headers: { "content-type": "application/json" },
  });
});
await Deno.stdout.write(encoder.encode(`listening on ${server.addr.port}\n`));
