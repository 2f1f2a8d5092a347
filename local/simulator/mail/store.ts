/** The simulated mail's storage: bounded, and in a folder so that mails survive a restart. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { MailWay, WrittenMail } from "./mime.ts";
import type { MailPost } from "./poster.ts";

/** Most mails of each kind; the oldest goes for the newest. */
const KEEP = 1_000;

export interface MailPerson {
  email: string;
  name?: string;
}

/** A file of a mail that was taken. Its bytes are in the store under `file`. */
export interface SentFile {
  filename: string;
  type: string;
  bytes: number;
  file: string;
  content_id?: string;
  disposition?: string;
}

/** What SendGrid reports to have become of a mail at last. */
export const FATES = ["delivered", "deferred", "bounce", "blocked", "dropped"] as const;
export type Fate = (typeof FATES)[number];

/** A mail that SendGrid took. */
export interface SentMail {
  /** X-Message-Id. */
  id: string;
  at: number;
  from: MailPerson;
  to: MailPerson[];
  cc: MailPerson[];
  replyTo?: MailPerson;
  subject: string;
  text?: string;
  html?: string;
  headers: Record<string, string>;
  customArgs: Record<string, string>;
  attachments: SentFile[];
  tracking: Record<string, unknown>;
  fate: Fate;
}

/** A mail that somebody wrote to the business. */
export interface WrittenRecord {
  id: string;
  at: number;
  mail: WrittenMail;
  way: MailWay;
  /** How it was made, such as "Gmail, Deutsch". */
  how: string;
  /** {@link SentMail.id} of the mail that it is about. */
  about?: string;
  state: MailPost["state"];
}

/** An inbox that was opened by hand. */
export interface Inbox {
  address: string;
  name?: string;
}

type Line =
  | { is: "sent"; mail: SentMail }
  | { is: "written"; record: WrittenRecord }
  | { is: "inbox"; inbox: Inbox };

/** Mails both ways, inboxes and files. A line of the file holds an item's newest state. */
export class MailStore {
  /** By id, oldest first. */
  readonly sent = new Map<string, SentMail>();
  readonly written = new Map<string, WrittenRecord>();
  /** By address. */
  readonly inboxes = new Map<string, Inbox>();
  #folder: string | undefined;
  /** Without a folder. */
  #files = new Map<string, Uint8Array<ArrayBuffer>>();

  /** @param folder Where to store everything; without it, everything is lost at the end. */
  constructor(folder?: string) {
    this.#folder = folder;
    if (folder === undefined) return;
    Deno.mkdirSync(join(folder, "files"), { recursive: true });
    for (const line of readLines(this.#log)) this.#apply(line);
    this.#compact();
  }

  putSent(mail: SentMail): void {
    this.#put({ is: "sent", mail });
  }

  putWritten(record: WrittenRecord): void {
    this.#put({ is: "written", record });
  }

  putInbox(inbox: Inbox): void {
    this.#put({ is: "inbox", inbox });
  }

  /** Stores bytes; returns their name. */
  putFile(bytes: Uint8Array<ArrayBuffer>): string {
    const name = createHash("sha256").update(bytes).digest("hex");
    if (this.#folder === undefined) this.#files.set(name, bytes);
    else Deno.writeFileSync(this.#path(name), bytes);
    return name;
  }

  /** Bytes by their name; undefined for those of mails that were dropped. */
  file(name: string): Uint8Array<ArrayBuffer> | undefined {
    if (this.#folder === undefined) return this.#files.get(name);
    try {
      return Deno.readFileSync(this.#path(name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  clear(): void {
    for (const kept of [this.sent, this.written, this.inboxes]) kept.clear();
    this.#compact();
  }

  get #log(): string {
    return join(this.#folder!, "mails.jsonl");
  }

  #path(name: string): string {
    if (!/^[0-9a-f]{64}$/.test(name)) throw new RangeError("not a file's name");
    return join(this.#folder!, "files", name);
  }

  #put(line: Line): void {
    this.#apply(line);
    if (this.#folder === undefined) return;
    Deno.mkdirSync(dirname(this.#log), { recursive: true });
    Deno.writeTextFileSync(this.#log, `${JSON.stringify(line)}\n`, { append: true });
  }

  #apply(line: Line): void {
    if (line.is === "sent") put(this.sent, line.mail.id, line.mail);
    else if (line.is === "written") put(this.written, line.record.id, line.record);
    else put(this.inboxes, line.inbox.address, line.inbox);
  }

  /** Writes what is kept, and removes files that nothing names. */
  #compact(): void {
    const names = new Set(
      [...this.sent.values()].flatMap((mail) => mail.attachments.map(({ file }) => file)),
    );
    if (this.#folder === undefined) {
      for (const name of this.#files.keys()) if (!names.has(name)) this.#files.delete(name);
      return;
    }
    const lines: Line[] = [
      ...[...this.inboxes.values()].map((inbox) => ({ is: "inbox" as const, inbox })),
      ...[...this.sent.values()].map((mail) => ({ is: "sent" as const, mail })),
      ...[...this.written.values()].map((record) => ({ is: "written" as const, record })),
    ];
    const next = `${this.#log}.new`;
    Deno.writeTextFileSync(next, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    Deno.renameSync(next, this.#log);
    for (const { name } of [...Deno.readDirSync(join(this.#folder, "files"))]) {
      if (!names.has(name)) Deno.removeSync(join(this.#folder, "files", name));
    }
  }
}

function put<T>(items: Map<string, T>, key: string, item: T): void {
  items.set(key, item);
  if (items.size > KEEP) items.delete(items.keys().next().value!);
}

/** The lines of a file; one that was cut off by a kill is skipped. */
function readLines(path: string): Line[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").flatMap((line): Line[] => {
    try {
      return line === "" ? [] : [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}
