/**
 * Copies the files of texts into our storage, and then deletes them at the provider, which would keep them for ever.
 *
 * @module
 */
import type { SendDeps, SendFailure } from "../_shared/channels/channel.ts";
import type { SmsProvider } from "../_shared/channels/sms/providers/provider.ts";
import type { DueTextFile } from "../_shared/contract/answers/sms.ts";
import type { Rpc } from "../_shared/db/client.ts";
import type { Logger } from "../_shared/log/log.ts";
import { checkedType, withHead } from "../_shared/media/kind.ts";
import {
  againOrFailed,
  createFileWorker,
  keepFile,
  LEASE_SECONDS,
  type OpenedFile,
  type UnopenedFile,
} from "../_shared/media/storing.ts";
import { textFilePath } from "../_shared/storage/paths.ts";
import type { Streams } from "../_shared/storage/streaming.ts";

/** Dependencies of {@linkcode createKeeper}. */
export interface KeeperDeps {
  rpc: Rpc;
  storage: Pick<Streams, "store">;
  provider(name: SmsProvider["name"]): SmsProvider | SendFailure;
  fetch: SendDeps["fetch"];
  /** Most bytes of a file: the setting `media.max_mb`. */
  maxBytes(): Promise<number>;
  /** Counts attempts by outcome: stored, gone, too_large, retry, failed; deleted, not_deleted. */
  count(outcome: string): void;
  log: Pick<Logger, "warn">;
  /** Milliseconds since 1970. */
  now(): number;
  random(): number;
}

/** What no text has: Twilio takes 5 MB in all. Rich messages may have more. The bucket takes a little more. */
const MOST_BYTES = 16 * 1024 * 1024;
/** From when on a file that the provider does not have counts as gone: some webhooks come before the file is there. */
const THERE_AFTER_MS = 3_600_000;

/**
 * Creates the worker. One call works until nothing is due or its time is over.
 *
 * Failure policy: as of {@linkcode keepFile}. At the provider only what is stored here is deleted, after that is committed;
 * a worker that dies before it settled does the same again, and what is gone there counts as deleted. What a provider
 * refuses to delete, after a day of attempts, stays there, and is counted and logged.
 */
export function createKeeper(deps: KeeperDeps): () => Promise<void> {
  return createFileWorker({
    claim: async () => await deps.rpc("claim_text_file", { p_lease_seconds: LEASE_SECONDS }) ?? undefined,
    work: (due: DueTextFile) => due.work === "store" ? store(due) : remove(due),
    log: deps.log,
    now: deps.now,
  });

  async function store(due: DueTextFile): Promise<void> {
    const { id, attempt, message_id, place, created_at, mime_type } = due;
    let type = mime_type, head: () => Uint8Array = () => new Uint8Array();
    const kept = await keepFile({
      open: async (signal) => {
        const opened = await open(due, signal);
        if (!opened.ok) return opened;
        const watched = withHead(opened.body);
        type ??= opened.type;
        head = watched.head;
        return { ...opened, body: watched.body };
      },
      file: textFilePath(new Date(created_at).toISOString().slice(0, 10), message_id ?? id, place),
      maxBytes: async () => Math.min(MOST_BYTES, await deps.maxBytes()),
    }, deps);
    const isEarly = kept.outcome === "gone" && deps.now() - Date.parse(created_at) < THERE_AFTER_MS;
    const { outcome, ...result } = kept.outcome === "retry" || isEarly
      ? againOrFailed(attempt, kept, deps.random())
      : kept;
    deps.count(outcome);
    if ("path" in result) await settle(due, outcome, { ...result, mime_type: checkedType(type, head()) });
    else await settle(due, outcome, ended(result));
  }

  async function open(
    { provider, url }: DueTextFile,
    signal: AbortSignal,
  ): Promise<OpenedFile & { type: string | null } | UnopenedFile> {
    const carrier = deps.provider(provider);
    if ("ok" in carrier) return { ok: false, kind: carrier.kind, message: carrier.message };
    if (!carrier.owns(url)) {
      return {
        ok: false,
        kind: "final",
        message: "its address is not one of the provider's for our account",
      };
    }
    const response = await carrier.openMedia(url, { fetch: deps.fetch }, signal);
    if (response?.body == null) {
      return { ok: false, kind: "gone", message: "the provider does not have it" };
    }
    const length = response.headers.get("content-length");
    return {
      ok: true,
      body: response.body,
      type: response.headers.get("content-type"),
      ...(length !== null && /^\d{1,12}$/.test(length) ? { size: Number(length) } : {}),
    };
  }

  async function remove(due: DueTextFile): Promise<void> {
    const failure = await deleted(due);
    if (failure === undefined) {
      deps.count("deleted");
      await settle(due, "deleted", {});
      return;
    }
    const { outcome, ...result } = againOrFailed(due.attempt, failure, deps.random());
    if (outcome === "failed") {
      deps.count("not_deleted");
      deps.log.warn("a file of a text stays at its provider", {
        provider: due.provider,
        error: failure.error,
      });
    }
    await settle(due, outcome, ended(result));
  }

  /** Undefined once the provider has it no more. */
  async function deleted({ provider, url }: DueTextFile): Promise<{ error: string } | undefined> {
    const carrier = deps.provider(provider);
    if ("ok" in carrier) return { error: carrier.message };
    if (carrier.deleteMedia === undefined) return { error: "the provider takes no requests for it" };
    try {
      await carrier.deleteMedia(url, { fetch: deps.fetch });
      return undefined;
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  }

  async function settle(
    { id, lease }: DueTextFile,
    p_outcome: string,
    p_result: Record<string, string | number>,
  ) {
    await deps.rpc("settle_text_file", { p_id: id, p_lease: lease, p_outcome, p_result });
  }
}

/** A failure as `settle_text_file` takes it. */
function ended({ error, ...more }: { error: string; retryAfterMs?: number }) {
  return { error, ...(more.retryAfterMs === undefined ? {} : { retry_after_ms: more.retryAfterMs }) };
}
