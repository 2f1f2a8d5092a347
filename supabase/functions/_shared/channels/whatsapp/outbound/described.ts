/**
 * The body of `wa-send` as docs/openapi.yaml describes it, made from the schemas that check one. Functions do not load this.
 *
 * @module
 */
import { z } from "zod";
import { repliesOf } from "../../../contract/http/messages.ts";
import { PARTS, SCHEMAS } from "./outbound.ts";
import { knownInteractive, otherInteractive } from "./outbound_parts.ts";
import { envelopeSchema } from "./request.ts";

/** A read receipt as Meta writes it. */
const { message_id, typing_indicator } = SCHEMAS.read.shape;
const readAsMetaWritesIt = z.looseObject({
  type: z.never().optional(),
  status: z.literal("read"),
  message_id,
  typing_indicator,
});

const message = z.union([...Object.values(SCHEMAS), readAsMetaWritesIt]).meta({ type: "object" });

const { from, idempotency_key, takeover } = envelopeSchema.shape;
const envelope = z.looseObject({
  messaging_product: z.unknown().meta({
    description: "`whatsapp` in Meta's format; ignored",
    examples: ["whatsapp"],
  }).optional(),
  recipient_type: z.enum(["individual", "group"]).optional(),
  to: z.unknown().meta({
    type: ["string", "integer"],
    description:
      "A phone number with its country code in any format; a business-scoped user id; the `contact.id` that " +
      "services receive, or a user name, of a known contact; or, with `recipient_type` group, the group's id",
  }).optional(),
  recipient: z.string().regex(/^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/).optional()
    .describe("A business-scoped user id"),
  from: from.describe(
    "`phone_number_id` of the sending number; required if there are several and the person has not written yet",
  ),
  idempotency_key: idempotency_key.describe("Repeating a request with the same key does not send again"),
  fallback: SCHEMAS.template.optional().describe("Used if the window is closed"),
  takeover,
});

const sendRequest = z.intersection(message, envelope).meta({
  description:
    "A message in the format of Meta's Graph API with its envelope. Members that are not listed here are " +
    "passed to Meta unchanged.",
  anyOf: [
    { required: ["to"] },
    { required: ["recipient"] },
    { properties: { type: { const: "read" } }, required: ["type"] },
    { properties: { status: { const: "read" } }, required: ["status"] },
  ],
});

const { text, template, interactive, image, video, audio, document, sticker } = SCHEMAS;
const { location, contacts, reaction, read } = SCHEMAS;

/** Schemas by the names that docs/openapi.yaml has for them. */
export const WHATSAPP = {
  ...PARTS,
  Audio: audio,
  Contacts: contacts,
  Document: document,
  Envelope: envelope,
  Image: image,
  Interactive: interactive,
  KnownInteractive: knownInteractive,
  Location: location,
  Message: message,
  OtherInteractive: otherInteractive,
  Reaction: reaction,
  Read: read,
  ReadAsMetaWritesIt: readAsMetaWritesIt,
  Replies: repliesOf(message),
  SendRequest: sendRequest,
  Sticker: sticker,
  Template: template,
  Text: text,
  Video: video,
} as const;
