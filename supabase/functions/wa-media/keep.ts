/**
 * Stores the files of messages that came in, where the team wants it.
 *
 * @module
 */
import type { DueMedia } from "../_shared/contract/answers/media.ts";
import type { Rpc } from "../_shared/db/client.ts";
import type { Logger } from "../_shared/log/log.ts";
import { againOrFailed, createFileWorker, keepFile, LEASE_SECONDS } from "../_shared/media/storing.ts";
import { mediaPath } from "../_shared/storage/paths.ts";
import type { Streams } from "../_shared/storage/streaming.ts";
import type { OpenAtMeta } from "./source.ts";

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

/**
 * Creates the worker. One call stores until nothing is due or its time is over; calls in the same isolate share runs.
 *
 * Failure policy: as of {@linkcode keepFile}. A worker that dies in between leaves a lease that ends and an object that is
 * replaced. Meta's failures are tried again with a growing wait; what Meta no longer has is `gone`.
 */
export function createKeeper(deps: KeeperDeps): () => Promise<void> {
  return createFileWorker({
    claim: async () => (await deps.rpc("claim_media", { p_limit: 1, p_lease_seconds: LEASE_SECONDS })).at(0),
    work,
    log: deps.log,
    now: deps.now,
  });

  async function work({ message_id, media_id, number_id, sha256, lease, attempt }: DueMedia): Promise<void> {
    const kept = await keepFile({
      open: (signal) => deps.openAtMeta(media_id, number_id, signal),
      file: mediaPath(new Date(deps.now()).toISOString().slice(0, 10), message_id),
      sha256: sha256 ?? undefined,
      maxBytes: deps.maxBytes,
    }, deps);
    const end = kept.outcome === "retry" ? againOrFailed(attempt, kept, deps.random()) : kept;
    deps.count(end.outcome);
    await deps.rpc("settle_media", {
      p_message_id: message_id,
      p_lease: lease,
      p_outcome: end.outcome,
      ...("path" in end ? { p_path: end.path, p_bytes: end.bytes } : { p_error: end.error }),
      ...("retryAfterMs" in end ? { p_retry_after_ms: end.retryAfterMs } : {}),
    });
  }
}
