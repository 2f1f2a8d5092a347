// A service for Gatelink in Node, without packages: verifies each delivery, handles it once, and answers with a reply.
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import process from "node:process";
import { text } from "node:stream/consumers";

const secrets = (process.env.WEBHOOK_SECRETS ?? "").split(",").filter(Boolean);
if (secrets.length === 0) {
  throw new Error("WEBHOOK_SECRETS is not set: use the whsec_… that Gatelink printed");
}

/** Answers by webhook-id. In production, use a table and write to it in the same transaction as your changes. */
const answered = new Map();

function answerTo(event) {
  if (event.type !== "message.received") return {};
  return {
    replies: [{ type: "text", text: { body: `You wrote: ${event.data.message.text ?? "no text"}` } }],
  };
}

/** Whether one of the secrets signed this body within the last five minutes (https://www.standardwebhooks.com). */
function isSigned(body, headers) {
  const { "webhook-id": id = "", "webhook-timestamp": timestamp = "" } = headers;
  if (!/^\d+$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) return false;
  const shown = String(headers["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  return secrets.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
    const expected = Buffer.from(`v1,${mac}`);
    return shown.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
  });
}

const server = createServer(async (request, response) => {
  const send = (status, answer) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  };
  // The signature covers the raw body: verify it before parsing.
  const body = await text(request);
  if (!isSigned(body, request.headers)) return send(401, { error: "not signed" });
  const id = request.headers["webhook-id"];
  const answer = answered.get(id) ?? answerTo(JSON.parse(body));
  answered.set(id, answer);
  if (answered.size > 1000) answered.delete(answered.keys().next().value);
  send(200, answer);
});
server.listen(Number(process.env.PORT ?? 9999), () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
