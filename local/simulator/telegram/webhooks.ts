/** The webhooks of the simulated Telegram: one after the other, each until it is answered with 2xx. */

type Json = Record<string, unknown>;

/** A webhook. */
export interface TelegramPost {
  readonly id: number;
  readonly what: string;
  readonly at: string;
  /** HTTP status, `waiting`, or why there is none. */
  answer: number | string;
}

interface WebhooksOptions {
  fetch: typeof fetch;
  retryMs: number;
  onPost(post: TelegramPost): void;
  /** Called with each answer; `body` of a 2xx with JSON. */
  onAnswer(post: TelegramPost, body: Json | undefined): void;
  now(): number;
}

const PRESS_LIMIT_MS = 60_000;

/** Unix time in seconds. */
export function secondsOf(ms: number): number {
  return Math.floor(ms / 1000);
}

/** Posts updates in their order; one that is not taken holds back those behind it, as Telegram does. */
export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #waiting: { body: Json; what: string }[] = [];
  #url = "";
  #secret = "";
  #allowed: string[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;
  #nextPost = 1;
  #lastError: { at: number; message: string } | undefined;
  #wake = () => {};

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  set(url: string, secret: string, allowed: unknown): void {
    this.#url = url;
    this.#secret = secret;
    if (Array.isArray(allowed)) this.#allowed = allowed.map(String);
    this.#run();
  }

  /** As getWebhookInfo answers. */
  info(): Json {
    return {
      url: this.#url,
      has_custom_certificate: false,
      pending_update_count: this.#waiting.length,
      ...(this.#lastError === undefined
        ? {}
        : { last_error_date: secondsOf(this.#lastError.at), last_error_message: this.#lastError.message }),
      allowed_updates: this.#allowed,
    };
  }

  post(body: Json, what: string): void {
    const kind = Object.keys(body).find((key) => key !== "update_id") ?? "";
    if (this.#allowed.length > 0 && !this.#allowed.includes(kind)) return;
    this.#waiting.push({ body, what });
    this.#run();
  }

  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  #run(): void {
    if (this.#url === "" || this.#stopped || this.#running !== undefined) return;
    this.#running = this.#all().finally(() => {
      this.#running = undefined;
      if (this.#waiting.length > 0 && !this.#stopped) this.#run();
    });
  }

  async #all(): Promise<void> {
    for (let wait = this.#options.retryMs; this.#waiting.length > 0 && !this.#stopped;) {
      if (await this.#once(this.#waiting[0])) {
        this.#waiting.shift();
        wait = this.#options.retryMs;
      } else {
        await this.#pause(wait);
        wait = Math.min(wait * 2, PRESS_LIMIT_MS);
      }
    }
  }

  async #once({ body, what }: { body: Json; what: string }): Promise<boolean> {
    const post: TelegramPost = {
      id: this.#nextPost++,
      what,
      at: new Date(this.#options.now()).toISOString(),
      answer: "waiting",
    };
    this.#options.onPost(post);
    let answered: Json | undefined, ok = false;
    try {
      const response = await this.#options.fetch(this.#url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(this.#secret === "" ? {} : { "x-telegram-bot-api-secret-token": this.#secret }),
        },
        body: JSON.stringify(body),
      });
      post.answer = response.status;
      ok = response.ok;
      const text = await response.text();
      if (ok && response.headers.get("content-type")?.includes("json")) answered = JSON.parse(text);
      if (!ok) {
        this.#lastError = {
          at: this.#options.now(),
          message: `Wrong response from the webhook: ${response.status}`,
        };
      }
    } catch (error) {
      post.answer = error instanceof Error ? error.message : String(error);
      this.#lastError = { at: this.#options.now(), message: "Connection refused" };
    }
    this.#options.onAnswer(post, answered);
    return ok;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
