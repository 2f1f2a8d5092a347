/**
 * A stand-in for SendGrid: takes mails as `POST /v3/mail/send` does, with its faults, reports what became of them, and
 * posts mails that people write to us. The page of the simulated inboxes is in api.ts.
 *
 * | path below `/simulator/sendgrid` | |
 * |---|---|
 * | `POST /v3/mail/send` | SendGrid's API |
 * | `GET /mails` | `{sent: [SentMail], posts, settings}` |
 * | `POST /receive` | `{mail: WrittenMail, way?: MailWay, copies?}`: somebody writes a mail -> `{posts: [id]}` |
 * | `POST /events` | `{events: [object]}`: reports these |
 * | `POST /crowd` | `{on}`: whether a crowd reacts to campaigns, see crowd.ts |
 * | `GET /crowd` | `{on, campaigns: [CrowdCampaign]}` |
 * | `POST /settings` | some of {@link MailSettings} -> all of them |
 */
import { Buffer } from "node:buffer";
import { timingSafeEqual } from "../../../supabase/functions/_shared/crypto/timing_safe_equal.ts";
import { type Clock, type Json, systemClock } from "../model.ts";
import { formOf, type MailWay, mimeOf, type WrittenMail } from "./mime.ts";
import { type MailPost, MailPoster } from "./poster.ts";
import type { Crowd, CrowdCampaign } from "./crowd.ts";
import { eventOf } from "./events.ts";
import { refusalOf } from "./refusals.ts";
import { MAIL_CALM, type MailSettings, parseMailSettings } from "./settings.ts";
import { MailStore, type SentFile, type SentMail, type WrittenRecord } from "./store.ts";

export interface SendGridOptions {
  apiKey: string;
  /** Private key of P-256, PKCS #8 in base64; signs posts. */
  signingKey: string;
  inboundUrl: string;
  eventsUrl: string;
  /** Folder that keeps mails between runs. @default none */
  folder?: string;
  /** @default {systemClock} */
  clock?: Clock;
  /** @default {globalThis.fetch} */
  fetch?: typeof fetch;
  /** First wait before a post is repeated, in milliseconds. @default 200 */
  retryMs?: number;
}

/** A call of the API. */
export interface MailCall {
  id: number;
  at: number;
  status: number;
  /** Whom the mail was for, and what went wrong. */
  what: string;
}

/** What changed; the page is told. */
export type MailChange =
  | { type: "sent"; mail: SentMail }
  | { type: "written"; record: WrittenRecord }
  | { type: "post"; post: MailPost }
  | { type: "call"; call: MailCall }
  | { type: "settings"; settings: MailSettings }
  | { type: "crowd"; on: boolean; campaigns: CrowdCampaign[] };

const KEEP_CALLS = 200;
/** SendGrid's own limit. */
const MAX_BYTES = 30 * 1024 * 1024 * 4 / 3;

/** The simulated SendGrid. */
export class SendGridSimulator {
  readonly store: MailStore;
  readonly calls: MailCall[] = [];
  readonly poster: MailPoster;
  settings: MailSettings = { ...MAIL_CALM };
  /** Who reacts to campaigns; nobody before the stack's address is known. */
  crowd: Crowd | undefined;
  #options: SendGridOptions;
  #clock: Clock;
  #listeners = new Set<(change: MailChange) => void>();
  #timers = new Set<unknown>();
  /** Posts of each written mail that are not done. */
  #open = new Map<number, WrittenRecord>();
  #called = 0;

  constructor(options: SendGridOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.store = new MailStore(options.folder);
    this.poster = new MailPoster({
      signingKey: options.signingKey,
      clock: this.#clock,
      fetch: options.fetch ?? fetch,
      ...(options.retryMs === undefined ? {} : { firstMs: options.retryMs }),
      losesAnswer: () => {
        if (this.settings.loseAnswers === 0) return false;
        this.configure({ loseAnswers: this.settings.loseAnswers - 1 });
        return true;
      },
      onChange: (post) => this.#posted(post),
    });
    // SendGrid does not forget either what was not taken when the stack stopped.
    for (const record of this.store.written.values()) if (record.state === "waiting") this.#post(record);
  }

  get sent(): SentMail[] {
    return [...this.store.sent.values()];
  }

  /** @throws RangeError for a value outside its limits. */
  configure(change: Partial<MailSettings>): MailSettings {
    this.settings = parseMailSettings({ ...this.settings, ...change });
    this.#tell({ type: "settings", settings: this.settings });
    return this.settings;
  }

  reset(): void {
    this.store.clear();
    this.calls.length = 0;
    this.crowd?.reset();
    this.configure(MAIL_CALM);
  }

  /** The time that it goes by. */
  get clock(): Clock {
    return this.#clock;
  }

  stop(): void {
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
    this.crowd?.stop();
    this.poster.stop();
  }

  /** Calls `listener` at each change, until the returned function is called. */
  listen(listener: (change: MailChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Somebody writes a mail.
   * @param copies How often it is posted, as after a lost answer.
   * @param story How it was made, and the mail that it is about.
   * @returns The ids of the posts.
   */
  receive(
    mail: WrittenMail,
    way: MailWay = {},
    copies = 1 + this.settings.copies,
    story: { how?: string; about?: string } = {},
  ): number[] {
    const domain = mail.from.address.split("@")[1];
    const record: WrittenRecord = {
      id: crypto.randomUUID(),
      at: this.#clock.now(),
      // The same mail if it has to be posted again after a restart.
      mail: { ...mail, messageId: mail.messageId ?? `${crypto.randomUUID()}@${domain}` },
      way,
      how: story.how ?? "written",
      ...(story.about === undefined ? {} : { about: story.about }),
      state: "waiting",
    };
    this.store.putWritten(record);
    this.#tell({ type: "written", record });
    return this.#post(record, copies);
  }

  #post(record: WrittenRecord, copies = 1): number[] {
    const { mail, way } = record;
    const raw = mimeOf(mail, new Date(record.at));
    return Array.from({ length: copies }, () => {
      const { body, contentType } = formOf(raw, mail, way);
      const post = this.poster.post({
        kind: "inbound",
        what: `${mail.from.address}: ${mail.subject}`,
        url: this.#options.inboundUrl,
        contentType,
        bodyOf: () => body,
      });
      this.#open.set(post.id, record);
      return post.id;
    });
  }

  #posted(post: MailPost): void {
    this.#tell({ type: "post", post });
    const record = this.#open.get(post.id);
    if (record === undefined || post.state === "waiting") return;
    this.#open.delete(post.id);
    if (record.state === "accepted") return;
    record.state = post.state;
    this.store.putWritten(record);
    this.#tell({ type: "written", record });
  }

  /** Reports events. SendGrid's body ends in CRLF, which is signed. */
  report(events: readonly Json[]): void {
    const bodyOf = () =>
      new TextEncoder().encode(
        JSON.stringify(events.map((event) => ({ ...event, sg_event_id: crypto.randomUUID() }))) + "\r\n",
      );
    const what = `${events.map(({ event }) => event).join(", ")}: ${events[0]?.email ?? ""}`;
    for (let i = 0; i <= this.settings.repeats; i++) {
      this.poster.post({
        kind: "events",
        what,
        url: this.#options.eventsUrl,
        contentType: "application/json;charset=utf-8",
        bodyOf,
      });
    }
  }

  async fetch(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname.replace(/^.*?\/sendgrid(?=\/)/, "");
    if (request.method === "POST" && path === "/v3/mail/send") return await this.#send(request);
    if (request.method === "GET" && path === "/mails") {
      return Response.json({ sent: this.sent, posts: this.poster.posts, settings: this.settings });
    }
    if (request.method === "GET" && path === "/crowd") return Response.json(this.#crowdView());
    if (request.method !== "POST") return Response.json({ error: "not found" }, { status: 404 });
    const body = await request.json().catch(() => ({}));
    if (path === "/settings") return Response.json(this.configure(body));
    if (path === "/crowd") {
      this.crowd?.turn(body.on === true);
      return Response.json(this.#crowdView());
    }
    if (path === "/receive") return Response.json({ posts: this.receive(body.mail, body.way, body.copies) });
    if (path === "/events") {
      this.report(body.events);
      return Response.json({});
    }
    return Response.json({ error: "not found" }, { status: 404 });
  }

  /** Tells the page what the crowd has planted. */
  tellCrowd(): void {
    this.#tell({ type: "crowd", ...this.#crowdView() });
  }

  #crowdView(): { on: boolean; campaigns: CrowdCampaign[] } {
    return { on: this.crowd?.on ?? false, campaigns: this.crowd?.campaigns ?? [] };
  }

  async #send(request: Request): Promise<Response> {
    const text = await request.text();
    let body: Json | undefined;
    try {
      body = JSON.parse(text);
    } catch {
      // Refused below.
    }
    const [response, note] = this.#answer(request, text, body);
    const to = (body?.personalizations as { to?: { email?: string }[] }[] | undefined)?.[0]?.to?.[0]?.email;
    const call: MailCall = {
      id: ++this.#called,
      at: this.#clock.now(),
      status: response.status,
      what: `${to ?? "nobody"}${note === "" ? "" : `: ${note}`}`,
    };
    this.calls.push(call);
    if (this.calls.length > KEEP_CALLS) this.calls.shift();
    this.#tell({ type: "call", call });
    return response;
  }

  /** The answer to a mail, and what is to be said about it. */
  #answer(request: Request, text: string, body: Json | undefined): [Response, string] {
    const bearer = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
    if (!timingSafeEqual(this.#options.apiKey, bearer)) {
      return refuse(401, "The provided authorization grant is invalid, expired, or revoked");
    }
    if (text.length > MAX_BYTES) return refuse(413, "Payload too large");
    const { answer } = this.settings;
    if (answer !== "accept" && this.settings.times !== null) {
      const left = this.settings.times - 1;
      this.configure(left <= 0 ? { answer: "accept", times: null } : { times: left });
    }
    if (typeof answer === "number") return [fault(answer), "as the settings say"];
    if (answer === "miss") return [GATEWAY_TIMEOUT(), "not taken"];
    if (body === undefined) return refuse(400, "Bad Request");
    const refusal = refusalOf(body);
    if (refusal !== undefined) return refuse(400, refusal.message, refusal.field);
    const mail = this.#take(body);
    return answer === "lose"
      ? [GATEWAY_TIMEOUT(), "taken, the answer got lost"]
      : [new Response(null, { status: 202, headers: { "x-message-id": mail.id } }), mail.subject];
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
      attachments: ((body.attachments ?? []) as Json[]).map((attachment) => this.#file(attachment)),
      tracking: (body.tracking_settings ?? {}) as Json,
      fate: this.settings.fate,
    };
    const crowds = this.crowd?.take(mail);
    if (crowds !== undefined) mail.fate = crowds;
    this.store.putSent(mail);
    this.#tell({ type: "sent", mail });
    if (crowds === undefined && this.settings.events) this.#reportFate(mail);
    return mail;
  }

  #file({ content, filename, type, content_id, disposition }: Json): SentFile {
    const bytes = new Uint8Array(Buffer.from(String(content), "base64"));
    return {
      filename: String(filename),
      type: String(type),
      bytes: bytes.length,
      file: this.store.putFile(bytes),
      ...(content_id === undefined ? {} : { content_id: String(content_id) }),
      ...(disposition === undefined ? {} : { disposition: String(disposition) }),
    };
  }

  /** What SendGrid tells about a mail that it took, one after the other. */
  #reportFate(mail: SentMail): void {
    const names = mail.fate === "dropped"
      ? ["dropped"]
      : mail.fate === "deferred"
      ? ["processed", "deferred", "delivered"]
      : ["processed", mail.fate];
    const report = (name: string) => this.report(mail.to.map(({ email }) => eventOf(mail, name, email)));
    const order = this.settings.outOfOrder ? names.toReversed() : names;
    order.forEach((name, index) => {
      if (this.settings.delayMs === 0 || index === 0) return report(name);
      const timer = this.#clock.setTimeout(() => {
        this.#timers.delete(timer);
        report(name);
      }, index * this.settings.delayMs);
      this.#timers.add(timer);
    });
  }

  #tell(change: MailChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

const refuse = (status: number, message: string, field: string | null = null): [Response, string] => [
  errors(status, message, field),
  message,
];

function errors(status: number, message: string, field: string | null = null): Response {
  return Response.json({ errors: [{ message, field, help: null }] }, { status });
}

function fault(status: number): Response {
  const response = errors(status, status === 429 ? "too many requests" : "The service is not available");
  if (status === 429) response.headers.set("retry-after", "1");
  return response;
}

const GATEWAY_TIMEOUT = () => new Response("upstream request timeout", { status: 504 });
