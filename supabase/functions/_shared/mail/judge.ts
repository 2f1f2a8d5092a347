/**
 * What happens to a mail. Pure: the same facts and the same answer of the database give the same judgement, which says why.
 *
 * | first that applies                              | kind, verdict                                   |
 * | ----------------------------------------------- | ----------------------------------------------- |
 * | part of a circle                                | loop, loop                                      |
 * | a server's report of failure                    | bounce, suppress if the address does not exist  |
 * | … of a delay, a receipt                         | delay or receipt, store                         |
 * | a complaint                                     | complaint, suppress                             |
 * | automatic, leads to no message of ours, and is  | new_mail, store: monitors write so, and routes  |
 * | for an address of three parts (`a.b.alert@`)    | decide                                          |
 * | from a list, or automatic                       | bulk or auto_reply, store                       |
 * | leads to no message of ours                     | new_mail, store                                 |
 * | author not verified                             | spoof, quarantine                               |
 * | the identity's owner answers a forward          | owner_reply, relay to the contact               |
 * | asks for no more mail, by whom we wrote to      | unsubscribe, suppress                           |
 * | an invitation or its answer                     | calendar, forward                               |
 * | anything else                                   | reply, forward to the identity's inbox, unless  |
 * |                                                 | it lies in the identity's own mailbox already   |
 *
 * Failure policy: closed where a mail would be sent on (never without a verified author, a known identity and a confirmed
 * inbox), open where it would be lost: every mail but one of a circle is stored.
 *
 * @module
 */
import { isOn } from "./addresses.ts";
import { MOST_PER_HOUR } from "./loop.ts";
import type { Judgement, LoopReason, MailFacts, MailWorld, Resolved } from "./types.ts";

/** Decides about one item of facts. */
export function judge(facts: MailFacts, resolved: Resolved, world: MailWorld): Judgement {
  const found = admitted(facts, resolved, world);
  const { message, identity } = found.resolved;
  const author = facts.from.address;
  const recipient = message?.to ?? null;
  const contact = message?.contact ?? null;
  // Who tries things out writes to the own inbox: its answer is a recipient's.
  const isRecipient = message?.direction === "out" && recipient === author;
  const isOwner = message !== null && identity !== null && identity.forward_to === author && !isRecipient;
  const reasons: string[] = [];
  if (found.why !== undefined) reasons.push(found.why);
  else if (message !== null) {
    reasons.push(`It answers a message of ours, found by its ${WAYS[found.resolved.via]}.`);
  }
  const base = {
    via: found.resolved.via,
    token: found.resolved.token,
    message_id: message?.id ?? null,
    identity_id: identity?.id ?? null,
    counted: false,
    verified: facts.verification.verified as boolean | null,
    sender_is_recipient: message === null ? null : recipient === author,
    sender: senderOf(author, recipient, contact, isOwner),
    auto: facts.auto,
    loop: null as LoopReason | null,
    bounce: facts.bounce,
    calendar: facts.calendar,
    forward: null as Judgement["forward"],
    relay: null as Judgement["relay"],
    suppress: null as Judgement["suppress"],
  };
  const decide = (
    decision: Partial<Judgement> & Pick<Judgement, "kind" | "verdict">,
    ...why: string[]
  ): Judgement => ({
    ...base,
    ...decision,
    reasons: [...reasons, ...why],
  });

  const loop = facts.loop ?? ownLoop(resolved);
  if (loop !== null) return decide({ kind: "loop", verdict: "loop", auto: null, loop }, LOOPS[loop]);

  if (facts.report === "feedback-report") {
    const address = contact ?? recipient;
    if (address === null) {
      return decide({
        kind: "complaint",
        verdict: "store",
        verified: null,
        sender_is_recipient: message && false,
      }, "A complaint about a mail that is not ours.");
    }
    return decide(
      {
        kind: "complaint",
        verdict: "suppress",
        verified: null,
        sender_is_recipient: false,
        suppress: { address, reason: "complaint" },
      },
      "The recipient called our mail spam; nothing more is sent to that address.",
    );
  }
  if (facts.bounce !== null) return bounced(facts, contact ?? recipient, message !== null, decide);
  if (facts.report === "disposition-notification") {
    return decide({ kind: "receipt", verdict: "store" }, "A receipt says that our mail was shown.");
  }
  if (facts.report !== null) {
    return decide(
      { kind: "receipt", verdict: "store", verified: null },
      "A server reports that our mail was delivered.",
    );
  }
  if (message === null && facts.auto !== null && facts.auto !== "calendar" && isForRoutes(facts.recipient)) {
    return decide(
      { kind: "new_mail", verdict: "store" },
      `A machine wrote it (${facts.auto}), to an address that is for routes.`,
    );
  }
  if (facts.unsubscribe !== "subject" || facts.auto === "list") {
    if (facts.auto === "list") {
      return decide({ kind: "bulk", verdict: "store" }, "It comes from a mailing list.");
    }
    if (facts.auto !== null && facts.auto !== "calendar") {
      return decide({ kind: "auto_reply", verdict: "store" }, `A machine wrote it (${facts.auto}).`);
    }
  }
  if (message === null) {
    return decide({ kind: "new_mail", verdict: "store" }, "It leads to no message of ours.");
  }
  if (!facts.verification.verified) {
    return decide(
      { kind: "spoof", verdict: "quarantine" },
      `${UNVERIFIED[facts.verification.reason]} A token proves nothing about its sender.`,
    );
  }
  const crowded = tooMuch(resolved);
  if (isOwner) return ofOwner(facts, found.resolved, crowded, decide);
  const inMailbox = world.mailbox !== undefined;
  // Its own address is where it lies already.
  const forwarding = inMailbox && identity?.forward_to === world.mailbox
    ? null
    : identity?.forward_to ?? null;
  const forward = identity === null || forwarding === null
    ? null
    : { identity_id: identity.id, to: forwarding };
  const missing = forward !== null ? [] : [
    inMailbox
      ? "It lies in the identity's own mailbox."
      : "The identity has no confirmed inbox, so it is only stored.",
  ];
  const onward = forward === null && !inMailbox ? "store" as const : "forward" as const;
  if (facts.unsubscribe !== null && (author === recipient || author === contact)) {
    return decide(
      {
        kind: "unsubscribe",
        verdict: "suppress",
        suppress: { address: author, reason: "unsubscribe" },
        // A word in an answer may be meant for the person who reads it; a subject is made by a button.
        forward: facts.unsubscribe === "text" ? forward : null,
      },
      facts.unsubscribe === "text"
        ? "The whole answer asks for no more mail."
        : "The subject asks for no more mail.",
    );
  }
  if (crowded !== undefined) {
    return decide(
      { kind: "reply", verdict: "store", counted: facts.auto === null && crowded === "pace", loop: crowded },
      LOOPS[crowded],
    );
  }
  const other = base.sender === "other"
    ? ["Somebody else than the recipient wrote it; the contact stays the same."]
    : [];
  if (facts.calendar !== null) {
    const counted = facts.auto === null;
    return decide(
      { kind: "calendar", verdict: onward, forward, counted },
      counted ? "A person sent an invitation." : "A button of a calendar was pressed, which is no reply.",
      ...other,
      ...missing,
    );
  }
  return decide(
    { kind: "reply", verdict: onward, forward, counted: true },
    "A verified person answered.",
    ...other,
    ...missing,
  );
}

type Decide = (
  decision: Partial<Judgement> & Pick<Judgement, "kind" | "verdict">,
  ...why: string[]
) => Judgement;

const WAYS = { token: "token", legacy: "former reply address", references: "thread", none: "" } as const;

const LOOPS: Readonly<Record<LoopReason, string>> = {
  own_forward: "It is a forward of ours that came back.",
  from_own_domain: "It comes from an address of ours.",
  own_message_id: "It is a message of ours that came back.",
  hops: "It went through too many servers.",
  pace: "The sender wrote too often within an hour.",
  same_text: "The same text came a short while ago.",
};

const UNVERIFIED: Readonly<Record<MailFacts["verification"]["reason"], string>> = {
  aligned: "",
  several_from: "It names several authors.",
  no_from: "It names no author.",
  not_passed: "Neither SPF nor DKIM passed.",
  not_aligned: "SPF or DKIM passed for another domain than the author's.",
};

/** What only the database knows of circles. */
/** `domain.scope.type@`, which nobody has by name: first and last name are two parts. */
const FOR_ROUTES = /^[a-z0-9-]{1,32}\.[a-z0-9-]{1,32}\.[a-z0-9-]{1,32}(?:\+[^@]*)?@/;

function isForRoutes(recipient: string | null): boolean {
  return recipient !== null && FOR_ROUTES.test(recipient.toLowerCase());
}

function ownLoop(resolved: Resolved): LoopReason | null {
  if (resolved.from_is_ours) return "from_own_domain";
  return resolved.message_id_is_ours ? "own_message_id" : null;
}

/** Why a mail is stored only, although nothing is wrong with it: two machines without the right headers answer each other. */
function tooMuch(resolved: Resolved): "same_text" | "pace" | undefined {
  if (resolved.same_text > 0) return "same_text";
  return resolved.last_hour >= MOST_PER_HOUR ? "pace" : undefined;
}

function senderOf(
  author: string,
  recipient: string | null,
  contact: string | null,
  isOwner: boolean,
): Judgement["sender"] {
  if (isOwner) return "owner";
  if (author !== "" && author === recipient) return "recipient";
  return author !== "" && author === contact ? "contact" : "other";
}

const NOTHING: Pick<Resolved, "via" | "token" | "message" | "identity"> = {
  via: "none",
  token: null,
  message: null,
  identity: null,
};

/**
 * The message that counts. A reference proves less than a token, since Message-IDs are public: it counts from a verified
 * author whom we wrote to, and in a bounce for the address that we wrote to.
 */
function admitted(
  facts: MailFacts,
  resolved: Resolved,
  world: MailWorld,
): { resolved: Pick<Resolved, "via" | "token" | "message" | "identity">; why?: string } {
  const { message } = resolved;
  if (resolved.via === "none" || message === null) return { resolved: NOTHING };
  if (resolved.via !== "references") return { resolved };
  const known = [message.to, message.contact].filter((address) => address !== null);
  const who = facts.bounce?.recipient ?? facts.from.address;
  const proven = facts.bounce !== null || facts.report === "feedback-report" || facts.verification.verified;
  const fits = known.includes(who) || facts.report === "feedback-report";
  const forUs = facts.recipient === null || facts.recipient === world.mailbox ||
    isOn(facts.recipient, world.replyDomain);
  if (proven && fits && forUs) return { resolved };
  return { resolved: NOTHING, why: "It refers to a message of ours, but is not from whom we wrote to." };
}

/** Only a hard bounce of an address that we wrote to suppresses it: anybody can send a report. */
function bounced(facts: MailFacts, address: string | null, known: boolean, decide: Decide): Judgement {
  const bounce = facts.bounce!;
  const kind = bounce.class === "delay" ? "delay" as const : "bounce" as const;
  const machine = { verified: null, sender_is_recipient: false };
  if (!known || address === null) {
    return decide({ kind, verdict: "store", ...machine }, "A bounce of a mail that is not ours.");
  }
  if (bounce.recipient !== null && bounce.recipient !== address) {
    return decide({ kind, verdict: "store", ...machine }, "A bounce of an address that we did not write to.");
  }
  const words = {
    hard: "The address does not exist; nothing more is sent to it.",
    soft: "The address cannot be reached for now.",
    block: "The receiving server refuses our mail, which says nothing about the address.",
    delay: "The receiving server keeps trying.",
  }[bounce.class];
  if (bounce.class !== "hard") return decide({ kind, verdict: "store", ...machine }, words);
  return decide(
    { kind, verdict: "suppress", ...machine, suppress: { address, reason: "hard_bounce" } },
    words,
  );
}

/** The owner's verified answer to a forward goes to the contact, from the identity; the owner's address appears nowhere. */
function ofOwner(
  facts: MailFacts,
  resolved: Pick<Resolved, "message" | "identity">,
  crowded: "same_text" | "pace" | undefined,
  decide: Decide,
): Judgement {
  const { message, identity } = resolved;
  const to = message?.contact ?? null;
  if (message?.direction !== "in" || to === null || identity === null) {
    return decide(
      { kind: "owner_reply", verdict: "store" },
      "The owner wrote to the address of an own message, not to that of a forward: nobody is told.",
    );
  }
  if (facts.text === "" && facts.attachments.length === 0) {
    return decide(
      { kind: "owner_reply", verdict: "store" },
      "The owner's answer holds nothing new to relay.",
    );
  }
  if (crowded !== undefined) {
    return decide({ kind: "owner_reply", verdict: "store", loop: crowded }, LOOPS[crowded]);
  }
  return decide(
    {
      kind: "owner_reply",
      verdict: "relay",
      relay: { identity_id: identity.id, from: identity.from_email, to },
    },
    "The identity's owner answers a forward.",
  );
}
