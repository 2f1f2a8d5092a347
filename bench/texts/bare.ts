/**
 * The least that a relay of texts must do, as somebody writes it in an hour: verify Twilio's signature, insert the text,
 * look up the other side, send, answer. Nothing is judged, queued, paced, counted or kept from being sent twice.
 *
 * It uses nothing of Gatelink's, so that it stays what it is. Arguments: address of the database, address of Twilio, the
 * webhook's address, account, token. Prints its port.
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import postgres from "postgres";

const [dbUrl, twilioUrl, webhookUrl, account, token] = Deno.args;
const sql = postgres(dbUrl, { max: 10, onnotice: () => {} });

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const form = new URLSearchParams(await request.text());
  const { search } = new URL(request.url);
  const status = request.url.includes("/status");
  const signed = (status ? `${webhookUrl}/status${search}` : webhookUrl) +
    [...form].sort(([a], [b]) => a < b ? -1 : 1).flat().join("");
  const wanted = createHmac("sha1", token).update(signed).digest("base64");
  const given = request.headers.get("x-twilio-signature") ?? "";
  if (given.length !== wanted.length || !timingSafeEqual(Buffer.from(given), Buffer.from(wanted))) {
    return new Response(null, { status: 401 });
  }
  const [sid, from, to, body] = ["MessageSid", "From", "To", "Body"].map((name) => form.get(name) ?? "");
  if (status) {
    await sql`update bench_texts.texts set status = ${form.get("MessageStatus")} where sent_sid = ${sid}`;
    return answer();
  }
  const [other] = await sql<{ phone: string }[]>`
    with text as (
      insert into bench_texts.texts (sid, sender, recipient, body) values (${sid}, ${from}, ${to}, ${body})
      on conflict do nothing returning sender, recipient)
    select p.other as phone from text join bench_texts.pairs p on p.number = text.recipient and p.phone = text.sender`;
  if (other !== undefined) {
    const response = await fetch(`${twilioUrl}/2010-04-01/Accounts/${account}/Messages.json`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${account}:${token}`)}` },
      body: new URLSearchParams({
        To: other.phone,
        From: to,
        Body: body,
        StatusCallback: `${webhookUrl}/status?message=${sid}`,
      }),
    });
    const sent = await response.json();
    await sql`update bench_texts.texts set sent_sid = ${sent.sid}, status = 'sent' where sid = ${sid}`;
  }
  return answer();
});

function answer(): Response {
  return new Response("<Response/>", { headers: { "content-type": "text/xml" } });
}

await Deno.stdout.write(new TextEncoder().encode(`listening on ${server.addr.port}\n`));
