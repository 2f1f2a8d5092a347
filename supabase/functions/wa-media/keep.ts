/**
 * Stores the files of messages that came in, where the team wants it.
 *
 * @module
 */
import type { DueMedia } from "../_shared/contract/answers/media.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Logger } from "../_shared/log/log.ts";
import { MediaFault, verified } from "../_shared/media/verified.ts";
import { mediaPath } from "../_shared/storage/paths.ts";
import type { Streams } from "../_shared/storage/streaming.ts";
import { type OpenAtMeta, withPatience } from "./source.ts";

/** Dependencies of {@linkcode createKeeper}. */
export interface KeeperDeps {
  rpc: Rpc;
  storage: Pick<Streams, "store">;
  openAtMeta: OpenAtMeta;
  /** Most bytes of a file: the setting `media.max_mb`. */
  maxBytes(): Promise<number>;
  count(outcome: string): void;
  log: Pick<Logger, "warn">;
  /** Milliseconds since 1970. */
  now(): number;
  random(): number;
}

/** Files that are stored at once: each takes a few chunks of memory. */
const AT_ONCE = 4;
/** Longer than any file takes; a worker that dies gives its files back after it. */
const LEASE_SECONDS = 180;
/** A worker of the platform lives for 150 s on the free plan; what is left is for the next one. */
const WORK_MS = 100_000;
const IDLE_MS = 30_000;
/** Attempts over about a day: Meta keeps files for weeks, and outages do not last. */
const ATTEMPTS = 12;

/**
 * Creates the worker. One call stores until nothing is due or its time is over; calls in the same isolate share one run.
 *
 * Failure policy: a file is `stored` once it is whole in storage with the right hash, and in no other case. A worker
 * that dies in between leaves a lease that ends and an object that is replaced. Meta's failures are tried again with a
 * growing wait; what Meta no longer has is `gone`.
 */
export function createKeeper(deps: KeeperDeps): () => Promise<void> {
  let running: Promise<void> | undefined;

  async function one(due: DueMedia): Promise<void> {
    const { message_id, lease, attempt } = due;
    const settle = (p_outcome: string, more: Record<string, unknown> = {}) =>
      deps.rpc("settle_media", { p_message_id: message_id, p_lease: lease, p_outcome, ...more });
    const retry = async (why: string, afterMs?: number) => {
      const outcome = attempt >= ATTEMPTS ? "failed" : "retry";
      deps.count(outcome);
      await settle(outcome, { p_error: why, p_retry_after_ms: afterMs ?? waitOf(attempt, deps.random()) });
    };
    const controller = new AbortController();
    let opened;
    try {
      opened = await deps.openAtMeta(due.media_id, due.number_id, controller.signal);
    } catch (error) {
      return await retry(error instanceof Problem ? error.detail ?? error.code : "it could not be found");
    }
    if (!opened.ok) {
      if (opened.kind !== "gone" && opened.kind !== "final") {
        return await retry(opened.message, opened.retryAfterMs);
      }
      const outcome = opened.kind === "gone" ? "gone" : "failed";
      deps.count(outcome);
      await settle(outcome, { p_error: opened.message });
      return;
    }
    const file = mediaPath(new Date(deps.now()).toISOString().slice(0, 10), message_id);
    const { through, passed } = verified({
      sha256: due.sha256 ?? opened.sha256,
      bytes: opened.size,
      maxBytes: await deps.maxBytes(),
    });
    await deps.rpc("note_storage_objects", { p_objects: [{ ...file, kind: "media", bytes: 0 }] });
    const body = withPatience(opened.body, IDLE_MS, () => controller.abort());
    try {
      await deps.storage.store(
        file,
        body.pipeThrough(through),
        "application/octet-stream",
        controller.signal,
      );
      const { bytes } = await passed;
      deps.count("stored");
      await settle("stored", { p_path: file.path, p_bytes: bytes });
    } catch (error) {
      controller.abort();
      if (error instanceof MediaFault && error.why === "too_large") {
        deps.count("too_large");
        await settle("too_large", { p_error: error.message });
        return;
      }
      await retry(error instanceof Error ? error.message : "it could not be stored");
    }
  }

  async function lane(until: number): Promise<void> {
    while (deps.now() < until) {
      const [due] = await deps.rpc("claim_media", { p_limit: 1, p_lease_seconds: LEASE_SECONDS });
      if (due === undefined) return;
      await one(due).catch((error) => deps.log.warn("a file could not be stored", { error }));
    }
  }

  return () => {
    const until = deps.now() + WORK_MS;
    running ??= Promise.all(Array.from({ length: AT_ONCE }, () => lane(until))).then(() => {})
      .catch((error) => deps.log.warn("files could not be claimed", { error }))
      .finally(() => running = undefined);
    return running;
  };
}

/** From 10 s, doubled each time, to 4 hours; with jitter, so that an outage's files do not come back at once. */
function waitOf(attempt: number, random: number): number {
  return Math.round(Math.min(10_000 * 2 ** (attempt - 1), 4 * 3_600_000) * (0.8 + 0.4 * random));
}
