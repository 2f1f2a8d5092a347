/**
 * Figures of mails that become cards in chats: how many, how soon, and which found no way. Metrics named `tgk_email_*` and
 * the guard's trigger on routing errors are made of them.
 *
 * @module
 */
import type { WaitingConversation } from "../contract/answers/pipeline.ts";
import { addressLabel, type NamedParts, OTHER } from "../routing/address_labels.ts";
import type { DecidedConversation } from "./decide.ts";
import type { DeliverByKind } from "./kinds.ts";

/** Counter of mails by the parts of their address and by whether their card was sent: `domain scope type delivered|failed`. */
export const MAIL_CARDS = "mail_cards";
/** Measurement of the time from receiving a mail until its card is in the chat. */
export const MAIL_CARD_TIME = "mail_card";
/** Measurement of what happens, by minute: `name reason`. Plans of rollouts ask for shares of it, or how often an hour. */
export const HAPPENED = "happened";
/** Name of a mail that no route takes, or that could not be decided about. */
export const ROUTE_FAILED = "mail.route_failed";
/** Name of a mail to an address of which no route names a part. Not a failure that a rollout is judged by: anybody can write one. */
export const ADDRESS_UNKNOWN = "mail.address_unknown";
/** Names of a mail whose card was tried, and of one for which that failed. */
export const CARD = "mail.card", CARD_FAILED = "mail.card_failed";
/** The flag whose percentage of mail comes here: whatever comes has it. */
export const ROUTING_FLAG = "mail_routing.enabled";

/** Dependencies of {@linkcode createMailFigures}. */
export interface MailFiguresDeps {
  count(name: string, label: string): void;
  measure(name: string, label: string, ms: number): void;
  /** The parts of addresses that routes name now. */
  named(): Promise<NamedParts>;
  /** Counts the first attempt for the guard of {@linkcode ROUTING_FLAG}. */
  outcome(contactId: string, outcome: { failed: boolean; latencyMs: number }): void;
  now(): Date;
  onError(error: unknown): void;
}

/** See the module. */
export interface MailFigures {
  /** Counts the outcomes of these deliveries. */
  counting(deliver: DeliverByKind): DeliverByKind;
  /** Notes what was decided about waiting messages; without a decision, that it could not be stored. */
  onRouted(waiting: WaitingConversation, decided: DecidedConversation | undefined): void;
}

/**
 * Creates the figures.
 *
 * A mail counts as failed once, when the first attempt at its card fails, and as delivered when the card is sent: a mail
 * that arrives at the third attempt was late, and counts in both. What waits for Telegram's pace has not failed.
 *
 * Failure policy: open. No mail waits for its figure, or fails with it.
 */
export function createMailFigures(deps: MailFiguresDeps): MailFigures {
  const { count, measure, now } = deps;
  const noted = (note: (named: NamedParts) => void) => void deps.named().then(note).catch(deps.onError);

  return {
    counting: (deliver) => async (claimed, destination, traceparent) => {
      const result = await deliver(claimed, destination, traceparent);
      const { message, attempt, resent, card } = claimed;
      if (destination.kind !== "telegram" || message.channel !== "email") return result;
      if (result.error === "platform_limit" || !result.ok && attempt > 1) return result;
      const recipient = message.native?.recipient;
      const address = typeof recipient === "string" ? recipient : undefined;
      noted((named) =>
        count(MAIL_CARDS, `${addressLabel(address, named)} ${result.ok ? "delivered" : "failed"}`)
      );
      const tookMs = now().getTime() - Date.parse(message.created_at);
      if (attempt === 1 && resent === 0) {
        measure(HAPPENED, CARD, 0);
        if (!result.ok) measure(HAPPENED, CARD_FAILED, 0);
        deps.outcome(claimed.contact.id, { failed: !result.ok, latencyMs: Math.max(tookMs, 0) });
      }
      // Of one that was there already, or that a person had sent again, the time says nothing.
      if (result.ok && card?.is_sent !== true && resent === 0) {
        measure(MAIL_CARD_TIME, "", tookMs);
      }
      return result;
    },

    onRouted(waiting, decided) {
      if (waiting.channel !== "email") return;
      if (decided === undefined) return measure(HAPPENED, `${ROUTE_FAILED} route_error`, 0);
      const lost = new Set(
        decided.decisions.filter(({ route_id }) => route_id === null).map(({ message_id }) => message_id),
      );
      const mails = waiting.messages.filter(({ id, mail }) => lost.has(id) && mail?.kind === "new_mail");
      if (mails.length === 0) return;
      noted((named) => {
        // Where no route asks for addresses, nobody expects a mail to be routed by its address.
        if (!named.areAsked) return;
        for (const { mail } of mails) {
          const isUnknown = addressLabel(mail?.recipient ?? undefined, named).split(" ").includes(OTHER);
          measure(HAPPENED, isUnknown ? ADDRESS_UNKNOWN : `${ROUTE_FAILED} no_route`, 0);
        }
      });
    },
  };
}
