/** Campaigns in words, for the command line and the panel. */
import type { Campaign, CampaignRecipient } from "../answers/campaigns.ts";

/** A figure of a campaign. */
export interface CampaignFigure {
  readonly what: string;
  readonly label: string;
  readonly n: number;
  /** A share from 0 to 1 with what it is a share of; null where that is nothing yet, undefined for a plain number. */
  readonly share?: number | null;
  readonly of?: string;
}

/** Why a campaign that is being sent makes no messages. */
export const WAITS: Readonly<Record<NonNullable<Campaign["waits"]>, string>> = {
  start_at: "it begins later",
  sender_gone: "its identity is gone",
  sender_paused: "its identity is paused",
  sender_held: "the provider refuses its account",
  feature_off: "sending mail is off (email_send.enabled)",
  identity_unverified: "its identity is not verified",
};

/** Why recipients were left out, by the code that is counted. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  suppressed: "suppressed (bounced, complained or unsubscribed before)",
  not_in_arm: "without the flag",
  opted_out: "opted out",
};

/** Why a recipient was left out, for people. */
export const leftOutInWords = (why: string): string => LEFT_OUT[why] ?? why.replaceAll("_", " ");

/** Figures that count each recipient once, in the order of what happens to a mail. */
export function figuresOf({ counts, rates }: Pick<Campaign, "counts" | "rates">): CampaignFigure[] {
  const n = (what: string) => counts[what] ?? 0;
  return [
    { what: "recipients", label: "Recipients", n: n("recipients") },
    { what: "queued", label: "Queued", n: n("queued") },
    { what: "sent", label: "Sent", n: n("sent") },
    { what: "delivered", label: "Delivered", n: n("delivered"), share: rates.delivered, of: "sent" },
    { what: "bounced", label: "Bounced", n: n("bounced"), share: rates.bounced, of: "sent" },
    { what: "failed", label: "Failed", n: n("failed") },
    { what: "opened_human", label: "Opened", n: n("opened_human"), share: rates.opened, of: "delivered" },
    { what: "clicked_human", label: "Clicked", n: n("clicked_human"), share: rates.clicked, of: "delivered" },
    { what: "replied", label: "Replied", n: n("replied"), share: rates.replied, of: "delivered" },
    {
      what: "unsubscribed",
      label: "Unsubscribed",
      n: n("unsubscribed"),
      share: rates.unsubscribed,
      of: "delivered",
    },
    { what: "complained", label: "Complained", n: n("complained"), share: rates.complained, of: "delivered" },
  ];
}

/** Opens and clicks in full: unique and total, by people and by machines. */
export function accessesOf({ counts }: Pick<Campaign, "counts">, kind: "open" | "click") {
  const n = (what: string) => counts[what] ?? 0;
  const unique = kind === "open" ? "opened" : "clicked";
  const [human, machine, unsure] = ["human", "machine", "unsure"].map((verdict) => n(`${kind}s:${verdict}`));
  return {
    unique: n(unique),
    uniqueHuman: n(`${unique}_human`),
    total: human + machine + unsure,
    human,
    machine,
    unsure,
  };
}

/** Recipients who were left out, by reason, most first. */
export function leftOutOf({ counts }: Pick<Campaign, "counts">): [why: string, n: number][] {
  return Object.entries(counts).flatMap(([what, n]): [string, number][] =>
    what.startsWith("left_out:") ? [[what.slice("left_out:".length), n]] : []
  ).sort(([, a], [, b]) => b - a);
}

/** Recipients whose turn has not come. */
export function pendingOf(campaign: Pick<Campaign, "counts">): number {
  const { counts } = campaign;
  return (counts.recipients ?? 0) - (counts.queued ?? 0) -
    leftOutOf(campaign).reduce((sum, [, n]) => sum + n, 0);
}

/** `12.3 %`; empty for null. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "" : `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`;
}

/** Columns of a file of recipients, in their order. */
export const RECIPIENT_COLUMNS = [
  ...["id", "address", "state", "why", "arm", "at", "message_id", "sent", "delivered", "bounced", "failed"],
  ...["opened", "opened_human", "clicked", "clicked_human", "replied", "unsubscribed", "complained"],
] as readonly (keyof CampaignRecipient)[];

/** What became of a recipient, the last first. */
export function fateOf(one: CampaignRecipient): string {
  if (one.state === "pending") {
    return one.why === null ? "waiting" : `waiting: ${one.why.replaceAll("_", " ")}`;
  }
  if (one.state === "left_out") return `left out: ${leftOutInWords(one.why ?? "")}`;
  const said = ([
    ["complained", "complained"],
    ["unsubscribed", "unsubscribed"],
    ["replied", "replied"],
    ["clicked_human", "clicked"],
    ["opened_human", "opened"],
    ["bounced", "bounced"],
    ["failed", "failed"],
    ["delivered", "delivered"],
    ["sent", "sent"],
  ] as const).filter(([what]) => one[what]).map(([, word]) => word);
  return said.length === 0 ? "queued" : said.join(", ");
}
