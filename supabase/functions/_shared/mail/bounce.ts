/**
 * Bounces: delivery status notifications (RFC 3464), and the texts of servers that do not send them.
 *
 * @module
 */
import { firstOf } from "./charset.ts";
import { normalAddress } from "./header_values.ts";
import type { Bounce, Mail, Post } from "./types.ts";

const MOST_DIAGNOSTIC = 500;
/** Characters of a text that is searched for a status. */
const MOST_TEXT = 20_000;

/** Senders of bounces. */
const DAEMON =
  /^(?:mailer-daemon|postmaster|mail-daemon|maildelivery|mail\.delivery|microsoftexchange[0-9a-f]{8,40}|bounces?)(?:[+._-].*)?$/;

/** Beginnings of subjects of bounces that have no report. */
const SUBJECT =
  /^(?:failure notice|warning: (?:message|could not send)|delayed mail|undeliver(?:able|ed)\b|undelivered mail|mail delivery (?:failed|failure|subsystem|system)|delivery (?:status notification|failure|failed|notification|has failed)|returned mail|mail could not be delivered|message (?:delivery|undeliverable)|unzustellbar|nicht zustellbar|zustellung fehlgeschlagen|unzustellbare nachricht|non remis|non délivr|échec de (?:la )?remise|message non distribu|no se puede entregar|no entregado|mensaje no entregado|devolución de correo|mancato recapito|non recapitabile|impossibile consegnare|não entregue|falha na entrega|onbestelbaar|niet bezorgd|kunde inte levereras|kunne ikke leveres|nie można dostarczyć|nedoručitelné|не доставлено|недоставленное|配信不能|配信できません|无法投递|系统退信|退信|배달되지 않음)/iu;

/** An enhanced status code (RFC 3463) that stands for itself. */
const STATUS = /(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])/;
/** A reply code of SMTP at the beginning of a diagnostic. */
const REPLY = /(?<!\d)([45]\d\d)(?=[ :-])/;

/** Phrases by what they mean, for servers that give no enhanced status, or a vague one. */
const PHRASES: readonly (readonly [RegExp, Bounce["class"], string])[] = [
  [
    /(?:mailbox|inbox|account|quota|storage).{0,40}(?:full|exceed|over ?quota)|over ?quota|insufficient storage/i,
    "soft",
    "5.2.2",
  ],
  [
    /spam|blacklist|blocklist|blocked|reputation|policy|dmarc|spf|dkim|not authori[sz]ed|spamhaus|poor reputation/i,
    "block",
    "5.7.1",
  ],
  [/greylist|try again|temporar|timed? ?out|connection refused|deferred/i, "soft", "4.0.0"],
  [
    /(?:no such|unknown|invalid|nonexistent|non-existent|not found|does ?n[o']t exist|disabled|unavailable|not known|inactive).{0,60}(?:user|mailbox|recipient|address|account|domain|host)|(?:user|mailbox|recipient|address|account|domain|host).{0,60}(?:no such|unknown|invalid|not found|does ?n[o']t exist|could ?n[o']t be found|disabled|unavailable|not known|inactive|rejected)/i,
    "hard",
    "5.1.1",
  ],
];

/** What an enhanced status means for the address. */
function classOf(status: string): Bounce["class"] {
  const [kind, subject, detail] = status.split(".").map(Number);
  if (kind === 4) return subject === 7 ? "block" : "soft";
  // Policy and security speak of us, not of the address.
  if (subject === 7) return "block";
  // A full mailbox, a message too large, a system in trouble: permanent by the first digit, yet not by nature.
  if (subject === 2 && detail !== 1 && detail !== 0) return "soft";
  if (subject === 2 || subject === 1) return detail === 7 || detail === 8 ? "block" : "hard";
  if (subject === 4) return detail === 4 || detail === 1 ? "hard" : "soft";
  if (subject === 0) return "hard";
  return "soft";
}

/** Judges by status and words: a vague status (5.0.0) says less than the words of the server. */
function judged(status: string | null, words: string): { class: Bounce["class"]; status: string | null } {
  const vague = status === null || /^5\.(?:0\.0|[35]\.0|2\.0|4\.0)$/.test(status);
  if (!vague) return { class: classOf(status), status };
  const inWords = STATUS.exec(words)?.[0];
  if (inWords !== undefined && !/\.0\.0$/.test(inWords)) return { class: classOf(inWords), status: inWords };
  const phrase = PHRASES.find(([pattern]) => pattern.test(words));
  if (phrase !== undefined) return { class: phrase[1], status: status ?? phrase[2] };
  const reply = REPLY.exec(words)?.[1];
  if (reply?.startsWith("4")) return { class: "soft", status };
  return { class: status === null && reply === undefined ? "soft" : "hard", status };
}

/** The address of `rfc822; user@example.com`; null if there is none. */
function recipientOf(field: string | undefined): string | null {
  const address = field?.slice(field.indexOf(";") + 1).trim().replace(/^<|>$/g, "");
  return address === undefined ? null : normalAddress(address) ?? null;
}

/** What a delivery report says; null for another mail, or a report of success. */
export function bounceOf(
  mail: Pick<Mail, "reportParts" | "headers" | "type" | "text" | "subject" | "from" | "reportType">,
  post: Pick<Post, "envelope">,
): Bounce | null {
  const report = mail.reportParts.find(({ type }) => /^message\/(?:global-)?delivery-status$/.test(type));
  if (report !== undefined) return ofReport(report.groups, mail.text ?? "");
  if (mail.type === "multipart/report" && mail.reportType !== "delivery-status") return null;
  return isTextBounce(mail, post) ? ofText(mail) : null;
}

function ofReport(groups: readonly Readonly<Record<string, string>>[], text: string): Bounce | null {
  // The first group is about the message, unless a server leaves it out.
  const recipients = groups.filter((group) =>
    "action" in group || "final-recipient" in group || "status" in group
  );
  const actions = ["failed", "delayed"];
  const group =
    actions.map((action) => recipients.find((group) => group.action?.toLowerCase().startsWith(action)))
      .find((group) => group !== undefined) ?? recipients.find((group) => group.action === undefined);
  if (group === undefined) {
    const known = recipients.length > 0;
    return known ? null : { ...judged(null, firstOf(text, MOST_TEXT)), recipient: null, diagnostic: null };
  }
  const diagnostic = group["diagnostic-code"] ?? null;
  const status = STATUS.exec(group.status ?? "")?.[0] ?? null;
  const recipient = recipientOf(group["original-recipient"]) ?? recipientOf(group["final-recipient"]);
  const common = { recipient, diagnostic: diagnostic === null ? null : firstOf(diagnostic, MOST_DIAGNOSTIC) };
  if (group.action?.toLowerCase().startsWith("delayed")) return { class: "delay", status, ...common };
  return { ...judged(status, diagnostic ?? firstOf(text, MOST_TEXT)), ...common };
}

/** Whether a mail without a report is a bounce: a sender or the null sender of servers, and words that say so. */
function isTextBounce(
  mail: Pick<Mail, "headers" | "subject" | "from" | "text" | "type">,
  post: Pick<Post, "envelope">,
) {
  if (mail.headers.has("x-failed-recipients")) return true;
  const local = mail.from.address.slice(0, mail.from.address.lastIndexOf("@"));
  const daemon = DAEMON.test(local);
  const nobody = post.envelope.from === "";
  if (daemon && (nobody || SUBJECT.test(mail.subject))) return true;
  if (nobody && SUBJECT.test(mail.subject)) return true;
  return mail.headers.has("x-ms-exchange-message-is-ndr");
}

function ofText(mail: Pick<Mail, "headers" | "text" | "subject">): Bounce {
  const text = firstOf(mail.text ?? "", MOST_TEXT);
  // What is quoted below is our own mail, whose addresses say nothing.
  const above = text.split(/^-{2,}.{0,80}(?:copy of|original|returned|headers).{0,80}$/im, 1)[0];
  const failed = mail.headers.get("x-failed-recipients")?.[0]?.split(",")[0];
  const named = normalAddress(failed?.trim() ?? "") ??
    normalAddress(/<([^<>\s@]{1,100}@[^<>\s@]{1,200})>/.exec(above)?.[1] ?? "") ??
    normalAddress(/(?<![^\s"'(])([^\s<>"'(),:;@]{1,64}@[a-z0-9.-]{3,200})/i.exec(above)?.[1] ?? "");
  const status = STATUS.exec(above)?.[0] ?? null;
  const line = above.split("\n").find((line) => REPLY.test(line) || STATUS.test(line)) ?? null;
  const delayed =
    /^(?:delayed mail|warning: |delivery delayed)|\(delay\)|still being retried|will (?:be retried|keep trying)/im
      .test(`${mail.subject}\n${above}`);
  const verdict = judged(status, `${mail.subject}\n${above}`);
  return {
    class: delayed ? "delay" : verdict.class,
    status: verdict.status,
    recipient: named ?? null,
    diagnostic: line === null ? null : firstOf(line.trim(), MOST_DIAGNOSTIC),
  };
}
