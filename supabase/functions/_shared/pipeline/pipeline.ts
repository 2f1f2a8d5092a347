/**
 * The pipeline: decide, forward, send. Each is a loop that wakes the next one.
 *
 * @module
 */
import { ending as isolateEnding } from "../http/ending.ts";
import { createDecider, type DeciderDeps } from "./decide.ts";
import { createForwarder, type ForwarderDeps } from "./forward.ts";
import { createPump, type Pump } from "./pump.ts";
import type { Mask } from "./relaying.ts";
import { createSender, type SenderDeps } from "./send.ts";

/**
 * How long an isolate stays up for work that is due soon. The clock calls every 3 seconds and handles
 * whatever is due later.
 */
const LINGER_MS = 10_000;

/**
 * Dependencies of {@linkcode createPipeline}: those of its three steps, and callbacks for counting and
 * logging.
 */
export interface PipelineDeps
  extends
    Omit<DeciderDeps, "onDecided" | "places">,
    Omit<ForwarderDeps, "track" | "onSettled" | "onCalled" | "onRoom" | "onError" | "ending">,
    Omit<SenderDeps, "track" | "onSettled" | "onError" | "ending"> {
  count(name: string, label: string, n?: number): void;
  measure(name: string, label: string, ms: number): void;
  onError(message: string, error: unknown): void;
  /**
   * Once aborted, nothing more is claimed, claimed work that has not started is put back, and running work is
   * settled.
   * @default that of this isolate
   */
  ending?: AbortSignal;
}

/**
 * The pipeline of one isolate. Each method wakes a step and returns a promise that resolves when everything
 * that can be done now is done; concurrent callers share it, so that thousands of webhooks a second cost one.
 */
export interface Pipeline {
  /** Wakes the decider: new messages wait. */
  decide(): Promise<void>;
  /** Wakes the forwarder: deliveries wait that no decision made. */
  forward(): Promise<void>;
  /** Wakes the sender: outbound messages wait. */
  send(): Promise<void>;
  /** Wakes all steps; the clock's call. */
  drain(): Promise<void>;
}

/** Composes the three steps. */
export function createPipeline(deps: PipelineDeps): Pipeline {
  const { count, measure, ending = isolateEnding } = deps;
  const failed = (step: string) => (error: unknown) =>
    deps.onError(`${step} stopped; the clock starts it again`, error);

  const sender: Pump = createPump({
    lingerMs: LINGER_MS,
    ending,
    onError: failed("sending"),
    round: createSender({
      ...deps,
      ending,
      track: (work) => sender.track(work),
      onSettled: (outcomes, told) => {
        if (told) forwarder.poke();
        for (const sent of outcomes) {
          count("outbound", "put_off" in sent && sent.put_off === "back" ? "put_back" : sent.outcome);
        }
      },
    }),
  });
  /** Whether the decider waits for delivery places. */
  let starved = false;
  const forward = createForwarder({
    ...deps,
    ending,
    track: (work) => forwarder.track(work),
    onCalled: (waitedMs) => measure("routed", "", waitedMs),
    onRoom: () => {
      if (!starved) return;
      starved = false;
      decider.poke();
    },
    onSettled: (outcomes, replies) => {
      for (const { outcome, destination, latency_ms } of outcomes) {
        count("delivery_attempts", outcome);
        if (outcome === "put_back") continue;
        measure("destination", `${destination} ${outcome}`, latency_ms);
      }
      if (replies > 0) sender.poke();
    },
  });
  const forwarder: Pump = createPump({
    lingerMs: LINGER_MS,
    ending,
    onError: failed("forwarding"),
    round: () => forward.round(),
  });
  const decider: Pump = createPump({
    lingerMs: LINGER_MS,
    ending,
    onError: failed("deciding"),
    round: createDecider({
      ...deps,
      ...(deps.mask === undefined ? {} : { mask: mask(deps.mask) }),
      places: async () => {
        const places = await forward.places();
        starved = places === undefined;
        return places;
      },
      onDecided: (messages, waiting) => {
        count("messages_routed", "decided", messages);
        if (waiting > 0) forwarder.poke();
      },
    }),
  });

  function mask(mask: Mask): Mask {
    return async (waiting, revision) => {
      const masked = await mask(waiting, revision);
      if (masked.queued > 0) sender.poke();
      return masked;
    };
  }

  let idle: Promise<void> | undefined;
  function untilIdle(): Promise<void> {
    return idle ??= (async () => {
      const steps = [decider, forwarder, sender];
      // While one is waited for, the others may be woken: by it, or by a caller who then shares this promise.
      for (let step; (step = steps.find((each) => each.busy())) !== undefined;) await step.idle();
      idle = undefined;
    })();
  }

  return {
    decide: () => {
      decider.poke();
      return untilIdle();
    },
    forward: () => {
      forwarder.poke();
      return untilIdle();
    },
    send: () => {
      sender.poke();
      return untilIdle();
    },
    drain: () => {
      decider.poke();
      forwarder.poke();
      sender.poke();
      return untilIdle();
    },
  };
}
