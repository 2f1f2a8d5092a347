/**
 * Texts to send, as services state them, checked before they are queued: a caller immediately gets each fault with its
 * place.
 *
 * @module
 */
import { z } from "zod";
import { isStorable } from "../../../json/json.ts";
import { phoneOf } from "../../../sms/numbers.ts";
import { MAX_TEXT, segmentsOf, withPlainCharacters } from "../../../sms/segments.ts";
import type { Checked, Outbound, SendRequest } from "../../channel.ts";

/** Files of one message; Twilio's limit. */
const MAX_MEDIA = 10;
/** Twilio keeps a text in its queue for at most ten hours. */
const MAX_VALIDITY = 36_000;

const phone = z.string().max(40).transform((value, context) => {
  const digits = phoneOf(value);
  if (digits !== undefined) return digits;
  context.addIssue({ code: "custom", message: "must be a phone number with its country code" });
  return z.NEVER;
}).meta({ type: "string", maxLength: 40, description: "A phone number with its country code." });

const sender = z.string().min(3).max(40).transform((value) => phoneOf(value) ?? value.trim())
  .meta({ type: "string", description: "One of our numbers." });

const content = {
  text: z.string().max(MAX_TEXT).default("").describe("Its words; needed without `media`"),
  media: z.array(z.url({ protocol: /^https$/, error: "must be an https address" }).max(2000)).max(MAX_MEDIA)
    .optional().describe("Addresses of files, which the provider fetches"),
  validity_seconds: z.int().min(1).max(MAX_VALIDITY).optional().describe(
    "How long it may wait to be sent, here and at the provider; 600 at the provider if absent",
  ),
  plain_characters: z.boolean().optional().describe(
    "Whether curly quotes, dashes and the like become plain ones if that makes the text cheaper",
  ),
};

const says = ({ text, media = [] }: { text: string; media?: string[] }) => text !== "" || media.length > 0;
const SAYS = { message: "a message needs text or media", path: ["text"] };

const messageSchema = z.strictObject({ type: z.enum(["text", "mms"]).optional(), ...content }).refine(
  says,
  SAYS,
);

const requestSchema = z.strictObject({
  type: z.enum(["text", "mms"]).optional(),
  to: phone,
  from: sender.optional(),
  ...content,
  idempotency_key: z.string().min(1).max(255).regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters")
    .optional(),
}).refine(says, SAYS);

/** The schema of a request, for the published interface. */
export const smsRequest = requestSchema;

type Content = z.output<typeof messageSchema>;

/** A text's own part of a request: what a service may answer a delivery with. */
export function checkMessage(value: unknown): Checked<Outbound> {
  const checked = check(messageSchema, value);
  return checked.ok ? { ok: true, value: messageOf(checked.value) } : checked;
}

/** A complete request. */
export function checkRequest(value: unknown): Checked<SendRequest> {
  const checked = check(requestSchema, value);
  if (!checked.ok) return checked;
  const { to, from, idempotency_key, ...rest } = checked.value;
  const message = messageOf(rest);
  return {
    ok: true,
    value: {
      to,
      identities: [{ kind: "phone", value: to }],
      ...(from === undefined ? {} : { number_id: from }),
      ...(idempotency_key === undefined ? {} : { idempotency_key }),
      text: wordsOf(message),
      message,
    },
  };
}

/** The text of a message, for people who read the conversation. */
export function wordsOf({ text }: Outbound): string | undefined {
  return typeof text === "string" && text !== "" ? text : undefined;
}

/** The database paces by segments, which are counted here once. */
function messageOf({ text: given, media = [], validity_seconds, plain_characters }: Content): Outbound {
  const text = plain_characters ? withPlainCharacters(given) : given;
  const { encoding, segments } = segmentsOf(text);
  return {
    type: media.length > 0 ? "mms" : "text",
    text,
    encoding,
    segments,
    ...(media.length > 0 ? { media } : {}),
    ...(validity_seconds === undefined ? {} : { validity_seconds }),
  };
}

function check<T>(schema: z.ZodType<T>, value: unknown): Checked<T> {
  if (!isStorable(value)) {
    const message = "holds a NUL character, half a surrogate pair, or nests too deep";
    return { ok: false, issues: [{ path: "", message }] };
  }
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  return {
    ok: false,
    issues: result.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join("."), message })),
  };
}
