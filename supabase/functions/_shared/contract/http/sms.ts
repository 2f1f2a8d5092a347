/**
 * What `sms-webhook` answers.
 *
 * @module
 */
import { z } from "zod";

/** How texts are set up in the environment. No secrets. */
export const smsSetup = z.strictObject({
  sends_by: z.array(z.enum(["twilio", "telnyx"])).describe("The providers that texts can be sent by."),
  faults: z.array(z.strictObject({ variable: z.string(), fault: z.string() })).describe(
    "Variables of the environment that are missing or malformed.",
  ),
  twilio: z.strictObject({
    accounts: z.array(z.string()).describe("The accounts whose webhooks are taken."),
    webhook_url: z.string().describe(
      "The address for incoming messages at Twilio, with its fragment, which asks for repetitions.",
    ),
    fallback_url: z.string().describe("The address for when the first one fails."),
    verifies_by: z.array(z.enum(["auth_token", "webhook_auth_token", "shared_key"])).describe(
      "What webhooks are verified by.",
    ),
    proxy_service: z.boolean().describe("Whether TWILIO_PROXY_SERVICE_SID is set, which is not used."),
  }),
  telnyx: z.strictObject({
    webhook_url: z.string().describe("The address for webhooks at Telnyx."),
    verifies: z.boolean().describe("Whether its public key is set."),
  }),
});
/** How texts are set up in the environment. */
export type SmsSetup = z.infer<typeof smsSetup>;

/** The comparison with a provider's list has begun. */
export const textCheckWork = z.strictObject({ status: z.literal("checking") });

/** Files of texts are being stored, and deleted at the provider. */
export const textFileWork = z.strictObject({ status: z.literal("working") });

/** Schemas of this module that docs/openapi.yaml names. */
export const SMS_HTTP = { SmsSetup: smsSetup, TextCheckWork: textCheckWork, TextFileWork: textFileWork };
