/**
 * What is done with a call to one of our numbers: the other side of the thread is rung, by the rules of texts, or the
 * office.
 *
 * @module
 */
import type { Rpc } from "../_shared/db/client.ts";
import type { Fields } from "../_shared/log/log.ts";
import { type Leg, relay, type Relayed, type RelayFacts } from "../_shared/masking/relay.ts";
import { type CallWords, callWords } from "../_shared/sms/call_words.ts";
import { partyOf } from "../_shared/sms/numbers.ts";
import { answer, dial, HANG_UP, REJECT, say } from "../_shared/sms/twiml.ts";

/** Dependencies of {@linkcode createAnswerCall}. */
export interface CallDeps {
  rpc: Rpc;
  flags(org: string): Promise<RelayFacts["on"]>;
  /** The address of this function, as Twilio has it. */
  base(): string;
  log: { warn(message: string, fields: Fields): void };
}

type CallFacts = NonNullable<Awaited<ReturnType<typeof factsOf>>>;

/** What Twilio gives as the number of a caller without one: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE. */
const WITHHELD = new Set(["266696687", "7378742833", "2562533", "8566696", "86282452253"]);

/**
 * Creates the function that answers a call with TwiML.
 *
 * Failure policy: closed. Nobody is rung whose part in the thread is not known, nor before the decision is stored; the
 * caller hears a sentence instead of Twilio's error.
 */
export function createAnswerCall(
  deps: CallDeps,
): (call: ReadonlyMap<string, string>, dialled: string | null) => Promise<string> {
  return async (call, dialled) => {
    if (dialled !== null && /^(?:completed|answered)$/.test(call.get("DialCallStatus") ?? "")) return HANG_UP;
    const from = phoneIn(call.get("From")), to = phoneIn(call.get("To"));
    if (to === undefined) return REJECT;
    const wordsFor = (countries: readonly string[]) =>
      callWords(call.get("FromCountry"), call.get("FromState"), countries);
    try {
      const facts = await factsOf(deps.rpc, to, from);
      return facts === null ? REJECT : await decide(facts, { from, to, dialled }, wordsFor(facts.countries));
    } catch (error) {
      deps.log.warn("a call could not be decided", { error });
      const words = wordsFor([]);
      return answer(say(words.nobody, words));
    }
  };

  async function decide(
    facts: CallFacts,
    { from, to, dialled }: { from: string | undefined; to: string; dialled: string | null },
    words: CallWords,
  ): Promise<string> {
    const ring = (phones: readonly string[], whom: "leg" | "desk") =>
      dial({ phones, callerId: to, action: `${deps.base()}/voice?dialled=${whom}` });
    const nobody = answer(say(words.nobody, words));
    const office = facts.desk === null || facts.desk === from
      ? nobody
      : answer(say(words.office, words), ring([facts.desk], "desk"));
    if (dialled === "desk") return nobody;
    if (dialled === "leg") {
      await record(facts, from, to, "owner_inbox", "unanswered", facts.thread?.id ?? null);
      return office;
    }
    const relayed = relay({
      on: await deps.flags(facts.orgId),
      kind: "text",
      fromOurs: facts.fromOurs,
      numberClass: facts.numberClass,
      senderLegs: facts.senderLegs,
      pastThreadId: facts.pastThreadId,
      thread: facts.thread,
      fromOwner: false,
      forced: false,
    });
    const phones = relayed.to === "leg" ? phonesOf(relayed.legs, facts, from) : [];
    const [outcome, reason] = told(relayed, phones, from);
    await record(facts, from, to, outcome, reason, relayed.threadId);
    if (facts.fromOurs) return REJECT;
    return phones.length > 0 ? answer(ring(phones, "leg")) : office;
  }

  async function record(
    facts: CallFacts,
    from: string | undefined,
    to: string,
    outcome: Relayed["to"],
    reason: string,
    thread: string | null,
  ): Promise<void> {
    await deps.rpc("record_decision", {
      p_decision: {
        org_id: facts.orgId,
        thread_id: thread,
        contact_id: facts.contactId,
        from_role: facts.senderLegs.length === 1 ? facts.senderLegs[0].role : "unknown",
        from_last4: from?.slice(-4) ?? null,
        number_last4: to.slice(-4),
        number_class: facts.numberClass,
        outcome,
        reason: `call_${reason}`,
      },
      p_findings: [],
    });
  }
}

/** What the database knows of a call. */
function factsOf(rpc: Rpc, to: string, from: string | undefined) {
  return rpc("call_facts", { p_number: to, p_from: from ?? "" });
}

/**
 * The phones of those who are to be rung. Whoever has another number for this thread, or none, could not call back: the
 * number that they see is another client's. On a sitter's own number, only its sitter is rung without one.
 */
function phonesOf(legs: readonly Leg[], facts: CallFacts, from: string | undefined): string[] {
  return legs
    .filter(({ numberId }) =>
      numberId === facts.numberId || numberId === null && facts.numberClass === "sitter"
    )
    .flatMap(({ id }) => facts.phones[id] ?? [])
    .filter((phone) => phone !== from);
}

/** Outcome and reason as they are stored. */
function told(
  relayed: Relayed,
  phones: readonly string[],
  from: string | undefined,
): [Relayed["to"], string] {
  if (relayed.to === "leg" && phones.length === 0) return ["owner_inbox", "no_phone"];
  if (relayed.to === "owner_inbox" && from === undefined) return ["owner_inbox", "withheld"];
  return [relayed.to, relayed.reason];
}

/** The digits of a phone; undefined for a caller who withholds it. */
function phoneIn(value: string | undefined): string | undefined {
  const party = partyOf(value);
  return party?.kind === "phone" && !WITHHELD.has(party.value) ? party.value : undefined;
}
