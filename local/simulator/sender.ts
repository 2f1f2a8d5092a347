/**
 * Delivers updates to the business's webhook as Meta does: signed, aggregated, sometimes twice, in no
 * reliable order, and repeatedly until the response is 200.
 */
import { DueList } from "./due_list.ts";
import type { Attempt, Clock, PostView, Settings, Update } from "./model.ts";
import type { Random } from "./random.ts";
import { type Business, encode, signature, summarise, webhookBody } from "./shapes.ts";

/** When to retry. Meta retries for days; here days are minutes. */
export interface RetrySchedule {
  /** Wait before the second attempt; doubles from there, ±20 %. @default 200 */
  firstMs: number;
  /** Longest wait between two attempts. @default 5_000 */
  maxMs: number;
  /** Time after which a POST is given up. @default 3_600_000 */
  forMs: number;
  /** Time limit of a response. @default 15_000 */
  timeoutMs: number;
}

/**
 * An update that the business answered with 200. The numbers come from one counter, which every event
 * increments.
 */
export interface Acknowledged {
  list: Update["list"];
  /** The simulator's id of the contact. */
  contact: string;
  wamid?: string;
  /** When the first POST with it started. */
  begun: number;
  /** When its first 200 arrived. */
  acknowledged: number;
  /** The POST that was answered, and the update's index in it. */
  post: number;
  position: number;
  /** Whether no other POST contained it until then. */
  alone: boolean;
}

/**
 * Whether a receiver that stores before it answers, in the order of the body, has certainly stored `a` before
 * `b`. False can also mean "unknown": overlapping POSTs may be stored in either order.
 */
export function storedBefore(a: Acknowledged, b: Acknowledged): boolean {
  return a.acknowledged < b.begun ||
    (a.alone && b.alone && a.post === b.post && a.position < b.position);
}

/** Most waiting updates; others are refused so that an unreachable receiver cannot fill the memory. */
export const QUEUE_LIMIT = 100_000;
/** Meta's own limits for one POST. */
const MAX_UPDATES = 1_000;
const MAX_BYTES = 3_000_000;
/** How long an update waits for others, and how long a shuffled or duplicated one may be delayed. */
const GATHER_MS = 250;
const HOLD_MS = 1_000;
const KEEP_ATTEMPTS = 20;
const KEEP_ACKNOWLEDGED = 100_000;
const SHOW_BODY = 16_000;

interface Copy {
  update: Update;
  bytes: number;
}

/** State of an update until it is acknowledged and its copies are gone. */
interface Fate {
  copies: number;
  begun?: number;
  posts: Set<number>;
  acknowledged: boolean;
}

interface Post {
  view: PostView;
  bytes: string;
  copies: Copy[];
}

/** Options and callbacks of {@link WebhookSender}. */
export interface SenderOptions {
  webhookUrl: string;
  /** The business that an update is about, and its app's secret. */
  businessOf(update: Update): Business & { appSecret: string };
  clock: Clock;
  random: Random;
  fetch: typeof fetch;
  retry: RetrySchedule;
  /** Read at each use, so that changes take effect immediately. */
  settings: Readonly<Settings>;
  /** Called when the update is first sent. */
  onBegun(update: Update): void;
  /** Called at the update's first 200. */
  onAcknowledged(update: Update): void;
  /** Called when the update's last attempt has failed. */
  onLost(update: Update): void;
  /** Called when a POST starts or is answered. */
  onPost(post: PostView): void;
}

/** The queue between Meta and the webhook. Failure policy: nothing is dropped before `retry.forMs` has passed. */
export class WebhookSender {
  readonly acknowledged: Acknowledged[] = [];
  readonly lost: Update[] = [];
  #options: SenderOptions;
  #waiting = new DueList<Copy>();
  #retrying = new DueList<Post>();
  #fates = new Map<number, Fate>();
  #inFlight = new Set<AbortController>();
  #timer: unknown;
  #timerDue = Infinity;
  #events = 0;
  #posts = 0;
  #stopped = false;
  #idle: (() => void)[] = [];
  #answered: (() => void)[] = [];

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Number of updates that wait or are in flight, including copies. */
  get pending(): number {
    let copies = 0;
    for (const fate of this.#fates.values()) copies += fate.copies;
    return copies;
  }

  /** Whether `count` more updates may be added. */
  hasRoom(count: number): boolean {
    return this.#fates.size + count <= QUEUE_LIMIT;
  }

  /** Queues an update to be sent in `afterMs` or later, depending on the settings and chance. */
  add(update: Update, afterMs = 0): void {
    const { settings, random } = this.#options;
    const copy = { update, bytes: encode(update.item).length + encode(update.person ?? {}).length + 400 };
    const copies = random.chance(settings.duplicateRate) ? 2 : 1;
    this.#fates.set(update.n, { copies, posts: new Set(), acknowledged: false });
    const wait = afterMs + random.next() * settings.delayMs;
    this.#queue(copy, wait + (random.chance(settings.shuffleRate) ? random.next() * HOLD_MS : 0));
    if (copies === 2) this.#queue(copy, wait + random.next() * HOLD_MS);
    this.#pump();
  }

  /**
   * Resolves once every update has been answered with 200; rejects if one was given up or the sender was
   * stopped.
   */
  async settled(): Promise<void> {
    while (this.#fates.size > 0 && !this.#stopped) await new Promise<void>((done) => this.#idle.push(done));
    if (this.#stopped && this.#fates.size > 0) {
      throw new Error(`stopped with ${this.#fates.size} updates waiting`);
    }
    if (this.lost.length > 0) throw new Error(`${this.lost.length} updates were given up`);
  }

  /** Retries all waiting updates now. */
  hurry(): void {
    for (const post of this.#retrying.take(Infinity, () => true)) this.#retrying.add(0, post);
    this.#pump();
  }

  /** Drops waiting updates, and resolves once what is in flight has been answered. */
  async clear(): Promise<void> {
    for (;;) {
      // Of what is in flight something may come back to be tried again.
      this.#waiting.clear();
      this.#retrying.clear();
      if (this.#inFlight.size === 0 || this.#stopped) break;
      await new Promise<void>((done) => this.#answered.push(done));
    }
    this.#fates.clear();
    this.acknowledged.length = this.lost.length = 0;
    this.#wake();
  }

  /** Stops the timer and aborts what is in flight. Unacknowledged updates stay so. */
  stop(): void {
    this.#stopped = true;
    this.#options.clock.clearTimeout(this.#timer);
    for (const cut of this.#inFlight) cut.abort();
    this.#wake();
    this.#tellAnswered();
  }

  #queue(copy: Copy, afterMs: number): void {
    const due = this.#options.clock.now() + afterMs;
    const gather = this.#options.settings.batch > 1;
    this.#waiting.add(gather ? (Math.floor(due / GATHER_MS) + 1) * GATHER_MS : due, copy);
  }

  #pump(): void {
    const { clock, settings } = this.#options;
    if (this.#stopped) return;
    const now = clock.now();
    while (this.#inFlight.size < settings.concurrency) {
      const post = this.#retrying.take(now, (_, taken) => taken === 0).at(0) ?? this.#nextPost(now);
      if (!post) break;
      this.#try(post);
    }
    if (this.#inFlight.size >= settings.concurrency) return;
    const due = Math.min(this.#waiting.nextDue ?? Infinity, this.#retrying.nextDue ?? Infinity);
    if (due === this.#timerDue) return;
    clock.clearTimeout(this.#timer);
    this.#timerDue = due;
    if (due < Infinity) {
      this.#timer = clock.setTimeout(() => {
        this.#timerDue = Infinity;
        this.#pump();
      }, Math.max(0, due - now));
    }
  }

  #nextPost(now: number): Post | undefined {
    const { settings, businessOf, random } = this.#options;
    const most = Math.min(settings.batch, MAX_UPDATES);
    let bytes = 0, secret: string | undefined;
    const copies = this.#waiting.take(now, (copy, taken) => {
      bytes += copy.bytes;
      // A POST is signed by one app.
      secret ??= businessOf(copy.update).appSecret;
      return businessOf(copy.update).appSecret === secret && taken < most &&
        (taken === 0 || bytes <= MAX_BYTES);
    });
    if (copies.length === 0) return undefined;
    const updates = copies.map(({ update }) => update);
    const body = encode(webhookBody(updates, businessOf, random, now));
    const view: PostView = {
      id: ++this.#posts,
      at: now,
      updates: updates.length,
      summary: summarise(updates),
      tries: 0,
      attempts: [],
      state: "waiting",
      body: body.length > SHOW_BODY ? `${body.slice(0, SHOW_BODY)}…` : body,
    };
    return { view, bytes: body, copies };
  }

  async #try(post: Post): Promise<void> {
    const { clock, onBegun, onPost } = this.#options;
    const cut = new AbortController();
    this.#inFlight.add(cut);
    const event = ++this.#events;
    for (const { update } of post.copies) {
      const fate = this.#fates.get(update.n)!;
      fate.posts.add(post.view.id);
      if (fate.begun === undefined) {
        fate.begun = event;
        onBegun(update);
      }
    }
    if (post.view.tries === 0) onPost(post.view);
    const at = clock.now();
    const answer = await this.#deliver(post, cut);
    this.#inFlight.delete(cut);
    if (this.#stopped) return;
    post.view.tries++;
    post.view.attempts = [...post.view.attempts, { at, ms: clock.now() - at, ...answer }].slice(
      -KEEP_ATTEMPTS,
    );
    this.#settle(post, answer.status === 200);
    this.#tellAnswered();
    this.#pump();
  }

  /** Sends one POST. Only its status matters; a late response or none is an ordinary failure. */
  async #deliver(post: Post, cut: AbortController): Promise<Pick<Attempt, "status" | "error">> {
    const { clock, retry, webhookUrl, businessOf } = this.#options;
    const timeout = clock.setTimeout(() => cut.abort(), retry.timeoutMs);
    try {
      const response = await this.#options.fetch(webhookUrl, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": "facebookexternalua",
          "x-hub-signature-256": signature(post.bytes, businessOf(post.copies[0].update).appSecret),
        },
        body: post.bytes,
        redirect: "manual",
        signal: cut.signal,
      });
      await response.body?.cancel();
      return { status: response.status };
    } catch {
      const late = cut.signal.aborted;
      return { status: null, error: late ? `no answer within ${retry.timeoutMs / 1000} s` : "no connection" };
    } finally {
      clock.clearTimeout(timeout);
    }
  }

  #settle(post: Post, accepted: boolean): void {
    const { clock, random, retry, onPost } = this.#options;
    const { view } = post;
    const now = clock.now();
    if (accepted) {
      view.state = "acknowledged";
      const event = ++this.#events;
      post.copies.forEach(({ update }, position) => this.#acknowledge(update, event, view.id, position));
    } else if (now - view.at >= retry.forMs) {
      view.state = "given up";
      for (const { update } of post.copies) this.#giveUp(update);
    } else {
      const wait = Math.min(retry.firstMs * 2 ** (view.tries - 1), retry.maxMs);
      this.#retrying.add(now + wait * (0.8 + 0.4 * random.next()), post);
    }
    onPost(view);
    if (this.#fates.size === 0) this.#wake();
  }

  #acknowledge(update: Update, event: number, post: number, position: number): void {
    const fate = this.#fates.get(update.n)!;
    if (!fate.acknowledged) {
      fate.acknowledged = true;
      const alone = fate.posts.size === 1;
      const { list, contact, wamid } = update;
      const begun = fate.begun!;
      this.acknowledged.push({ list, contact, wamid, begun, acknowledged: event, post, position, alone });
      if (this.acknowledged.length > KEEP_ACKNOWLEDGED) this.acknowledged.shift();
      this.#options.onAcknowledged(update);
    }
    if (--fate.copies === 0) this.#fates.delete(update.n);
  }

  #giveUp(update: Update): void {
    const fate = this.#fates.get(update.n)!;
    if (--fate.copies > 0) return;
    this.#fates.delete(update.n);
    if (fate.acknowledged) return;
    this.lost.push(update);
    this.#options.onLost(update);
  }

  #wake(): void {
    for (const done of this.#idle.splice(0)) done();
  }

  #tellAnswered(): void {
    for (const done of this.#answered.splice(0)) done();
  }
}
