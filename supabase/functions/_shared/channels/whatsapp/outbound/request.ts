/**
 * The members of a send request besides the message: recipient, sender, idempotency key, fallback.
 *
 * @module
 */
import { z } from "zod";
import type { Checked, SendRequest } from "../../channel.ts";
import { check, checkMessage, withoutNulls, wordsOf } from "./outbound.ts";
import { type Recipient, recipientSchema } from "./recipients.ts";

/**
 * The members around the message. A read receipt has no recipient, because the message that was read
 * determines it.
 */
interface Envelope {
  recipient?: Recipient;
  from?: string;
  idempotency_key?: string;
  fallback?: Record<string, unknown>;
  takeover?: { by?: string; minutes?: number };
}

/** Members of it besides the recipient. */
export const envelopeSchema = z.object({
  from: z.string().regex(/^\d{1,32}$/, "must be a phone_number_id: digits").optional(),
  idempotency_key: z.string().min(1).max(255).regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters")
    .optional(),
  fallback: z.unknown().optional(),
  takeover: z.strictObject({
    by: z.string().regex(/^[A-Za-z0-9@._:-]{1,100}$/, "must have 1 to 100 letters, digits, @ . _ : or -")
      .optional().meta({
        description: "Who has it, for services and the panel; the role of the key without it",
        examples: ["desk:anna"],
      }),
    minutes: z.int().min(1).max(43_200).optional().describe(
      "For how long from now; the setting `takeover.minutes` without it, or 60 if that is 0",
    ),
  }).optional().describe(
    "A person wrote this message and takes the conversation over from the services, in the transaction that queues " +
      "it. A message that is refused takes nothing over",
  ),
});

/** Checks a request: the message and everything around it, so that a caller gets all issues at once. */
export function checkRequest(given: unknown): Checked<SendRequest> {
  const body = withoutNulls(given);
  const message = checkMessage(body);
  const envelope = checkEnvelope(body, message.ok && message.value.type === "read");
  if (!message.ok || !envelope.ok) {
    return {
      ok: false,
      issues: [...(message.ok ? [] : message.issues), ...(envelope.ok ? [] : envelope.issues)],
    };
  }
  const { recipient, from, idempotency_key, fallback, takeover } = envelope.value;
  const { biz_opaque_callback_data } = message.value as { biz_opaque_callback_data?: string };
  return {
    ok: true,
    value: {
      ...recipient,
      number_id: from,
      idempotency_key,
      fallback,
      ...(takeover === undefined ? {} : { takeover }),
      message: message.value,
      text: wordsOf(message.value),
      ...(biz_opaque_callback_data === undefined ? {} : { echo: { biz_opaque_callback_data } }),
    },
  };
}

function checkEnvelope(body: unknown, isReceipt: boolean): Checked<Envelope> {
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
