/**
 * Posts to a webhook as SendGrid does: signed, repeated while the answer is a 5xx or none comes, given up for good at
 * anything else but a 2xx.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { Clock } from "../model.ts";
import { SENDGRID_HEADERS } from "../../../supabase/functions/_shared/channels/email/inbound/signatures.ts";

/** A post and what became of it. */
export interface MailPost {
  id: number;
  kind: "inbound" | "events";
  at: number;
  /** What it is about, for people. */
  what: string;
  /** Answers so far: a status, or what happened instead of one. */
  answers: (number | "none")[];
  state: "waiting" | "accepted" | "lost";
}

export interface PosterOptions {
  /** Private key of P-256, PKCS #8 in base64. */
  signingKey: string;
  clock: Clock;
  fetch: typeof fetch;
  /** Wait before the second attempt in milliseconds; doubles from there. @default 200 */
  firstMs?: number;
  /** Longest wait. @default 5_000 */
  maxMs?: number;
  /** Whether the answer that just came gets lost on its way. */
  losesAnswer(): boolean;
  /** Called when a post begins, is answered, or waits no more. */
  onChange(post: MailPost): void;
}

/** What is posted. */
export interface Posting {
  kind: MailPost["kind"];
  what: string;
  url: string;
  contentType: string;
  /** Makes the body of an attempt, from 0: SendGrid gives repeated events other ids. */
  bodyOf(attempt: number): Uint8Array<ArrayBuffer>;
}

const TIMEOUT_MS = 30_000;
const KEEP = 1_000;

/** The queue between the simulated SendGrid and the webhooks. */
export class MailPoster {
  readonly posts: MailPost[] = [];
  #options: PosterOptions;
  #key: KeyObject;
  #pending = 0;
  #stopped = new AbortController();
  /** The next attempts, by their timers. */
  #waiting = new Map<unknown, () => void>();
  #idle: (() => void)[] = [];
  #ids = 0;

  constructor(options: PosterOptions) {
    this.#options = options;
    this.#key = createPrivateKey({
      key: Buffer.from(options.signingKey, "base64"),
      format: "der",
      type: "pkcs8",
    });
  }

  /** Signs a body as of now. */
  headersFor(body: Uint8Array): Record<string, string> {
    const timestamp = String(Math.floor(this.#options.clock.now() / 1000));
    const signed = new Uint8Array(timestamp.length + body.length);
    signed.set(new TextEncoder().encode(timestamp));
    signed.set(body, timestamp.length);
    return {
      [SENDGRID_HEADERS.timestamp]: timestamp,
      [SENDGRID_HEADERS.signature]: sign("sha256", signed, this.#key).toString("base64"),
    };
  }

  /** Posts until it is accepted. */
  post(posting: Posting): MailPost {
    const { kind, what } = posting;
    const at = this.#options.clock.now();
    const post: MailPost = { id: ++this.#ids, kind, at, what, answers: [], state: "waiting" };
    this.posts.push(post);
    if (this.posts.length > KEEP) this.posts.shift();
    this.#pending++;
    this.#options.onChange(post);
    this.#try(post, posting);
    return post;
  }

  /** Tries at once whatever waits for its next attempt. */
  hurry(): void {
    for (const [timer, next] of [...this.#waiting]) {
      this.#options.clock.clearTimeout(timer);
      this.#waiting.delete(timer);
      next();
    }
  }

  /** Resolves once nothing waits. */
  async settled(): Promise<void> {
    while (this.#pending > 0 && !this.#stopped.signal.aborted) {
      await new Promise<void>((done) => this.#idle.push(done));
    }
  }

  stop(): void {
    this.#stopped.abort();
    for (const timer of this.#waiting.keys()) this.#options.clock.clearTimeout(timer);
    this.#waiting.clear();
    this.#wake();
  }

  async #try(post: MailPost, posting: Posting): Promise<void> {
    const { fetch, clock, firstMs = 200, maxMs = 5_000 } = this.#options;
    const attempt = post.answers.length;
    const body = posting.bodyOf(attempt);
    let status: number | "none";
    try {
      const response = await fetch(posting.url, {
        method: "POST",
        headers: { "content-type": posting.contentType, "user-agent": "SendGrid", ...this.headersFor(body) },
        body,
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#stopped.signal]),
      });
      await response.body?.cancel();
      status = this.#options.losesAnswer() ? "none" : response.status;
    } catch {
      status = "none";
    }
    if (this.#stopped.signal.aborted) return;
    post.answers.push(status);
    const isAccepted = status !== "none" && status >= 200 && status < 300;
    // The Event Webhook is repeated at anything but a 2xx; a mail only at a 5xx.
    if (isAccepted || status !== "none" && status < 500 && post.kind === "inbound") {
      post.state = isAccepted ? "accepted" : "lost";
      this.#pending--;
      this.#options.onChange(post);
      this.#wake();
      return;
    }
    this.#options.onChange(post);
    const timer = clock.setTimeout(() => {
      this.#waiting.delete(timer);
      this.#try(post, posting);
    }, Math.min(firstMs * 2 ** Math.min(attempt, 20), maxMs));
    this.#waiting.set(timer, () => this.#try(post, posting));
  }

  #wake(): void {
    for (const done of this.#idle.splice(0)) done();
  }
}
