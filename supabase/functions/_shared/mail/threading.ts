/**
 * What keeps a conversation together in Gmail and Outlook: In-Reply-To and References for both, and for Gmail the same
 * subject (RFC 5322 3.6.4).
 *
 * @module
 */

/** Ids that a References header keeps: as many from the beginning as from the end. */
const MOST = 40;
/** Prefixes of answers and forwards, in the languages of mail programs. */
const PREFIX =
  /^\s*(?:(?:re|aw|sv|vs|antw|ant|res|rif|ref|odp|ynt|bls|tr|fw|fwd|wg|vb|rv|enc|doorst|pd|i|π|απ|σχετ|回复|回覆|答复|转发|轉寄|返信|ответ|отв)(?:\[\d{1,3}\])?\s{0,2}[:：]\s*)/i;

/** In-Reply-To and References of an answer to a mail. */
export function threadHeaders(
  parent: { readonly messageId: string | null; readonly references: readonly string[] },
): Record<string, string> {
  const chain = [
    ...new Set([...parent.references, ...(parent.messageId === null ? [] : [parent.messageId])]),
  ];
  if (chain.length === 0) return {};
  const half = MOST / 2;
  const kept = chain.length <= MOST ? chain : [...chain.slice(0, half), ...chain.slice(-half)];
  const references = kept.map(bracketed).join(" ");
  return parent.messageId === null
    ? { "References": references }
    : { "In-Reply-To": bracketed(parent.messageId), "References": references };
}

/** An id with its angle brackets: without them, Gmail shows them as text. */
export function bracketed(id: string): string {
  return `<${id.replace(/[<>\s]/g, "")}>`;
}

/** The subject of an answer: that of the mail, with one `Re: ` however often and in whatever language it was answered. */
export function replySubject(subject: string): string {
  let rest = subject.trim();
  for (let times = 0; times < 20 && PREFIX.test(rest); times++) rest = rest.replace(PREFIX, "");
  return `Re: ${rest.trim()}`.trim();
}
