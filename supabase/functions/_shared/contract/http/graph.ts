/**
 * Answers in the shapes of Meta's Graph API, for clients that were made for it.
 *
 * Source: Meta, "Messages API", "Media" and "Error codes"
 * (developers.facebook.com/documentation/business-messaging/whatsapp).
 *
 * @module
 */
import { z } from "zod";

const product = z.literal("whatsapp");

/** A message that was taken. */
export const graphSent = z.strictObject({
  messaging_product: product,
  contacts: z.array(z.strictObject({
    input: z.unknown().describe("The recipient as it was given"),
    wa_id: z.string().optional(),
    user_id: z.string().optional(),
  })),
  messages: z.array(z.strictObject({
    id: z.string().describe("Meta's id, wamid…; ours if Meta has not taken the message within eight seconds"),
    message_status: z.literal("accepted").optional(),
  })),
});
/** See {@linkcode graphSent}. */
export type GraphSent = z.infer<typeof graphSent>;

/** A read receipt that was taken, or a file that was deleted. */
export const graphDone = z.strictObject({ success: z.literal(true) });

/** A request in Meta's shape; what it may hold is that of `wa-send`, with the recipient in `to` or `recipient`. */
export const graphMessage = z.looseObject({ messaging_product: product });

/** The answer to a message or a read receipt. */
export const graphTaken = z.union([graphSent, graphDone]);

/** What is known of a file. */
export const graphMedia = z.strictObject({
  messaging_product: product,
  url: z.url().describe("A signed address of `wa-media`; it needs no key"),
  mime_type: z.string(),
  sha256: z.string().describe("Hexadecimal"),
  file_size: z.int(),
  id: z.string(),
});
/** See {@linkcode graphMedia}. */
export type GraphMedia = z.infer<typeof graphMedia>;

/** An uploaded file. */
export const graphId = z.strictObject({ id: z.string() });

/** An error. */
export const graphError = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.enum(["OAuthException", "GraphMethodException"]),
    code: z.int().describe("One of Meta's error codes"),
    error_subcode: z.int().optional(),
    is_transient: z.literal(true).optional().describe("The same request may succeed later"),
    error_data: z.strictObject({ messaging_product: product, details: z.string() }).optional(),
    fbtrace_id: z.string().describe("The request's id"),
  }),
});
/** See {@linkcode graphError}. */
export type GraphError = z.infer<typeof graphError>;

/** Schemas of this module that docs/openapi.yaml names. */
export const GRAPH = {
  GraphDone: graphDone,
  GraphError: graphError,
  GraphId: graphId,
  GraphMedia: graphMedia,
  GraphMessage: graphMessage,
  GraphSent: graphSent,
  GraphTaken: graphTaken,
} as const;
