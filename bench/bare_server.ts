/** The least that a webhook receiver must do: read, verify, answer. */
import { readBody } from "../supabase/functions/_shared/http/body.ts";
import { verify } from "../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";

const [secret] = Deno.args;
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const bytes = await readBody(request, 4_000_000);
  return verify(bytes, request.headers.get("x-hub-signature-256"), [secret])
    ? new Response('{"received":1,"stored":1,"duplicates":0}', {
      headers: { "content-type": "application/json" },
    })
    : new Response(null, { status: 401 });
});
console.log(`listening on ${server.addr.port}`);
