/**
 * A stand-in for Telnyx's texts: takes them as its API does, with its faults, reports what became of them by webhooks that
 * it signs, has detail records, and posts what people write to our numbers. It repeats a webhook that was not acknowledged
 * twice; STOP blocks the pair, and START undoes it.
 *
 * | path below `/simulator/telnyx` | |
 * |---|---|
 * | `POST /v2/messages`, `GET /v2/messages/{id}` | Telnyx's API: sends, reads one |
 * | `GET /v2/detail_records` | what there is, newest first, without its words |
 * | `GET /media/{id}` | files that came in; no key is needed |
 * | `GET /texts` | `{messages, posts, settings}` |
 * | `POST /receive` | `{from, to, body, media?: [id]}`: somebody writes -> `{id}` |
 * | `POST /settings` | some of {@link TextSettings} -> all of them |
 */
import { Buffer } from "node:buffer";
import { type KeyObject, sign } from "node:crypto";
import { timingSafeEqual } from "../../../supabase/functions/_shared/crypto/timing_safe_equal.ts";
import { optWordOf } from "../../../supabase/functions/_shared/sms/opt_words.ts";
import { segmentsOf } from "../../../supabase/functions/_shared/sms/segments.ts";
import { ed25519Pair } from "../../project/ed25519.ts";
import type { MediaFile } from "../media.ts";
import { type Clock, type Json, systemClock } from "../model.ts";
import { Random } from "../random.ts";
import { parseTextSettings, TEXT_CALM, type TextSettings } from "./settings.ts";

export interface TelnyxOptions {
  apiKey: string;
  /** Of this its key pair is made. */
  seed: string;
  /** Our numbers, E.164 with a plus sign. */
  numbers: readonly string[];
  /** Address for webhooks, as it is configured at Telnyx. */
  webhookUrl: string;
  /** Its own address, without a trailing slash: files lie below it. */
  url(): string;
  /** Files that people can send, by id. @default none */
  samples?: ReadonlyMap<string, MediaFile>;
  /** @default {systemClock} */
  clock?: Clock;
  /** @default {globalThis.fetch} */
  fetch?: typeof fetch;
  /** Of what is lost. @default random */
  random?: number;
}

/** A text, in either direction, as Telnyx has it. */
export interface TelnyxText {
  id: string;
  direction: "inbound" | "outbound";
  from: string;
  to: string;
  text: string;
  /** Ids of samples, or addresses. */
  media: string[];
  status: string;
  errorCode: string | null;
  tags: string[];
  at: number;
  completedAt: number | null;
}

/** A webhook and what became of it. */
export interface TelnyxPost {
  at: number;
  what: string;
  /** A status; `none` without an answer; `lost` for one that never went. */
  answer: number | "none" | "lost" | "waiting";
}

/** What becomes of a text, by the names of {@link TextSettings}: its statuses after the first, and the code of a failure. */
const FATES: Readonly<Record<string, { statuses: readonly string[]; code?: string }>> = {
  delivered: { statuses: ["sent", "delivered"] },
  sent: { statuses: ["sent", "delivery_unconfirmed"] },
  off: { statuses: ["sent", "delivery_failed"], code: "40006" },
  blocked: { statuses: ["sent", "delivery_failed"], code: "40003" },
  unknown: { statuses: ["sent", "delivery_failed"], code: "40012" },
  landline: { statuses: ["delivery_failed"], code: "40001" },
  filtered: { statuses: ["sent", "delivery_failed"], code: "40002" },
  unregistered: { statuses: ["sending_failed"], code: "40010" },
  late: { statuses: ["sent", "delivery_failed", "delivered"], code: "40004" },
};
const FINAL = /^(?:delivered|delivery_unconfirmed|delivery_failed|sending_failed)$/;

const KEEP = 5_000;
const TIMEOUT_MS = 2_000;
const TRIES = 3;
const PAGE = 50;

/** The simulated Telnyx. */
export class TelnyxSimulator {
  readonly texts = new Map<string, TelnyxText>();
  readonly posts: TelnyxPost[] = [];
  settings: TextSettings = { ...TEXT_CALM };
  readonly publicKey: string;
  #options: TelnyxOptions;
  #key: KeyObject;
  #clock: Clock;
  #random: Random;
  #timers = new Set<unknown>();
  #stopped = new AbortController();
  /** Pairs of our number and a person that Telnyx sends nothing to. */
  #blocked = new Set<string>();
  #pending = 0;
  #idle: (() => void)[] = [];

  constructor(options: TelnyxOptions) {
    this.#options = options;
    const { privateKey, publicKey } = ed25519Pair(options.seed);
    this.#key = privateKey;
    this.publicKey = publicKey;
    this.#clock = options.clock ?? systemClock;
    this.#random = new Random(options.random);
  }

  get numbers(): readonly string[] {
    return this.#options.numbers;
  }

  /** @throws RangeError for a value outside its limits. */
  configure(change: Partial<TextSettings>): TextSettings {
    return this.settings = parseTextSettings({ ...this.settings, ...change });
  }

  reset(): void {
    this.texts.clear();
    this.posts.length = 0;
    this.#blocked.clear();
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

  /** Somebody writes to one of our numbers. @throws RangeError for a number that is not one. */
  receive(
    { from, to, body, media = [] }: { from: string; to: string; body: string; media?: string[] },
  ): string {
    if (!/^\+[1-9]\d{6,14}$/.test(from)) throw new RangeError("from: a number as +12025550143");
    if (!this.#options.numbers.includes(to)) throw new RangeError("to: one of our numbers");
    if (body === "" && media.length === 0) throw new RangeError("body: nothing to send");
    const text = this.#keep({
      direction: "inbound",
      from,
      to,
      text: body,
      media,
      status: "delivered",
      tags: [],
    });
    const pair = `${to} ${from}`;
    const word = optWordOf(body);
    if (word === "out") this.#blocked.add(pair);
    if (word === "in") this.#blocked.delete(pair);
    this.#post("message.received", text, this.#options.webhookUrl, `${from}: ${body || "a file"}`);
    return text.id;
  }

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const path = url.pathname.replace(/^.*?\/telnyx(?=\/)/, "");
    if (path.startsWith("/v2/")) return await this.#api(request, url, path);
    if (request.method === "GET" && path === "/texts") {
      return Response.json({
        messages: [...this.texts.values()],
        posts: this.posts,
        settings: this.settings,
      });
    }
    if (request.method === "GET" && path.startsWith("/media/")) {
      const file = this.#options.samples?.get(path.slice("/media/".length));
      return file === undefined
        ? new Response(null, { status: 404 })
        : new Response(await file.open(), { headers: { "content-type": file.mimeType } });
    }
    if (request.method !== "POST") return Response.json({ error: "not found" }, { status: 404 });
    const body = await request.json().catch(() => ({}));
    if (path === "/settings") return Response.json(this.configure(body));
    if (path === "/receive") return Response.json({ id: this.receive(body) });
    return Response.json({ error: "not found" }, { status: 404 });
  }

  async #api(request: Request, url: URL, path: string): Promise<Response> {
    const given = request.headers.get("authorization") ?? "";
    if (!timingSafeEqual(`Bearer ${this.#options.apiKey}`, given)) {
      return refusal(401, "10009", "Authentication failed");
    }
    if (path === "/v2/messages" && request.method === "POST") return await this.#send(request);
    if (path === "/v2/detail_records") return this.#records(url.searchParams);
    const text = this.texts.get(path.slice("/v2/messages/".length));
    return text === undefined
      ? refusal(404, "10005", "Resource not found")
      : Response.json({ data: this.#payload(text) });
  }

  async #send(request: Request): Promise<Response> {
    const asked = await request.json().catch(() => ({})) as Json;
    const { answer } = this.settings;
    if (answer !== "accept" && this.settings.times !== null) {
      const left = this.settings.times - 1;
      this.configure(left <= 0 ? { answer: "accept", times: null } : { times: left });
    }
    if (typeof answer === "number") return refusal(answer === 10011 ? 429 : 422, String(answer), "Refused");
    if (answer === "miss") return GATEWAY_TIMEOUT();
    const [to, from, text] = [String(asked.to ?? ""), String(asked.from ?? ""), String(asked.text ?? "")];
    const media = Array.isArray(asked.media_urls) ? asked.media_urls.map(String) : [];
    const tags = Array.isArray(asked.tags) ? asked.tags.map(String) : [];
    if (!/^\+[1-9]\d{6,14}$/.test(to)) return refusal(422, "40310", "Invalid 'to' address");
    if (!this.#options.numbers.includes(from)) return refusal(422, "40305", "Invalid 'from' address");
    if (text === "" && media.length === 0) return refusal(422, "40302", "The message has no content");
    if (this.#blocked.has(`${from} ${to}`)) return refusal(403, "40300", "Blocked due to STOP message");
    const kept = this.#keep({ direction: "outbound", from, to, text, media, status: "queued", tags });
    this.#report(kept, typeof asked.webhook_url === "string" ? asked.webhook_url : this.#options.webhookUrl);
    return answer === "lose" ? GATEWAY_TIMEOUT() : Response.json({ data: this.#payload(kept) });
  }

  /** What Telnyx tells about a text that it took, one after the other. */
  #report(text: TelnyxText, url: string): void {
    const { statuses, code } = FATES[this.settings.fate];
    statuses.forEach((status, i) => {
      const timer = this.#clock.setTimeout(() => {
        this.#timers.delete(timer);
        text.status = status;
        text.errorCode = status.endsWith("_failed") ? code ?? null : null;
        if (FINAL.test(status)) text.completedAt = this.#clock.now();
        if (this.settings.statuses) {
          this.#post(
            FINAL.test(status) ? "message.finalized" : "message.sent",
            text,
            url,
            `${status}: ${text.to}`,
          );
        }
        this.#wake();
      }, (i + 1) * this.settings.delayMs);
      this.#timers.add(timer);
    });
  }

  #records(query: URLSearchParams): Response {
    if (query.get("filter[record_type]") !== "messaging") {
      return refusal(400, "10015", "filter[record_type] is needed");
    }
    const size = Math.min(Number(query.get("page[size]") ?? PAGE), PAGE);
    const page = Math.max(1, Number(query.get("page[number]") ?? "1"));
    const since = query.get("filter[created_at][gte]") ?? "";
    const all = [...this.texts.values()].filter(({ at }) => iso(at) >= since).toReversed();
    return Response.json({
      data: all.slice((page - 1) * size, page * size).map((text) => ({
        record_type: "message_detail_record",
        uuid: text.id,
        direction: text.direction,
        cli: text.from,
        cld: text.to,
        status: text.status,
        message_type: text.media.length > 0 ? "MMS" : "SMS",
        tags: text.tags.join(","),
        errors: text.errorCode === null ? [] : [text.errorCode],
        created_at: iso(text.at),
        sent_at: iso(text.at),
        completed_at: text.completedAt === null ? null : iso(text.completedAt),
      })),
      meta: {
        page_number: page,
        page_size: size,
        total_pages: Math.ceil(all.length / size),
        total_results: all.length,
      },
    });
  }

  #payload(text: TelnyxText): Json {
    return {
      id: text.id,
      record_type: "message",
      type: text.media.length > 0 ? "MMS" : "SMS",
      direction: text.direction,
      text: text.text,
      from: { phone_number: text.from },
      to: [{
        phone_number: text.to,
        status: text.direction === "inbound" ? "webhook_delivered" : text.status,
      }],
      cc: [],
      media: text.media.map((id) => ({
        url: this.#options.samples?.has(id) ? `${this.#options.url()}/media/${id}` : id,
        content_type: this.#options.samples?.get(id)?.mimeType ?? null,
      })),
      parts: segmentsOf(text.text).segments,
      tags: text.tags,
      errors: text.errorCode === null ? [] : [{ code: text.errorCode, title: "Not delivered" }],
      received_at: iso(text.at),
      completed_at: text.completedAt === null ? null : iso(text.completedAt),
    };
  }

  #keep(text: Omit<TelnyxText, "id" | "at" | "completedAt" | "errorCode">): TelnyxText {
    const kept = {
      id: crypto.randomUUID(),
      ...text,
      errorCode: null,
      at: this.#clock.now(),
      completedAt: null,
    };
    this.texts.set(kept.id, kept);
    if (this.texts.size > KEEP) this.texts.delete(this.texts.keys().next().value!);
    return kept;
  }

  /** Posts a webhook, and again until it is acknowledged, three times in all. */
  #post(event: string, text: TelnyxText, url: string, what: string): void {
    const body = JSON.stringify({
      data: {
        event_type: event,
        id: crypto.randomUUID(),
        occurred_at: iso(this.#clock.now()),
        payload: this.#payload(text),
        record_type: "event",
      },
    });
    for (let i = 0; i <= this.settings.copies; i++) {
      const post: TelnyxPost = { at: this.#clock.now(), what, answer: "waiting" };
      this.posts.push(post);
      if (this.posts.length > KEEP) this.posts.shift();
      if (this.#random.chance(this.settings.lostPercent / 100)) {
        post.answer = "lost";
        continue;
      }
      this.#pending++;
      this.#call(url, body).then((answer) => {
        post.answer = answer;
        this.#pending--;
        this.#wake();
      });
    }
  }

  async #call(url: string, body: string): Promise<number | "none"> {
    let last: number | "none" = "none";
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const timestamp = String(Math.floor(this.#clock.now() / 1000));
      try {
        const response = await (this.#options.fetch ?? fetch)(url, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            "telnyx-timestamp": timestamp,
            "telnyx-signature-ed25519": sign(null, Buffer.from(`${timestamp}|${body}`), this.#key).toString(
              "base64",
            ),
          },
          body,
          redirect: "manual",
          signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#stopped.signal]),
        });
        await response.body?.cancel();
        last = response.status;
        if (response.ok) break;
      } catch {
        last = "none";
      }
      if (this.#stopped.signal.aborted) break;
    }
    return last;
  }

  #wake(): void {
    for (const done of this.#idle.splice(0)) done();
  }
}

const iso = (at: number) => new Date(at).toISOString();

function refusal(status: number, code: string, detail: string): Response {
  return Response.json({ errors: [{ code, title: detail, detail }] }, {
    status,
    headers: status === 429 ? { "retry-after": "1" } : {},
  });
}

const GATEWAY_TIMEOUT = () => new Response("upstream request timeout", { status: 504 });
