/**
 * Sends one message through Meta's Graph API: `POST /{phone_number_id}/messages`.
 *
 * Source: Meta, "Messages API" (developers.facebook.com/documentation/business-messaging/whatsapp/reference/
 * whatsapp-business-phone-number/message-api) and "Typing indicators".
 *
 * @module
 */
import type { Sent, Template, Templates } from "../../channel.ts";
import { callGraph, type Fetch, type GraphAccess } from "../graph_call.ts";
import { id, isObject, isStorable, type JsonObject, list, object } from "../../../json/json.ts";
import { identitiesOf, isBsuid, personOf } from "../inbound/identities.ts";
import type { OutboundMessage } from "./outbound.ts";
import { isNumber } from "./recipients.ts";

/** The account and number to send as. */
export interface GraphAccount extends GraphAccess {
  readonly phoneNumberId: string;
}

/** One message to send. */
export interface OutboundRequest {
  /** Our id of the message: returned in every status as `biz_opaque_callback_data`. */
  readonly id: string;
  /** Phone number or BSUID of the person, or id of a group. */
  readonly to: string;
  readonly message: OutboundMessage;
  /** W3C trace context, for a proxy between Meta and us. */
  readonly traceparent?: string;
}

/**
 * Sends a message. Never throws.
 *
 * Failure policy: without a response the outcome is unknown, and the failure is a `retry`: Meta may have
 * accepted the message, and a repetition may reach the person twice. If a status arrives meanwhile, its
 * callback data shows that the message was sent, and the queue drops the repetition. A success whose body
 * cannot be read is a success: repeating it would certainly reach the person twice.
 */
export async function send(fetch: Fetch, account: GraphAccount, request: OutboundRequest): Promise<Sent> {
  const answer = await callGraph(fetch, account, {
    method: "POST",
    path: `${encodeURIComponent(account.phoneNumberId)}/messages`,
    headers: request.traceparent === undefined ? {} : { traceparent: request.traceparent },
    body: graphBody(request),
  });
  if (!answer.ok) return answer;
  const [message] = list(answer.body?.messages) ?? [];
  const identities = isGroup(request.to) ? undefined : recipientOf(answer.body?.contacts);
  return { ok: true, providerId: id(object(message)?.id), ...(identities && { identities }) };
}

/** The body for Meta: our message with its envelope and recipient. */
export function graphBody({ id, to, message }: OutboundRequest): JsonObject {
  if (message.type === "read") {
    const { type: _, ...receipt } = message;
    return { messaging_product: "whatsapp", status: "read", ...receipt };
  }
  const { category: _, ...native } = message as OutboundMessage & { category?: string };
  return {
    messaging_product: "whatsapp",
    recipient_type: isGroup(to) ? "group" : "individual",
    // A BSUID under `to` is answered with 200 and reaches nobody.
    ...(isBsuid(to) ? { recipient: to } : { to }),
    ...native,
    biz_opaque_callback_data: id,
  };
}

/** Whether the id is a group's: only people's ids have a known form. */
function isGroup(to: string): boolean {
  return !isBsuid(to) && !isNumber(to);
}

/** The recipient according to the response; undefined if it contains nothing that can be stored. */
function recipientOf(contacts: unknown) {
  const [person] = list(contacts) ?? [];
  if (!isObject(person) || !isStorable(person)) return undefined;
  const { phone, ...ids } = personOf(person);
  return identitiesOf({ ...ids, phone: phone !== undefined && isNumber(phone) ? phone : undefined });
}

/**
 * Gets the templates of a name, in all languages: `GET /{waba-id}/message_templates`. Never throws.
 *
 * Source: Meta, "Template Management API"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-account/template-api).
 *
 * Failure policy: without a response, or while the token is refused, the result is a failure: nothing could
 * be sent either. If the token may not read templates, or Meta does not answer such queries, no templates are
 * known.
 */
export async function askTemplates(
  fetch: Fetch,
  access: GraphAccess,
  { account, name }: { account: string; name: string },
): Promise<Templates> {
  const answer = await callGraph(fetch, { timeoutMs: 10_000, ...access }, {
    path: `${encodeURIComponent(account)}/message_templates`,
    query: { name, fields: "id,name,language,category", limit: "250" },
  });
  if (answer.ok) {
    const data = Array.isArray(answer.body?.data) ? answer.body.data : [];
    // Meta finds names that hold this one, too.
    return { ok: true, templates: data.flatMap((item): Template[] => templateOf(object(item), name)) };
  }
  const mayPass = answer.kind === "retry" && answer.status !== 501 || answer.kind === "throttle";
  return mayPass || answer.status === 401 || UNAUTHENTICATED.has(answer.code)
    ? answer
    : { ok: true, templates: [] };
}

/** The token itself is refused, not the request. */
const UNAUTHENTICATED: ReadonlySet<number | string> = new Set([0, 190]);

function templateOf(item: JsonObject | undefined, name: string): Template[] {
  const language = id(item?.language);
  const category = id(item?.category);
  return item?.name !== name || language === undefined || category === undefined
    ? []
    : [{ id: id(item.id), language, category }];
}
