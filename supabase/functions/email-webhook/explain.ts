/**
 * What a mail would lead to, and why: it is read, looked up and judged by the same code as one that comes in, and
 * nothing is stored.
 *
 * @module
 */
import { questionOf, resolvedOf } from "../_shared/channels/email/inbound/records.ts";
import type { ResolvedMail } from "../_shared/contract/answers/mail.ts";
import type { Explained, ExplainedMail } from "../_shared/contract/http/mail.ts";
import { Problem } from "../_shared/http/problem.ts";
import { factsOf } from "../_shared/mail/facts.ts";
import { readForm } from "../_shared/mail/form.ts";
import { normalAddress } from "../_shared/mail/header_values.ts";
import { fromParsed, modeOf, readPost } from "../_shared/mail/inbound_parse.ts";
import { judge } from "../_shared/mail/judge.ts";
import { readMail } from "../_shared/mail/mime.ts";
import type { Judgement, Mail, MailFacts, MailWorld, Post, ResolvedIdentity } from "../_shared/mail/types.ts";

/** Dependencies of {@linkcode createExplain}. */
export interface ExplainDeps {
  resolve(questions: Record<string, unknown>[]): Promise<ResolvedMail[]>;
  world(): Promise<MailWorld>;
}

/**
 * Explains a mail.
 *
 * @param query What a provider would say of a mail by itself: `to` (may be repeated) and `from` of the envelope, `spf`
 *   (pass, fail, …), `dkim` (a domain that signed; may be repeated). A form says it itself.
 */
export type Explain = (bytes: Uint8Array, contentType: string, query: URLSearchParams) => Promise<Explained>;

/** Creates an {@linkcode Explain}. Refusal: `invalid_request` for a form without a mail, or an address that is none. */
export function createExplain({ resolve, world }: ExplainDeps): Explain {
  return async (bytes, contentType, query) => {
    const { mode, mail, post, raw } = read(bytes, contentType, query);
    const ours = await world();
    const facts = await factsOf(mail, post, ours, raw);
    const found = await resolve(facts.map((each) => questionOf(each, ours.sendDomain)));
    return {
      mode,
      mails: facts.map((each, i) => {
        const resolved = resolvedOf(found[i]);
        return explainedOf(each, judge(each, resolved, ours), resolved.identity);
      }),
    };
  };
}

interface Read {
  mode: Explained["mode"];
  mail: Mail;
  post: Post;
  /** What the mail was read from. */
  raw: Uint8Array;
}

function read(bytes: Uint8Array, contentType: string, query: URLSearchParams): Read {
  if (!/^\s*multipart\/form-data\b/i.test(contentType)) {
    return { mode: "mime", mail: readMail(bytes), post: postOf(query), raw: bytes };
  }
  const form = readForm(bytes, contentType);
  const mode = form === undefined ? undefined : modeOf(form);
  if (form === undefined || mode === undefined) {
    throw new Problem("invalid_request", { detail: "The form holds no mail." });
  }
  const post = readPost(bytes, form);
  if (mode === "parsed") return { mode, mail: fromParsed(bytes, form), post, raw: bytes };
  const { start, end } = form.fields.get("email")!;
  const raw = bytes.subarray(start, end);
  return { mode, mail: readMail(raw), post, raw };
}

function postOf(query: URLSearchParams): Post {
  const from = query.get("from");
  return {
    provider: "sendgrid",
    envelope: { to: query.getAll("to").map(addressIn), from: from === null ? null : from && addressIn(from) },
    spf: (query.get("spf") ?? "none").toLowerCase(),
    dkim: Object.fromEntries(query.getAll("dkim").map((domain) => [domain.toLowerCase(), "pass"])),
    senderIp: null,
  };
}

function addressIn(text: string): string {
  const normal = normalAddress(text);
  if (normal !== undefined) return normal;
  throw new Problem("invalid_request", { detail: "`to` and `from` must be e-mail addresses." });
}

function explainedOf(
  facts: MailFacts,
  judgement: Judgement,
  identity: ResolvedIdentity | null,
): ExplainedMail {
  const { verified, reason, by, domain } = facts.verification;
  return {
    recipient: facts.recipient,
    kind: judgement.kind,
    verdict: judgement.verdict,
    reasons: [...judgement.reasons],
    via: judgement.via,
    answers: judgement.message_id,
    identity: identity?.from_email ?? null,
    from: facts.from.address,
    sender: judgement.sender,
    verified,
    verification: by === null
      ? VERIFICATION[reason]
      : `${by.toUpperCase()} of ${domain} passed and fits From.`,
    automatic: facts.auto,
    counted: judgement.counted,
    forward_to: judgement.forward?.to ?? null,
    relay_to: judgement.relay?.to ?? null,
    suppress: judgement.suppress?.address ?? null,
    subject: facts.subject,
    text: facts.text,
    attachments: facts.attachments.length,
    truncated: [...facts.truncated],
    bytes: facts.size,
  };
}

const VERIFICATION: Record<MailFacts["verification"]["reason"], string> = {
  aligned: "SPF or DKIM passed and fits From.",
  several_from: "It names several authors.",
  no_from: "It names no author.",
  not_passed: "Neither SPF nor DKIM passed.",
  not_aligned: "What passed is of another domain than From.",
};
