/**
 * The steps of the pipeline that depend on the channel of a message: which channels may send now, sending one
 * message, and checking a service's replies.
 *
 * @module
 */
import type { Channel, SendDeps, SendFailure, Template, Templates } from "../channels/channel.ts";
import type { Registry } from "../channels/registry.ts";
import { traceparentFor } from "../http/traceparent.ts";
import type { Fields } from "../log/log.ts";
import type { Outcome } from "../rollouts/outcomes.ts";
import type { ClaimedMessage, LeftOut } from "../contract/answers/pipeline.ts";
import type { Reply } from "./forward.ts";
import { platformLimitMs } from "../http/ending.ts";
import { putBack, type SendOutcome } from "./send.ts";

/** Dependencies of {@linkcode createChannelSteps}. */
export interface ChannelStepsDeps {
  killed(feature: string): boolean;
  /** Whether a feature is on for anybody at all. */
  onForAnybody(feature: string): Promise<boolean>;
  world: SendDeps;
  /**
   * Stores what the provider said about a message's template, and decides whether the message may be sent.
   */
  answerCategory(messageId: string, found: readonly Template[]): Promise<{ opted_out: boolean }>;
  count(name: string, label: string): void;
  measure(name: string, label: string, ms: number): void;
  /** Called after each attempt with the outcome for the recipient. */
  onOutcome(contactId: string, outcome: Outcome, flag: string): void;
  log: { error(message: string, fields: Fields): void; warn(message: string, fields: Fields): void };
}

/** The steps of the pipeline that differ by channel. */
export interface ChannelSteps {
  /** Names of the channels that may send now. */
  channels(): Promise<string[]>;
  /** Sends one message through its channel, which must be registered; never throws. */
  send(message: ClaimedMessage): Promise<SendOutcome>;
  /** Converts a service's replies for the queue. */
  checkReplies(
    replies: readonly Record<string, unknown>[],
    to: { channel: string; identities: Record<string, string> },
    deliveryId: string,
  ): { replies: Reply[]; leftOut: LeftOut[] };
}

/** Creates the steps for the channels of a registry. */
export function createChannelSteps(registry: Registry, deps: ChannelStepsDeps): ChannelSteps {
  /** The missing variables last reported, by channel. */
  const told = new Map<string, string>();

  /**
   * Failure policy: each channel by itself. If a channel's credentials are missing, or it throws, its
   * messages wait; this is reported once for each missing credential, and the other channels continue.
   */
  function isReady(channel: Channel): boolean {
    const { name, flags } = channel;
    let why = "";
    let thrown = {};
    try {
      const missing = channel.ready();
      if (missing !== true) {
        why = missing.map(({ variable, fault }) => `${variable} ${is(fault)}`).join(", ");
      }
    } catch (error) {
      why = "the channel cannot say whether it is ready";
      thrown = { error };
    }
    if (why !== "" && told.get(name) !== why) {
      deps.log.error(`messages wait: ${why}`, { channel: name, feature: flags.send, ...thrown });
    }
    told.set(name, why);
    return why === "";
  }

  async function channels(): Promise<string[]> {
    const alive = registry.all.filter((channel) => !deps.killed(channel.flags.send));
    const on = await Promise.all(alive.map(({ flags }) => deps.onForAnybody(flags.send)));
    // Whoever does not use a channel is not told what it lacks.
    return alive.filter((channel, i) => on[i] && isReady(channel)).map(({ name }) => name);
  }

  /** Running queries: messages with the same template share one. */
  const asked = new Map<string, Promise<Templates>>();

  /** Why a message to somebody who has opted out is not sent now; undefined if it may be sent. */
  async function refusal(claimed: ClaimedMessage, channel: Channel): Promise<SendFailure | undefined> {
    if (claimed.opted_out) return OPTED_OUT;
    if (claimed.ask === undefined) return undefined;
    const asking = { ...claimed.ask, credentials: claimed.credentials ?? undefined };
    const key = JSON.stringify([channel.name, asking.account, asking.name]);
    let question = asked.get(key);
    if (question === undefined) {
      question = channel.templates?.(asking, deps.world) ?? Promise.resolve({ ok: true, templates: [] });
      asked.set(key, question);
    }
    const answer = await question.finally(() => asked.delete(key));
    if (!answer.ok) return answer;
    try {
      return (await deps.answerCategory(claimed.id, answer.templates)).opted_out ? OPTED_OUT : undefined;
    } catch (error) {
      deps.log.warn("a template's category could not be kept", { message_id: claimed.id, error });
      return {
        ok: false,
        kind: "retry",
        code: "database",
        message: "the template's category is not known yet",
      };
    }
  }

  async function send(claimed: ClaimedMessage): Promise<SendOutcome> {
    const { id, to, number_id: senderId, contact_id, message, mail, sms, traceparent: came } = claimed;
    const credentials = claimed.credentials ?? undefined;
    const channel = registry.get(claimed.channel);
    const refused = await refusal(claimed, channel);
    if (refused !== undefined) return outcomeOf(refused, claimed, channel);
    const began = performance.now();
    const traceparent = came == null ? undefined : traceparentFor(id, id, came);
    let limitMs: number | undefined;
    const world: SendDeps = {
      ...deps.world,
      fetch: (url, init) =>
        deps.world.fetch(url, init).catch((error) => {
          limitMs = platformLimitMs(error);
          throw error;
        }),
    };
    // A receipt names the message that was read, and nobody.
    const outgoing = {
      id,
      senderId,
      credentials,
      to: to ?? "",
      message,
      ...(mail && { mail }),
      ...(sms && { sms }),
      traceparent,
    };
    const result = await channel.send(outgoing, world);
    if (!result.ok && limitMs !== undefined) return putBack(limitMs);
    const latencyMs = performance.now() - began;
    deps.measure(channel.provider, result.ok ? "sent" : String(result.code), latencyMs);
    deps.onOutcome(contact_id, { failed: !result.ok, latencyMs }, channel.flags.send);
    if (result.ok) {
      const { providerId = null, identities } = result;
      return { outcome: "sent", provider_id: providerId, ...(identities && { identities }) };
    }
    return outcomeOf(result, claimed, channel);
  }

  function outcomeOf(
    result: SendFailure,
    { attempt, deferred }: ClaimedMessage,
    channel: Channel,
  ): SendOutcome {
    deps.count("outbound_errors", String(result.code));
    const { ok: _, retryAfterMs: __, ...error } = result;
    const isPutOff = result.kind === "throttle" || result.kind === "held";
    const next = channel.nextAttempt(isPutOff ? deferred + 1 : attempt, result);
    if (next.outcome === "unknown") return { outcome: "unknown", error };
    if (next.outcome === "failed") return { outcome: "failed", error: { ...error, given_up: next.why } };
    return {
      outcome: "retry",
      error,
      retry_after_ms: next.afterMs,
      ...(isPutOff ? { put_off: result.kind, scope: result.scope } : {}),
    };
  }

  /**
   * Replies always go to the person who wrote, whatever recipient they name: a service must not reach others
   * through the response to a delivery.
   *
   * Failure policy: a reply that the provider would refuse is left out, counted, reported and stored with the
   * attempt; the delivery itself succeeded.
   */
  function checkReplies(
    replies: readonly Record<string, unknown>[],
    { channel: name, identities }: { channel: string; identities: Record<string, string> },
    deliveryId: string,
  ): { replies: Reply[]; leftOut: LeftOut[] } {
    const channel = registry.get(name);
    const to = channel.addressOf(identities);
    const taken: Reply[] = [], leftOut: LeftOut[] = [];
    replies.forEach((reply, index) => {
      const checked = channel.check(reply);
      if (checked.ok && to !== undefined) {
        taken.push({ to, message: checked.value, text: channel.wordsOf(checked.value), place: index + 1 });
        return;
      }
      const why = checked.ok ? "nobody" : "invalid";
      leftOut.push({ reply: index + 1, why });
      deps.count("replies_refused", why);
      deps.log.warn("a reply of a service cannot be sent", {
        delivery_id: deliveryId,
        reply: index,
        issues: checked.ok ? "the person has no id that can be written to" : checked.issues,
      });
    });
    return { replies: taken, leftOut };
  }

  return { channels, send, checkReplies };
}

/** The refusal that `wa-send` returns when the opt-out is known at once. */
const OPTED_OUT: SendFailure = {
  ok: false,
  kind: "final",
  code: "opted_out",
  message: "the person has opted out of such messages",
};

/** Adapts a fault that begins with "it" so that it can follow a name. */
function is(fault: string): string {
  return fault.replace(/^it /, "");
}
