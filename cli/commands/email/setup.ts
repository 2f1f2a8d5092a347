/** How the functions of a stack are set up for mail, as they say themselves. */
import type { MailSetup } from "../../../supabase/functions/_shared/contract/http/mail.ts";
import { callFunction } from "../../core/functions_api.ts";
import type { Stack } from "../../core/stack.ts";

/** In words for people. */
export const INBOUND_WORDS: Readonly<Record<MailSetup["inbound"], string>> = {
  signature: "mails are checked by SendGrid's signature",
  secret: "mails are checked by a secret at the end of the address, and not by a signature",
  none: "nothing is set to check mails by, so all are refused",
};

/** What is asked for by the way must not hold up the rest. */
const TIMEOUT_MS = 5_000;

/** Asks the functions; null if they do not say, because they are older, not deployed or switched off. */
export async function mailSetup(stack: Stack): Promise<MailSetup | null> {
  return await callFunction<MailSetup>(stack, "GET", "email-webhook/setup", { timeoutMs: TIMEOUT_MS }).then(
    ({ body }) => body,
    () => null,
  );
}
