/** The simulator's storage: bounded, and written to a JSONL file so that conversations survive a restart. */
import { dirname } from "node:path";
import type { Standing } from "./accounts.ts";
import type { ChatMessage, Contact, Progress, Receipt, Update } from "./model.ts";

/** Most items of each kind; the oldest message or receipt is dropped for the newest. */
export const KEEP = Object.freeze({ contacts: 1_000, messages: 10_000, receipts: 1_000 });

const RANK: Record<Progress, number> = { sent: 1, delivered: 2, read: 3, failed: 4 };

type Line =
  | { is: "contact"; contact: Contact }
  | { is: "message"; message: ChatMessage }
  /** After messages: an older time counts too. */
  | { is: "wrote"; contact: string; number?: string; at: number }
  | { is: "account"; account: Standing }
  | { is: "receipt"; receipt: Receipt }
  | { is: "update"; update: Update }
  | { is: "acknowledged"; n: number };

/**
 * Contacts, messages, receipts, the standing of accounts, and the updates that the business has not acknowledged. Each change is one
 * line, appended before the method returns; a line contains the new state, so the last line about an item
 * counts.
 */
export class Store {
  readonly contacts = new Map<string, Contact>();
  /** By wamid, oldest first. */
  readonly messages = new Map<string, ChatMessage>();
  readonly receipts: Receipt[] = [];
  /** When each person last wrote to each number, also if that message is no longer kept. */
  #wrote = new Map<string, { contact: string; number?: string; at: number }>();
  /** By WABA id. */
  readonly accounts = new Map<string, Standing>();
  /** Unacknowledged updates, by number. */
  readonly open = new Map<number, Update>();
  #file: string | undefined;
  #lines = 0;
  #lastN = 0;

  /**
   * @param file Where to store everything; without it, everything is lost at the end. A truncated line is
   *   skipped.
   */
  constructor(file?: string) {
    this.#file = file;
    if (!file) return;
    Deno.mkdirSync(dirname(file), { recursive: true });
    for (const line of readLines(file)) this.#apply(line);
    this.#compact();
  }

  /** A number for a new update. */
  nextN(): number {
    return ++this.#lastN;
  }

  putContact(contact: Contact): void {
    this.#put({ is: "contact", contact });
  }

  putMessage(message: ChatMessage): void {
    this.#put({ is: "message", message });
  }

  /** When a person last wrote to a number; undefined for never. */
  lastWrote(contact: string, number?: string): number | undefined {
    return this.#wrote.get(pairOf(contact, number))?.at;
  }

  /** Makes what a person and a number wrote to each other older, by milliseconds. */
  age(contact: string, number: string | undefined, ms: number): void {
    for (const message of this.messages.values()) {
      if (message.contact !== contact || message.number !== number) continue;
      this.putMessage({ ...message, at: message.at - ms });
    }
    const last = this.lastWrote(contact, number);
    if (last !== undefined) this.#put({ is: "wrote", contact, number, at: last - ms });
  }

  putAccount(account: Standing): void {
    this.#put({ is: "account", account });
  }

  putReceipt(receipt: Receipt): void {
    this.#put({ is: "receipt", receipt });
  }

  putUpdate(update: Update): void {
    this.#put({ is: "update", update });
  }

  acknowledge(n: number): void {
    this.#put({ is: "acknowledged", n });
  }

  /** Advances a message's progress, never back. Returns the message if it changed. */
  progress(wamid: string, progress: Progress): ChatMessage | undefined {
    const before = this.messages.get(wamid);
    if (!before || RANK[progress] <= RANK[before.progress]) return undefined;
    const message = { ...before, progress };
    this.putMessage(message);
    return message;
  }

  /** Deletes everything, including the file. Numbers of updates are not reused. */
  clear(): void {
    for (const kept of [this.contacts, this.messages, this.accounts, this.open, this.#wrote]) kept.clear();
    this.receipts.length = 0;
    if (this.#file) this.#compact();
  }

  #put(line: Line): void {
    this.#apply(line);
    if (!this.#file) return;
    Deno.writeTextFileSync(this.#file, `${JSON.stringify(line)}\n`, { append: true });
    const live = this.contacts.size + this.messages.size + this.#wrote.size + this.receipts.length +
      this.accounts.size + this.open.size;
    if (++this.#lines > 4 * live + 10_000) this.#compact();
  }

  #apply(line: Line): void {
    if (line.is === "contact") this.contacts.set(line.contact.id, line.contact);
    if (line.is === "message") {
      this.messages.set(line.message.wamid, line.message);
      this.#heard(line.message);
      if (this.messages.size > KEEP.messages) this.messages.delete(this.messages.keys().next().value!);
    }
    if (line.is === "wrote") {
      const { contact, number, at } = line;
      this.#wrote.set(pairOf(contact, number), { contact, number, at });
    }
    if (line.is === "account") this.accounts.set(line.account.wabaId, line.account);
    if (line.is === "receipt" && this.receipts.push(line.receipt) > KEEP.receipts) this.receipts.shift();
    if (line.is === "update") {
      this.open.set(line.update.n, line.update);
      this.#lastN = Math.max(this.#lastN, line.update.n);
    }
    if (line.is === "acknowledged") {
      this.open.delete(line.n);
      this.#lastN = Math.max(this.#lastN, line.n);
    }
  }

  /** What WhatsApp itself says of a person, such as a new number, opens no window. */
  #heard({ contact, number, from, at, message }: ChatMessage): void {
    if (from !== "user" || message.type === "system") return;
    const pair = pairOf(contact, number);
    if (at > (this.#wrote.get(pair)?.at ?? -Infinity)) this.#wrote.set(pair, { contact, number, at });
  }

  /** Rewrites the file with the current state, atomically. */
  #compact(): void {
    const lines: Line[] = [
      // First, so that it hands on the counter and closes nothing that follows.
      { is: "acknowledged", n: this.#lastN },
      ...[...this.contacts.values()].map((contact): Line => ({ is: "contact", contact })),
      ...[...this.messages.values()].map((message): Line => ({ is: "message", message })),
      ...[...this.#wrote.values()].map((wrote): Line => ({ is: "wrote", ...wrote })),
      ...[...this.accounts.values()].map((account): Line => ({ is: "account", account })),
      ...this.receipts.map((receipt): Line => ({ is: "receipt", receipt })),
      ...[...this.open.values()].map((update): Line => ({ is: "update", update })),
    ];
    Deno.writeTextFileSync(`${this.#file}.new`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    Deno.renameSync(`${this.#file}.new`, this.#file!);
    this.#lines = lines.length;
  }
}

function pairOf(contact: string, number = ""): string {
  return `${contact} ${number}`;
}

function readLines(file: string): Line[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as Line];
    } catch {
      return [];
    }
  });
}
