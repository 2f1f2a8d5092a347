/**
 * Mails to send, as services state them, checked before they are queued: a caller immediately gets each fault with its
 * place.
 *
 * @module
 */
import { z } from "zod";
import { isStorable } from "../../../json/json.ts";
import { normalAddress } from "../../../mail/header_values.ts";
import { textOf } from "../../../mail/html.ts";
import type { Checked, Outbound, SendRequest, SentFile } from "../../channel.ts";

/** Most characters of a part; providers take 30 MB in all. */
const MAX_BODY = 2_000_000;
/** Bytes of all attachments: base64 makes a third more of them, and a provider takes 30 MB. */
export const MAX_ATTACHED = 20_000_000;
const MAX_ATTACHMENTS = 50;
const MAX_CC = 50;

const subject = z.string().trim().min(1, "must not be empty").max(900)
  .regex(/^[^\r\n]*$/, "must have no line break");
const address = z.string().max(254).transform((value, context) => {
  const normal = normalAddress(value);
  if (normal !== undefined && normal.lastIndexOf("@") <= 64) return normal;
  context.addIssue({ code: "custom", message: "must be an e-mail address" });
  return z.NEVER;
}).meta({ type: "string", format: "email", maxLength: 254 });
const name = z.string().max(200).regex(/^[^\r\n]*$/, "must have no line break");

const person = z.union([
  address.transform((address) => ({ address, name: "" })),
  z.object({ address: address.optional(), email: address.optional(), name: name.default("") })
    .transform(({ address, email, name }, context) => {
      const one = address ?? email;
      if (one !== undefined) return { address: one, name };
      context.addIssue({ code: "custom", message: "must have an address" });
      return z.NEVER;
    }),
], "must be an e-mail address");

const attachment = z.object({
  name: z.string().min(1).max(200),
  type: z.string().max(120).regex(/^[\w.+-]+\/[\w.+-]+$/, "must be a media type").default(
    "application/octet-stream",
  ),
  content: z.base64("must be base64"),
  cid: z.string().max(200).regex(/^[^\s<>]+$/, "must have no blanks and brackets").optional(),
});

/** What a mail says, whoever it goes to. */
const content = {
  subject,
  html: z.string().max(MAX_BODY).optional(),
  text: z.string().max(MAX_BODY).optional(),
};

const track = z.enum(["off", "aggregate", "individual"]).optional();
const uuid = z.guid("must be an id of ours");
const hasBody = ({ html, text }: { html?: string; text?: string }) =>
  (html ?? "") !== "" || (text ?? "") !== "";
const BODY = { message: "a mail needs html or text", path: ["html"] };

const messageSchema = z.strictObject({
  type: z.literal("email").default("email"),
  ...content,
  cc: z.array(person).max(MAX_CC).optional(),
  campaign_id: uuid.optional(),
  bulk: z.boolean().optional(),
  track,
  reply_to_message: uuid.optional(),
}).refine(hasBody, BODY);

const requestSchema = z.strictObject({
  type: z.literal("email").optional(),
  to: person,
  from: address.optional(),
  user_id: z.string().min(1).max(200).optional(),
  ...content,
  cc: z.array(person).max(MAX_CC).optional(),
  campaign_id: uuid.optional(),
  bulk: z.boolean().optional(),
  track,
  reply_to_message: uuid.optional(),
  attachments: z.array(attachment).max(MAX_ATTACHMENTS).optional(),
  idempotency_key: z.string().min(1).max(255).regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters")
    .optional(),
}).refine(hasBody, BODY);

/** The schema of a request, for the published interface. */
export const mailRequest = requestSchema;

/** A mail's own part of a request: what a service may answer a delivery with. Without attachments, which need room. */
export function checkMessage(value: unknown): Checked<Outbound> {
  const checked = check(messageSchema, value);
  return checked.ok ? { ok: true, value: { ...checked.value } } : checked;
}

/**
 * A complete request. The text part is made of the HTML where there is none, for readers without HTML and for people
 * who read the conversation.
 *
 * @param sendDomain Domain of the message's id.
 */
export async function checkRequest(
  value: unknown,
  sendDomain: string | undefined,
): Promise<Checked<SendRequest>> {
  const checked = check(requestSchema, value);
  if (!checked.ok) return checked;
  const { to, from, user_id, idempotency_key, attachments = [], type: _, ...message } = checked.value;
  const files: SentFile[] = attachments.map(({ content, type }, index) => ({
    index,
    type,
    bytes: fromBase64(content),
  }));
  const size = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (size > MAX_ATTACHED) {
    return {
      ok: false,
      issues: [{ path: "attachments", message: `must have at most ${MAX_ATTACHED} bytes in all` }],
    };
  }
  const text = message.text || await textOf(message.html ?? "");
  return {
    ok: true,
    value: {
      to: to.address,
      identities: [{ kind: "email", value: to.address }],
      ...(from === undefined ? {} : { number_id: from }),
      ...(user_id === undefined ? {} : { user_id }),
      ...(sendDomain === undefined ? {} : { send_domain: sendDomain }),
      ...(idempotency_key === undefined ? {} : { idempotency_key }),
      ...(files.length > 0 ? { files } : {}),
      text,
      message: {
        type: "email",
        ...message,
        text,
        ...(to.name === "" ? {} : { to_name: to.name }),
        ...(files.length > 0
          ? {
            attachments: attachments.map(({ name, type, cid }, index) => ({
              index,
              name,
              type,
              size: files[index].bytes.length,
              ...(cid === undefined ? {} : { cid }),
            })),
          }
          : {}),
      },
    },
  };
}

/** The text of a mail, for people who read the conversation; its subject where it has HTML alone. */
export function wordsOf(message: Outbound): string | undefined {
  const { text, subject } = message;
  if (typeof text === "string" && text !== "") return text;
  return typeof subject === "string" && subject !== "" ? subject : undefined;
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

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
