/**
 * Files over HTTP: what an upload answers.
 *
 * @module
 */
import { z } from "zod";
import { id } from "../answers/common.ts";

/** The answer of `POST wa-media`. */
export const mediaUpload = z.strictObject({
  id: id.describe("Use it as the `id` of media in messages"),
  mime_type: z.string(),
  sha256: z.string().describe("Hexadecimal"),
  size: z.int().describe("In bytes"),
  name: z.string().nullable(),
  expires_at: z.iso.datetime({ offset: true }).describe("When it is removed unless it is sent before"),
});
/** See {@linkcode mediaUpload}. */
export type MediaUpload = z.infer<typeof mediaUpload>;

/** The answer of `wa-media/worker` to the clock. */
export const mediaWork = z.strictObject({ status: z.literal("storing") });

/** Schemas of this module that docs/openapi.yaml names. */
export const MEDIA = { MediaUpload: mediaUpload, MediaWork: mediaWork } as const;
