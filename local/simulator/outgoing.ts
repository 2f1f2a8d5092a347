/**
 * Checks what the Graph API accepts on `POST /{phone_number_id}/messages`, independently: it shares only the
 * type names with the code that sends. Limits are Meta's. Source: Cloud API reference, "Messages".
 */
import { z } from "zod";
import type { OutboundType } from "../../supabase/functions/_shared/contract/messages.ts";
import type { Json } from "./model.ts";

const text = (most: number) => z.string().min(1).max(most);
const media = z.looseObject({
  id: text(200).optional(),
  link: z.url().optional(),
  caption: text(1024).optional(),
})
  .refine(({ id, link }) => (id === undefined) !== (link === undefined), "either id or link is required");
const body = z.looseObject({ text: text(4096) });
const row = z.looseObject({ id: text(200), title: text(24), description: text(72).optional() });

const interactive = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("button"),
    body,
    action: z.looseObject({
      buttons: z.array(z.looseObject({
        type: z.literal("reply"),
        reply: z.looseObject({ id: text(256), title: text(20) }),
      })).min(1).max(3),
    }),
  }),
  z.looseObject({
    type: z.literal("list"),
    body,
    action: z.looseObject({
      button: text(20),
      sections: z.array(z.looseObject({ title: text(24).optional(), rows: z.array(row).min(1) })).min(1).max(
        10,
      ),
    }).refine(({ sections }) => sections.flatMap(({ rows }) => rows).length <= 10, "at most 10 rows"),
  }),
  z.looseObject({
    type: z.literal("cta_url"),
    body,
    action: z.looseObject({
      name: z.literal("cta_url"),
      parameters: z.looseObject({ display_text: text(20), url: z.url() }),
    }),
  }),
  z.looseObject({ type: z.literal("flow"), body, action: z.looseObject({ name: z.literal("flow") }) }),
  z.looseObject({
    type: z.literal("location_request_message"),
    body,
    action: z.looseObject({ name: z.literal("send_location") }),
  }),
]);

const KINDS = {
  text: z.looseObject({ body: text(4096) }),
  image: media,
  video: media,
  audio: media,
  document: media,
  sticker: media,
  location: z.looseObject({
    latitude: z.coerce.number().min(-90).max(90),
    longitude: z.coerce.number().min(-180).max(180),
  }),
  contacts: z.array(z.looseObject({ name: z.looseObject({ formatted_name: text(512) }) })).min(1).max(257),
  reaction: z.looseObject({ message_id: text(512), emoji: z.string().max(64) }),
  template: z.looseObject({
    name: text(512),
    language: z.looseObject({ code: text(20) }),
    components: z.array(z.looseObject({ type: text(20) })).optional(),
  }),
  interactive,
} satisfies Record<Exclude<OutboundType, "read">, z.ZodType>;

/** Null for a message that Meta would accept, else the reason for its refusal. */
export function faultOf(message: Json): string | null {
  if (message.messaging_product !== "whatsapp") return "messaging_product must be whatsapp";
  const type = message.type ?? "text";
  if (typeof type !== "string" || !Object.hasOwn(KINDS, type)) return "type is not a known message type";
  const callback = message.biz_opaque_callback_data ?? "";
  if (typeof callback !== "string" || callback.length > 512) {
    return "biz_opaque_callback_data: at most 512 characters";
  }
  const result = KINDS[type as keyof typeof KINDS].safeParse(message[type]);
  if (result.success) return null;
  const [issue] = result.error.issues;
  return `${[type, ...issue.path].join(".")}: ${issue.message}`;
}
