/** A service for Gatelink in Deno: verifies each delivery, handles it once, and answers with a reply. */
// deno-lint-ignore no-import-prefix -- copied as it is, without this repository's deno.json
import { Webhook } from "npm:standardwebhooks@1.1.1";

const secrets = (Deno.env.get("WEBHOOK_SECRETS") ?? "").split(",").filter(Boolean);
if (secrets.length === 0) {
  throw new Error("WEBHOOK_SECRETS is not set: use the whsec_… that Gatelink printed");
}

/** Answers by webhook-id. In production, use a table and write to it in the same transaction as your changes. */
const answered = new Map<string, unknown>();

function answerTo(event: { type: string; data: { message: { text: string | null } } }): unknown {
  if (event.type !== "message.received") return {};
  return {
    replies: [{ type: "text", text: { body: `You wrote: ${event.data.message.text ?? "no text"}` } }],
  };
}

/** Whether one of the secrets signed this body within the last five minutes. */
function isSigned(body: string, headers: Headers): boolean {
  return secrets.some((secret) => {
    try {
      new Webhook(secret).verify(body, Object.fromEntries(headers));
      return true;
    } catch {
      return false;
    }
  });
}

const port = Number(Deno.env.get("PORT") ?? 9999);
const onListen = ({ port }: { port: number }) => console.log(`listening on http://127.0.0.1:${port}/`);
Deno.serve({ port, onListen }, async (request) => {
  // The signature covers the raw body: verify it before parsing.
  const body = await request.text();
  if (!isSigned(body, request.headers)) return Response.json({ error: "not signed" }, { status: 401 });
  const id = request.headers.get("webhook-id")!;
  const answer = answered.get(id) ?? answerTo(JSON.parse(body));
  answered.set(id, answer);
  if (answered.size > 1000) answered.delete(answered.keys().next().value!);
  return Response.json(answer);
});
