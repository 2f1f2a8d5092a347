/**
 * A stand-in for Meta on one machine: people write, the business's webhook hears of it, the business answers through
 * the Graph API, and statuses follow. Nothing here knows Gatelink: it is the other side, as far as can be known from
 * Meta's documentation.
 */
import { type GraphError } from "./faults.ts";
import { GraphApi, type MediaFile } from "./graph.ts";
import {
  type CallView,
  CALM,
  type ChatMessage,
  type Clock,
  type Contact,
  type Json,
  type PostView,
  type Progress,
  type Settings,
  type SimulatorEvent,
  systemClock,
  type Update,
  type UserMessage,
} from "./model.ts";
import { type ContactInput, People, phoneOf } from "./people.ts";
import { Random } from "./random.ts";
import { type Acknowledged, type RetrySchedule, WebhookSender } from "./sender.ts";
import { parseSettings } from "./settings.ts";
import * as shapes from "./shapes.ts";
import { Store } from "./store.ts";

/** How to make a {@link MetaSimulator}. */
export interface MetaOptions {
  webhookUrl: string;
  appSecret: string;
  verifyToken: string;
  accessToken: string;
  phoneNumberId: string;
  /** Digits only. */
  displayNumber: string;
  /** @default "100000000000001" */
  wabaId?: string;
  /** Where conversations are kept between runs (JSONL). @default none */
  dataFile?: string;
  /** What goes wrong from the start. @default CALM */
  settings?: Partial<Settings>;
  retry?: Partial<RetrySchedule>;
  /** What media ids stand for. @default none */
  media?: ReadonlyMap<string, MediaFile>;
  /** Where media is served: `{mediaBase}/{id}`. @default /simulator/media at the webhook's origin */
  mediaBase?: string;
  /** Makes a run repeatable. @default a different one each time */
  seed?: number;
  /** @default systemClock */
  clock?: Clock;
  /** @default globalThis.fetch */
  fetch?: typeof fetch;
}

const RETRY: RetrySchedule = { firstMs: 200, maxMs: 5_000, forMs: 3_600_000, timeoutMs: 15_000 };
const TYPING_MS = 25_000;
const KEEP_VIEWS = 200;

/** Meta, its network and the phones of the people on it. */
export class MetaSimulator {
  readonly settings: Settings;
  /** Newest last, bounded: what the page shows. */
  readonly posts: PostView[] = [];
  readonly calls: CallView[] = [];
  #options: MetaOptions;
  #clock: Clock;
  #random: Random;
  #store: Store;
  #people: People;
  #sender: WebhookSender;
  #graph: GraphApi;
  #listeners = new Set<(event: SimulatorEvent) => void>();
  /** Messages whose `read` is on its way already. */
  #reading = new Set<string>();
  #made = 0;

  constructor(options: MetaOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = new Random(options.seed);
    this.#store = new Store(options.dataFile);
    this.#people = new People(this.#store, this.#random);
    this.settings = parseSettings({ ...CALM, ...options.settings });
    const shared = { clock: this.#clock, random: this.#random, settings: this.settings };
    this.#sender = new WebhookSender({
      ...shared,
      webhookUrl: options.webhookUrl,
      appSecret: options.appSecret,
      business: { wabaId: "100000000000001", ...options },
      fetch: options.fetch ?? fetch,
      retry: { ...RETRY, ...options.retry },
      onBegun: (update) => this.#begun(update),
      onAcknowledged: (update) => this.#closed(update, "delivered"),
      onLost: (update) => this.#closed(update, "failed"),
      onPost: (post) => this.#view(this.posts, { type: "post", post }, post),
    });
    this.#graph = new GraphApi({
      ...shared,
      accessToken: options.accessToken,
      phoneNumberId: options.phoneNumberId,
      media: options.media ?? new Map(),
      mediaUrl: (id) => this.#mediaUrl(id),
      recipient: (body) => this.#recipient(body),
      lastWrote: (contact) =>
        this.messages.findLast((m) => m.contact === contact.id && m.from === "user")?.at,
      accept: (contact, body, failure) => this.#accept(contact, body, failure),
      markRead: (wamid, typing) => this.#markRead(wamid, typing),
      onCall: (call) => {
        this.#view(this.calls, { type: "call", call }, call);
        if (this.settings.fault) this.#emit({ type: "settings", settings: this.settings });
      },
    });
    // What an earlier run left unacknowledged is still to be delivered: Meta does not forget either.
    for (const update of this.#store.open.values()) this.#sender.add(update);
  }

  get contacts(): Contact[] {
    return this.#people.all;
  }

  /** All messages of all conversations, oldest first. */
  get messages(): ChatMessage[] {
    return [...this.#store.messages.values()];
  }

  /** Every update the webhook answered 200 for, in the order of those answers. */
  get acknowledged(): readonly Acknowledged[] {
    return this.#sender.acknowledged;
  }

  /** How many updates wait for their 200, copies included. */
  get pending(): number {
    return this.#sender.pending;
  }

  /** What Meta received from the business, newest last: each message once, and the read receipts. */
  get outbox() {
    const contacts = this.#store.contacts;
    const messages = this.messages.filter(({ from }) => from === "business").map((sent) => ({
      wamid: sent.wamid,
      to: sent.message.to ?? sent.message.recipient ?? contacts.get(sent.contact)?.phone,
      type: sent.message.type ?? "text",
      payload: sent.message,
      time: new Date(sent.at).toISOString(),
      status: sent.progress,
    }));
    return { messages, receipts: this.#store.receipts };
  }

  /** Resolves once every update was answered with 200; rejects when one was given up. */
  settled(): Promise<void> {
    return this.#sender.settled();
  }

  /** Tries at once what waits for a retry. */
  retryNow(): void {
    this.#sender.hurry();
  }

  /**
   * Begins anew: nobody is known, nothing was said and nothing goes wrong but by `options.settings`. Resolves when the
   * business has answered what is in flight to it; what waits is dropped. Who listens goes on listening.
   */
  async reset(): Promise<void> {
    await this.#sender.clear();
    this.#graph.stop();
    this.#store.clear();
    this.posts.length = this.calls.length = 0;
    this.#reading.clear();
    Object.assign(this.settings, parseSettings({ ...CALM, ...this.#options.settings }));
  }

  /** Answers a request to the Graph API; the path may have anything before `/{version}/…`. */
  graph(request: Request): Promise<Response> {
    return this.#graph.handle(request);
  }

  /** Changes some settings; a RangeError says which value cannot be. */
  configure(change: Partial<Settings>): Settings {
    Object.assign(this.settings, parseSettings({ ...this.settings, ...change }));
    this.#emit({ type: "settings", settings: this.settings });
    return this.settings;
  }

  /** Calls `listener` at each event until the function that is returned is called. */
  listen(listener: (event: SimulatorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * A new person. Without a phone number, or with a username, a business-scoped user id is made unless one is given.
   * A RangeError says what is wrong or taken.
   */
  addContact(input: ContactInput): Contact {
    const contact = this.#people.add(input);
    this.#emit({ type: "contact", contact });
    return contact;
  }

  /**
   * Changes a person. A new name or username is seen with the next message, as at Meta; a new phone number also
   * makes a new user id; a new number or user id is told to the business by a `system` message, a new user id by a
   * `user_id_update` besides.
   */
  changeContact(id: string, change: Partial<ContactInput>): Contact {
    const before = this.#people.get(id);
    const after = this.#people.change(id, change);
    this.#emit({ type: "contact", contact: after });
    const at = this.#clock.now();
    const moved = before.phone !== undefined && after.phone !== undefined && before.phone !== after.phone;
    const replaced = before.bsuid !== undefined && before.bsuid !== after.bsuid;
    if (moved || replaced) {
      const wamid = this.#wamid(after, true);
      const tell = moved ? shapes.numberChanged : shapes.userIdChanged;
      this.#said(after, wamid, tell(before, after, wamid, at), undefined);
    }
    if (replaced) {
      const item = shapes.userIdUpdate(before, after, at);
      const person = shapes.personOf(after);
      this.#enqueue({ field: "user_id_update", list: "user_id_update", item, person, contact: id });
    }
    return after;
  }

  /**
   * A person sends a message; returns its wamid. A string is short for a text. Media that names one of
   * `options.media` by `id` is completed with type, hash and address. A RangeError says what is wrong.
   */
  userSends(contact: Contact | string, message: UserMessage | string): string {
    const sender = this.#people.get(typeof contact === "string" ? contact : contact.id);
    const native = typeof message === "string" ? { type: "text", text: { body: message } } : message;
    if (typeof native?.type !== "string" || typeof (native[native.type] ?? "") !== "object") {
      throw new RangeError("a message has a type and an object of that name");
    }
    if (!this.#sender.hasRoom(1)) throw new RangeError("too many webhooks are waiting");
    const wamid = this.#wamid(sender, true);
    const { context, ...rest } = native;
    const item = {
      ...(context && { context: { from: this.#options.displayNumber, ...context } }),
      ...shapes.envelopeOf(sender, wamid, this.#clock.now()),
      ...rest,
      ...this.#media(native),
    };
    this.#said(sender, wamid, item, shapes.personOf(sender));
    return wamid;
  }

  /** The person looks at the chat: what the business wrote is read, and the business is told. */
  userReads(contact: Contact | string): void {
    const { id } = this.#people.get(typeof contact === "string" ? contact : contact.id);
    for (const sent of this.messages) {
      if (sent.contact === id && sent.from === "business" && sent.progress === "delivered") {
        this.#status(sent, "read", 0);
      }
    }
  }

  /** Asks the webhook for the handshake that Meta's console asks for. Never rejects. */
  async handshake(): Promise<{ ok: boolean; status: number | null; detail: string }> {
    const challenge = this.#random.string(10, "0123456789");
    const url = new URL(this.#options.webhookUrl);
    url.searchParams.set("hub.mode", "subscribe");
    url.searchParams.set("hub.verify_token", this.#options.verifyToken);
    url.searchParams.set("hub.challenge", challenge);
    try {
      const response = await (this.#options.fetch ?? fetch)(url, { redirect: "manual" });
      const ok = (await response.text()) === challenge && response.status === 200;
      const detail = ok ? "The challenge came back" : "The answer is not the challenge with status 200";
      return { ok, status: response.status, detail };
    } catch {
      return { ok: false, status: null, detail: "No connection to the webhook" };
    }
  }

  /** Ends all timers and calls. What the business has not acknowledged is kept in the data file for the next run. */
  stop(): void {
    this.#sender.stop();
    this.#graph.stop();
    this.#listeners.clear();
  }

  #wamid(contact: Contact, incoming: boolean): string {
    const phone = contact.phone ?? this.#options.displayNumber;
    return shapes.makeWamid({
      phone,
      incoming,
      now: this.#clock.now(),
      count: this.#made++,
      random: this.#random,
    });
  }

  #mediaUrl(id: string): string {
    return `${this.#options.mediaBase ?? new URL("/simulator/media", this.#options.webhookUrl).href}/${id}`;
  }

  #media(message: UserMessage): Json {
    const native = message[message.type] as Json;
    const file = this.#options.media?.get(String(native.id));
    if (!file) return {};
    const { mimeType: mime_type, sha256 } = file;
    return { [message.type]: { ...native, mime_type, sha256, url: this.#mediaUrl(String(native.id)) } };
  }

  /** Keeps what a user said and tells the business. */
  #said(contact: Contact, wamid: string, item: Json, person: Json | undefined): void {
    const at = this.#clock.now();
    this.#keep({ wamid, contact: contact.id, from: "user", at, message: item, progress: "sent" });
    this.#enqueue({ field: "messages", list: "messages", item, person, contact: contact.id, wamid });
  }

  /** A number that is not known yet gets a phone: Meta, too, takes messages to any number. */
  #recipient({ to, recipient }: Json): Contact | string {
    const known = this.#people.find(to, recipient);
    if (known) return known;
    const phone = phoneOf(to);
    if (!phone) return "to: not a phone number, and recipient: not a known user id";
    try {
      return this.addContact({ name: `+${phone}`, phone });
    } catch (error) {
      if (error instanceof RangeError) return `to: ${error.message}`;
      throw error;
    }
  }

  #accept(contact: Contact, body: Json, failure?: GraphError): string | undefined {
    if (!this.#sender.hasRoom(3)) return undefined;
    const wamid = this.#wamid(contact, false);
    const error = failure && { code: failure.code, title: failure.title };
    const sent: ChatMessage = {
      ...{ wamid, contact: contact.id, from: "business", at: this.#clock.now(), message: body },
      ...{ progress: error ? "failed" : "sent", error },
    };
    this.#keep(sent);
    const { statusDelayMs, autoRead } = this.settings;
    const follow: Progress[] = error
      ? ["failed"]
      : ["sent", "delivered", ...(autoRead ? ["read" as const] : [])];
    follow.forEach((status, step) => this.#status(sent, status, (step + 1) * statusDelayMs));
    return wamid;
  }

  #status(sent: ChatMessage, status: Progress, afterMs: number): void {
    if (status === "read") {
      if (this.#reading.has(sent.wamid)) return;
      this.#reading.add(sent.wamid);
    }
    const contact = this.#people.get(sent.contact);
    const item = shapes.statusOf(sent, contact, status, this.#clock.now() + afterMs);
    const person = shapes.personOf(contact);
    const wamid = sent.wamid;
    this.#enqueue(
      { field: "messages", list: "statuses", item, person, contact: contact.id, wamid, status },
      afterMs,
    );
  }

  #enqueue(made: Omit<Update, "n">, afterMs = 0): void {
    const update = { ...made, n: this.#store.nextN() };
    this.#store.putUpdate(update);
    this.#sender.add(update, afterMs);
  }

  #markRead(wamid: string, typing: boolean): boolean {
    const read = this.#store.messages.get(wamid);
    if (read?.from !== "user") return false;
    this.#store.putReceipt({ message_id: wamid, typing, time: new Date(this.#clock.now()).toISOString() });
    for (const message of this.messages) {
      if (message.contact === read.contact && message.from === "user" && message.at <= read.at) {
        this.#progress(message.wamid, "read");
      }
    }
    if (typing) this.#emit({ type: "typing", contact: read.contact, until: this.#clock.now() + TYPING_MS });
    return true;
  }

  /** A status is on its way, so it is true. */
  #begun({ wamid, status }: Update): void {
    if (!status) return;
    this.#progress(wamid!, status);
    if (status === "read") this.#reading.delete(wamid!);
  }

  #closed(update: Update, progress: Progress): void {
    this.#store.acknowledge(update.n);
    if (update.list === "messages") this.#progress(update.wamid!, progress);
  }

  #keep(message: ChatMessage): void {
    this.#store.putMessage(message);
    this.#emit({ type: "message", message });
  }

  #progress(wamid: string, progress: Progress): void {
    const moved = this.#store.progress(wamid, progress);
    if (moved) this.#emit({ type: "message", message: moved });
  }

  #view<T>(views: T[], event: SimulatorEvent, view: T): void {
    if (!views.includes(view) && views.push(view) > KEEP_VIEWS) views.shift();
    this.#emit(event);
  }

  #emit(event: SimulatorEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
