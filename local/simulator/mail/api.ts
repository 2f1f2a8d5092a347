/**
 * What the mail page needs, below `/simulator/api/mail`.
 *
 * | path | |
 * |---|---|
 * | `GET events` | server-sent events: first `{type: "state", …}`, then what changes |
 * | `GET {id}/html` | a mail's HTML, for a frame: no scripts, no images of other servers |
 * | `GET {id}/files/{n}` | an attachment, as a download |
 * | `POST answer` | `{inbox, mail, client, language, text, files?}`: the reader answers |
 * | `POST react` | `{inbox, mail, reaction, language}`: see reactions.ts |
 * | `POST report` | `{mail, event}`: SendGrid reports this about the mail |
 * | `POST visit` | `{mail, visitor}`: who looks at a tracked mail, see visits.ts |
 * | `POST unsubscribe` | `{inbox, mail}`: the mail program's button |
 * | `POST write` | `{from, name?, to, subject, text}`: a mail that answers none |
 * | `POST inbox` | `{address, name?}` |
 * | `POST crowd` | `{on}`: whether a crowd reacts to campaigns, see crowd.ts |
 * | `GET recipients.csv?n=N` | so many recipients, as `gatelink campaign add` reads them |
 * | `POST settings`, `POST retry` | some of MailSettings; tries at once what waits |
 */
import { z } from "zod";
import { Buffer } from "node:buffer";
import type { MediaFile } from "../media.ts";
import { readInput } from "../input.ts";
import type { Json } from "../model.ts";
import { type Answer, answerOf, CLIENTS, type Original } from "./clients.ts";
import { LANGUAGES, WORDS } from "./languages.ts";
import { REACTIONS, reactionTo } from "./reactions.ts";
import { Crowd } from "./crowd.ts";
import { eventOf } from "./events.ts";
import type { MailChange, SendGridSimulator } from "./sendgrid.ts";
import { MAIL_ANSWERS, MAIL_CALM, type MailSettings } from "./settings.ts";
import { visit, VISITORS } from "./visits.ts";
import { FATES, type SentMail, type WrittenRecord } from "./store.ts";

const SHOW = 500;
/** The people that a newcomer finds. */
const PEOPLE = [{ address: "casey@example.org", name: "Casey Brooks" }];

const keysOf = <T extends object>(of: T) => Object.keys(of) as [keyof T & string, ...(keyof T & string)[]];
const address = z.string().trim().toLowerCase().regex(/^[^\s@]{1,64}@[^\s@]{1,190}$/, "not an address");
const name = z.string().trim().max(100).optional();
const text = z.string().max(100_000);
const language = z.enum(LANGUAGES);
const about = { inbox: address, mail: z.string() };

const ANSWER = z.strictObject({
  ...about,
  client: z.enum(keysOf(CLIENTS)),
  language,
  text,
  files: z.array(z.string()).max(10).default([]),
});
const REACT = z.strictObject({ ...about, reaction: z.enum(keysOf(REACTIONS)), language });
const REPORTED = [...FATES, "open", "click", "spamreport", "unsubscribe"] as const;
const REPORT = z.strictObject({ mail: z.string(), event: z.enum(REPORTED) });
const VISIT = z.strictObject({ mail: z.string(), visitor: z.enum(keysOf(VISITORS)) });
const WRITE = z.strictObject({ from: address, name, to: address, subject: z.string().max(900), text });
const INBOX = z.strictObject({ address, name });

export interface MailApiOptions {
  mail: SendGridSimulator;
  /** Files that can be attached, by id. */
  samples: ReadonlyMap<string, MediaFile>;
  /** Where the stack answers the public. */
  origin: string;
  /** @default globalThis.fetch */
  fetch?: typeof fetch;
  /** Waits so many milliseconds. @default the system's timer */
  wait?(ms: number): Promise<void>;
}

/** The mail page's part of the simulator. */
export class MailApi {
  readonly #options: MailApiOptions;
  readonly #mail: SendGridSimulator;

  constructor(options: MailApiOptions) {
    this.#options = options;
    this.#mail = options.mail;
    this.#mail.crowd = new Crowd({
      clock: this.#mail.clock,
      mail: options.mail,
      origin: options.origin,
      fetch: options.fetch ?? fetch,
      onChange: () => this.#mail.tellCrowd(),
    });
    this.welcome();
  }

  /** Opens the inboxes that a newcomer finds, if there is none. */
  welcome(): void {
    const { store } = this.#mail;
    if (store.inboxes.size === 0) { for (const person of PEOPLE) store.putInbox(person); }
  }

  /** Everything that the page shows at first. */
  state(): Json {
    const { store, poster, calls, settings } = this.#mail;
    return {
      type: "state",
      inboxes: [...store.inboxes.values()],
      sent: [...store.sent.values()].slice(-SHOW).map(sentView),
      written: [...store.written.values()].slice(-SHOW).map(writtenView),
      posts: poster.posts.slice(-SHOW),
      calls,
      settings,
      crowd: { on: this.#mail.crowd?.on, campaigns: this.#mail.crowd?.campaigns },
      calm: MAIL_CALM,
      answers: MAIL_ANSWERS,
      fates: FATES,
      clients: CLIENTS,
      reactions: REACTIONS,
      reports: REPORTED,
      visitors: VISITORS,
      languages: LANGUAGES.map((code) => ({ code, label: WORDS[code].label, sample: WORDS[code].sample })),
      samples: [...this.#options.samples].map(([id, { filename }]) => ({ id, filename })),
    };
  }

  /** Calls with each change, as the page reads it, until the returned function is called. */
  listen(tell: (event: object) => void): () => void {
    return this.#mail.listen((change) => tell(viewOf(change)));
  }

  /** Answers a call of the page; undefined for a path that is not one. @throws RangeError for wrong input. */
  async call(path: string, body: Json): Promise<unknown> {
    switch (path) {
      case "answer":
        return this.answer(readInput(ANSWER, body));
      case "react": {
        const { inbox, mail, reaction, language } = readInput(REACT, body);
        const made = reactionTo(this.#original(mail, inbox), reaction, language);
        return this.#receive(made.mail, made.way, { how: REACTIONS[reaction], about: mail });
      }
      case "report": {
        const { mail, event } = readInput(REPORT, body);
        const found = this.#sent(mail);
        const link = /href="(https?:[^"]+)"/i.exec(found.html ?? "")?.[1];
        const at = { timestamp: Math.floor(Date.now() / 1000) };
        const more = event === "click" ? { url: link ?? "https://example.com/" } : {};
        this.#mail.report(found.to.map(({ email }) => eventOf(found, event, email, { ...at, ...more })));
        return {};
      }
      case "visit": {
        const { mail, visitor } = readInput(VISIT, body);
        const { html = "", at } = this.#sent(mail);
        const { origin, fetch: call = fetch, wait = pause } = this.#options;
        return { statuses: await visit(visitor, { html, at }, origin, { fetch: call, now: Date.now, wait }) };
      }
      case "unsubscribe":
        return await this.#unsubscribe(readInput(z.strictObject(about), body));
      case "write": {
        const { from, name, to, subject, text } = readInput(WRITE, body);
        this.#mail.store.putInbox({ address: from, ...(name ? { name } : {}) });
        return this.#receive(
          { from: { address: from, ...(name ? { name } : {}) }, to, subject, text },
          {},
          {},
        );
      }
      case "inbox": {
        const { address, name } = readInput(INBOX, body);
        const inbox = { address, ...(name ? { name } : {}) };
        this.#mail.store.putInbox(inbox);
        return inbox;
      }
      case "crowd":
        this.#mail.crowd?.turn(readInput(z.strictObject({ on: z.boolean() }), body).on);
        return {};
      case "settings":
        return this.#mail.configure(body as Partial<MailSettings>);
      case "retry":
        this.#mail.poster.hurry();
        return {};
    }
  }

  /** The reader of a mail answers it. */
  async answer(
    { inbox, mail, files = [], ...rest }: Omit<Answer, "attachments"> & {
      inbox: string;
      mail: string;
      files?: string[];
    },
  ): Promise<{ posts: number[] }> {
    const attachments = await Promise.all(files.map(async (id) => {
      const found = this.#options.samples.get(id);
      if (found === undefined) throw new RangeError("files: there is no such file");
      return {
        name: found.filename,
        type: found.mimeType,
        content: Buffer.from(await new Response(await found.open()).arrayBuffer()).toString("base64"),
      };
    }));
    const answer = { ...rest, ...(attachments.length > 0 ? { attachments } : {}) };
    return this.#receive(answerOf(this.#original(mail, inbox), answer), {}, {
      how: `${CLIENTS[rest.client]}, ${WORDS[rest.language].label}`,
      about: mail,
    });
  }

  /** A GET of a mail's parts; undefined for a path that is not one. */
  part(path: string, search = ""): Response | undefined {
    if (path === "recipients.csv") return recipients(Number(new URLSearchParams(search).get("n")));
    const match = /^([0-9a-f]{22})\/(?:(html)|files\/(\d{1,4}))$/.exec(path);
    const mail = match === null ? undefined : this.#mail.store.sent.get(match[1]);
    if (match === null || mail === undefined) return undefined;
    return match[2] === "html" ? this.#html(mail) : this.#file(mail, Number(match[3]));
  }

  /** One click as mail programs do it (RFC 8058), only ever on this machine; else the mail that the header names. */
  async #unsubscribe({ inbox, mail }: { inbox: string; mail: string }): Promise<unknown> {
    const found = this.#sent(mail);
    const header = found.headers["List-Unsubscribe"] ?? "";
    const ways = [...header.matchAll(/<([^<>]+)>/g)].map(([, url]) => url);
    const url = ways.find((way) => URL.canParse(way) && new URL(way).origin === this.#options.origin);
    if (url !== undefined && found.headers["List-Unsubscribe-Post"] !== undefined) {
      const { fetch: call = fetch } = this.#options;
      const response = await call(url, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: "List-Unsubscribe=One-Click",
        redirect: "manual",
      });
      await response.body?.cancel();
      return { how: "one click", status: response.status };
    }
    const to = ways.find((way) => way.startsWith("mailto:"));
    if (to === undefined) throw new RangeError("this mail names no way to unsubscribe");
    const { pathname, searchParams } = new URL(to);
    const original = this.#original(mail, inbox);
    return this.#receive(
      {
        from: original.to,
        to: decodeURIComponent(pathname),
        subject: searchParams.get("subject") ?? "unsubscribe",
        text: "",
      },
      {},
      { how: "Unsubscribe", about: mail },
    );
  }

  #receive(
    ...[mail, way, story]: [
      Parameters<SendGridSimulator["receive"]>[0],
      Parameters<SendGridSimulator["receive"]>[1],
      { how?: string; about?: string },
    ]
  ): { posts: number[] } {
    return { posts: this.#mail.receive(mail, way, undefined, story) };
  }

  #sent(id: string): SentMail {
    const mail = this.#mail.store.sent.get(id);
    if (mail === undefined) throw new RangeError("mail: it is not here any more");
    return mail;
  }

  /** A mail as the owner of an inbox has it. */
  #original(id: string, inbox: string): Original {
    const mail = this.#sent(id);
    const reader = [...mail.to, ...mail.cc].find(({ email }) => email.toLowerCase() === inbox);
    if (reader === undefined) throw new RangeError("inbox: this mail is not in it");
    const known = this.#mail.store.inboxes.get(inbox)?.name;
    const name = reader.name ?? known;
    const person = ({ email, name }: { email: string; name?: string }) => ({
      address: email,
      ...(name === undefined ? {} : { name }),
    });
    return {
      from: person(mail.from),
      answersTo: person(mail.replyTo ?? mail.from),
      to: { address: inbox, ...(name === undefined ? {} : { name }) },
      subject: mail.subject,
      text: mail.text ?? "",
      ...(mail.html === undefined ? {} : { html: mail.html }),
      messageId: mail.headers["Message-ID"] ?? `<${mail.id}@geopod-ismtpd-1>`,
      references: (mail.headers.References ?? "").split(/\s+/).filter((one) => one !== ""),
      at: new Date(mail.at),
    };
  }

  /**
   * Shown in a frame without scripts. Images come with the mail or from this stack: whoever looks at a mail here tells
   * nobody else of it.
   */
  #html(mail: SentMail): Response {
    let html = mail.html ?? "";
    for (const { content_id, type, file } of mail.attachments) {
      if (content_id === undefined || !/^image\/(?:png|jpe?g|gif|webp)$/i.test(type)) continue;
      const bytes = this.#mail.store.file(file);
      if (bytes === undefined) continue;
      const data = `data:${type};base64,${Buffer.from(bytes).toString("base64")}`;
      html = html.replaceAll(`cid:${content_id}`, () => data);
    }
    const page = `<!doctype html><meta charset="utf-8"><base target="_blank">` +
      `<style>body{margin:12px;font:14px/1.5 system-ui,sans-serif;color:#111}</style>${html}`;
    return new Response(page, {
      headers: {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy":
          `sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; ` +
          `img-src data: ${this.#options.origin}; frame-ancestors 'self' ${this.#options.origin}`,
      },
    });
  }

  #file(mail: SentMail, index: number): Response | undefined {
    const found = mail.attachments[index];
    const bytes = found === undefined ? undefined : this.#mail.store.file(found.file);
    if (bytes === undefined) return undefined;
    return new Response(bytes, {
      headers: {
        "content-type": "application/octet-stream",
        "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(found.filename)}`,
        "x-content-type-options": "nosniff",
      },
    });
  }
}

/** Most recipients of a file. */
const MOST = 1_000_000;

/** @throws RangeError if there cannot be so many */
function recipients(n: number): Response {
  if (!Number.isInteger(n) || n < 1 || n > MOST) throw new RangeError(`n: 1 to ${MOST}`);
  const lines = Array.from({ length: n }, (_, i) => `reader${i + 1}@people.example,Reader ${i + 1}\r\n`);
  return new Response(`to,name\r\n${lines.join("")}`, {
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": `attachment; filename="recipients.csv"`,
    },
  });
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A change as the page is told it: HTML and files are fetched when they are shown. */
function viewOf(change: MailChange): object {
  if (change.type === "sent") return { type: "sent", mail: sentView(change.mail) };
  if (change.type === "written") return { type: "written", record: writtenView(change.record) };
  return change;
}

function sentView({ html, tracking: _, ...mail }: SentMail): Json {
  return { ...mail, hasHtml: html !== undefined };
}

function writtenView({ mail, ...record }: WrittenRecord): Json {
  const { from, to, subject, text, attachments = [] } = mail;
  return {
    ...record,
    mail: { from, to, subject, text: text?.slice(0, 20_000), files: attachments.map(({ name }) => name) },
  };
}
