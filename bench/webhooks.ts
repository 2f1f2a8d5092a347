/** Signed webhook requests for load: one text message each, unless asked for more. */
import { sign } from "../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { post } from "./load.ts";

/** Where the webhooks go and how they are signed. */
export interface WebhookTarget {
  hostname: string;
  port: number;
  appSecret: string;
  phoneNumberId: string;
}

let serial = 0;
const run = crypto.randomUUID().replaceAll("-", "").toUpperCase();

/** One message of Meta's shape; ids are unique over all runs. */
function message(from: string, text: string) {
  return {
    from,
    id: `wamid.HBgM${run}${(serial++).toString(36).padStart(8, "0")}`,
    timestamp: String(Math.floor(Date.now() / 1000)),
    type: "text",
    text: { body: text },
  };
}

/** The body of a webhook with `size` messages from `contacts` people by turns. */
export function body(target: WebhookTarget, size: number, contacts: number): string {
  const people = Array.from({ length: Math.min(size, contacts) }, () => person(contacts));
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{
      id: "102290129340398",
      changes: [{
        field: "messages",
        value: {
          messaging_product: "whatsapp",
          metadata: { display_phone_number: "15550001234", phone_number_id: target.phoneNumberId },
          contacts: people.map((phone) => ({
            profile: { name: `Person ${phone.slice(-5)}` },
            wa_id: phone,
            user_id: `DE.${phone}`,
          })),
          messages: Array.from(
            { length: size },
            (_, i) => message(people[i % people.length], `Is my order ${serial} on its way?`),
          ),
        },
      }],
    }],
  });
}

let turn = 0;
function person(contacts: number): string {
  return `4915${(100_000_000 + turn++ % contacts).toString().slice(1)}`;
}

/** A signed request, ready to be written to a connection. */
export function request(
  target: WebhookTarget,
  size = 1,
  contacts = 1000,
  path = "/functions/v1/wa-webhook",
): Uint8Array {
  const bytes = new TextEncoder().encode(body(target, size, contacts));
  return post(`${target.hostname}:${target.port}`, path, {
    "content-type": "application/json",
    "x-hub-signature-256": sign(bytes, target.appSecret),
  }, bytes);
}
