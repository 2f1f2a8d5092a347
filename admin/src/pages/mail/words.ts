/** Words for what mails are, what was decided about them, and what happened to them. */
import type { MailboxRefusal } from "../../../../supabase/functions/_shared/contract/http/mailboxes.ts";
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

const ACCESS_REASONS: Record<string, string> = {
  apple_prefetch: "Apple loads images of mails that nobody looks at",
  gmail_prefetch: "Gmail looked ahead",
  provider: "the provider says that it was a machine",
  program: "a program's User-Agent",
  bare_agent: "a User-Agent that no browser has",
  no_agent: "no User-Agent",
  instant: "within seconds of the delivery",
  burst: "three links or more within ten seconds",
  trap: "beside the link that people do not see",
  pair: "two links within 1.5 seconds",
  old_browser: "a browser of years ago",
  method: "asked without reading",
  prefetch: "the browser looked ahead",
  browser: "a person's browser",
  mail_program: "a mail program",
  mail_proxy: "a proxy that loads images when a person looks",
};

/** Why an open or a click is judged as it is: a word of `_shared/mail/tracking/verdict.ts`. */
export const accessReasonInWords = (reason: string): string =>
  ACCESS_REASONS[reason] ??
    (reason.startsWith("network_")
      ? `from the network of ${reason.slice(8).replaceAll("_", " ")}, a security service`
      : reason.replaceAll("_", " "));

/** A name with underscores as words. */
export const eventInWords = (event: string): string => KINDS[event]?.[0] ?? event.replaceAll("_", " ");

/** What became of a connection of a mailbox: a code of `mailboxes/callback`. */
export function mailboxOutcomeInWords(
  code: string,
  address: string,
): { ok: boolean; title: string; what: string } {
  if (code === "connected") {
    // An address in a shared link is anybody's word.
    const named = /^[^\s@]{1,64}@[^\s@]{1,255}$/.test(address) ? address : "The mailbox";
    return {
      ok: true,
      title: `${named} is connected`,
      what:
        "Its identity sends through it from now on, once its address is verified. Answers are read within a minute.",
    };
  }
  return {
    ok: false,
    title: "The mailbox was not connected",
    what: REFUSALS[code as MailboxRefusal] ??
      "The provider refused it. Begin again; if it lasts, run gatelink mailbox doctor.",
  };
}

const REFUSALS: Partial<Record<MailboxRefusal, string>> = {
  access_denied: "Access was not given. Begin again if that was a mistake.",
  state_invalid: "It was begun more than ten minutes ago, or was finished already. Begin again.",
  scopes_missing:
    "A permission was not given. Begin again, and leave every box ticked: it has to send and to read.",
  wrong_account:
    "You signed in with another account than the identity's, or with one that serves another identity: begin again with the right one. Or an identity has this address already, and Microsoft does not vouch that it is the account's: name the identity with gatelink mailbox connect --identity.",
  client_refused: "The provider refuses this installation's app: its secret is wrong or has expired.",
  no_refresh_token:
    "The provider gave no lasting access. Remove the app in the account's own settings, and begin again.",
};

/** Why a provider ended the access to a mailbox: its code and words, as stored. */
export function mailboxErrorInWords(error: string | null): string {
  if (error === null) return "It gave no reason.";
  return error.startsWith("invalid_grant")
    ? "A password change, an admin or a long time without use ends access."
    : `It said: ${error}.`;
}
