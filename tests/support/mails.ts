/** Mails, posts and a small world of messages for tests: composed here, with people that do not exist. */
import { factsOf } from "../../supabase/functions/_shared/mail/facts.ts";
import { judge } from "../../supabase/functions/_shared/mail/judge.ts";
import { readMail } from "../../supabase/functions/_shared/mail/mime.ts";
import type {
  Candidate,
  Judgement,
  Mail,
  MailFacts,
  MailWorld,
  Post,
  Resolved,
  ResolvedIdentity,
} from "../../supabase/functions/_shared/mail/types.ts";

export const WORLD: MailWorld = {
  replyDomain: "in.bloom.example",
  sendDomain: "bloom.example",
  forwardFrom: "answers@bloom.example",
  ownForwardHeaders: ["x-oldgate-forwarded"],
};

export const IDENTITY: ResolvedIdentity = {
  id: "01980000-0000-7000-8000-0000000000a1",
  from_email: "iris@bloom.example",
  display_name: "Iris Vale",
  forward_to: "iris.private@vale.example",
};

/** A message that was sent to Mara, one forwarded to the owner, and one of the former system. */
export const MESSAGES = {
  sent: {
    id: "01980000-0000-7000-8000-000000000001",
    token: "k7qzp3mwx2vtnd4c",
    direction: "out" as const,
    to: "mara@fern.example",
    contact: "mara@fern.example",
  },
  forwarded: {
    id: "01980000-0000-7000-8000-000000000002",
    token: "w5hdb6ytrq7xsn3e",
    direction: "in" as const,
    to: "iris.private@vale.example",
    contact: "mara@fern.example",
  },
  former: {
    id: "7c3e1f60-4a2b-4d1c-9e8f-0a1b2c3d4e5f",
    token: null,
    direction: "out" as const,
    to: "mara@fern.example",
    contact: "mara@fern.example",
  },
};

const encoder = new TextEncoder();

/** Bytes of strings (as UTF-8) and of bytes, one after the other. */
export function bytesOf(...pieces: readonly (string | Uint8Array | readonly number[])[]): Uint8Array {
  const parts = pieces.map((piece) =>
    typeof piece === "string" ? encoder.encode(piece) : Uint8Array.from(piece)
  );
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Bytes of a text in Latin-1. */
export const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** What a mail of a test says about itself; headers that are `null` are left out. */
export interface Draft {
  readonly headers?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly body?: string | Uint8Array;
}

/** A raw mail from Mara to the message that was sent to her, unless its draft says otherwise. Lines end in CRLF. */
export function rawMail({ headers = {}, body = "Noon is fine.\n" }: Draft = {}): Uint8Array {
  const fields: Record<string, string | readonly string[] | null> = {
    "From": "Mara Fern <mara@fern.example>",
    "To": `Iris Vale <${MESSAGES.sent.token}@in.bloom.example>`,
    "Subject": "Re: Your seeds",
    "Date": "Tue, 1 Dec 2026 10:00:00 +0100",
    "Message-ID": "<answer-1@fern.example>",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=utf-8",
    ...headers,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === null ? [] : [value].flat().map((one) => `${name}: ${one}`)
  );
  const text = typeof body === "string" ? body.replace(/\r?\n/g, "\r\n") : body;
  return bytesOf(lines.join("\r\n"), "\r\n\r\n", text);
}

/** A multipart body, with its Content-Type. Parts are header lines, an empty line and content. */
export function multipart(type: string, parts: readonly string[], boundary = "=_b1", more = ""): Draft {
  const body = parts.map((part) => `--${boundary}\n${part}\n`).join("") + `--${boundary}--\n`;
  return { headers: { "Content-Type": `${type}; boundary="${boundary}"${more}` }, body };
}

/** A post as SendGrid would make it for a mail of Mara's that passes SPF and DKIM. */
export function postOf(post: Partial<Post> = {}): Post {
  return {
    provider: "sendgrid",
    envelope: { to: [`${MESSAGES.sent.token}@in.bloom.example`], from: "mara@fern.example" },
    spf: "pass",
    dkim: { "fern.example": "pass" },
    senderIp: "192.0.2.7",
    ...post,
  };
}

/** What the database would answer about {@linkcode MESSAGES}. */
export function resolve(facts: MailFacts, more: Partial<Resolved> = {}): Resolved {
  const known = Object.values(MESSAGES);
  const find = (candidate: Candidate) =>
    known.find(({ id, token }) =>
      candidate.via === "token"
        ? candidate.token === token
        : "message" in candidate && candidate.message === id
    );
  const candidate = facts.candidates.find((candidate) => find(candidate) !== undefined);
  const message = candidate === undefined ? undefined : find(candidate);
  return {
    via: candidate?.via ?? "none",
    token: candidate?.via === "token" ? candidate.token : null,
    message: message ?? null,
    identity: message === undefined ? null : IDENTITY,
    from_is_ours: facts.from.address === IDENTITY.from_email,
    message_id_is_ours: false,
    last_hour: 0,
    same_text: 0,
    ...more,
  };
}

/** Reads and judges a mail as the intake does, with {@linkcode resolve} in place of the database. */
export async function judged(
  raw: Uint8Array,
  post: Post = postOf(),
  more: Partial<Resolved> = {},
): Promise<{ mail: Mail; facts: MailFacts; judgement: Judgement }> {
  const mail = readMail(raw);
  const [facts] = await factsOf(mail, post, WORLD, raw);
  return { mail, facts, judgement: judge(facts, resolve(facts, more), WORLD) };
}
