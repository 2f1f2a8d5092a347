/**
 * Sends one message through Meta's Graph API: `POST /{phone_number_id}/messages`.
 *
 * Source: Meta, "Messages API" (developers.facebook.com/documentation/business-messaging/whatsapp/reference/
 * whatsapp-business-phone-number/message-api) and "Typing indicators".
 *
 * @module
 */
import { parseRetryAfter, readAnswer } from "../../../http/answers.ts";
import type { SendFailure, Sent, Template, Templates } from "../../channel.ts";
import { classify } from "./errors.ts";
import { id, isObject, isStorable, type JsonObject, list, object, text } from "../../../json/json.ts";
import { identitiesOf, isBsuid, personOf } from "../inbound/identities.ts";
import type { OutboundMessage } from "./outbound.ts";
import { isNumber } from "./recipients.ts";

/** The account to send as, and its URL. */
export interface GraphAccount {
  /** Base URL with version, such as `https://graph.facebook.com/v26.0`. */
  readonly graphUrl: string;
  readonly token: string;
  readonly phoneNumberId: string;
  /** Longest wait for the response. @default {15_000} */
  readonly timeoutMs?: number;
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

const MAX_WORDS = 500;

/**
 * Sends a message. Never throws.
 *
 * Failure policy: without a response the outcome is unknown, and the failure is a `retry`: Meta may have
 * accepted the message, and a repetition may reach the person twice. If a status arrives meanwhile, its
 * callback data shows that the message was sent, and the queue drops the repetition. A success whose body
 * cannot be read is a success: repeating it would certainly reach the person twice.
 */
export async function send(
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  account: GraphAccount,
  request: OutboundRequest,
): Promise<Sent> {
  const { graphUrl, token, phoneNumberId, timeoutMs = 15_000 } = account;
  let response: Response;
  try {
    response = await fetch(`${graphUrl}/${encodeURIComponent(phoneNumberId)}/messages`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${token}`,
        ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }),
      },
      body: JSON.stringify(graphBody(request)),
      // The token goes to Meta and to nobody that an answer points to.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    return withoutAnswer(error, timeoutMs);
  }
  const body = await answerOf(response);
  if (response.ok && body?.error === undefined) {
    const [message] = list(body?.messages) ?? [];
    const identities = isGroup(request.to) ? undefined : recipientOf(body?.contacts);
    return { ok: true, providerId: id(object(message)?.id), ...(identities && { identities }) };
  }
  return refusal(response, object(body?.error), token);
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
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  { graphUrl, token, timeoutMs = 10_000 }: Pick<GraphAccount, "graphUrl" | "token" | "timeoutMs">,
  { account, name }: { account: string; name: string },
): Promise<Templates> {
  const query = new URLSearchParams({ name, fields: "id,name,language,category", limit: "250" });
  let response: Response;
  try {
    response = await fetch(`${graphUrl}/${encodeURIComponent(account)}/message_templates?${query}`, {
      headers: { authorization: `Bearer ${token}` },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    return withoutAnswer(error, timeoutMs);
  }
  const body = await answerOf(response);
  if (response.ok && body?.error === undefined) {
    const data = Array.isArray(body?.data) ? body.data : [];
    // Meta finds names that hold this one, too.
    return { ok: true, templates: data.flatMap((item): Template[] => templateOf(object(item), name)) };
  }
  const failure = refusal(response, object(body?.error), token);
  const mayPass = failure.kind === "retry" && response.status !== 501 || failure.kind === "throttle";
  return mayPass || response.status === 401 || UNAUTHENTICATED.has(failure.code)
    ? failure
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

function withoutAnswer(error: unknown, timeoutMs: number): SendFailure {
  const late = error instanceof DOMException &&
    (error.name === "TimeoutError" || error.name === "AbortError");
  return late
    ? { ok: false, kind: "retry", code: "timeout", message: `no answer within ${timeoutMs} ms` }
    : { ok: false, kind: "retry", code: "network", message: "no connection, or it broke" };
}

function refusal(response: Response, error: JsonObject | undefined, token: string): SendFailure {
  const code = typeof error?.code === "number" ? error.code : undefined;
  const known = code === undefined ? undefined : { code, isTransient: error?.is_transient === true };
  const words = (value: unknown) => text(value)?.replaceAll(token, "…").slice(0, MAX_WORDS);
  const details = words(object(error?.error_data)?.details);
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
  return {
    ok: false,
    ...classify(known, response.status),
    code: code ?? "unreadable",
    status: response.status,
    message: words(error?.message) ?? `HTTP ${response.status} without an error of Meta's`,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The response's JSON object, of at most 64 KB; undefined if it is not one or is incomplete. */
async function answerOf(response: Response): Promise<JsonObject | undefined> {
  try {
    const { bytes } = await readAnswer(response.body);
    return object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}
