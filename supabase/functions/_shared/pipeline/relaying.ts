/**
 * Texts to numbers of organisations: they are relayed between the two sides of a thread, before any route is asked.
 * Reads, decides purely by `relay()`, writes.
 *
 * @module
 */
import type { MaskedWaiting } from "../contract/answers/masking.ts";
import type { WaitingConversation } from "../contract/answers/pipeline.ts";
import type { Rpc } from "../db/client.ts";
import type { Outbound } from "../channels/channel.ts";
import { type OrgFlags } from "../masking/flags.ts";
import { judgeText, SPLIT_TEXTS, type Verdict } from "../masking/poaching/judge.ts";
import { relay, type Relayed } from "../masking/relay.ts";
import { noticeLanguage, noticeOf } from "../masking/words.ts";
import { segmentsOf } from "../sms/segments.ts";

/** What became of a round's masked conversations. */
export interface Masked {
  /** Ids of the conversations that belong to organisations: no route is asked about them. */
  readonly taken: ReadonlySet<string>;
  /** Texts decided. */
  readonly decided: number;
  /** Texts that wait to be sent because of it. */
  readonly queued: number;
  /** Whether something changed under a decision, which is made again. */
  readonly again: boolean;
}

/** Dependencies of {@linkcode createMasker}. */
export interface MaskerDeps {
  rpc: Rpc;
  /** The three flags for an organisation. */
  flagsFor(org: string): Promise<OrgFlags>;
  /** Our own address of a text's file, which expires. */
  mediaUrl(messageId: string, file: number): string;
  /** Called for each decision; the fields hold no personal data but last fours. */
  onRelayed(fields: Readonly<Record<string, unknown>>): void;
}

/** Decides about the masked texts among waiting conversations. */
export type Mask = (waiting: readonly WaitingConversation[], revision: number) => Promise<Masked>;

const NONE: Masked = { taken: new Set(), decided: 0, queued: 0, again: false };
/** A contact card is a phone number, whatever its text says. */
const CARDS = /^text\/(x-)?vcard\b/i;

/**
 * Texts of a round that masked messaging decides about.
 *
 * Failure policy: closed. What a decision rests on is asked again in the transaction that writes it; a decision that no
 * longer stands is made again. A text that could not be queued for anybody goes to the owner inbox.
 */
export function createMasker({ rpc, flagsFor, mediaUrl, onRelayed }: MaskerDeps): Mask {
  return async (conversations, revision) => {
    const texts = conversations.filter(({ channel }) => channel === "sms");
    if (texts.length === 0) return NONE;
    const waiting = await rpc("masked_waiting", { p_conversations: texts.map(({ id }) => id) });
    if (waiting.length === 0) return NONE;
    const phones = new Map(texts.map(({ id, phone }) => [id, phone]));
    const items = await Promise.all(waiting.map(async (one) => ({
      id: one.conversation_id,
      relays: decideMasked(
        one,
        phones.get(one.conversation_id) ?? null,
        await flagsFor(one.org_id),
        mediaUrl,
      ),
    })));
    const { decided, queued, stale, relayed } = await rpc("record_relays", {
      p_revision: revision,
      p_conversations: items,
    });
    for (const { message_id, org_id, thread_id, outcome, reason } of relayed) {
      onRelayed({ messageId: message_id, orgId: org_id, threadId: thread_id, decision: outcome, reason });
    }
    return {
      taken: new Set(waiting.map(({ conversation_id }) => conversation_id)),
      decided,
      queued,
      again: stale.length > 0,
    };
  };
}

/** A decision as `record_relays` takes it. */
export interface RecordedRelay {
  readonly message_id: string;
  readonly org_id: string;
  readonly thread_id: string | null;
  readonly from_role: "client" | "sitter" | "unknown";
  readonly number_class: string;
  readonly outcome: Relayed["to"];
  readonly reason: string;
  readonly types: readonly string[];
  readonly findings: readonly { type: string; rule: string; score: number; redacted: string }[];
  readonly legs?: readonly string[];
  /** What the other legs get. */
  readonly message?: Outbound;
  /** What the writer is told. */
  readonly notice?: Outbound;
  /** Whether a thread is opened for the writer. */
  readonly opens: boolean;
}

/** Decides about the texts of a conversation, in order. Pure. */
export function decideMasked(
  { org_id, countries, zone, own_numbers, earlier, messages }: MaskedWaiting,
  phone: string | null,
  { core, sitter }: OrgFlags,
  mediaUrl: (messageId: string, file: number) => string,
): RecordedRelay[] {
  const before = [...earlier];
  return messages.map(({ id, text, keyword, is_group, is_phone, media, contactId, ...known }) => {
    const words = text ?? "";
    const verdict = verdictOf(
      words,
      media,
      judgeText(words, { countries, allowedNumbers: own_numbers }, before),
    );
    const relayed = relay({
      ...known,
      on: { core: core.value, sitter: sitter.value },
      kind: keyword !== null ? "keyword" : is_group ? "group" : is_phone ? "text" : "short_code",
      fromOwner: false,
      forced: false,
      verdict,
    });
    before.push(words);
    if (before.length > SPLIT_TEXTS) before.shift();
    const leg = known.senderLegs.find((one) => one.contactId === contactId);
    // Only a text that detection was asked about says what it found.
    const isJudged = relayed.to === "blocked" || relayed.to === "leg";
    const notice = noticeFor(relayed, leg?.role, phone, zone);
    return {
      message_id: id,
      org_id,
      thread_id: relayed.threadId,
      from_role: leg?.role ?? "unknown",
      number_class: known.numberClass,
      outcome: relayed.to,
      reason: relayed.reason,
      types: isJudged ? verdict.types : [],
      findings: isJudged
        ? verdict.findings.map(({ type, rule, score, redacted }) => ({ type, rule, score, redacted }))
        : [],
      ...(relayed.to === "leg"
        ? {
          legs: relayed.legs.map(({ id }) => id),
          message: relayedMessage(words, media.map((_, file) => mediaUrl(id, file))),
        }
        : {}),
      ...(notice === undefined ? {} : { notice: textMessage(notice) }),
      opens: relayed.to === "owner_inbox" && relayed.reason === "front_desk" && relayed.threadId === null,
    };
  });
}

/** A text as the channel sends it. The database paces by segments. */
export function textMessage(text: string, media: readonly string[] = []): Outbound {
  const { encoding, segments } = segmentsOf(text);
  return {
    type: media.length > 0 ? "mms" : "text",
    text,
    encoding,
    segments,
    ...(media.length > 0 ? { media } : {}),
  };
}

/**
 * How long a copy of a text may wait, in seconds. "I am at the door" hours later, from a number that was held or at a second
 * try, misleads.
 */
const RELAYED_SECONDS = 900;

/** A copy of what somebody wrote in a thread. */
export function relayedMessage(text: string, media: readonly string[] = []): Outbound {
  return { ...textMessage(text, media), validity_seconds: RELAYED_SECONDS };
}

function verdictOf(text: string, media: readonly (string | null)[], verdict: Verdict): Verdict {
  if (!media.some((type) => type !== null && CARDS.test(type))) return verdict;
  const card = {
    type: "phone",
    rule: "contact_card",
    from: 0,
    to: text.length,
    score: 1,
    redacted: "",
  } as const;
  return {
    ...verdict,
    outcome: "block",
    score: 1,
    types: ["phone", ...verdict.types.filter((type) => type !== "phone")],
    findings: [card, ...verdict.findings.filter(({ type }) => type !== "phone")],
  };
}

/** Words for the writer where nothing else would tell that nobody read the text. */
function noticeFor(
  relayed: Relayed,
  role: "client" | "sitter" | undefined,
  phone: string | null,
  zone: string,
): string | undefined {
  const language = noticeLanguage(phone);
  if (relayed.to === "blocked") return noticeOf("blocked", language, { zone });
  if (role !== "sitter" || relayed.to !== "held") return undefined;
  if (relayed.reason === "opted_out") return noticeOf("opted_out", language, { zone });
  if (relayed.reason !== "no_active_window") return undefined;
  return noticeOf("no_active_window", language, {
    zone,
    ...(relayed.next === undefined ? {} : { next: relayed.next }),
  });
}
