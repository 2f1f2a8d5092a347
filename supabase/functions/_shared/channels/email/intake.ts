/**
 * The intake of mails: reads, asks what they belong to, judges, stores the raw form, commits.
 *
 * @module
 */
import type { IngestedMail, ResolvedMail } from "../../contract/answers/mail.ts";
import { type ObjectRecord, questionOf, recordOf, resolvedOf, unreadableRecord } from "./inbound/records.ts";
import { sha256Hex } from "../../crypto/sha256.ts";
import { Problem } from "../../http/problem.ts";
import { factsOf } from "../../mail/facts.ts";
import { readForm } from "../../mail/form.ts";
import { fromParsed, modeOf, readPost } from "../../mail/inbound_parse.ts";
import { judge } from "../../mail/judge.ts";
import { contentOf, readMail } from "../../mail/mime.ts";
import type { Mail, MailFacts, MailWorld, Post } from "../../mail/types.ts";
import type { StoredFile } from "../channel.ts";

/** A mail as it came. */
export interface Posted {
  readonly mail: Mail;
  readonly post: Post;
  /** What the mail was read from; positions of attachments refer to it. */
  readonly raw: Uint8Array;
  /** The content type of a form in parsed mode. */
  readonly formType?: string;
  /** The address of the identity in whose own mailbox it was found. */
  readonly mailbox?: string;
  /** Stores it only if it leads to a message of ours: whose mailbox it is gets other mail too. @default {false} */
  readonly onlyOurs?: boolean;
}

/** Dependencies of {@linkcode createIntake}. */
export interface IntakeDeps {
  resolve(questions: Record<string, unknown>[]): Promise<ResolvedMail[]>;
  /** Stores mails; resolves after the commit. */
  ingest(records: Record<string, unknown>[]): Promise<IngestedMail[]>;
  /** Notes files that are uploaded and that no mail may come to own. */
  note(objects: readonly ObjectRecord[]): Promise<unknown>;
  storage: {
    /** Where a raw mail stands. @param day ISO date. @param id Hexadecimal digits. */
    rawPath(day: string, id: string): StoredFile;
    attachmentPath(day: string, id: string, index: number): StoredFile;
    /** Rejects with a Problem while the storage is unavailable. */
    put(file: StoredFile, bytes: Uint8Array, type: string): Promise<unknown>;
  };
  world(): Promise<MailWorld>;
  now(): Date;
  /** Counts a mail by kind and verdict. */
  count(kind: string, verdict: string): void;
}

/** What became of a post. */
export interface Taken {
  /** Mails: one for each of our recipients. */
  received: number;
  stored: number;
  duplicates: number;
  /** Whether something is to be done now. */
  forwards: boolean;
  relays: boolean;
  routes: boolean;
}

/** Takes mails in. */
export interface Intake {
  /** A body of SendGrid's Inbound Parse, in either mode. */
  form(body: Uint8Array, contentType: string, traceparent?: string): Promise<Taken>;
  /** A mail that was read already. */
  mail(posted: Posted, traceparent?: string): Promise<Taken>;
}

/** Attachments of a mail are kept one by one up to so many decoded bytes; its raw form has all of them. */
const MAX_KEPT = 10_000_000;
/** Bytes of the mails that are worked on at once: what is read of them takes about twice as much memory. */
const MAX_AT_ONCE = 64 << 20;
/** Uploads of one mail at once. */
const UPLOADS = 3;

/**
 * Creates the intake.
 *
 * Failure policy: what is answered is committed, raw form included. Anything that fails rejects with a Problem of 5xx,
 * and the provider sends the mail again; the same mail then has the same key and the same paths.
 */
export function createIntake(deps: IntakeDeps): Intake {
  let atOnce = 0;

  async function within<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (atOnce > 0 && atOnce + bytes > MAX_AT_ONCE) throw new Problem("overloaded");
    atOnce += bytes;
    try {
      return await work();
    } finally {
      atOnce -= bytes;
    }
  }

  async function unreadable(body: Uint8Array, contentType: string, provider: string): Promise<Taken> {
    const hash = sha256Hex(body);
    const file = deps.storage.rawPath(dayOf(deps.now()), hash.slice(0, 32));
    const object: ObjectRecord = { ...file, bytes: body.length, kind: "raw", index: null };
    await deps.storage.put(file, body, "application/octet-stream");
    const about = {
      content_type: contentType.slice(0, 300).toWellFormed().replaceAll("\0", ""),
      size: body.length,
    };
    const outcomes = await deps.ingest([unreadableRecord(provider, hash, about, [object])]);
    deps.count("other", "store");
    return takenOf(outcomes, []);
  }

  async function mail(
    { mail, post, raw, formType, mailbox, onlyOurs = false }: Posted,
    traceparent?: string,
  ): Promise<Taken> {
    const world = { ...await deps.world(), ...(mailbox === undefined ? {} : { mailbox }) };
    if (onlyOurs) return await ofOurs({ mail, post, raw, mailbox }, world, traceparent);
    const facts = await factsOf(mail, post, world, raw);
    const [found, stored] = await Promise.all([
      deps.resolve(facts.map((each) => questionOf(each, world.sendDomain))),
      // Of a circle, only the fact is kept.
      Promise.all(facts.map((each) => each.loop === null ? store(each, raw, formType !== undefined) : [])),
    ]);
    const judgements = facts.map((each, i) => judge(each, resolvedOf(found[i]), world));
    const records = judgements.map((judgement, i) => {
      const objects = judgement.verdict === "loop" ? [] : stored[i];
      return recordOf(facts[i], judgement, { sendDomain: world.sendDomain, objects, traceparent, formType });
    });
    const unowned = judgements.flatMap(({ verdict }, i) => verdict === "loop" ? stored[i] : []);
    if (unowned.length > 0) await deps.note(unowned);
    const outcomes = await deps.ingest(records);
    for (const [i, { outcome }] of outcomes.entries()) {
      deps.count(judgements[i].kind, outcome === "stored" ? judgements[i].verdict : "duplicate");
      // Another mail with the same Message-ID: its files belong to nothing.
      const objects = records[i].objects as ObjectRecord[];
      if (outcome === "duplicate" && objects.length > 0) await deps.note(objects);
    }
    return takenOf(outcomes, judgements.map(({ kind }) => kind));
  }

  /** Nothing is kept of a mail that is none of ours. */
  async function ofOurs(posted: Posted, world: MailWorld, traceparent?: string): Promise<Taken> {
    const facts = await factsOf(posted.mail, posted.post, world, posted.raw);
    const found = await deps.resolve(facts.map((each) => questionOf(each, world.sendDomain)));
    const leads = facts.some((each, i) => judge(each, resolvedOf(found[i]), world).message_id !== null);
    return leads ? await mail(posted, traceparent) : takenOf([], []);
  }

  /** Uploads the raw form and the attachments. The path depends on the content, so a forger overwrites nobody's mail. */
  async function store(facts: MailFacts, raw: Uint8Array, isForm: boolean): Promise<ObjectRecord[]> {
    const day = dayOf(deps.now());
    const id = sha256Hex(raw, facts.key).slice(0, 32);
    const { rawPath, attachmentPath } = deps.storage;
    const files: { file: StoredFile; object: ObjectRecord; type: string; bytes(): Uint8Array }[] = [{
      file: rawPath(day, id),
      object: { ...rawPath(day, id), bytes: raw.length, kind: "raw", index: null },
      type: isForm ? "multipart/form-data" : "message/rfc822",
      bytes: () => raw,
    }];
    let kept = 0;
    for (const attachment of facts.attachments) {
      if (attachment.size === 0 || kept + attachment.size > MAX_KEPT) continue;
      kept += attachment.size;
      const file = attachmentPath(day, id, attachment.index);
      files.push({
        file,
        object: { ...file, bytes: attachment.size, kind: "attachment", index: attachment.index },
        // Never the sender's: a browser must not run what it gets from here.
        type: "application/octet-stream",
        bytes: () => contentOf(raw, attachment),
      });
    }
    const waiting = [...files];
    const upload = async () => {
      for (let next; (next = waiting.shift()) !== undefined;) {
        await deps.storage.put(next.file, next.bytes(), next.type);
      }
    };
    await Promise.all(Array.from({ length: Math.min(UPLOADS, files.length) }, upload));
    return files.map(({ object }) => object);
  }

  return {
    mail: (posted, traceparent) => within(posted.raw.length, () => mail(posted, traceparent)),
    form: (body, contentType, traceparent) =>
      within(body.length, async () => {
        const form = readForm(body, contentType);
        const mode = form === undefined ? undefined : modeOf(form);
        if (form === undefined || mode === undefined || !form.complete) {
          return await unreadable(body, contentType, "sendgrid");
        }
        const post = readPost(body, form);
        if (mode === "parsed") {
          return await mail(
            { mail: fromParsed(body, form), post, raw: body, formType: contentType },
            traceparent,
          );
        }
        const { start, end } = form.fields.get("email")!;
        const raw = body.subarray(start, end);
        return await mail({ mail: readMail(raw), post, raw }, traceparent);
      }),
  };
}

function takenOf(outcomes: readonly IngestedMail[], kinds: readonly string[]): Taken {
  const stored = outcomes.filter(({ outcome }) => outcome === "stored");
  return {
    received: outcomes.length,
    stored: stored.length,
    duplicates: outcomes.length - stored.length,
    forwards: stored.some(({ forward_to }) => forward_to !== undefined),
    relays: stored.some(({ relayed }) => relayed === true),
    routes: outcomes.some(({ outcome }, i) => outcome === "stored" && ROUTED.has(kinds[i])),
  };
}

/** Kinds that routes to services may take. */
const ROUTED = new Set(["reply", "new_mail", "calendar", "unsubscribe"]);

/** In UTC. */
function dayOf(now: Date): string {
  return now.toISOString().slice(0, 10);
}
