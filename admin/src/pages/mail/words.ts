/** Words for what mails are, what was decided about them, and what happened to them. */
import type { Tone } from "../../ui/State.tsx";

const KINDS: Record<string, [words: string, tone: Tone]> = {
  reply: ["reply", "good"],
  new_mail: ["new mail", "info"],
  owner_reply: ["owner's reply", "info"],
  auto_reply: ["automatic reply", "plain"],
  calendar: ["calendar", "plain"],
  receipt: ["read receipt", "plain"],
  bounce: ["bounce", "bad"],
  delay: ["delay notice", "warn"],
  complaint: ["complaint", "bad"],
  bulk: ["mass mail", "plain"],
  unsubscribe: ["unsubscribes", "warn"],
  loop: ["mail loop", "warn"],
  spoof: ["possible forgery", "bad"],
  other: ["unreadable", "warn"],
};

/** A kind of mail in words; one that this version does not know is shown by its name. */
export const kindInWords = (kind: string): string => KINDS[kind]?.[0] ?? kind;
export const kindTone = (kind: string): Tone => KINDS[kind]?.[1] ?? "plain";

const VERDICTS: Record<string, string> = {
  forward: "Forwarded to the identity's inbox.",
  store: "Kept, and not forwarded.",
  suppress: "Kept. The address gets no mail any more.",
  quarantine: "Kept with a warning. It is neither forwarded nor relayed.",
  relay: "Sent on to the person.",
  loop: "Only recorded: two machines were answering each other.",
};

/** What was decided about a mail, as a sentence. */
export const verdictInWords = (verdict: string): string => VERDICTS[verdict] ?? verdict;

const VIAS: Record<string, string> = {
  token: "reply token",
  legacy: "legacy reply address",
  references: "headers of the thread",
  none: "no message found",
};

/** How a reply found its message. */
export const viaInWords = (via: string): string => VIAS[via] ?? via;

const REASONS: Record<string, string> = {
  bounce: "bounced",
  complaint: "complained",
  unsubscribe: "unsubscribed",
  dropped: "dropped by the provider",
  manual: "added by the team",
};

/** Why an address gets no mail. */
export const suppressionInWords = (reason: string): string => REASONS[reason] ?? reason.replaceAll("_", " ");

const SOURCES: Record<string, string> = {
  team: "the team",
  mail: "a mail",
  sendgrid: "SendGrid",
  resend: "Resend",
  gatelink: "the unsubscribe link",
};

/** Where a suppression comes from. */
export const sourceInWords = (source: string): string => SOURCES[source] ?? source;

/** A name with underscores as words. */
export const eventInWords = (event: string): string => KINDS[event]?.[0] ?? event.replaceAll("_", " ");
