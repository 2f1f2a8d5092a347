/**
 * Uploads of services as channels need them: found in the database, opened in storage.
 *
 * @module
 */
import { rpc } from "../db/client.ts";
import { BUCKETS } from "../storage/paths.ts";
import { streams } from "../storage/streaming.ts";

/** Implements `Uploads` of the channels' contract. */
export const uploads = {
  async find(id: string, senderId: string) {
    const found = await rpc("upload_to_send", { p_id: id, p_number_id: senderId });
    if (found === null) return undefined;
    const { path, mime_type: type, name, media_id } = found;
    return { path, type, name, ...(media_id === null ? {} : { providerId: media_id }) };
  },
  async open({ path }: { readonly path: string }) {
    return (await streams.open({ bucket: BUCKETS.media, path }))?.body;
  },
  async note(id: string, senderId: string, providerId: string) {
    await rpc("note_provider_media", { p_id: id, p_number_id: senderId, p_media_id: providerId });
  },
};
