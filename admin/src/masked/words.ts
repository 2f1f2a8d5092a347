/**
 * The words of the pages for owners and sitters, all in this file. Nothing here tells one side of the other.
 *
 * @module
 */
import type { WindowStatus } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import type { InboxText, ReadText } from "../../../supabase/functions/_shared/contract/http/masking.ts";

export const WORDS = {
  brand: "Messages",
  notFound: {
    title: "Page not found",
    body: "There is nothing at this address.",
    signedIn: (email: string) => `You are signed in as ${email}.`,
    signOut: "Sign out",
  },
  signingIn: "Signing in",
  pages: { threads: "Conversations", inbox: "Inbox", findings: "Review" },
  navigation: "Pages",
  organisation: "Organisation",
  scheme: "Switch between light and dark",
  threads: {
    title: "Conversations",
    search: "Search by name or last digits",
    searchName: "Search by name",
    state: "Which conversations",
    live: "Active",
    ended: "Ended",
    none: "No conversations",
    noneOwner:
      "A conversation appears when a sitter is assigned to a client who comes again, or when a client writes.",
    noneSitter: "A conversation appears when you are assigned to a visit, and stays until its time is over.",
    noMatch: "No conversation matches.",
    more: "Show more",
    waiting: (n: number) => `${n} waiting`,
    choose: "Choose a conversation",
    chooseAbout: "Its texts appear here.",
    noText: "No texts yet",
  },
  thread: {
    back: "Back to the conversations",
    earlier: "Show earlier texts",
    texts: "Texts",
    none: "No texts yet.",
    people: "People",
    number: "Number",
    recurring: "recurring",
    ended: "ended",
    gone: "This conversation is not there any more.",
    optedOut: "wants no texts",
    appOnly: "reads in the app alone",
    client: "Client",
    sitter: "Sitter",
    media: (n: number) => n === 1 ? "1 file" : `${n} files`,
    file: (n: number, of: number) => of === 1 ? "Open the file" : `Open file ${n}`,
    noWords: "A text without words",
    notKept: "Its words are not kept any more",
  },
  classes: {
    front_desk: "front desk",
    sitter: "sitter's number",
    pool: "masked number",
  },
  composer: {
    label: "Your text",
    placeholder: "Write a text",
    send: "Send",
    sendAnyway: "Send anyway",
    toOffice: "Send to the office",
    edit: "Change it",
    ended: "This conversation has ended. A new one begins when somebody writes.",
    optedOut: "This client wants no texts. Please call instead.",
    sent: {
      blocked: "The office has it. It is sent when the office lets it pass.",
      owner_inbox: "The office has it, and will answer the client.",
    },
    held: {
      no_active_window: "It was not sent: your time with this client has just ended. Your text is kept.",
      opted_out: "It was not sent: this client wants no texts. Please call the office.",
      no_client: "It was not sent: nobody is there to get it.",
      other: "It was not sent, because sending is off at the moment. Your text is kept.",
    },
    warn: {
      title: "Is this about the visit?",
      body: (types: string) => `It looks like it holds ${types}. You may send it; the office sees it too.`,
    },
    block: {
      title: "This would not be delivered",
      body: (types: string) =>
        `It looks like it holds ${types}. Please write it without, and keep things here: it protects you and the client. If it is needed for the visit, send it to the office, which can let it pass.`,
    },
  },
  inbox: {
    title: "Inbox",
    about: "Texts that reached nobody, or were held for you.",
    none: "Nothing waits for you",
    noneAbout: "Texts that nobody could be found for come here, and those that detection held.",
    open: "Open the conversation",
    done: "Done",
    doneSaid: "Taken out of the inbox.",
    letPass: "Let it pass",
    letPassTitle: "Let this text pass?",
    letPassBody:
      "It is sent to the other side as it was written. Say why: the reason is kept, and helps detection.",
    letPassSaid: "It was let pass.",
    unknown: "Unknown sender",
    writes: { client: "Client", sitter: "Sitter", owner: "Office", unknown: "Unknown" },
    whileOff: "came while off",
    call: "call",
  },
  findings: {
    title: "Review",
    about:
      "What detection found in texts. Say what was right: each answer is an example to measure and mend it by.",
    open: "To review",
    reviewed: "Reviewed",
    which: "Which findings",
    none: "Nothing to review",
    noneReviewed: "Nothing was reviewed yet",
    figures: (open: number, right: number, alarms: number) =>
      right + alarms === 0
        ? `${open} to review.`
        : `${open} to review; of ${right + alarms} reviewed, ${alarms} ${
          alarms === 1 ? "was a false alarm" : "were false alarms"
        } (${Math.round(100 * alarms / (right + alarms))} %).`,
    right: "Right",
    alarm: "False alarm",
    found: "Found",
    saidRight: "Noted: it was right.",
    saidAlarm: "Noted: it was a false alarm.",
  },
} as const;

const TYPES: Readonly<Record<string, string>> = {
  phone: "a phone number",
  email: "an e-mail address",
  social: "an account on another service",
  payment: "a payment outside of our service",
  off_platform: "an invitation to arrange things elsewhere",
  url: "a link",
};

/** Kinds of contact details, as a sentence has them: "a phone number and a link". */
export function typesInWords(types: readonly string[]): string {
  const words = types.map((type) => TYPES[type] ?? type.replaceAll("_", " "));
  if (words.length === 0) return "contact details";
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

const REASONS: Readonly<Record<string, string>> = {
  front_desk: "to the front desk",
  no_sitter: "no sitter is on the conversation",
  no_active_window: "outside of the sitter's time",
  sitter_off: "sitters' messages are off",
  not_assigned: "the sitter is not on it any more",
  late: "the conversation had ended",
  group: "a group text",
  short_code: "from a service, not a person",
  both_sides: "client and sitter have one phone",
  unknown_sender: "from an unknown number",
  off: "came while messaging was off",
  loop: "from one of your own numbers",
  opted_out: "the client wants no texts",
  no_client: "nobody is there to get it",
  anti_poaching: "contact details",
  withheld: "the number was withheld",
};

/** Why a text went where it went. Calls have the reasons of texts. */
export function reasonInWords(reason: string): string {
  const of = reason.replace(/^call_/, "");
  return REASONS[of] ?? of.replaceAll("_", " ");
}

const STATUSES: Readonly<Record<string, string>> = {
  accepted: "queued",
  queued: "queued",
  scheduled: "queued",
  sending: "sending",
  sent: "sent",
  delivered: "delivered",
  read: "read",
  undelivered: "not delivered",
  failed: "failed",
  unknown: "unknown",
};

/** How far a text came. */
export interface Fate {
  tone: "plain" | "good" | "warn" | "bad";
  words: string;
}

/** What became of a text. */
export function fateOf(entry: ReadText): Fate {
  const { outcome, reason, types, status, done } = entry;
  if (outcome === "blocked") {
    return done
      ? { tone: "plain", words: `held: ${typesInWords(types)}; dealt with` }
      : { tone: "warn", words: `held for the office: ${typesInWords(types)}` };
  }
  if (outcome === "owner_inbox") {
    return { tone: done ? "plain" : "warn", words: `inbox: ${reasonInWords(reason)}` };
  }
  if (outcome === "held") return { tone: "warn", words: `not sent: ${reasonInWords(reason)}` };
  const words = status === null ? "" : STATUSES[status] ?? status;
  const isLost = status === "failed" || status === "undelivered";
  return { tone: isLost ? "bad" : status === "unknown" ? "warn" : "plain", words };
}

/** Who wrote a text, as its reader calls them; undefined for the reader. */
export function writerOf(entry: ReadText, reader: "owner" | "sitter", client: string): string | undefined {
  const role = entry.forced_role ?? entry.from_role;
  if (entry.mine && entry.forced_role === null) return undefined;
  if (role === "client") return client;
  if (role === "owner") return "Office";
  if (role !== "sitter") return "Unknown";
  // Who wrote a text that was let pass stands at the text before it.
  if (entry.forced_role !== null) return reader === "owner" ? WORDS.thread.sitter : undefined;
  return entry.writer ?? (reader === "owner" ? WORDS.thread.sitter : "Another sitter");
}

/** The client, where there is no name. */
export const clientOf = (name: string | null): string => name ?? "Your client";

/** Who wrote a text of the inbox. */
export function senderOf({ client, from, from_role, writer }: InboxText): string {
  if (from_role === "sitter") return writer ?? from ?? WORDS.thread.sitter;
  if (from_role === "owner") return WORDS.inbox.writes.owner;
  return client ?? from ?? WORDS.inbox.unknown;
}

/** A time in an organisation's zone, with the zone's name: "Tue, Dec 1, 2:00 PM GMT+1". */
export function inOrgZone(at: string, zone: string): string {
  return new Intl.DateTimeFormat(
    undefined,
    {
      ...{ weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" },
      ...{ timeZone: zone, timeZoneName: "short" },
    } as const,
  ).format(new Date(at));
}

/** The window of a thread: one word, and the sentence that goes with it. */
export function windowInWords(
  { state, at, next_at, zone }: WindowStatus,
): { word: string; sentence: string } {
  if (state === "active" && at !== null) {
    const next = next_at === null ? "" : ` The next opens ${inOrgZone(next_at, zone)}.`;
    return { word: "open", sentence: `Open until ${inOrgZone(at, zone)}.${next}` };
  }
  if (state === "upcoming" && at !== null) {
    return { word: "upcoming", sentence: `Opens ${inOrgZone(at, zone)}.` };
  }
  return { word: "no window", sentence: "No visit is planned." };
}

/** Why a sitter cannot write now, and from when on. */
export function shutInWords({ state, at, zone }: WindowStatus, client: string): string {
  return state === "upcoming" && at !== null
    ? `You can write to ${client} around your visits. The next time begins ${inOrgZone(at, zone)}.`
    : `You can write to ${client} around your visits. None is planned; please call the office.`;
}
