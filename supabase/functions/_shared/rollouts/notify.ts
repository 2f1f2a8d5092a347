/**
 * Delivers the notifications of rollouts and of failing parts. Uses `POST` to signed webhooks, with the same
 * code and checks as messages to services (allowlist, public addresses, no redirects); Slack reads the body
 * and ignores the signature. Mails are queued with the others, from an identity. PagerDuty gets events of incidents.
 *
 * Failure policy: a notification that cannot be delivered is retried for a day, then dead; it remains in the
 * table `notifications` and in the log. A rollout never waits for it.
 *
 * @module
 */
import type { Result } from "../contract/sql.ts";
import type { Rpc } from "../db/client.ts";
import { deliver, type DeliveryDeps } from "../delivery/deliver.ts";
import { next } from "../delivery/retry.ts";
import { sharedRun } from "../http/shared_run.ts";
import type { EventOutcome, OnCallEvent } from "../oncall/provider.ts";
import { bodyOf, mailOf, type Notification } from "./notification.ts";
import { eventsOf } from "./page.ts";

type Claimed = Result<"claim_notifications">[number];

/** Dependencies of {@linkcode createNotifier}. */
export interface NotifierDeps {
  rpc: Rpc;
  world(): Promise<DeliveryDeps>;
  /** Sends PagerDuty an event with an integration key. Never throws. */
  page(routingKey: string, event: OnCallEvent): Promise<EventOutcome>;
  /** The project, as PagerDuty is told. */
  project(): string;
  random(): number;
  /** Called after each attempt: delivered, retry or dead, and why. */
  onSettled(outcome: string, error: string | undefined): void;
}

/** Notifications of one round, all sent concurrently. */
const ROUND = 20;
/** Longer than the attempt itself may take. */
const LEASE_SECONDS = 60;
const TIMEOUT_MS = 10_000;

/**
 * Returns a function that delivers what is due now and returns the number. Concurrent calls share runs.
 */
export function createNotifier(deps: NotifierDeps): () => Promise<number> {
  async function drain(): Promise<number> {
    for (let total = 0;;) {
      const claimed = await deps.rpc("claim_notifications", {
        p_limit: ROUND,
        p_lease_seconds: LEASE_SECONDS,
      });
      if (claimed.length > 0) {
        const world = await deps.world();
        const results = await Promise.all(claimed.map((notification) => attempt(world, notification)));
        await deps.rpc("settle_notifications", { p_results: results });
        total += claimed.length;
      }
      if (claimed.length < ROUND) return total;
    }
  }

  async function attempt(world: DeliveryDeps, claimed: Claimed) {
    const { id, lease, attempt, kind, url, secret, payload } = claimed;
    if (kind === "email") return await queueMail(claimed);
    if (kind === "pagerduty") return await page(claimed);
    const result = await deliver(world, {
      id,
      url,
      secrets: [secret],
      event: bodyOf(kind, payload as unknown as Notification),
      timeoutMs: TIMEOUT_MS,
    });
    if (result.ok) {
      deps.onSettled("delivered", undefined);
      return { id, lease, outcome: "delivered" };
    }
    if (result.error === "platform_limit") {
      return { id, lease, outcome: "put_back", retry_after_ms: result.retryAfterMs };
    }
    const error = result.detail === undefined ? `${result.error}` : `${result.error}: ${result.detail}`;
    const after = next(attempt, result, deps.random());
    // Nothing can be paused here: who says that the receiver is closed gets no more of it.
    const outcome = after.outcome === "retry" && !after.pause ? "retry" : "dead";
    deps.onSettled(outcome, error);
    return after.outcome === "retry" && outcome === "retry"
      ? { id, lease, error, outcome: "retry", retry_after_ms: after.afterMs }
      : { id, lease, error, outcome: "dead" };
  }

  async function queueMail({ id, lease, attempt, payload }: Claimed) {
    const { subject, text } = mailOf(payload as unknown as Notification);
    const { outcome, error } = await deps.rpc("mail_notification", {
      p_id: id,
      p_lease: lease,
      p_subject: subject,
      p_text: text,
    });
    const after = outcome === "retry" ? next(attempt, {}, deps.random()) : undefined;
    const settled = outcome === "retry" && after?.outcome !== "retry" ? "dead" : outcome;
    deps.onSettled(settled, error);
    return {
      id,
      lease,
      outcome: settled,
      ...(error === undefined ? {} : { error }),
      ...(after?.outcome === "retry" ? { retry_after_ms: after.afterMs } : {}),
    };
  }

  async function page({ id, lease, attempt, url, subject, payload }: Claimed) {
    const events = eventsOf(payload as unknown as Notification, subject ?? `test:${id}`, deps.project());
    let result: EventOutcome = events.length > 0
      ? { ok: true }
      : { ok: false, kind: "dead", fault: "no_event_of_pagerduty" };
    for (const event of events) {
      result = await deps.page(url.slice("pagerduty:".length), event);
      if (!result.ok) break;
    }
    if (result.ok) {
      deps.onSettled("delivered", undefined);
      return { id, lease, outcome: "delivered" };
    }
    const error = result.fault;
    const after = result.kind === "retry" ? next(attempt, result, deps.random()) : undefined;
    const outcome = after?.outcome === "retry" ? "retry" : "dead";
    deps.onSettled(outcome, error);
    return {
      id,
      lease,
      outcome,
      error,
      ...(after?.outcome === "retry" ? { retry_after_ms: after.afterMs } : {}),
    };
  }

  return sharedRun(drain);
}
