/**
 * The shapes of mails to send, as the published interface describes them.
 *
 * @module
 */
import { mailRequest } from "./check.ts";

/** Schemas by the names that docs/openapi.yaml has for them. */
export const MAIL = {
  MailRequest: mailRequest.describe(
    "A mail. Without `from`, the identity of `user_id` sends it, or the default one. It needs html or text.",
  ),
} as const;
