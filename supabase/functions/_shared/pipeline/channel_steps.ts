/**
 * What the pipeline asks of channels, each message of its own: who may send now, one send, the replies of a service.
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

/** What {@linkcode createChannelSteps} needs. */
export interface ChannelStepsDeps {
  killed(feature: string): boolean;
  /** Whether a feature's flag lets it run for anybody at all. */
  onForAnybody(feature: string): Promise<boolean>;
  world: SendDeps;
  /** Keeps what the provider said about the template of a message, and decides whether that may go. */
  answerCategory(messageId: string, found: readonly Template[]): Promise<{ opted_out: boolean }>;
  count(name: string, label: string): void;
  measure(name: string, label: string, ms: number): void;
  /** Told how each attempt went for the person whom the message is for. */
  onOutcome(contactId: string, outcome: Outcome, flag: string): void;
  log: { error(message: string, fields: Fields): void; warn(message: string, fields: Fields): void };
}

/** The steps of the pipeline that differ by channel. */
export interface ChannelSteps {
  /** Names of the channels that may send now. */
  channels(): Promise<string[]>;
  /** Sends one message through its channel, which is one of the registry's; never throws. */
  send(message: ClaimedMessage): Promise<SendOutcome>;
  /** A service's replies as they are queued. */
  checkReplies(
    replies: readonly Record<string, unknown>[],
    to: { channel: string; identities: Record<string, string> },
    deliveryId: string,
  ): { replies: Reply[]; leftOut: LeftOut[] };
}

/** Makes them for the channels of a registry. */
export function createChannelSteps(registry: Registry, deps: ChannelStepsDeps): ChannelSteps {
  /** What was last told to be missing, by channel. */
  const told = new Map<string, string>();

  /**
   * Failure policy: each channel for itself. The messages of one whose credentials are missing, or that throws, wait;
   * that is told once for each thing that is missing, and the others go on.
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
    const able = registry.all.filter((channel) => !deps.killed(channel.flags.send) && isReady(channel));
    const on = await Promise.all(able.map(({ flags }) => deps.onForAnybody(flags.send)));
    return able.filter((_, i) => on[i]).map(({ name }) => name);
  }

  /** Questions under way: of many messages with one template the first asks. */
  const asked = new Map<string, Promise<Templates>>();

  /** Why a message to somebody who has opted out is not sent now; undefined where it may be. */
  async function refusal(claimed: ClaimedMessage, channel: Channel): Promise<SendFailure | undefined> {
    if (claimed.opted_out) return OPTED_OUT;
    if (claimed.ask === undefined) return undefined;
    const key = JSON.stringify([channel.name, claimed.ask.account, claimed.ask.name]);
    let question = asked.get(key);
    if (question === undefined) {
      question = channel.templates?.(claimed.ask, deps.world) ?? Promise.resolve({ ok: true, templates: [] });
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
    const { id, to, number_id: senderId, contact_id, message, traceparent: came } = claimed;
    const channel = registry.get(claimed.channel);
    const refused = await refusal(claimed, channel);
    if (refused !== undefined) return outcomeOf(refused, claimed, channel);
    const began = performance.now();
    const traceparent = came == null ? undefined : traceparentFor(id, id, came);
    let limitMs: number | undefined;
    const world: SendDeps = {
      fetch: (url, init) =>
        deps.world.fetch(url, init).catch((error) => {
          limitMs = platformLimitMs(error);
          throw error;
        }),
    };
    // A receipt names the message that was read, and nobody.
    const result = await channel.send({ id, senderId, to: to ?? "", message, traceparent }, world);
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
    if (next.outcome === "failed") return { outcome: "failed", error: { ...error, given_up: next.why } };
    return {
      outcome: "retry",
      error,
      retry_after_ms: next.afterMs,
      ...(isPutOff ? { put_off: result.kind, scope: result.scope } : {}),
    };
  }

  /**
   * They go to the person who wrote, whatever they say: a service must not reach others through the answer to a
   * delivery.
   *
   * Failure policy: a reply that the provider would refuse is left out, counted, told and kept with the attempt; the
   * delivery itself succeeded.
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

/** What `wa-send` answers where it is known at once. */
const OPTED_OUT: SendFailure = {
  ok: false,
  kind: "final",
  code: "opted_out",
  message: "the person has opted out of such messages",
};

/** A fault that begins with "it", as it goes on after a name. */
function is(fault: string): string {
  return fault.replace(/^it /, "");
}
