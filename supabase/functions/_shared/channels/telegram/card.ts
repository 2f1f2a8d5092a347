/**
 * A message as a card in a chat: who wrote what to whom, and buttons. Pure.
 *
 * @module
 */
import type { Sentiment, Urgency } from "../../analysis/types.ts";
import { isObject, list, text as textOf } from "../../json/json.ts";
import { onCallParts, type OnCallShown } from "./oncall.ts";
import { beginning, format, type Formatted, line, type Part, shortened, shown } from "./text.ts";

/** The message that a card shows. */
export interface CardMessage {
  readonly channel: string;
  readonly type: string;
  readonly text: string | null;
  /** In the channel's shape; null once it is erased or not kept any more. */
  readonly native: Readonly<Record<string, unknown>> | null;
  readonly contact: {
    readonly name: string | null;
    readonly identities: Readonly<Record<string, string>>;
  };
}

/** What people did with a card. */
export type CardState = "open" | "acknowledged" | "snoozed" | "resolved" | "spam";

/** A card's state as it is shown. */
export interface CardStatus {
  readonly state: CardState;
  /** Who takes care, or did it last, as the chat knows the person. */
  readonly by?: string | null;
  /** ISO time of the last press. */
  readonly at?: string | null;
  /** ISO time; of a snoozed card. */
  readonly until?: string | null;
}

/** Mails that a card stands for besides its own: more came than the chat can take. */
export interface Folded {
  readonly count: number;
  /** ISO time. */
  readonly last_at: string;
  /** The last few, latest first. */
  readonly latest: readonly { readonly at: string; readonly subject: string | null }[] | null;
}

/** What was found out about a mail, as its card shows it. */
export interface CardAnalysis {
  readonly sentiment: Sentiment | null;
  readonly urgency: Urgency | null;
  readonly summary: string | null;
  /** Whether the card asks what is right. */
  readonly is_asking: boolean;
  /** Whether somebody said what is right. */
  readonly is_corrected: boolean;
}

/** A button; `callback_data` comes back when it is pressed. */
export interface Button {
  readonly text: string;
  readonly callback_data: string;
}

/** A card ready to send. */
export interface Card {
  readonly message: Formatted;
  readonly buttons: readonly (readonly Button[])[];
  /** The whole text, where the message shows only its beginning. */
  readonly rest?: string;
}

/** Most UTF-16 units of a message, after entities are read. Source: Bot API, sendMessage. */
export const MESSAGE_UNITS = 4096;
/** Of the beginning that stands open; more of it is behind a fold. */
const OPEN_UNITS = 600;
const OPEN_LINES = 8;
const SUBJECT_UNITS = 300;
const NAME_UNITS = 120;
const FILES = 5;
const SUMMARY_UNITS = 220;

/** What the buttons do. */
export const ACTIONS = [
  ...["ack", "mine", "snooze", "resolve", "spam", "wake", "undo", "useful", "useless"] as const,
  ...["wrong", "back", "is_positive", "is_neutral", "is_negative"] as const,
  ...["is_critical", "is_high", "is_normal", "is_low"] as const,
] as const;
/** One of {@link ACTIONS}. */
export type Action = typeof ACTIONS[number];

const WORDS: Readonly<Record<Action, string>> = {
  ack: "Acknowledge",
  mine: "Assign to me",
  snooze: "Snooze 1 h",
  resolve: "Resolve",
  spam: "Spam",
  wake: "Wake up",
  undo: "Undo",
  useful: "👍 Useful",
  useless: "👎 Not useful",
  wrong: "Wrong?",
  back: "Back",
  is_positive: "🙂 Positive",
  is_neutral: "😐 Neutral",
  is_negative: "🙁 Negative",
  is_critical: "🔴 Critical",
  is_high: "🟠 High",
  is_normal: "Normal",
  is_low: "Low",
};

const ROWS: Readonly<Record<CardState, readonly (readonly Action[])[]>> = {
  open: [["ack", "resolve"], ["snooze", "spam"]],
  acknowledged: [["resolve", "snooze"], ["mine", "undo"]],
  snoozed: [["wake", "resolve"], ["undo"]],
  resolved: [["undo"], ["useful", "useless"]],
  spam: [["undo"]],
};

/** What may be right instead of what was found out. */
const CHOICES: readonly (readonly Action[])[] = [
  ["is_positive", "is_neutral", "is_negative"],
  ["is_critical", "is_high", "is_normal", "is_low"],
  ["back"],
];

/** The buttons of a card. Their data names action, card and version: at most 64 bytes. */
export function buttonsOf(
  token: string,
  version: number,
  state: CardState,
  analysis?: CardAnalysis | null,
): Button[][] {
  const rows = analysis == null || analysisLine(analysis) === ""
    ? ROWS[state]
    : analysis.is_asking
    ? CHOICES
    : [...ROWS[state], ["wrong"] as const];
  return rows.map((row) =>
    row.map((action) => ({ text: WORDS[action], callback_data: `${action}:${token}:${version}` }))
  );
}

/** A press as it comes back; undefined for anything else, as old clients and other bots' cards may send it. */
export function pressOf(data: unknown): { action: Action; token: string; version: number } | undefined {
  const found = typeof data === "string" ? /^([a-z_]{1,12}):([a-z2-7]{16}):(\d{1,9})$/.exec(data) : null;
  if (found === null) return undefined;
  const action = ACTIONS.find((each) => each === found[1]);
  return action && { action, token: found[2], version: Number(found[3]) };
}

/**
 * The card of a message. Never longer than a message may be; of a longer text the beginning is shown, and all of it
 * returned as `rest`.
 */
export function cardOf(
  message: CardMessage,
  { token, version, status, folded: more, analysis, onCall }: {
    token: string;
    version: number;
    status: CardStatus;
    folded?: Folded;
    /** Null or absent as long as nothing is known. */
    analysis?: CardAnalysis | null;
    /** Who is on call, once that is known. */
    onCall?: OnCallShown;
  },
): Card {
  const mail = message.channel === "email" && message.native !== null ? message.native : undefined;
  const subject = mail && line(textOf(mail.subject) ?? "");
  const body = shown((mail && textOf(mail.text_full)) ?? message.text ?? "");
  const head: Part[] = [];
  if (mail !== undefined) {
    head.push({ type: "bold", text: shortened(subject || "(no subject)", SUBJECT_UNITS) }, "\n");
  }
  head.push(authorOf(message, mail));
  const to = line(textOf(mail?.recipient) ?? "");
  if (to !== "") head.push(` → ${shortened(to, NAME_UNITS)}`);
  if (mail?.verified === false) head.push("\n⚠️ The sender is not verified.");
  const files = filesOf(mail);
  if (files !== "") head.push(`\n📎 ${files}`);
  const found = analysis == null ? "" : analysisLine(analysis);
  if (found !== "") head.push("\n", { type: "bold", text: found });
  if (analysis?.summary != null) {
    head.push("\n", { type: "italic", text: `🤖 ${shortened(line(analysis.summary), SUMMARY_UNITS)}` });
  }
  if (body === "" && files === "") {
    head.push("\n", { type: "italic", text: mail === undefined ? `(${line(message.type)})` : "(no text)" });
  }
  if (more !== undefined) head.push("\n", ...foldedParts(more, token));
  const foot: Part[] = onCall === undefined ? [] : ["\n\n", ...onCallParts(onCall)];
  if (status.state !== "open") foot.push("\n\n", { type: "bold", text: statusLine(status) });

  const room = MESSAGE_UNITS - format([...head, ...foot]).text.length - 4;
  const open = openPart(body, Math.min(OPEN_UNITS, room));
  const folded = body.slice(open.length).trim();
  const left = room - open.length;
  const shownFold = shortened(folded, left);
  const parts: Part[] = [...head];
  if (open !== "") parts.push("\n\n", open.trimEnd());
  if (shownFold !== "") parts.push("\n", { type: "expandable_blockquote", text: shownFold });
  return {
    message: format([...parts, ...foot]),
    buttons: buttonsOf(token, version, status.state, analysis),
    ...(folded.length > left ? { rest: body } : {}),
  };
}

/** The beginning of a text that is not folded: few lines, cut at the end of a line where there is one. */
function openPart(body: string, most: number): string {
  let end = -1;
  for (let lines = 0; lines < OPEN_LINES; lines++) {
    const next = body.indexOf("\n", end + 1);
    if (next < 0) {
      end = body.length;
      break;
    }
    if (next > most) break;
    end = next;
  }
  if (end === body.length && body.length <= most) return body;
  return end > 0 && end <= most ? body.slice(0, end) : beginning(body, most);
}

function authorOf({ channel, contact }: CardMessage, mail: CardMessage["native"] | undefined): string {
  if (mail !== undefined && isObject(mail?.from)) {
    const name = line(textOf(mail.from.name) ?? ""), address = line(textOf(mail.from.address) ?? "");
    return shortened(name === "" ? address : `${name} <${address}>`, NAME_UNITS);
  }
  const name = line(contact.name ?? "");
  const phone = contact.identities.phone;
  const face = name !== "" ? name : phone === undefined ? "Somebody" : `…${phone.slice(-4)}`;
  return `${shortened(face, NAME_UNITS)} (${CHANNELS[channel] ?? channel})`;
}

const CHANNELS: Readonly<Record<string, string>> = { whatsapp: "WhatsApp", sms: "SMS", email: "e-mail" };

function filesOf(mail: CardMessage["native"] | undefined): string {
  const files = (list(mail?.attachments) ?? []).filter(isObject);
  const names = files.slice(0, FILES).map(({ name }) => shortened(line(textOf(name) ?? "") || "file", 60));
  return names.join(", ") + (files.length > FILES ? ` and ${files.length - FILES} more` : "");
}

const LATEST = 5;
const LATEST_UNITS = 100;

/** The counter, where all of them are listed, and the latest. */
function foldedParts({ count, last_at, latest }: Folded, token: string): Part[] {
  const lines = (latest ?? []).slice(0, LATEST)
    .map(({ at, subject }) =>
      `${clock(at)} ${shortened(line(subject ?? "") || "(no subject)", LATEST_UNITS)}`
    );
  return [
    { type: "bold", text: `🔁 ${count} more like this, last at ${clock(last_at)}` },
    "\nAll of them: ",
    { type: "code", text: `gatelink telegram card ${token}` },
    ...(lines.length === 0 ? [] : ["\n", { type: "expandable_blockquote" as const, text: lines.join("\n") }]),
  ];
}

const MOODS: Readonly<Record<Sentiment, string>> = {
  positive: "🙂 Positive",
  neutral: "😐 Neutral",
  negative: "🙁 Negative",
};

/** An urgency as it is shown. Only what is more urgent than others has a mark: the card of an attacker's mail looks like any. */
export function urgencyMark(urgency: Urgency): string {
  return urgency === "critical" ? "🔴 Critical" : urgency === "high" ? "🟠 High" : "";
}

/** Urgency and mood in one line; empty if there is nothing to show. */
function analysisLine({ urgency, sentiment, is_corrected: isCorrected }: CardAnalysis): string {
  const parts = [urgency === null ? "" : urgencyMark(urgency), sentiment === null ? "" : MOODS[sentiment]]
    .filter((part) => part !== "");
  return parts.length === 0 ? "" : parts.join(" · ") + (isCorrected ? " (corrected)" : "");
}

/** What became of a card, in one line. Times are UTC: a chat has people in several zones. */
export function statusLine({ state, by, at, until }: CardStatus): string {
  const who = by == null ? "" : ` by ${shortened(line(by), 60)}`;
  const when = at == null ? "" : `, ${clock(at)}`;
  switch (state) {
    case "open":
      return "Open";
    case "acknowledged":
      return `👀 Acknowledged${who}${when}`;
    case "snoozed":
      return `💤 Snoozed${who}${until == null ? "" : ` until ${clock(until)}`}`;
    case "resolved":
      return `✅ Resolved${who}${when}`;
    case "spam":
      return `🚫 Spam, said${who || " by somebody"}${when}`;
  }
}

function clock(at: string): string {
  return `${new Date(at).toISOString().slice(11, 16)} UTC`;
}
