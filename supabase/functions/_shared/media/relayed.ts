/**
 * Our own address of a file that goes from one side of a masked thread to the other.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { project } from "../config/project.ts";
import { signLink } from "./link.ts";

/** How long a provider may fetch it, in minutes: longer than it keeps a text in its queue. */
const MINUTES = 60;

/** The address of a file of a text that came in, by the text's id and the file's place from 0. It names nobody, and expires. */
export function relayedFileUrl(messageId: string, file: number): string {
  const { PUBLIC_BASE_URL, SUPABASE_URL } = env("PUBLIC_BASE_URL", "SUPABASE_URL");
  return signLink({
    base: `${PUBLIC_BASE_URL ?? SUPABASE_URL}/functions/v1/sms-webhook/media`,
    secret: project().key,
    id: messageId,
    now: Date.now(),
    minutes: MINUTES,
    query: `file=${file}&`,
  }).url;
}
