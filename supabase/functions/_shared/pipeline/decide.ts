/**
 * The first step of the pipeline: decides what to do with each waiting message. Reads, decides purely,
 * writes.
 *
 * @module
 */
import type { Recorded, WaitingConversation } from "../contract/answers/pipeline.ts";
import { parseFlow } from "../contract/flow.ts";
import type { Rpc } from "../db/client.ts";
import { groupCommit } from "../db/group_commit.ts";
import { evaluate, type Flag, type OnFlag } from "../flags/evaluate.ts";
import type { EmailFacts } from "../routing/facts.ts";
import { match } from "../routing/match.ts";
import type { CompiledRoute } from "../routing/routes.ts";
import type { Places } from "./forward.ts";
import type { Round } from "./pump.ts";
import type { Mask } from "./relaying.ts";
import { routerFlag } from "./routed_channels.ts";

/** Most conversations in a round, and most messages of each; one call carries them easily. */
const CONVERSATIONS = 200;
const MESSAGES_EACH = 20;
/**
 * Conversations that a round may always decide about, even if fewer can be delivered at once: a small round
 * costs the database nearly as much as a large one.
 */
const WORTH_A_ROUND = 32;
/**
 * Longest wait for a free delivery place, in milliseconds. A decision made while a place is free is delivered
 * immediately; but a hanging service must not hold up deliveries to others.
 */
const ROOM_MS = 250;

/** Inputs of a round's decisions. */
export interface Rules {
  /** Revision of the configuration that the other members come from. */
  readonly revision: number;
  readonly flags: ReadonlyMap<string, Flag>;
  readonly routes: readonly CompiledRoute[];
  /** Ids of the destinations that receive the messages of conversations that a person has taken over. */
  readonly marked: ReadonlySet<string>;
  /** Called after each evaluation of a flag, with result and reason. */
  readonly onFlag?: OnFlag;
}

/** One conversation, as `record_decisions` takes it. */
export interface DecidedConversation {
  id: string;
  /**
   * The router's flag is off for this contact: nothing was decided; try again when the configuration changes.
   */
  held: boolean;
  through_seq: number | null;
  sticky_route_id: string | null;
  sticky_until: string | null;
  decisions: {
    message_id: string;
    route_id: string | null;
    route_name: string | null;
    reason: string;
    destination_ids: readonly string[];
    contact: string | null;
    explanation: unknown;
  }[];
}

/** Dependencies of {@linkcode createDecider}. */
export interface DeciderDeps {
  rpc: Rpc;
  rules(): Promise<Rules>;
  /** Names of the channels that may be routed now, see `routedChannels` in routed_channels.ts. */
  routed(): Promise<readonly string[]>;
  now(): Date;
  /** Reserves delivery places; undefined if there are too few. */
  places(): Promise<Places | undefined>;
  /**
   * Called with the number of messages decided, and of deliveries that wait in addition to those started
   * together with the decision.
   */
  onDecided(decided: number, waiting: number): void;
  onError(message: string, error: unknown): void;
  /** Called for each conversation with what was decided about it; undefined if that could not be stored. */
  onRouted?(waiting: WaitingConversation, decided: DecidedConversation | undefined): void;
  /** Decides about texts to numbers of organisations, see relaying.ts; absent where there are none. */
  mask?: Mask;
}

/**
 * A round that decides about the conversations that have waited longest.
 *
 * Failure policy: if a channel's kill switch is set or its flag is off for everybody, none of its
 * conversations is claimed, so waiting messages keep their order and are routed once the flag is on; other
 * channels continue. A contact for whom the flag is off is held back alone. So is a conversation whose
 * decisions the database refuses.
 */
export function createDecider(deps: DeciderDeps): () => Promise<Round> {
  let decidedAt = -Infinity;
  /** Reserved for the current round, until a commit uses them. */
  let places: Places | undefined;

  const record = groupCommit<{ revision: number; conversation: DecidedConversation }, Recorded>({
    maxItems: CONVERSATIONS,
    maxQueued: CONVERSATIONS,
    commit: async (items) => {
      const mine = places;
      places = undefined;
      let recorded: Recorded | undefined;
      try {
        recorded = await deps.rpc("record_decisions", {
          p_revision: items[0].revision,
          p_conversations: items.map(({ conversation }) => conversation),
          ...(mine === undefined ? {} : { p_claim: mine.claim }),
        });
      } finally {
        mine?.use(recorded?.claim);
      }
      return items.map((_, i) => i === 0 ? recorded : { decided: 0, deliveries: 0 });
    },
  });

  return async () => {
    const channels = await deps.routed();
    if (channels.length === 0) return { more: false };
    places = await deps.places();
    const at = deps.now().getTime();
    const soonMs = decidedAt + ROOM_MS - at;
    if (places === undefined && soonMs > 0) return { more: false, nextDueMs: soonMs };
    decidedAt = at;
    try {
      return await decideWaiting(channels, Math.max(places?.claim.limit ?? CONVERSATIONS, WORTH_A_ROUND));
    } finally {
      places?.use(undefined);
    }
  };

  async function decideWaiting(channels: readonly string[], conversations: number): Promise<Round> {
    const rules = await deps.rules();
    const claimed = await deps.rpc("claim_unrouted", {
      p_revision: rules.revision,
      p_conversations: conversations,
      p_each: MESSAGES_EACH,
      p_channels: channels,
    });
    if (claimed.length === 0) return { more: false };
    const full = claimed.length === conversations || claimed.some((c) => c.messages.length === MESSAGES_EACH);
    const masked = await deps.mask?.(claimed, rules.revision);
    if (masked !== undefined && masked.decided > 0) deps.onDecided(masked.decided, 0);
    const waiting = masked === undefined ? claimed : claimed.filter(({ id }) => !masked.taken.has(id));
    if (waiting.length === 0) return { more: full || masked?.again === true };
    const now = deps.now();
    const results = await Promise.allSettled(
      waiting.map(async (conversation) => {
        const decided = decide(conversation, rules, now);
        try {
          const stored = await record({ revision: rules.revision, conversation: decided });
          deps.onRouted?.(conversation, decided);
          return stored;
        } catch (error) {
          deps.onRouted?.(conversation, undefined);
          throw error;
        }
      }),
    );
    const stored = results.filter((result) => result.status === "fulfilled").map(({ value }) => value);
    const refused = results.filter((result) => result.status === "rejected").map(({ reason }) => reason);
    if (stored.length === 0) throw refused[0];
    for (const error of refused) deps.onError("the decisions of a conversation were not stored", error);
    const sum = (of: (each: Recorded) => number) => stored.reduce((total, each) => total + of(each), 0);
    deps.onDecided(
      sum((each) => each.decided),
      sum((each) => each.deliveries - (each.claim?.deliveries.length ?? 0)),
    );
    // A full conversation or a full round may have left something behind. What was refused may be refused again.
    return { more: (full || masked?.again === true) && refused.length === 0 };
  }
}

function emailFacts(
  { kind, verified, subject, recipient }: NonNullable<WaitingConversation["messages"][number]["mail"]>,
): EmailFacts {
  return {
    ...(kind === null ? {} : { kind }),
    ...(verified === null ? {} : { verified }),
    ...(subject === null ? {} : { subject }),
    ...(recipient === null ? {} : { recipient }),
  };
}

/**
 * Decides about all waiting messages of a conversation, in order. Pure.
 *
 * While a person has the conversation, a message goes only to those of the route's destinations that want it marked.
 * It is decided all the same, so it is not delivered later, when the services have the conversation again.
 */
export function decide(conversation: WaitingConversation, rules: Rules, now: Date): DecidedConversation {
  const { contact_id } = conversation;
  let { sticky_route_id, sticky_until } = conversation;
  const decisions: DecidedConversation["decisions"] = [];
  const flagOn = (key: string, id: string) => {
    const { value, reason } = evaluate(rules.flags, key, id);
    rules.onFlag?.(key, reason);
    return value;
  };
  const held = !flagOn(routerFlag(conversation.channel), contact_id);
  if (held) {
    return { id: conversation.id, held, through_seq: null, sticky_route_id, sticky_until, decisions };
  }
  const { taken_until } = conversation;
  const isTaken = taken_until != null && new Date(taken_until) > now;
  const contact = {
    id: contact_id,
    ...(conversation.phone === null ? {} : { phone: conversation.phone }),
  };
  for (const message of conversation.messages) {
    const flow = parseFlow(message.flow);
    const decision = match(rules.routes, {
      id: message.id,
      channel: conversation.channel,
      type: message.type,
      number_id: conversation.number_id,
      contact,
      at: message.created_at,
      ...(message.text === null ? {} : { body: message.text }),
      ...(message.choice === null ? {} : { choice: message.choice }),
      ...(message.referral === null ? {} : { referral: message.referral }),
      ...(message.link_token === null ? {} : { token: message.link_token }),
      ...(message.link === null ? {} : { link: message.link }),
      ...(conversation.group == null ? {} : { group: conversation.group }),
      ...(flow === undefined ? {} : { flow }),
      ...(message.mail ? { email: emailFacts(message.mail) } : {}),
    }, {
      now,
      flagOn,
      ...(sticky_route_id === null || sticky_until === null
        ? {}
        : { sticky: { routeId: sticky_route_id, until: new Date(sticky_until) } }),
    });
    if (decision.routeId !== null) {
      sticky_route_id = decision.stickyUntil === undefined ? null : decision.routeId;
      sticky_until = decision.stickyUntil ?? null;
    }
    const destination_ids = isTaken
      ? decision.destinationIds.filter((id) => rules.marked.has(id))
      : decision.destinationIds;
    const isKept = isTaken && decision.destinationIds.length > 0 && destination_ids.length === 0;
    decisions.push({
      message_id: message.id,
      route_id: decision.routeId,
      route_name: decision.explanation.find((finding) => finding.matched)?.name ?? null,
      reason: isKept ? "taken_over" : decision.reason,
      destination_ids,
      contact: decision.contact ?? null,
      explanation: decision.explanation,
    });
  }
  return {
    id: conversation.id,
    held,
    through_seq: conversation.messages.at(-1)?.seq ?? null,
    sticky_route_id,
    sticky_until,
    decisions,
  };
}
