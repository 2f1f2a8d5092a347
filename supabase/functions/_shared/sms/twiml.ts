/**
 * Answers to a call in TwiML, Twilio's XML.
 *
 * Source: Twilio, "TwiML for Programmable Voice": `<Dial>`, `<Say>`, `<Reject>`, `<Hangup>`.
 *
 * @module
 */
import type { CallWords } from "./call_words.ts";

/** Refuses the call; it is not answered and costs nothing. */
export const REJECT = "<Response><Reject/></Response>";
/** Ends the call. */
export const HANG_UP = "<Response><Hangup/></Response>";

/** Seconds for which a phone rings: shorter than most mailboxes wait. */
const RING_SECONDS = 20;

/** Whom to ring. */
export interface Dial {
  /** Phones, digits: they ring together, and the first to answer has the call. Ten at most. */
  readonly phones: readonly string[];
  /** The number that they see, digits: one of ours. */
  readonly callerId: string;
  /** What Twilio calls once this has ended. */
  readonly action: string;
}

/** Rings phones. The caller hears the ringing until somebody answers. */
export function dial({ phones, callerId, action }: Dial): string {
  const numbers = phones.slice(0, 10).map((phone) => `<Number>+${escapeXml(phone)}</Number>`).join("");
  return `<Dial callerId="+${escapeXml(callerId)}" answerOnBridge="true" timeout="${RING_SECONDS}" action="${
    escapeXml(action)
  }" method="POST">${numbers}</Dial>`;
}

/** Speaks. */
export function say(text: string, { locale }: CallWords): string {
  return `<Say language="${locale}">${escapeXml(text)}</Say>`;
}

/** A whole answer, of verbs in their order. */
export function answer(...verbs: string[]): string {
  return `<Response>${verbs.join("")}</Response>`;
}

/** Text in XML, inside of an element or a quoted attribute. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;").replaceAll("'", "&apos;");
}
