/**
 * A stand-in for SendGrid: takes mails as `POST /v3/mail/send` does, with its faults, reports what became of them, and
 * posts mails that people write to us.
 *
 * | path below `/simulator/sendgrid` | |
 * |---|---|
 * | `POST /v3/mail/send` | SendGrid's API |
 * | `GET /mails` | `{sent: [SentMail], posts, settings}` |
 * | `POST /receive` | `{mail: WrittenMail, way?: MailWay, copies?}`: somebody writes a mail -> `{posts: [id]}` |
 * | `POST /events` | `{events: [object]}`: reports these |
 * | `POST /settings` | some of {@link MailSettings} -> all of them |
 */
import { timingSafeEqual } from "../../../supabase/functions/_shared/crypto/timing_safe_equal.ts";
import { type Clock, type Json, systemClock } from "../model.ts";
import { formOf, type MailWay, mimeOf, type WrittenMail } from "./mime.ts";
import { MailPoster } from "./poster.ts";

/** How the API behaves. */
export interface MailSettings {
  /**
   * `accept`; `lose`: takes the mail, and a gateway in between gives up waiting for the answer (504); `miss`: the same,
   * but the mail is not taken; or the status of an error.
   */
  answer: "accept" | "lose" | "miss" | number;
  /** After so many mails it accepts again; null: never. */
  times: number | null;
  /** Whether it reports `processed` and `delivered`. */
  events: boolean;
  /** How often each report is sent again, with another sg_event_id. */
  repeats: number;
}

/** A mail that was taken. */
export interface SentMail {
  /** X-Message-Id. */
  id: string;
  at: number;
  from: { email: string; name?: string };
  to: { email: string; name?: string }[];
  cc: { email: string; name?: string }[];
  replyTo?: { email: string; name?: string };
  subject: string;
  text?: string;
  html?: string;
  headers: Record<string, string>;
  customArgs: Record<string, string>;
  attachments: { filename: string; type: string; bytes: number; content_id?: string; disposition?: string }[];
  tracking: Json;
}

export interface SendGridOptions {
  apiKey: string;
  /** Private key of P-256, PKCS #8 in base64; signs posts. */
  signingKey: string;
  inboundUrl: string;
  eventsUrl: string;
  /** @default {systemClock} */
  clock?: Clock;
  /** @default {globalThis.fetch} */
  fetch?: typeof fetch;
  /** First wait before a post is repeated, in milliseconds. @default 200 */
  retryMs?: number;
}

const CALM: MailSettings = { answer: "accept", times: null, events: true, repeats: 0 };
const KEEP = 1_000;
/** SendGrid's own limit. */
const MAX_BYTES = 30 * 1024 * 1024 * 4 / 3;

/** The simulated SendGrid. */
export class SendGridSimulator {
  readonly sent: SentMail[] = [];
  readonly settings: MailSettings = { ...CALM };
  readonly poster: MailPoster;
  #options: SendGridOptions;
  #clock: Clock;

  constructor(options: SendGridOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.poster = new MailPoster({
      signingKey: options.signingKey,
      clock: this.#clock,
      fetch: options.fetch ?? fetch,
      ...(options.retryMs === undefined ? {} : { firstMs: options.retryMs }),
    });
  }

  configure(change: Partial<MailSettings>): MailSettings {
    return Object.assign(this.settings, change);
  }

  reset(): void {
    this.sent.length = 0;
    this.configure(CALM);
  }

  stop(): void {
    this.poster.stop();
  }

  /** Somebody writes a mail. @param copies How often it is posted, as after a lost answer. */
  receive(mail: WrittenMail, way: MailWay = {}, copies = 1): number[] {
    const raw = mimeOf(mail, new Date(this.#clock.now()));
    return Array.from({ length: copies }, () => {
      const { body, contentType } = formOf(raw, mail, way);
      return this.poster.post("inbound", this.#options.inboundUrl, contentType, () => body).id;
    });
  }

  /** Reports events. SendGrid's body ends in CRLF, which is signed. */
  report(events: readonly Json[]): void {
    const bodyOf = () =>
      new TextEncoder().encode(
        JSON.stringify(events.map((event) => ({ ...event, sg_event_id: crypto.randomUUID() }))) + "\r\n",
      );
    for (let i = 0; i <= this.settings.repeats; i++) {
      this.poster.post("events", this.#options.eventsUrl, "application/json;charset=utf-8", bodyOf);
    }
  }

  async fetch(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname.replace(/^.*?\/sendgrid(?=\/)/, "");
    if (request.method === "POST" && path === "/v3/mail/send") return await this.#send(request);
    if (request.method === "GET" && path === "/mails") {
      return Response.json({ sent: this.sent, posts: this.poster.posts, settings: this.settings });
    }
    if (request.method !== "POST") return Response.json({ error: "not found" }, { status: 404 });
    const body = await request.json().catch(() => ({}));
    if (path === "/settings") return Response.json(this.configure(body));
    if (path === "/receive") return Response.json({ posts: this.receive(body.mail, body.way, body.copies) });
    if (path === "/events") {
      this.report(body.events);
      return Response.json({});
    }
    return Response.json({ error: "not found" }, { status: 404 });
  }

  async #send(request: Request): Promise<Response> {
    const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (!timingSafeEqual(this.#options.apiKey, bearer)) {
      return errors(401, "The provided authorization grant is invalid, expired, or revoked");
    }
    const text = await request.text();
    if (text.length > MAX_BYTES) return errors(413, "Payload too large");
    const { answer } = this.settings;
    if (answer !== "accept" && this.settings.times !== null && --this.settings.times <= 0) {
      this.configure({ answer: "accept", times: null });
    }
    if (typeof answer === "number") return fault(answer);
    if (answer === "miss") return GATEWAY_TIMEOUT();
    let body: Json;
    try {
      body = JSON.parse(text);
    } catch {
      return errors(400, "Bad Request");
    }
    const fault_ = faultOf(body);
    if (fault_ !== undefined) return errors(400, fault_.message, fault_.field);
    const mail = this.#take(body);
    return answer === "lose"
      ? GATEWAY_TIMEOUT()
      : new Response(null, { status: 202, headers: { "x-message-id": mail.id } });
  }

  #take(body: Json): SentMail {
    const [personalization] = body.personalizations as Json[];
    const parts = new Map(
      (body.content as { type: string; value: string }[]).map((part) => [part.type, part.value]),
    );
    const mail: SentMail = {
      id: crypto.randomUUID().replaceAll("-", "").slice(0, 22),
      at: this.#clock.now(),
      from: body.from as SentMail["from"],
      to: personalization.to as SentMail["to"],
      cc: (personalization.cc ?? []) as SentMail["cc"],
      ...(body.reply_to === undefined ? {} : { replyTo: body.reply_to as SentMail["replyTo"] }),
      subject: String(body.subject),
      text: parts.get("text/plain"),
      html: parts.get("text/html"),
      headers: (body.headers ?? {}) as Record<string, string>,
      customArgs: (personalization.custom_args ?? {}) as Record<string, string>,
      attachments: ((body.attachments ?? []) as Json[]).map((
        { content, filename, type, content_id, disposition },
      ) => ({
        filename: String(filename),
        type: String(type),
        bytes: atob(String(content)).length,
        ...(content_id === undefined ? {} : { content_id: String(content_id) }),
        ...(disposition === undefined ? {} : { disposition: String(disposition) }),
      })),
      tracking: (body.tracking_settings ?? {}) as Json,
    };
    this.sent.push(mail);
    if (this.sent.length > KEEP) this.sent.shift();
    if (this.settings.events) {
      for (const event of ["processed", "delivered"]) {
        this.report(mail.to.map(({ email }) => eventOf(mail, event, email)));
      }
    }
    return mail;
  }
}

/** An event about a mail, as SendGrid words it. */
export function eventOf(mail: SentMail, event: string, email: string, more: Json = {}): Json {
  return {
    email,
    timestamp: Math.floor(mail.at / 1000),
    "smtp-id": `<${mail.id}@geopod-ismtpd-1>`,
    event,
    sg_message_id: `${mail.id}.recvd-5f8d6c7b9-1`,
    ...mail.customArgs,
    ...(event === "delivered" ? { response: "250 2.0.0 OK" } : {}),
    ...more,
  };
}

/** What SendGrid would refuse in a body. */
function faultOf(body: Json): { message: string; field: string } | undefined {
  const personalizations = body.personalizations;
  if (!Array.isArray(personalizations) || personalizations.length !== 1) {
    return { message: "The personalizations field is required", field: "personalizations" };
  }
  const [{ to, cc = [], custom_args = {} }] = personalizations as {
    to?: { email: string }[];
    cc?: { email: string }[];
    custom_args?: Json;
  }[];
  if (!Array.isArray(to) || to.length === 0) {
    return { message: "The to array is required", field: "personalizations.0.to" };
  }
  const all = [...to, ...cc].map(({ email }) => String(email).toLowerCase());
  if (all.some((email) => !/^[^\s@]{1,64}@[^\s@]+$/.test(email))) {
    return { message: "Does not contain a valid address.", field: "personalizations.0.to.0.email" };
  }
  if (new Set(all).size !== all.length) {
    return {
      message: "Each email address in the personalization block should be unique",
      field: "personalizations.0",
    };
  }
  if (Object.values(custom_args).some((value) => typeof value !== "string")) {
    return { message: "The custom_args values must be strings", field: "personalizations.0.custom_args" };
  }
  const reply = (body.reply_to as { email?: string } | undefined)?.email;
  if (reply !== undefined && !/^[^\s@]+@[^\s@]+$/.test(reply)) {
    return { message: "Does not contain a valid address.", field: "reply_to.email" };
  }
  if (typeof body.subject !== "string" || body.subject === "") {
    return { message: "The subject is required", field: "subject" };
  }
  const content = body.content;
  if (!Array.isArray(content) || content.length === 0 || content.some((part) => !(part as Json).value)) {
    return {
      message: "The content value must be a string at least one character in length",
      field: "content",
    };
  }
  const reserved = Object.keys((body.headers ?? {}) as Json).find((name) => RESERVED.has(name.toLowerCase()));
  if (reserved !== undefined) {
    return { message: `The header ${reserved} is reserved`, field: `headers.${reserved}` };
  }
}

const RESERVED = new Set(
  ("x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding to from subject reply-to cc bcc")
    .split(" "),
);

function errors(status: number, message: string, field: string | null = null): Response {
  return Response.json({ errors: [{ message, field, help: null }] }, { status });
}

function fault(status: number): Response {
  const response = errors(status, status === 429 ? "too many requests" : "The service is not available");
  if (status === 429) response.headers.set("retry-after", "1");
  return response;
}

const GATEWAY_TIMEOUT = () => new Response("upstream request timeout", { status: 504 });
