/**
 * The authorization code grant with PKCE (RFC 6749 4.1, RFC 7636), and the end of it.
 *
 * @module
 */
import {
  askForTokens,
  type Fetch,
  type Granted,
  type MailboxProvider,
  type OAuthClient,
  TIMEOUT_MS,
  type TokenFailure,
} from "../_shared/mailboxes/oauth.ts";

/** What a person must have granted, as the end of a scope in lower case. */
export const NEEDED_SCOPES: Readonly<Record<MailboxProvider, readonly string[]>> = {
  google: ["gmail.send", "gmail.readonly"],
  microsoft: ["mail.send", "mail.read"],
};

/** The address at which a person lets us in. */
export function authorizationUrl(
  client: OAuthClient,
  { redirectUri, state, challenge, hint }: {
    redirectUri: string;
    state: string;
    challenge: string;
    hint: string | null;
  },
): string {
  const url = new URL(client.authorizeUrl);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: client.id,
    redirect_uri: redirectUri,
    scope: client.scopes.join(" "),
    state,
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...client.extra,
    ...(hint === null ? {} : { login_hint: hint }),
  }).toString();
  return url.href;
}

/** The challenge of a PKCE verifier: base64url of its SHA-256 (RFC 7636 4.2). */
export async function challengeOf(verifier: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  return base64Url(new Uint8Array(hash));
}

/** 256 random bits in base64url, for a state or a verifier. */
export function randomSecret(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Exchanges the code that a person came back with. Never throws. */
export function exchangeCode(
  client: OAuthClient,
  { code, verifier, redirectUri }: { code: string; verifier: string; redirectUri: string },
  fetch: Fetch,
): Promise<Granted | TokenFailure> {
  return askForTokens(client, {
    grant_type: "authorization_code",
    code,
    code_verifier: verifier,
    redirect_uri: redirectUri,
  }, fetch);
}

/** Ends our access at the provider; whether that worked. Never throws. */
export async function revoke(client: OAuthClient, refresh: string, fetch: Fetch): Promise<boolean> {
  if (client.revokeUrl === undefined) return false;
  try {
    const response = await fetch(client.revokeUrl, {
      method: "POST",
      body: new URLSearchParams({ token: refresh }),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** What was asked for and not granted, by its short name. A provider that does not say granted what was asked. */
export function missingScopes(provider: MailboxProvider, granted: readonly string[]): string[] {
  if (granted.length === 0) return [];
  const names = granted.map((scope) => scope.toLowerCase().split("/").at(-1));
  return NEEDED_SCOPES[provider].filter((needed) => !names.includes(needed));
}
