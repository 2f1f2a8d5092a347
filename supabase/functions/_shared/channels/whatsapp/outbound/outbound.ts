/**
 * Messages to send, Graph-shaped, checked before they are queued: a caller immediately gets an error, with
 * its place, for a shape that Meta would refuse.
 *
 * Source of shapes and limits: Meta, "Messages API" and the page of each type
 * (developers.facebook.com/documentation/business-messaging/whatsapp/messages/…, read in 2026). If Meta
 * documents no limit there is none here, and unknown members are passed to Meta unchanged: Meta adds some
 * each month. Lengths count characters, not UTF-16 units.
 *
 * @module
 */
import { z } from "zod";
import type { OutboundType } from "../../../contract/messages.ts";
import { isStorable, type JsonObject, MAX_DEPTH, object, text } from "../../../json/json.ts";
import type { Checked } from "../../channel.ts";
import { interactiveSchema, mediaOf, words } from "./outbound_parts.ts";

// What a schema cannot show of itself, such as what a refinement checks, stands in `meta` as JSON Schema.

const messageId = words(1024).meta({ maxLength: 1024, examples: ["wamid.HBgL"] });
const context = z.looseObject({ message_id: messageId }).describe("The message being answered");
const tracker = words(512)
  .meta({ maxLength: 512, description: "Your own tracking value, stored with the message and returned" });

/** Members of every type but the read receipt. The tracker is the caller's own: Meta is given ours in its place. */
const common = { context: context.optional(), biz_opaque_callback_data: tracker.optional() };

const location = z.looseObject({
  latitude: degrees(90),
  longitude: degrees(180),
  name: z.string().optional(),
  address: z.string().optional(),
});

function degrees(limit: number) {
  // Meta's examples give them as text as well.
  return z.preprocess(
    (value) => typeof value === "string" && value.trim() !== "" ? Number(value) : value,
    z.number(`must be degrees between -${limit} and ${limit}`).min(-limit).max(limit),
  ).meta({
    type: ["number", "string"],
    pattern: "^-?[0-9]+([.][0-9]+)?$",
    description: "Text is read as a number",
  });
}

const contact = z.looseObject({
  name: z.looseObject({ formatted_name: z.string().min(1) }),
  phones: z.array(z.looseObject({ phone: z.string().optional(), wa_id: z.string().optional() })).optional(),
  emails: z.array(z.looseObject({ email: z.string().optional() })).optional(),
  urls: z.array(z.looseObject({ url: z.string().optional() })).optional(),
  addresses: z.array(z.looseObject({})).optional(),
  org: z.looseObject({}).optional(),
  birthday: z.string().regex(/^\d{4}-\d{2}-\d{2}$/, "must be YYYY-MM-DD").optional(),
});

/** Meta refuses others with 132018 or 100 when they are sent. */
const parameterText = z.string().min(1, "must not be empty")
  .regex(/^[^\n\r\t]*$/, "must have no line break or tab")
  .refine((value) => !value.includes("     "), "must have no more than four spaces in a row");

const parameter = z.looseObject({ type: z.string().min(1) }).superRefine((value, context) => {
  if (value.type !== "text") return;
  const checked = parameterText.safeParse(value.text);
  for (const { message } of checked.success ? [] : checked.error.issues) {
    context.addIssue({ code: "custom", path: ["text"], message });
  }
}).meta({
  if: { properties: { type: { const: "text" } } },
  then: {
    required: ["text"],
    properties: { text: { type: "string", minLength: 1, pattern: "^(?!.*     )[^\\n\\r\\t]*$" } },
  },
});

const template = z.looseObject({
  name: words(512),
  language: z.looseObject({ code: words(16) }),
  components: z.array(z.looseObject({
    type: z.string().min(1),
    parameters: z.array(parameter).optional(),
  })).optional(),
});

const typing = z.object({ type: z.literal("text") });

/** Every type that can be sent. */
export const SCHEMAS = {
  text: z.looseObject({
    ...common,
    type: z.literal("text"),
    text: z.looseObject({ body: words(4096), preview_url: z.boolean().optional() }),
  }),
  template: z.looseObject({
    ...common,
    type: z.literal("template"),
    template,
    // Ours, not Meta's: what it is where Meta does not say.
    category: z.string().toLowerCase().pipe(
      z.enum(["marketing", "utility", "authentication"], "must be marketing, utility or authentication"),
    ).optional().meta({
      pattern: "^(?i:marketing|utility|authentication)$",
      description:
        "The category if Meta does not report one; marketing by default. People who have opted out of " +
        "marketing get only the other categories",
    }),
  }),
  interactive: z.looseObject({ ...common, type: z.literal("interactive"), interactive: interactiveSchema }),
  image: z.looseObject({
    ...common,
    type: z.literal("image"),
    image: mediaOf({ caption: words(1024).optional() }),
  }),
  video: z.looseObject({
    ...common,
    type: z.literal("video"),
    video: mediaOf({ caption: words(1024).optional() }),
  }),
  audio: z.looseObject({
    ...common,
    type: z.literal("audio"),
    audio: mediaOf({ voice: z.boolean().optional() }),
  }),
  document: z.looseObject({
    ...common,
    type: z.literal("document"),
    document: mediaOf({ caption: words(1024).optional(), filename: words(240).optional() }),
  }),
  sticker: z.looseObject({ ...common, type: z.literal("sticker"), sticker: mediaOf({}) }),
  location: z.looseObject({ ...common, type: z.literal("location"), location }),
  contacts: z.looseObject({
    ...common,
    type: z.literal("contacts"),
    contacts: z.array(contact).min(1).max(257),
  }),
  reaction: z.looseObject({
    ...common,
    type: z.literal("reaction"),
    reaction: z.looseObject({
      message_id: messageId,
      emoji: z.string().max(64).describe("An empty one removes the reaction"),
    }),
  }),
  read: z.object({
    type: z.literal("read"),
    message_id: messageId,
    typing_indicator: typing.optional(),
  }).describe("A read receipt, optionally with a typing indicator. It has no recipient."),
} satisfies Record<OutboundType, z.ZodType>;

/** Parts of them that docs/openapi.yaml names. */
export const PARTS = { Context: context, MessageId: messageId, Tracker: tracker, Typing: typing } as const;

const { text: textSchema, ...otherSchemas } = SCHEMAS;

/** A message that can be sent, by its `type`. */
export const outboundSchema = z.discriminatedUnion("type", [textSchema, ...Object.values(otherSchemas)], {
  error: (issue) => issue.code === "invalid_union" ? "is no type of message that can be sent" : undefined,
});

/** A checked message without its envelope and recipient. */
export type OutboundMessage = z.output<typeof outboundSchema>;

/** The envelope of a Graph request and what wa-send adds to it: not part of the message. */
const ENVELOPE = [
  "messaging_product",
  "recipient_type",
  "to",
  "recipient",
  "from",
  "idempotency_key",
  "fallback",
  "takeover",
];

/** Its members belong to the service: a null in it may have a meaning. */
const OPAQUE = "flow_action_payload";

/** A value without its null members, which clients send for unset values. */
export function withoutNulls(value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== null)
      .map(([name, member]) => [name, name === OPAQUE ? member : withoutNulls(member, depth + 1)]),
  );
}

/**
 * Checks a Graph-shaped message. An envelope is accepted and removed; null counts as absent. A read receipt
 * may have Meta's form (`{"status":"read","message_id":…,"typing_indicator":{"type":"text"}}`) or be
 * `{"type":"read","message_id":…}`.
 */
export function checkMessage(input: unknown): Checked<OutboundMessage> {
  const source = object(withoutNulls(input));
  if (source === undefined) return { ok: false, issues: [{ path: "", message: "must be a JSON object" }] };
  const message: JsonObject = Object.fromEntries(
    Object.entries(source).filter(([name]) => !ENVELOPE.includes(name)),
  );
  if (message.type === undefined && message.status === "read") {
    delete message.status;
    message.type = "read";
  }
  const checked = check(outboundSchema, message);
  if (checked.ok && !isStorable(checked.value)) {
    const what = "holds a NUL character, half a surrogate pair, or nests too deep";
    return { ok: false, issues: [{ path: "", message: what }] };
  }
  return checked;
}

/** Checks any value with a schema; the issues are worded for callers. */
export function check<T>(schema: z.ZodType<T>, value: unknown): Checked<T> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const issues = result.error.issues.slice(0, 20).map(({ path, message }) => ({
    path: path.join("."),
    message,
  }));
  return { ok: false, issues };
}

/** The text of a message, for people who read the conversation; undefined if it has none. */
export function wordsOf(message: OutboundMessage): string | undefined {
  switch (message.type) {
    case "text":
      return message.text.body;
    case "interactive":
      return text(object(message.interactive.body)?.text);
    case "image":
    case "video":
    case "document":
      return text(object(message[message.type])?.caption);
    case "reaction":
      return text(message.reaction.emoji);
    case "template":
      return `[${message.template.name}]`;
    default:
      return undefined;
  }
}
