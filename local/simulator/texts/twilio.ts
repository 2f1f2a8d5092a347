/**
 * A stand-in for Twilio's texts: takes them as its API does, with its faults, reports what became of them, lists what it
 * has, and posts what people write to our numbers. STOP and START work as with Twilio: it blocks the pair by itself,
 * answers by itself, and still posts the webhook.
 *
 * | path below `/simulator/twilio` | |
 * |---|---|
 * | `POST, GET /2010-04-01/Accounts/{sid}/Messages.json` | Twilio's API: sends, lists newest first |
 * | `GET /2010-04-01/Accounts/{sid}/Messages/{sid}/Media.json`, `GET, DELETE …/Media/{sid}` | its files; each is a redirect, until it is deleted |
 * | `GET /2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json` | our numbers, and what is entered there |
 * | `GET /files/{sid}` | where that redirect leads |
 * | `GET /texts` | `{messages: [Text], posts, settings}` |
 * | `POST /numbers` | `{numbers: [number]}`: more numbers of ours -> all of them |
 * | `POST /receive` | `{from, to, body, media?: [id]}`: somebody writes -> `{sid}` |
 * | `POST /settings` | some of {@link TextSettings} -> all of them |
 */
import { timingSafeEqual } from "../../../supabase/functions/_shared/crypto/timing_safe_equal.ts";
import { signTwilio } from "../../../supabase/functions/_shared/channels/sms/inbound/twilio_signature.ts";
import { optWordOf } from "../../../supabase/functions/_shared/sms/opt_words.ts";
import { segmentsOf } from "../../../supabase/functions/_shared/sms/segments.ts";
import { type Clock, type Json, systemClock } from "../model.ts";
import type { MediaFile } from "../media.ts";
import { Random } from "../random.ts";
import { NumberQueues } from "./queue.ts";
import {
  EXPIRED,
  parseTextSettings,
  TEXT_CALM,
  TEXT_ERRORS,
  TEXT_FATES,
  type TextSettings,
} from "./settings.ts";

export interface TwilioOptions {
  accountSid: string;
  authToken: string;
  /** Our first numbers, E.164 with a plus sign. */
  numbers: readonly string[];
  /** Address of incoming texts, as it is configured at Twilio. */
  webhookUrl: string;
  /** Files that people can send, by id. @default none */
  samples?: ReadonlyMap<string, MediaFile>;
  /** @default {systemClock} */
  clock?: Clock;
  /** @default {globalThis.fetch} */
  fetch?: typeof fetch;
  /** Of what is lost. @default random */
  seed?: number;
}

/** A text, in either direction. */
export interface Text {
  sid: string;
  direction: "inbound" | "outbound-api" | "outbound-reply";
  from: string;
  to: string;
  body: string;
  /** Ids of samples, or addresses. */
  media: string[];
  status: string;
  errorCode: number | null;
  segments: number;
  at: number;
  updatedAt: number;
}

/** A webhook and what became of it. */
export interface TextPost {
  id: number;
  at: number;
  what: string;
  /** A status; `none` without an answer; `lost` for one that never went. */
  answer: number | "none" | "lost" | "waiting";
}

/** What changed; the page is told. */
export type TextChange =
  | { type: "text"; text: Text }
  | { type: "post"; post: TextPost }
  | { type: "numbers"; numbers: readonly string[] }
  | { type: "settings"; settings: TextSettings };

const KEEP = 5_000;
const KEEP_POSTS = 1_000;
const TIMEOUT_MS = 15_000;
const NUMBER = /^\+[1-9]\d{6,14}$/;
/** Twilio's own validity period, in seconds. */
const VALIDITY_S = 14_400;
const REPLIES: Readonly<Record<string, string>> = {
  out:
    "You have successfully been unsubscribed. You will not receive any more messages from this number. Reply START to resubscribe.",
  in:
    "You have successfully been re-subscribed to messages from this number. Reply HELP for help. Reply STOP to unsubscribe.",
  help: "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
};

/** The simulated Twilio. */
export class TwilioSimulator {
  readonly texts = new Map<string, Text>();
  readonly posts: TextPost[] = [];
  settings: TextSettings = { ...TEXT_CALM };
  #options: TwilioOptions;
  #clock: Clock;
  #random: Random;
  #numbers: Set<string>;
  #queues = new NumberQueues();
  #listeners = new Set<(change: TextChange) => void>();
  #timers = new Set<unknown>();
  #stopped = new AbortController();
  /** Pairs of our number and a person that Twilio sends nothing to. */
  #blocked = new Set<string>();
  /** Files that were deleted, by their sid. */
  readonly deleted = new Set<string>();
  #pending = 0;
  #idle: (() => void)[] = [];
  #ids = 0;

  constructor(options: TwilioOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = new Random(options.seed);
    this.#numbers = new Set(options.numbers);
  }

  get numbers(): readonly string[] {
    return [...this.#numbers];
  }

  /** Adds numbers of ours. @throws RangeError for one that is no number; then none is added. */
  addNumbers(numbers: readonly string[]): readonly string[] {
    if (!numbers.every((number) => NUMBER.test(number))) {
      throw new RangeError("numbers: such as +12025550143");
    }
    for (const number of numbers) this.#numbers.add(number);
    this.#tell({ type: "numbers", numbers: this.numbers });
    return this.numbers;
  }

  /** @throws RangeError for a value outside its limits. */
  configure(change: Partial<TextSettings>): TextSettings {
    this.settings = parseTextSettings({ ...this.settings, ...change });
    this.#tell({ type: "settings", settings: this.settings });
    return this.settings;
  }

  reset(): void {
    this.texts.clear();
    this.posts.length = 0;
    this.#blocked.clear();
    this.deleted.clear();
    this.#queues.clear();
    this.configure(TEXT_CALM);
  }

  stop(): void {
    this.#stopped.abort();
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
    this.#wake();
  }

  /** Resolves once no webhook is under way or due. */
  async settled(): Promise<void> {
    while ((this.#pending > 0 || this.#timers.size > 0) && !this.#stopped.signal.aborted) {
      await new Promise<void>((done) => this.#idle.push(done));
    }
  }

  /** Calls `listener` at each change, until the returned function is called. */
  listen(listener: (change: TextChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Somebody writes to one of our numbers. @throws RangeError for a number that is not one. */
  receive(
    { from, to, body, media = [] }: { from: string; to: string; body: string; media?: string[] },
  ): string {
    if (!NUMBER.test(from)) throw new RangeError("from: a number as +12025550143");
    if (!this.#numbers.has(to)) throw new RangeError("to: one of our numbers");
    if (body === "" && media.length === 0) throw new RangeError("body: nothing to send");
    const text = this.#keep({ direction: "inbound", from, to, body, media, status: "received" });
    const word = optWordOf(body);
    const pair = `${to} ${from}`;
    if (word === "out") this.#blocked.add(pair);
    const resumes = word === "in" || word === "in_if_out" && this.#blocked.has(pair);
    if (resumes) this.#blocked.delete(pair);
    this.#post(text, this.#options.webhookUrl, {
      MessageSid: text.sid,
      SmsSid: text.sid,
      SmsMessageSid: text.sid,
      SmsStatus: "received",
      From: from,
      To: to,
      Body: body,
      NumSegments: String(text.segments),
      NumMedia: String(media.length),
      ...Object.fromEntries(media.flatMap((id, i) => [
        [`MediaUrl${i}`, `https://api.twilio.com${this.#mediaPath(text, i)}`],
        [`MediaContentType${i}`, this.#options.samples?.get(id)?.mimeType ?? "application/octet-stream"],
      ])),
    }, `${from}: ${body || "a file"}`);
    const reply = word === "out"
      ? REPLIES.out
      : resumes
      ? REPLIES.in
      : word === "help"
      ? REPLIES.help
      : undefined;
    if (reply !== undefined) {
      this.#keep({
        direction: "outbound-reply",
        from: to,
        to: from,
        body: reply,
        media: [],
        status: "delivered",
      });
    }
    return text.sid;
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.replace(/^.*?\/twilio(?=\/)/, "");
    if (request.method === "GET" && path === "/texts") {
      return Response.json({
        messages: [...this.texts.values()],
        posts: this.posts,
        settings: this.settings,
      });
    }
    if (path.startsWith("/files/")) return await this.#file(path.slice("/files/".length));
    if (path.startsWith("/2010-04-01/")) return await this.#api(request, url, path);
    if (request.method !== "POST") return Response.json({ error: "not found" }, { status: 404 });
    const body = await request.json().catch(() => ({}));
    if (path === "/settings") return Response.json(this.configure(body));
    if (path === "/receive") return Response.json({ sid: this.receive(body) });
    if (path === "/numbers") return Response.json({ numbers: this.addNumbers(listOf(body.numbers)) });
    return Response.json({ error: "not found" }, { status: 404 });
  }

  async #api(request: Request, url: URL, path: string): Promise<Response> {
    const { accountSid, authToken } = this.#options;
    const [user, password] = basicOf(request.headers.get("authorization"));
    if (user !== accountSid || !timingSafeEqual(authToken, password)) return refusal(20003);
    if (path === `/2010-04-01/Accounts/${accountSid}/IncomingPhoneNumbers.json`) {
      const { webhookUrl } = this.#options;
      return Response.json({
        incoming_phone_numbers: this.numbers.map((phone_number) => ({
          phone_number,
          sms_url: `${webhookUrl}#rc=5&rp=all`,
          sms_fallback_url: `${webhookUrl}/fallback`,
          sms_method: "POST",
        })),
      });
    }
    const base = `/2010-04-01/Accounts/${accountSid}/Messages`;
    if (path === `${base}.json`) {
      return request.method === "POST" ? await this.#send(request) : this.#list(url.searchParams, base);
    }
    const [, sid, file] =
      /^\/([A-Za-z0-9]+)\/Media(?:\.json|\/([A-Za-z0-9]+))$/.exec(path.slice(base.length)) ?? [];
    const text = path.startsWith(base) ? this.texts.get(sid) : undefined;
    if (text === undefined) return refusal(20404);
    if (file === undefined) {
      return Response.json({
        media_list: text.media.map((id, i) => ({
          sid: mediaSid(text, i),
          content_type: this.#options.samples?.get(id)?.mimeType ?? "application/octet-stream",
        })).filter(({ sid }) => !this.deleted.has(sid)),
      });
    }
    if (this.deleted.has(file)) return refusal(20404);
    if (request.method === "DELETE") {
      this.deleted.add(file);
      return new Response(null, { status: 204 });
    }
    // Twilio keeps files in a storage of its own, which must not get the credentials.
    const location = url.href.slice(0, url.href.indexOf("/2010-04-01/")) + `/files/${file}`;
    return new Response(null, { status: 307, headers: { location } });
  }

  async #file(sid: string): Promise<Response> {
    if (this.deleted.has(sid)) return new Response(null, { status: 404 });
    for (const text of this.texts.values()) {
      const index = text.media.findIndex((_, i) => mediaSid(text, i) === sid);
      const file = index < 0 ? undefined : this.#options.samples?.get(text.media[index]);
      if (file !== undefined) {
        return new Response(await file.open(), { headers: { "content-type": file.mimeType } });
      }
    }
    return new Response(null, { status: 404 });
  }

  async #send(request: Request): Promise<Response> {
    const form = new URLSearchParams(await request.text());
    const { answer } = this.settings;
    if (answer !== "accept" && this.settings.times !== null) {
      const left = this.settings.times - 1;
      this.configure(left <= 0 ? { answer: "accept", times: null } : { times: left });
    }
    if (typeof answer === "number") return refusal(answer);
    if (answer === "miss") return GATEWAY_TIMEOUT();
    const [to, from, body] = ["To", "From", "Body"].map((name) => form.get(name) ?? "");
    const media = form.getAll("MediaUrl");
    if (!NUMBER.test(to)) return refusal(21211);
    if (!this.#numbers.has(from)) return refusal(21606);
    if (body === "" && media.length === 0) return refusal(21602);
    if (body.length > 1600) return refusal(21617);
    if (this.#blocked.has(`${from} ${to}`)) return refusal(21610);
    const { perSecond, queueSeconds } = this.settings;
    const now = this.#clock.now();
    if (perSecond !== null && this.#queues.waitOf(from, now) > queueSeconds * 1000) return refusal(21611);
    const text = this.#keep({ direction: "outbound-api", from, to, body, media, status: "queued" });
    const waits = perSecond === null ? 0 : this.#queues.take(from, text.segments / perSecond * 1000, now);
    const validityMs = Number(form.get("ValidityPeriod") ?? VALIDITY_S) * 1000;
    this.#report(text, form.get("StatusCallback"), waits, validityMs);
    return answer === "lose" ? GATEWAY_TIMEOUT() : Response.json(this.#entry(text), { status: 201 });
  }

  /** What Twilio tells about a text that it took, one after the other, once the queue has let it go. */
  #report(text: Text, callback: string | null, waitsMs: number, validityMs: number): void {
    const { statuses, code } = waitsMs > validityMs ? EXPIRED : TEXT_FATES[this.settings.fate];
    const { delayMs } = this.settings;
    statuses.forEach((status, i) => {
      const timer = this.#clock.setTimeout(() => {
        this.#timers.delete(timer);
        const failed = status === "undelivered" || status === "failed";
        // Its list has the last one.
        text.status = status;
        text.errorCode = failed ? code ?? null : null;
        text.updatedAt = this.#clock.now();
        this.#tell({ type: "text", text });
        if (this.settings.statuses && callback !== null) {
          this.#post(text, callback, {
            MessageSid: text.sid,
            SmsSid: text.sid,
            SmsStatus: status,
            MessageStatus: status,
            From: text.from,
            To: text.to,
            ...(failed && code !== undefined ? { ErrorCode: String(code) } : {}),
          }, `${status}: ${text.to}`);
        }
        this.#wake();
      }, Math.min(waitsMs, validityMs) + (i + 1) * delayMs);
      this.#timers.add(timer);
    });
  }

  #list(query: URLSearchParams, base: string): Response {
    const size = Math.min(Number(query.get("PageSize") ?? "50"), 1000);
    const page = Number(query.get("Page") ?? "0");
    const since = query.get("DateSent>") ?? "";
    const all = [...this.texts.values()].filter(({ at }) => new Date(at).toISOString() >= since)
      .toReversed();
    const entries = all.slice(page * size, (page + 1) * size);
    const more = all.length > (page + 1) * size;
    const next = new URLSearchParams({ PageSize: String(size), Page: String(page + 1), "DateSent>": since });
    return Response.json({
      messages: entries.map((text) => this.#entry(text)),
      page,
      page_size: size,
      next_page_uri: more ? `${base}.json?${next}` : null,
    });
  }

  #entry({ sid, direction, from, to, body, media, status, errorCode, segments, at, updatedAt }: Text): Json {
    return {
      sid,
      account_sid: this.#options.accountSid,
      direction,
      from,
      to,
      body,
      status,
      num_segments: String(segments),
      num_media: String(media.length),
      date_created: rfc2822(at),
      date_sent: rfc2822(at),
      date_updated: rfc2822(updatedAt),
      error_code: errorCode,
      error_message: null,
      api_version: "2010-04-01",
    };
  }

  #keep(text: Pick<Text, "direction" | "from" | "to" | "body" | "media" | "status">): Text {
    const at = this.#clock.now();
    const sid = (text.media.length > 0 ? "MM" : "SM") + crypto.randomUUID().replaceAll("-", "");
    const kept: Text = {
      sid,
      ...text,
      errorCode: null,
      segments: segmentsOf(text.body).segments,
      at,
      updatedAt: at,
    };
    this.texts.set(sid, kept);
    if (this.texts.size > KEEP) this.texts.delete(this.texts.keys().next().value!);
    this.#tell({ type: "text", text: kept });
    return kept;
  }

  /** Posts a webhook, and once more where no connection came about; nothing else is repeated. */
  #post(text: Text, url: string, parameters: Record<string, string>, what: string): void {
    const form = new URLSearchParams({
      ...parameters,
      AccountSid: this.#options.accountSid,
      ApiVersion: "2010-04-01",
    }).toString();
    for (let i = 0; i <= this.settings.copies; i++) {
      const post: TextPost = { id: ++this.#ids, at: this.#clock.now(), what, answer: "waiting" };
      this.posts.push(post);
      if (this.posts.length > KEEP_POSTS) this.posts.shift();
      if (this.#random.chance(this.settings.lostPercent / 100)) {
        post.answer = "lost";
        this.#tell({ type: "post", post });
        continue;
      }
      this.#pending++;
      this.#tell({ type: "post", post });
      this.#call(url, form, text.sid).then((answer) => {
        post.answer = answer;
        this.#pending--;
        this.#tell({ type: "post", post });
        this.#wake();
      });
    }
  }

  async #call(url: string, form: string, sid: string): Promise<number | "none"> {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const response = await (this.#options.fetch ?? fetch)(url, {
          method: "POST",
          headers: {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "user-agent": "TwilioProxy/1.1",
            "i-twilio-idempotency-token": `${sid}-${attempt}`,
            "x-twilio-signature": signTwilio(url, form, this.#options.authToken),
          },
          body: form,
          redirect: "manual",
          signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#stopped.signal]),
        });
        await response.body?.cancel();
        return response.status;
      } catch {
        // No connection: once more.
      }
    }
    return "none";
  }

  #mediaPath(text: Text, index: number): string {
    return `/2010-04-01/Accounts/${this.#options.accountSid}/Messages/${text.sid}/Media/${
      mediaSid(text, index)
    }`;
  }

  #wake(): void {
    for (const done of this.#idle.splice(0)) done();
  }

  #tell(change: TextChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** The texts of a list; anything else is one that is refused. */
function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [""];
}

function mediaSid({ sid }: Text, index: number): string {
  return `ME${sid.slice(2, 32)}${index.toString(16).padStart(2, "0")}`;
}

/** `Mon, 30 Nov 2026 12:00:00 +0000`. */
function rfc2822(at: number): string {
  return new Date(at).toUTCString().replace("GMT", "+0000");
}

function basicOf(header: string | null): [user: string, password: string] {
  try {
    const text = atob(/^Basic (.+)$/.exec(header ?? "")?.[1] ?? "");
    const colon = text.indexOf(":");
    return [text.slice(0, colon), text.slice(colon + 1)];
  } catch {
    return ["", ""];
  }
}

function refusal(code: number): Response {
  const { status, message } = TEXT_ERRORS[code] ?? { status: 400, message: "refused" };
  return Response.json({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status }, {
    status,
    headers: status === 429 ? { "retry-after": "1" } : {},
  });
}

const GATEWAY_TIMEOUT = () => new Response("upstream request timeout", { status: 504 });
