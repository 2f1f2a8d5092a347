/**
 * A stand-in for Meta on one machine: people write, the business's webhook receives it, the business answers
 * through the Graph API, and statuses follow. Nothing here depends on Gatelink: it is the other side, as far
 * as Meta documents it.
 */
import { type AccountAct, type AccountChange, type AccountIds, Accounts } from "./accounts.ts";
import { appChanges, type CoexistenceAct, isOfApp } from "./coexistence.ts";
import { type GraphError } from "./faults.ts";
import { GraphApi } from "./graph.ts";
import { type MediaFile, MediaShelf } from "./media.ts";
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

/** Options of a {@link MetaSimulator}. */
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
  /** Further accounts of the business. @default none */
  accounts?: readonly AccountIds[];
  /** File that stores conversations between runs (JSONL). @default none */
  dataFile?: string;
  /** What fails from the start. @default CALM */
  settings?: Partial<Settings>;
  retry?: Partial<RetrySchedule>;
  /** Files that there are from the start, by id. @default none */
  media?: ReadonlyMap<string, MediaFile>;
  /** URL prefix of media: `{mediaBase}/{id}`. @default /simulator/media at the webhook's origin */
  mediaBase?: string;
  /** Makes a run reproducible. @default a different one each time */
  seed?: number;
  /** @default systemClock */
  clock?: Clock;
  /** @default globalThis.fetch */
  fetch?: typeof fetch;
}

const RETRY: RetrySchedule = { firstMs: 200, maxMs: 5_000, forMs: 3_600_000, timeoutMs: 15_000 };
const TYPING_MS = 25_000;
const KEEP_VIEWS = 200;

/** Meta, its network and the phones of its users. */
export class MetaSimulator {
  readonly settings: Settings;
  /** Newest last, bounded; shown on the page. */
  readonly posts: PostView[] = [];
  readonly calls: CallView[] = [];
  /** The files of people and of the business. */
  readonly media: MediaShelf;
  #options: MetaOptions;
  #clock: Clock;
  #random: Random;
  #store: Store;
  #people: People;
  #sender: WebhookSender;
  #graph: GraphApi;
  #accounts: Accounts;
  #listeners = new Set<(event: SimulatorEvent) => void>();
  /** Messages for which a `read` is already scheduled. */
  #reading = new Set<string>();
  #made = 0;

  constructor(options: MetaOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = new Random(options.seed);
    this.#store = new Store(options.dataFile);
    this.media = new MediaShelf(options.media ?? new Map(), options.dataFile && `${options.dataFile}.media`);
    this.media.onAdded = (id) => this.#emit({ type: "media", id });
    this.#people = new People(this.#store, this.#random);
    this.settings = parseSettings({ ...CALM, ...options.settings });
    const shared = { clock: this.#clock, random: this.#random, settings: this.settings };
    this.#accounts = new Accounts({
      clock: this.#clock,
      accounts: [{ name: "Your business", wabaId: "100000000000001", ...options }, ...options.accounts ?? []],
      standing: this.#store.accounts,
      keep: (standing) => {
        this.#store.putAccount(standing);
        this.#emit({ type: "account", account: { ...standing } });
      },
      tell: (waba, change) => this.#tell(waba, change),
      reviewMs: () => this.settings.reviewMs,
      webhookUrl: options.webhookUrl,
    });
    this.#sender = new WebhookSender({
      ...shared,
      webhookUrl: options.webhookUrl,
      businessOf: ({ waba, number }) =>
        waba === undefined
          ? this.#accounts.ofNumber(number)
          : this.#accounts.all.find(({ ids }) => ids.wabaId === waba)!.ids,
      fetch: options.fetch ?? fetch,
      retry: { ...RETRY, ...options.retry },
      onBegun: (update) => this.#begun(update),
      onAcknowledged: (update) => this.#closed(update, "delivered"),
      onLost: (update) => this.#closed(update, "failed"),
      onPost: (post) => this.#view(this.posts, { type: "post", post }, post),
    });
    this.#graph = new GraphApi({
      ...shared,
      accounts: this.#accounts,
      media: this.media,
      recipient: (body) => this.#recipient(body),
      lastWrote: (contact, account) =>
        this.messages.findLast((m) =>
          m.contact === contact.id && m.from === "user" && m.number === this.#numberOf(account)
        )?.at,
      accept: (contact, account, body, failure) => this.#accept(contact, account, body, failure),
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

  /** Number of updates that wait for their 200, including copies. */
  get pending(): number {
    return this.#sender.pending;
  }

  /** Meta's received data from the business, newest last: each message once, and the read receipts. */
  get outbox() {
    const contacts = this.#store.contacts;
    const messages = this.messages.filter(({ from }) => from === "business").map((sent) => ({
      wamid: sent.wamid,
      ...(sent.number && { number: sent.number }),
      to: sent.message.to ?? sent.message.recipient ?? contacts.get(sent.contact)?.phone,
      type: sent.message.type ?? "text",
      payload: sent.message,
      time: new Date(sent.at).toISOString(),
      status: sent.progress,
    }));
    return { messages, receipts: this.#store.receipts };
  }

  /** Resolves once every update has been answered with 200; rejects if one was given up. */
  settled(): Promise<void> {
    return this.#sender.settled();
  }

  /** Immediately retries waiting updates. */
  retryNow(): void {
    this.#sender.hurry();
  }

  /**
   * Resets the simulator: no contacts, no messages, and only the faults of `options.settings`. Resolves when
   * the business has answered what is in flight to it; waiting updates are dropped. Listeners stay.
   */
  async reset(): Promise<void> {
    await this.#sender.clear();
    this.#graph.stop();
    this.#accounts.stop();
    this.#store.clear();
    this.#accounts.reset();
    this.media.clear();
    this.posts.length = this.calls.length = 0;
    this.#reading.clear();
    Object.assign(this.settings, parseSettings({ ...CALM, ...this.#options.settings }));
  }

  /** Answers a request to the Graph API; the path may have anything before `/{version}/…`. */
  graph(request: Request): Promise<Response> {
    return this.#graph.handle(request);
  }

  /** The business's accounts with their standing, for the page. */
  get accounts(): Json[] {
    return this.#accounts.all.map(({ ids, standing }) => {
      const { accessToken: _, appSecret: __, ...shown } = ids;
      return { ...shown, ...standing };
    });
  }

  /**
   * Does something to an account as Meta, or as the business in its app, and reports it by webhook.
   * @throws {RangeError} if it cannot be.
   */
  act(wabaId: string, act: AccountAct | CoexistenceAct): void {
    if (!isOfApp(act)) return this.#accounts.act(wabaId, act);
    const account = this.#accounts.all.find(({ ids }) => ids.wabaId === wabaId)?.ids;
    if (account === undefined) throw new RangeError(`there is no account ${wabaId}`);
    for (const change of appChanges(act, account, this.#people.all, this.#clock.now())) {
      this.#tell(wabaId, change);
    }
  }

  #tell(waba: string, { field, value }: AccountChange): void {
    this.#enqueue({ field, list: "value", item: value, waba, contact: "" });
  }

  /** Changes some settings; a RangeError names an invalid value. */
  configure(change: Partial<Settings>): Settings {
    Object.assign(this.settings, parseSettings({ ...this.settings, ...change }));
    this.#emit({ type: "settings", settings: this.settings });
    return this.settings;
  }

  /** Calls `listener` for each event until the returned function is called. */
  listen(listener: (event: SimulatorEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Adds a person. Without a phone number, or with a username, a business-scoped user id is generated unless
   * one is given. A RangeError names what is invalid or in use.
   */
  addContact(input: ContactInput): Contact {
    const contact = this.#people.add(input);
    this.#emit({ type: "contact", contact });
    return contact;
  }

  /**
   * Changes a person. As at Meta, a new name or username is visible with the next message, and a new phone
   * number also creates a new user id; a `system` message reports a new number or user id to the business,
   * and a `user_id_update` also reports a new user id.
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
   * A person sends a message; returns its wamid. A string is short for a text. Media that names a file of
   * `media` by `id` is completed with type, hash and URL. A RangeError says what is wrong.
   * @param number `phone_number_id` that the person writes to. @default {the first account's}
   */
  userSends(contact: Contact | string, message: UserMessage | string, number?: string): string {
    const account = this.#accounts.ofNumber(number);
    const sender = this.#people.get(typeof contact === "string" ? contact : contact.id);
    const native = typeof message === "string" ? { type: "text", text: { body: message } } : message;
    if (typeof native?.type !== "string" || typeof (native[native.type] ?? "") !== "object") {
      throw new RangeError("a message has a type and an object of that name");
    }
    if (!this.#sender.hasRoom(1)) throw new RangeError("too many webhooks are waiting");
    const wamid = this.#wamid(sender, true);
    const { context, ...rest } = native;
    const item = {
      ...(context && { context: { from: account.displayNumber, ...context } }),
      ...shapes.envelopeOf(sender, wamid, this.#clock.now()),
      ...rest,
      ...this.#media(native, account.wabaId),
    };
    this.#said(sender, wamid, item, shapes.personOf(sender), this.#numberOf(account));
    return wamid;
  }

  /**
   * Somebody at the business answers in the WhatsApp Business app, as with a number in coexistence: the person gets
   * the text, and the webhook its echo. Returns its wamid.
   */
  appSends(contact: Contact | string, text: string): string {
    const receiver = this.#people.get(typeof contact === "string" ? contact : contact.id);
    if (text.trim() === "") throw new RangeError("an answer has a text");
    if (!this.#sender.hasRoom(1)) throw new RangeError("too many webhooks are waiting");
    const wamid = this.#wamid(receiver, false);
    const at = this.#clock.now();
    const message = { type: "text", text: { body: text } };
    this.#keep({ wamid, contact: receiver.id, from: "business", at, message, progress: "delivered" });
    const item = shapes.echoOf(receiver, this.#options.displayNumber, wamid, at, message);
    this.#enqueue({ field: "smb_message_echoes", list: "message_echoes", item, contact: receiver.id, wamid });
    return wamid;
  }

  /** The person opens the chat: the business's messages become read, and the business is notified. */
  userReads(contact: Contact | string): void {
    const { id } = this.#people.get(typeof contact === "string" ? contact : contact.id);
    for (const sent of this.messages) {
      if (sent.contact === id && sent.from === "business" && sent.progress === "delivered") {
        this.#status(sent, "read", 0);
      }
    }
  }

  /** Sends the webhook the handshake of Meta's console. Never rejects. */
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

  /**
   * Stops all timers and calls. Updates that the business has not acknowledged stay in the data file for the
   * next run.
   */
  stop(): void {
    this.#sender.stop();
    this.#accounts.stop();
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

  #media(message: UserMessage, account: string): Json {
    const native = message[message.type] as Json;
    const file = this.media.get(String(native.id));
    if (!file) return {};
    this.media.give(String(native.id), account);
    const { mimeType, sha256 } = file;
    // Voice messages name their codec.
    const mime_type = native.voice === true && mimeType === "audio/ogg" ? "audio/ogg; codecs=opus" : mimeType;
    return { [message.type]: { ...native, mime_type, sha256, url: this.#mediaUrl(String(native.id)) } };
  }

  /** Stores a user's message and sends it to the business. */
  #said(contact: Contact, wamid: string, item: Json, person: Json | undefined, number?: string): void {
    const at = this.#clock.now();
    this.#keep({ wamid, contact: contact.id, from: "user", number, at, message: item, progress: "sent" });
    this.#enqueue({ field: "messages", list: "messages", item, person, number, contact: contact.id, wamid });
  }

  /** The number of an account as messages have it: absent for the first. */
  #numberOf({ phoneNumberId }: AccountIds): string | undefined {
    return phoneNumberId === this.#options.phoneNumberId ? undefined : phoneNumberId;
  }

  /** An unknown number gets a phone: Meta, too, accepts messages to any number. */
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

  #accept(contact: Contact, account: AccountIds, body: Json, failure?: GraphError): string | undefined {
    if (!this.#sender.hasRoom(3)) return undefined;
    const wamid = this.#wamid(contact, false);
    const error = failure && { code: failure.code, title: failure.title };
    const sent: ChatMessage = {
      ...{ wamid, contact: contact.id, from: "business", at: this.#clock.now(), message: body },
      number: this.#numberOf(account),
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
      {
        ...{ field: "messages", list: "statuses", item, person, contact: contact.id, wamid, status },
        number: sent.number,
      },
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

  /** A status takes effect when it is first sent. */
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
