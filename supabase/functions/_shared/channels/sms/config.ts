/**
 * What texts take from the environment. Read at each use, because secrets change while a worker lives.
 *
 * @module
 */
import { type ConfigFault, configFaults, env } from "../../config/env.ts";
import type { SmsSetup } from "../../contract/http/sms.ts";
import type { Missing, SendFailure } from "../channel.ts";
import type { SmsProviderName } from "./inbound/update.ts";
import type { SmsProvider } from "./providers/provider.ts";
import { createTelnyx } from "./providers/telnyx.ts";
import { createTwilio } from "./providers/twilio.ts";
import { accessTo, allAccess, twilioAccounts } from "./twilio_accounts.ts";

/** The address of `sms-webhook` as providers have it: what Twilio signs. User, password and fragment belong to it. */
export function webhookUrl(): string {
  const { TWILIO_WEBHOOK_URL, WEBHOOK_BASE_URL, PUBLIC_BASE_URL, SUPABASE_URL } = env(
    "TWILIO_WEBHOOK_URL",
    "WEBHOOK_BASE_URL",
    "PUBLIC_BASE_URL",
    "SUPABASE_URL",
  );
  return TWILIO_WEBHOOK_URL ??
    `${WEBHOOK_BASE_URL ?? PUBLIC_BASE_URL ?? SUPABASE_URL}/functions/v1/sms-webhook`;
}

/** The same as the base of other addresses: without query, fragment and closing slash. */
export function webhookBase(): string {
  return webhookUrl().split(/[?#]/, 1)[0].replace(/(?<!\/)\/+$/, "");
}

/** Public keys of Telnyx. @throws {Problem} `config_invalid` */
export function telnyxKeys(): readonly string[] {
  return env("TELNYX_PUBLIC_KEY").TELNYX_PUBLIC_KEY;
}

/** Every provider, by the name that numbers have it under. */
export const PROVIDERS: Readonly<Record<SmsProviderName, SmsProvider>> = {
  twilio: createTwilio({
    of: (sid) => accessTo(sid, webhookBase()),
    all: () => allAccess(webhookBase()),
  }),
  telnyx: createTelnyx(() => {
    const { TELNYX_URL: url, TELNYX_API_KEY: key } = env("TELNYX_URL", "TELNYX_API_KEY");
    return { url, key, webhookUrl: webhookBase() };
  }),
};

const KEYS = {
  twilio: ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_URL", "TWILIO_WEBHOOK_URL"],
  telnyx: ["TELNYX_API_KEY", "TELNYX_URL"],
} as const satisfies Record<SmsProviderName, readonly unknown[]>;

/** What is missing for a provider; empty if it can be called. */
export function providerFaults(name: SmsProviderName): ConfigFault[] {
  return configFaults(...KEYS[name]);
}

/** The provider of a number. Numbers of a provider without a key wait for it; those of the other one go on. */
export function providerOf(name: SmsProviderName): SmsProvider | SendFailure {
  const [missing] = providerFaults(name);
  if (missing === undefined) return PROVIDERS[name];
  const message = `${missing.variable}: ${missing.fault}`;
  return { ok: false, kind: "held", scope: "number", code: "not_ready", message };
}

/** Whether texts can be sent: by one provider at least. */
export function ready(): true | readonly Missing[] {
  const twilio = providerFaults("twilio");
  return twilio.length === 0 || providerFaults("telnyx").length === 0 ? true : twilio;
}

/** How texts are set up, as far as the environment says. What is missing or malformed there counts as not set up. */
export function smsSetup(): SmsSetup {
  const base = webhookBase();
  const hasAccount = configFaults("TWILIO_ACCOUNT_SID").length === 0;
  const twilioFaults = providerFaults("twilio");
  const { TWILIO_WEBHOOK_AUTH_TOKEN: own, TWILIO_WEBHOOK_SHARED_KEYS: shared } = env(
    "TWILIO_WEBHOOK_AUTH_TOKEN",
    "TWILIO_WEBHOOK_SHARED_KEYS",
  );
  return {
    sends_by: (["twilio", "telnyx"] as const).filter((name) => providerFaults(name).length === 0),
    faults: [...twilioFaults, ...providerFaults("telnyx")].map(({ variable, fault }) => ({
      variable,
      fault,
    })),
    twilio: {
      accounts: hasAccount ? [...twilioAccounts()] : [],
      webhook_url: `${base}#rc=5&rp=all`,
      fallback_url: `${base}/fallback`,
      voice_url: `${base}/voice`,
      verifies_by: [
        ...(own.length > 0
          ? ["webhook_auth_token" as const]
          : twilioFaults.length === 0
          ? ["auth_token" as const]
          : []),
        ...(shared.length > 0 ? ["shared_key" as const] : []),
      ],
      proxy_service: configFaults("TWILIO_PROXY_SERVICE_SID").length === 0 &&
        env("TWILIO_PROXY_SERVICE_SID").TWILIO_PROXY_SERVICE_SID !== undefined,
    },
    telnyx: {
      webhook_url: `${base}/telnyx`,
      verifies: configFaults("TELNYX_PUBLIC_KEY").length === 0,
    },
  };
}
