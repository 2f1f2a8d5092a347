/**
 * The shapes of texts to send, as the published interface describes them.
 *
 * @module
 */
import { smsRequest } from "./check.ts";

/** Schemas by the names that docs/openapi.yaml has for them. */
export const SMS = {
  SmsRequest: smsRequest.describe(
    "A text (SMS), or with `media` an MMS. Without `from`, the number of the last conversation with the person sends it, or the only one.",
  ),
} as const;
