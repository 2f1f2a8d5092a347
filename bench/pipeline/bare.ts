/**
 * The least that a gateway must do: verify, insert, answer, forward signed. One insert a webhook, as a handler does that
 * somebody writes in an hour; nothing is retried, ordered or seen.
 *
 * Arguments: address of the database, app secret, address of the service. Prints the port.
 */
import postgres from "postgres";
import { verify } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { sign } from "../../supabase/functions/_shared/delivery/sign.ts";
import { readBody } from "../../supabase/functions/_shared/http/body.ts";

const [dbUrl, appSecret, service] = Deno.args;
const SECRET = `whsec_${btoa("a secret of the bench, 32 bytes.")}`;
/** Deliveries under way at once, as of the forwarder. */
const PLACES = 128;

const sql = postgres(dbUrl, { max: 10, onnotice: () => {} });
const [{ id: conversation }] = await sql`select id from bench_plain.conversations limit 1`;

let free = PLACES;
const waiting: (() => void)[] = [];

async function forward(id: string, text: string, from: string): Promise<void> {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  else free--;
  try {
    const timestamp = Math.floor(Date.now() / 1000);
    const event = {
      type: "message.received",
      data: { message: { text, provider_id: id }, contact: { id: from } },
    };
    const body = JSON.stringify(event);
    const signature = sign({ id, timestamp, body, secrets: [SECRET] });
    const response = await fetch(service, {
      method: "POST",
      redirect: "manual",
      headers: {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": signature,
      },
      body,
    });
    await response.body?.cancel();
  } finally {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  }
}

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const bytes = await readBody(request, 4_000_000);
  if (!verify(bytes, request.headers.get("x-hub-signature-256"), [appSecret])) {
    return new Response(null, { status: 401 });
  }
  const [message] = JSON.parse(new TextDecoder().decode(bytes)).entry[0].changes[0].value.messages;
  await sql`insert into bench_plain.messages (conversation_id, direction, provider_id, type, text, native, status)
    values (${conversation}, 'in', ${message.id}, 'text', ${message.text.body}, ${message}, 'received')`;
  void forward(message.id, message.text.body, message.from);
  return new Response('{"received":1,"stored":1,"duplicates":0}', {
    headers: { "content-type": "application/json" },
  });
});
await Deno.stdout.write(new TextEncoder().encode(`listening on ${server.addr.port}\n`));
