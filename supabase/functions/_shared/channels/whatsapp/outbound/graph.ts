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

/** Whom to send as, and where. */
export interface GraphAccount {
  /** Base URL with version, such as `https://graph.facebook.com/v26.0`. */
  readonly graphUrl: string;
  readonly token: string;
  readonly phoneNumberId: string;
  /** Longest wait for the answer. @default {15_000} */
  readonly timeoutMs?: number;
}

/** One message to send. */
export interface OutboundRequest {
  /** Our id of it: comes back in every status as `biz_opaque_callback_data`. */
  readonly id: string;
  /** Phone number or BSUID of the person, or a group's id. */
  readonly to: string;
  readonly message: OutboundMessage;
  /** W3C trace context, for whoever stands between Meta and us. */
  readonly traceparent?: string;
}

const MAX_WORDS = 500;

/**
 * Sends a message. Never throws.
 *
 * Failure policy: without an answer the outcome is unknown, and the failure is a `retry`: Meta may have
 * taken the message, and a repetition may reach the person twice. A status that comes meanwhile tells by
 * its callback data that it went, and the queue then drops the repetition. A success whose body cannot be
 * read is a success: repeating it would be certain to reach the person twice.
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

/** The body that Meta takes: our message with its envelope and recipient. */
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

/** Only people have ids of a known form. */
function isGroup(to: string): boolean {
  return !isBsuid(to) && !isNumber(to);
}

/** Whom the answer says that a message goes to; undefined where it says nothing that could be kept. */
function recipientOf(contacts: unknown) {
  const [person] = list(contacts) ?? [];
  if (!isObject(person) || !isStorable(person)) return undefined;
  const { phone, ...ids } = personOf(person);
  return identitiesOf({ ...ids, phone: phone !== undefined && isNumber(phone) ? phone : undefined });
}

/**
 * Asks for the templates of a name, in all languages: `GET /{waba-id}/message_templates`. Never throws.
 *
 * Source: Meta, "Template Management API" (developers.facebook.com/documentation/business-messaging/whatsapp/reference/
 * whatsapp-business-account/template-api).
 *
 * Failure policy: without an answer, and while the token is refused, nothing would be sent either: a failure. A token that
 * may not read templates, or a Meta that does not answer such questions, knows none.
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

/** The token itself is refused, and not what it asks for. */
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

/** The answer's JSON object, of at most 64 KB; undefined when it is none or breaks off. */
async function answerOf(response: Response): Promise<JsonObject | undefined> {
  try {
    const { bytes } = await readAnswer(response.body);
    return object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}
