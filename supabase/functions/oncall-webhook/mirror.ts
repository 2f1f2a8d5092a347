/**
 * Incidents at providers follow cards: tells each provider the state that its incident is to have.
 *
 * @module
 */
import type { OnCallEventClaim } from "../_shared/contract/answers/oncall.ts";
import type { Rpc } from "../_shared/db/client.ts";
import {
  type EventOutcome,
  ONCALL_PROVIDERS,
  type OnCallProvider,
  type OnCallProviderName,
} from "../_shared/oncall/provider.ts";
import { sharedRun } from "../_shared/http/shared_run.ts";

/** Dependencies of {@linkcode createMirror}. */
export interface MirrorDeps {
  rpc: Rpc;
  /** Whether the environment stops dynamic routing. */
  isKilled(): boolean;
  /** A provider; what is missing, if something is. */
  provider(name: OnCallProviderName): OnCallProvider | string;
  /** Counts an event by source and outcome. */
  count(source: string, outcome: string): void;
  onError(message: string, error: unknown): void;
}

/** PagerDuty takes about 120 events a minute of one service. */
const AT_ONCE = 10;
/** Batches of one run; the clock comes back for the rest. */
const BATCHES = 12;

/**
 * Creates the work: tells what is due. Concurrent calls share a run.
 *
 * Failure policy: the card has changed already and waits for nothing. What a provider does not take is told again with growing
 * waits for most of a day; what it refuses for good is given up and logged. Repeating an event changes nothing there. Never
 * throws.
 */
export function createMirror(deps: MirrorDeps): () => Promise<void> {
  async function all(): Promise<void> {
    try {
      for (let batch = 0; batch < BATCHES; batch++) {
        const events = await deps.rpc("claim_oncall_events", {
          p_limit: AT_ONCE,
          p_is_on: !deps.isKilled(),
        });
        if (events.length === 0) break;
        await Promise.all(events.map(tell));
      }
    } catch (error) {
      deps.onError("incidents could not follow their cards", error);
    }
  }

  async function tell({ key, lease, source, action, told, summary, about }: OnCallEventClaim): Promise<void> {
    const name = ONCALL_PROVIDERS.find((each) => each === source);
    const provider = name === undefined ? "a rota has no incidents" : deps.provider(name);
    const outcome: EventOutcome = typeof provider === "string"
      ? { ok: false, kind: "retry", fault: provider }
      : await provider.tell({ action, key, summary, source: about, severity: "critical" });
    const word = outcome.ok ? "sent" : outcome.kind;
    deps.count(source, word);
    if (word === "dead") deps.onError("an incident could not be told of and is given up", outcome);
    await deps.rpc("settle_oncall_event", {
      p_key: key,
      p_lease: lease,
      p_outcome: word,
      p_told: told,
      ...(outcome.ok ? {} : {
        p_error: outcome.fault,
        ...(outcome.retryAfterMs === undefined ? {} : { p_retry_ms: outcome.retryAfterMs }),
      }),
    });
  }

  return sharedRun(all);
}
