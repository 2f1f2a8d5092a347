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
