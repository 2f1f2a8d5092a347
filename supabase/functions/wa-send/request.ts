/**
 * What a request to send holds besides the message: whom, from where, once only, and what else if it may not go.
 *
 * @module
 */
import { z } from "zod";
import { check, type Checked, checkMessage } from "../_shared/channels/whatsapp/outbound/outbound.ts";
import { type Recipient, recipientSchema } from "../_shared/channels/whatsapp/outbound/recipients.ts";

/** The checked envelope. A read receipt has no recipient: the message that was read says whom. */
export interface Envelope {
  recipient?: Recipient;
  from?: string;
  idempotency_key?: string;
  fallback?: Record<string, unknown>;
}

const envelopeSchema = z.object({
  from: z.string().regex(/^\d{1,32}$/, "must be a phone_number_id: digits").optional(),
  idempotency_key: z.string().min(1).max(255).regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters")
    .optional(),
  fallback: z.unknown().optional(),
});

/** Checks the envelope of a request. */
export function checkRequest(body: unknown, isReceipt: boolean): Checked<Envelope> {
  const envelope = check(envelopeSchema, body);
  if (!envelope.ok) return envelope;
  const { fallback, ...rest } = envelope.value;
  const value: Envelope = rest;
  if (!isReceipt) {
    const recipient = check<Recipient>(recipientSchema as z.ZodType<Recipient>, body);
    if (!recipient.ok) return recipient;
    value.recipient = recipient.value;
  }
  if (fallback !== undefined) {
    const checked = checkMessage(fallback);
    if (!checked.ok) {
      return {
        ok: false,
        issues: checked.issues.map(({ path, message }) => ({ path: `fallback.${path}`, message })),
      };
    }
    if (checked.value.type !== "template") {
      return {
        ok: false,
        issues: [{ path: "fallback.type", message: "must be a template: nothing else may go then" }],
      };
    }
    value.fallback = checked.value;
  }
  return { ok: true, value };
}
