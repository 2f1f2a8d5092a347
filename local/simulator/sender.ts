/**
 * Hands updates to the business's webhook the way Meta does: signed, aggregated, sometimes twice, in no order that
 * one could rely on, and again and again until the answer is 200.
 */
import { DueList } from "./due_list.ts";
import type { Attempt, Clock, PostView, Settings, Update } from "./model.ts";
import type { Random } from "./random.ts";
import { type Business, encode, signature, summarise, webhookBody } from "./shapes.ts";

/** When to try again. Meta goes on for days; here days are minutes. */
export interface RetrySchedule {
  /** Wait before the second try; doubles from there, ±20 %. @default 200 */
  firstMs: number;
  /** Longest wait between two tries. @default 5_000 */
  maxMs: number;
  /** How long a POST is tried at all. @default 3_600_000 */
  forMs: number;
  /** How long an answer may take. @default 15_000 */
  timeoutMs: number;
}

/** An update that the business answered 200 for. The numbers come from one counter that every event moves on. */
export interface Acknowledged {
  list: Update["list"];
  /** The simulator's id of the contact. */
  contact: string;
  wamid?: string;
  /** When the first POST that carried it was begun. */
  begun: number;
  /** When the first 200 for it came. */
  acknowledged: number;
  /** The POST that was answered, and the update's place in it. */
  post: number;
  position: number;
  /** Whether no other POST carried it until then. */
  alone: boolean;
}

/**
 * Whether a receiver that stores before it answers, and in the order of the body, has certainly stored `a` before
 * `b`. False also means "cannot be known": two POSTs that overlap are stored in either order.
 */
export function storedBefore(a: Acknowledged, b: Acknowledged): boolean {
  return a.acknowledged < b.begun ||
    (a.alone && b.alone && a.post === b.post && a.position < b.position);
}

/** Most updates that wait; more are refused so that a receiver that stays away cannot fill the memory. */
export const QUEUE_LIMIT = 100_000;
/** Meta's own bounds for one POST. */
const MAX_UPDATES = 1_000;
const MAX_BYTES = 3_000_000;
/** How long an update gathers others, and how long one that is shuffled or duplicated may be held back. */
const GATHER_MS = 250;
const HOLD_MS = 1_000;
const KEEP_ATTEMPTS = 20;
const KEEP_ACKNOWLEDGED = 100_000;
const SHOW_BODY = 16_000;

interface Copy {
  update: Update;
  bytes: number;
}

/** What is known of an update until it is acknowledged and its copies are gone. */
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

/** What {@link WebhookSender} needs, and whom it tells. */
export interface SenderOptions {
  webhookUrl: string;
  appSecret: string;
  business: Business;
  clock: Clock;
  random: Random;
  fetch: typeof fetch;
  retry: RetrySchedule;
  /** Read at each use, so that a change works at once. */
  settings: Readonly<Settings>;
  /** The update is on its way for the first time. */
  onBegun(update: Update): void;
  /** The first 200 for the update has come. */
  onAcknowledged(update: Update): void;
  /** The last try for the update has failed. */
  onLost(update: Update): void;
  /** A POST was begun or answered. */
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

  /** How many updates wait or are on their way, copies included. */
  get pending(): number {
    let copies = 0;
    for (const fate of this.#fates.values()) copies += fate.copies;
    return copies;
  }

  /** Whether `count` more updates may be added. */
  hasRoom(count: number): boolean {
    return this.#fates.size + count <= QUEUE_LIMIT;
  }

  /** Queues an update to go `afterMs` from now or later, as the settings and chance have it. */
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

  /** Resolves once every update was answered with 200; rejects when one was given up or the sender was stopped. */
  async settled(): Promise<void> {
    while (this.#fates.size > 0 && !this.#stopped) await new Promise<void>((done) => this.#idle.push(done));
    if (this.#stopped && this.#fates.size > 0) {
      throw new Error(`stopped with ${this.#fates.size} updates waiting`);
    }
    if (this.lost.length > 0) throw new Error(`${this.lost.length} updates were given up`);
  }

  /** Tries everything that waits for a retry now. */
  hurry(): void {
    for (const post of this.#retrying.take(Infinity, () => true)) this.#retrying.add(0, post);
    this.#pump();
  }

  /** Drops what waits, and resolves once what is in flight was answered: nothing is under way any more then. */
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

  /** Ends the timer and cuts what is in flight. What was not acknowledged stays so. */
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
    const { settings, business, random } = this.#options;
    const most = Math.min(settings.batch, MAX_UPDATES);
    let bytes = 0;
    const copies = this.#waiting.take(now, (copy, taken) => {
      bytes += copy.bytes;
      return taken < most && (taken === 0 || bytes <= MAX_BYTES);
    });
    if (copies.length === 0) return undefined;
    const updates = copies.map(({ update }) => update);
    const body = encode(webhookBody(updates, business, random));
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

  /** One POST. Only its status matters; an answer that is late or no answer at all is a failure like any other. */
  async #deliver(post: Post, cut: AbortController): Promise<Pick<Attempt, "status" | "error">> {
    const { clock, retry, webhookUrl, appSecret } = this.#options;
    const timeout = clock.setTimeout(() => cut.abort(), retry.timeoutMs);
    try {
      const response = await this.#options.fetch(webhookUrl, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": "facebookexternalua",
          "x-hub-signature-256": signature(post.bytes, appSecret),
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
