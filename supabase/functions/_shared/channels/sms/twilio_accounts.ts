/**
 * Twilio's accounts: the main one, and subaccounts, which have numbers, tokens and keys of their own.
 *
 * A subaccount is named in the environment: `TWILIO_ACCOUNT_SID_<NAME>` with `TWILIO_AUTH_TOKEN_<NAME>`, and if it has them
 * `TWILIO_API_KEY_SID_<NAME>`, `TWILIO_API_KEY_SECRET_<NAME>`, `TWILIO_WEBHOOK_SHARED_KEYS_<NAME>`. A number belongs to the
 * account that its row names (`senders.account`), or else to the main one.
 *
 * @module
 */
import { env, envByAccount } from "../../config/env.ts";
import {
  signedParameters,
  type SignedRequest,
  type TwilioSecrets,
  verifyTwilio,
} from "./inbound/twilio_signature.ts";
import type { TwilioAccount } from "./providers/twilio.ts";

/** Accounts whose webhooks these secrets sign. */
interface Signer {
  readonly accounts: readonly string[];
  readonly secrets: TwilioSecrets;
}

/** What signs for the main account. @throws {Problem} `config_invalid` if there is nothing. */
function mainSecrets(): TwilioSecrets {
  const { TWILIO_WEBHOOK_AUTH_TOKEN: own, TWILIO_WEBHOOK_SHARED_KEYS: sharedKeys } = env(
    "TWILIO_WEBHOOK_AUTH_TOKEN",
    "TWILIO_WEBHOOK_SHARED_KEYS",
  );
  return { tokens: own.length > 0 ? own : env("TWILIO_AUTH_TOKEN").TWILIO_AUTH_TOKEN, sharedKeys };
}

/** Subaccounts by their name. One without a token is none. */
function subaccounts(): { name: string; sid: string; tokens: readonly string[] }[] {
  const tokens = envByAccount("TWILIO_AUTH_TOKEN");
  return [...envByAccount("TWILIO_ACCOUNT_SID")].flatMap(([name, [sid]]) => {
    const own = tokens.get(name) ?? [];
    return sid === undefined || own.length === 0 ? [] : [{ name, sid, tokens: own }];
  });
}

/** Whether numbers may belong to different accounts. */
export function hasSubaccounts(): boolean {
  return subaccounts().length > 0;
}

/** The main account, and others that share its tokens. @throws {Problem} `config_invalid` */
export function mainAccounts(): readonly string[] {
  return env("TWILIO_ACCOUNT_SID").TWILIO_ACCOUNT_SID;
}

/** Every account whose webhooks are taken. @throws {Problem} `config_invalid` */
export function twilioAccounts(): readonly string[] {
  return [...mainAccounts(), ...subaccounts().map(({ sid }) => sid)];
}

/**
 * The accounts that a request may be from by its signature; empty for one that none of them signed.
 *
 * Failure policy: closed. An account's token signs for it alone: the holder of a subaccount's token cannot speak for another.
 *
 * @throws {Problem} `config_invalid`
 */
export function signersOf(request: SignedRequest): readonly string[] {
  const parameters = signedParameters(request);
  if (parameters === undefined) return [];
  const shared = envByAccount("TWILIO_WEBHOOK_SHARED_KEYS");
  const signers: Signer[] = [
    { accounts: mainAccounts(), secrets: mainSecrets() },
    ...subaccounts().map(({ name, sid, tokens }) => ({
      accounts: [sid],
      secrets: { tokens, sharedKeys: shared.get(name) ?? [] },
    })),
  ];
  return signers.flatMap(({ accounts, secrets }) =>
    verifyTwilio(request, secrets, parameters) ? accounts : []
  );
}

/**
 * The access to an account; undefined for one that is not configured.
 *
 * @param sid Undefined or null for the main account.
 * @throws {Problem} `config_invalid`
 */
export function accessTo(sid: string | undefined | null, webhookUrl: string): TwilioAccount | undefined {
  const { TWILIO_URL: url, TWILIO_ACCOUNT_SID: accounts, TWILIO_AUTH_TOKEN: tokens, ...key } = env(
    "TWILIO_URL",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
  );
  const withKey = (accountSid: string, token: string, keySid?: string, secret?: string): TwilioAccount => {
    const hasKey = keySid !== undefined && secret !== undefined;
    return {
      url,
      accountSid,
      user: hasKey ? keySid : accountSid,
      password: hasKey ? secret : token,
      webhookUrl,
    };
  };
  if (sid === undefined || sid === null || sid === accounts[0]) {
    return withKey(accounts[0], tokens[0], key.TWILIO_API_KEY_SID, key.TWILIO_API_KEY_SECRET);
  }
  const sub = subaccounts().find((each) => each.sid === sid);
  return sub && withKey(
    sub.sid,
    sub.tokens[0],
    envByAccount("TWILIO_API_KEY_SID").get(sub.name),
    envByAccount("TWILIO_API_KEY_SECRET").get(sub.name),
  );
}

/** The access to every account: the main one first. @throws {Problem} `config_invalid` */
export function allAccess(webhookUrl: string): TwilioAccount[] {
  return [undefined, ...subaccounts().map(({ sid }) => sid)]
    .map((sid) => accessTo(sid, webhookUrl)).filter((access) => access !== undefined);
}
