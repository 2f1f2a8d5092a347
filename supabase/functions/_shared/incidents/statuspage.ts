/**
 * Posts public updates of incidents to Statuspage (https://developer.statuspage.io), if the environment names
 * a page.
 *
 * Failure policy: an update that cannot be posted is retried with the schedule of notifications, then dead;
 * later updates of its incident wait for it. Our own status page never waits for it.
 *
 * @module
 */
import type { StatusPost } from "../contract/answers/incidents.ts";
import { publicText } from "../contract/incidents.ts";
import type { Rpc } from "../db/client.ts";
import { next } from "../delivery/retry.ts";
import { sharedRun } from "../http/shared_run.ts";

/** A page of Statuspage, and a key that may write to it. */
export interface StatusPage {
  pageId: string;
  apiKey: string;
}

/** Dependencies of {@linkcode createStatusPoster}. */
export interface StatusPosterDeps {
  rpc: Rpc;
  /** The page; undefined if none is configured, in which case nothing is posted. */
  page(): StatusPage | undefined;
  fetch(url: string, init: RequestInit): Promise<Response>;
  random(): number;
  /** Called after each attempt: delivered, retry or dead, and why. */
  onSettled(outcome: string, error: string | undefined): void;
}

const API = "https://api.statuspage.io/v1/pages";
const ROUND = 10;
/** Longer than both requests of an attempt can take. */
const LEASE_SECONDS = 60;
const TIMEOUT_MS = 10_000;
const IMPACT: Record<string, string> = { P0: "critical", P1: "major", P2: "minor" };

/** An answer that is not a success. */
class Refused extends Error {
  constructor(readonly status: number | undefined, readonly retryAfterMs: number | undefined, code: string) {
    super(code);
  }
}

/**
 * Returns a function that posts what is due now and returns the number of posts. Concurrent calls share
 * runs.
 */
export function createStatusPoster(deps: StatusPosterDeps): () => Promise<number> {
  async function drain(): Promise<number> {
    for (let total = 0;;) {
      const claimed = await deps.rpc("claim_status_posts", {
        p_limit: ROUND,
        p_lease_seconds: LEASE_SECONDS,
      });
      if (claimed.length === 0) return total;
      const page = deps.page();
      const results = await Promise.all(
        claimed.map((post) =>
          page === undefined ? { id: post.id, lease: post.lease, outcome: "skipped" } : attempt(page, post)
        ),
      );
      await deps.rpc("settle_status_posts", { p_results: results });
      total += claimed.length;
    }
  }

  async function attempt(page: StatusPage, post: StatusPost) {
    const { id, lease } = post;
    try {
      const status_page_id = await write(page, post);
      deps.onSettled("delivered", undefined);
      return { id, lease, outcome: "delivered", status_page_id };
    } catch (error) {
      const failure = error instanceof Refused ? error : new Refused(undefined, undefined, "no_answer");
      const after = next(post.attempt, failure, deps.random());
      // Nothing can be paused here: a page that is gone gets no more of it.
      const outcome = after.outcome === "retry" && !after.pause ? "retry" : "dead";
      deps.onSettled(outcome, failure.message);
      return {
        id,
        lease,
        outcome,
        error: failure.message,
        ...(outcome === "retry" && after.outcome === "retry" ? { retry_after_ms: after.afterMs } : {}),
      };
    }
  }

  async function write(page: StatusPage, post: StatusPost): Promise<string> {
    const { incident, update, template } = post;
    const known = incident.status_page_id ?? (post.attempt > 1 ? await find(page, incident.id) : undefined);
    const body = {
      incident: {
        name: incident.title,
        status: update.status,
        body: publicText(update, incident.severity, template),
        impact_override: IMPACT[incident.severity] ?? "minor",
        metadata: { gatelink: { incident: incident.id } },
      },
    };
    const written = known === undefined
      ? await ask(page, "POST", "/incidents", body)
      : await ask(page, "PATCH", `/incidents/${encodeURIComponent(known)}`, body);
    const { id } = written as { id?: unknown };
    if (typeof id !== "string") throw new Refused(undefined, undefined, "answer_unreadable");
    return id;
  }

  /** Finds an incident that was created although the response was lost, so that it is not created twice. */
  async function find(page: StatusPage, incidentId: string): Promise<string | undefined> {
    const found = await ask(page, "GET", "/incidents?limit=100");
    if (!Array.isArray(found)) throw new Refused(undefined, undefined, "answer_unreadable");
    return found.find((one) => one?.metadata?.gatelink?.incident === incidentId)?.id;
  }

  async function ask({ pageId, apiKey }: StatusPage, method: string, path: string, body?: unknown) {
    const response = await deps.fetch(`${API}/${encodeURIComponent(pageId)}${path}`, {
      method,
      redirect: "manual",
      headers: { authorization: `OAuth ${apiKey}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      await response.body?.cancel();
      const seconds = Number(response.headers.get("retry-after") ?? NaN);
      throw new Refused(
        response.status,
        Number.isFinite(seconds) ? seconds * 1000 : undefined,
        `status ${response.status}`,
      );
    }
    return await response.json() as unknown;
  }

  return sharedRun(drain);
}
