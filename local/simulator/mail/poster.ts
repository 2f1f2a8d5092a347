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
  #timers = new Set<unknown>();
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

  /**
   * Posts until it is accepted. @param bodyOf Makes the body of an attempt, from 0: SendGrid gives repeated events other
   * ids.
   */
  post(
    kind: MailPost["kind"],
    url: string,
    contentType: string,
    bodyOf: (attempt: number) => Uint8Array<ArrayBuffer>,
  ): MailPost {
    const post: MailPost = { id: ++this.#ids, kind, answers: [], state: "waiting" };
    this.posts.push(post);
    if (this.posts.length > KEEP) this.posts.shift();
    this.#pending++;
    this.#try(post, url, contentType, bodyOf);
    return post;
  }

  /** Resolves once nothing waits. */
  async settled(): Promise<void> {
    while (this.#pending > 0 && !this.#stopped.signal.aborted) {
      await new Promise<void>((done) => this.#idle.push(done));
    }
  }

  stop(): void {
    this.#stopped.abort();
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
    this.#wake();
  }

  async #try(
    post: MailPost,
    url: string,
    contentType: string,
    bodyOf: (attempt: number) => Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    const { fetch, clock, firstMs = 200, maxMs = 5_000 } = this.#options;
    const attempt = post.answers.length;
    const body = bodyOf(attempt);
    let status: number | "none";
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": contentType, "user-agent": "SendGrid", ...this.headersFor(body) },
        body,
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#stopped.signal]),
      });
      await response.body?.cancel();
      status = response.status;
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
      this.#wake();
      return;
    }
    const timer = clock.setTimeout(() => {
      this.#timers.delete(timer);
      this.#try(post, url, contentType, bodyOf);
    }, Math.min(firstMs * 2 ** Math.min(attempt, 20), maxMs));
    this.#timers.add(timer);
  }

  #wake(): void {
    for (const done of this.#idle.splice(0)) done();
  }
}
