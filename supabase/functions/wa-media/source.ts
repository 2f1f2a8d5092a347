/**
 * Files at Meta, as this function needs them: found by their id, opened, with what Meta says of them.
 *
 * @module
 */
import type { Accounts } from "../_shared/channels/whatsapp/accounts.ts";
import {
  findMedia,
  type MediaFailure,
  type MediaWorld,
  openMedia,
} from "../_shared/channels/whatsapp/outbound/media.ts";

/** A file that is being downloaded, not yet checked. */
export interface MetaFile {
  readonly ok: true;
  readonly body: ReadableStream<Uint8Array>;
  readonly size?: number;
  readonly mimeType?: string;
  /** Hex or base64. */
  readonly sha256?: string;
}

/**
 * Opens a file at Meta by its id, with the access of the number's account; without a number, of any that has it.
 * @throws {Problem} what {@linkcode Accounts} throws
 */
export type OpenAtMeta = (
  mediaId: string,
  numberId: string | undefined,
  signal?: AbortSignal,
) => Promise<MetaFile | MediaFailure>;

/**
 * Creates an {@linkcode OpenAtMeta}. An address lives for five minutes: one that is gone already is asked for once more.
 */
export function createOpenAtMeta(
  world: MediaWorld,
  accounts: Pick<Accounts, "candidates">,
): OpenAtMeta {
  return async (mediaId, numberId, signal) => {
    const candidates = await accounts.candidates(numberId);
    let opened;
    for (let attempt = 1; attempt <= 2; attempt++) {
      const found = await findMedia(world, candidates, mediaId);
      if (!found.ok) return found;
      opened = await openMedia(world, found.account, found.url, signal);
      if (opened.ok) {
        const { mimeType, sha256, size } = found;
        return { ok: true, body: opened.body, size: opened.size ?? size, mimeType, sha256 };
      }
      if (opened.kind !== "gone") break;
    }
    return opened as MediaFailure;
  };
}

/** Fails a stream if nothing comes for a while: a connection that hangs would hold its caller for ever. */
export function withPatience(
  body: ReadableStream<Uint8Array>,
  idleMs: number,
  stop: (reason: Error) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          const error = new Error(`nothing came for ${idleMs / 1000} s`);
          stop(error);
          reject(error);
        }, idleMs);
      });
      try {
        const { done, value } = await Promise.race([reader.read(), late]);
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(error);
        reader.cancel(error).catch(() => {});
      } finally {
        clearTimeout(timer);
      }
    },
    cancel(reason) {
      stop(new Error("the reader has gone"));
      return reader.cancel(reason).catch(() => {});
    },
  }, { highWaterMark: 0 });
}
