/**
 * OAuth 2.0 with Google and Microsoft: the authorization code grant with PKCE, and refreshing (RFC 6749, RFC 7636).
 *
 * Not by a library: with two known providers it is two form posts. oauth4webapi would bring discovery, JOSE and DPoP, 100 KB
 * in each function that sends, of which two are at their budget.
 *
 * Sources: Google, "Using OAuth 2.0 for Web Server Applications"; Microsoft, "OAuth 2.0 authorization code flow" and
 * "Authentication and authorization error codes".
 *
 * @module
 */
import { env } from "../config/env.ts";
import { parseRetryAfter, readAnswer } from "../http/answers.ts";
import { isObject, type JsonObject } from "../json/json.ts";

/** Providers of mailboxes. */
export const MAILBOX_PROVIDERS = ["google", "microsoft"] as const;
/** See {@linkcode MAILBOX_PROVIDERS}. */
export type MailboxProvider = typeof MAILBOX_PROVIDERS[number];

/** Our client at a provider, and its addresses. */
export interface OAuthClient {
  readonly id: string;
  readonly secret: string;
  readonly authorizeUrl: string;
  readonly tokenUrl: string;
  /** RFC 7009; Microsoft has none. */
  readonly revokeUrl?: string;
  /** What is asked for. */
  readonly scopes: readonly string[];
  /** Further parameters of the authorization request. */
  readonly extra: Readonly<Record<string, string>>;
}

/** What a person must have granted, as the end of a scope in lower case. */
export const NEEDED_SCOPES: Readonly<Record<MailboxProvider, readonly string[]>> = {
  google: ["gmail.send", "gmail.readonly"],
  microsoft: ["mail.send", "mail.read"],
};

/** Our client at a provider. @throws {Problem} `config_invalid` */
export function oauthClient(provider: MailboxProvider): OAuthClient {
  if (provider === "google") {
    const { GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET, GOOGLE_LOGIN_URL, GOOGLE_OAUTH_URL } = env(
      "GOOGLE_CLIENT_ID",
      "GOOGLE_CLIENT_SECRET",
      "GOOGLE_LOGIN_URL",
      "GOOGLE_OAUTH_URL",
    );
    return {
      id: GOOGLE_CLIENT_ID,
      secret: GOOGLE_CLIENT_SECRET,
      authorizeUrl: `${GOOGLE_LOGIN_URL}/o/oauth2/v2/auth`,
      tokenUrl: `${GOOGLE_OAUTH_URL}/token`,
      revokeUrl: `${GOOGLE_OAUTH_URL}/revoke`,
      scopes: [
        "https://www.googleapis.com/auth/gmail.send",
        "https://www.googleapis.com/auth/gmail.readonly",
      ],
      // Google gives a refresh token only offline, and only at the first consent unless it is asked for again.
      extra: { access_type: "offline", prompt: "consent" },
    };
  }
  const { MICROSOFT_CLIENT_ID, MICROSOFT_CLIENT_SECRET, MICROSOFT_TENANT, MICROSOFT_LOGIN_URL } = env(
    "MICROSOFT_CLIENT_ID",
    "MICROSOFT_CLIENT_SECRET",
    "MICROSOFT_TENANT",
    "MICROSOFT_LOGIN_URL",
  );
  const base = `${MICROSOFT_LOGIN_URL}/${MICROSOFT_TENANT}/oauth2/v2.0`;
  return {
    id: MICROSOFT_CLIENT_ID,
    secret: MICROSOFT_CLIENT_SECRET,
    authorizeUrl: `${base}/authorize`,
    tokenUrl: `${base}/token`,
    scopes: ["offline_access", "User.Read", "Mail.Send", "Mail.Read"],
    extra: { response_mode: "query", prompt: "select_account" },
  };
}

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

/** Tokens that a provider gave. */
export interface Granted {
  readonly ok: true;
  readonly access: string;
  /** Absent if the one that is known stays. */
  readonly refresh?: string;
  /** Seconds. */
  readonly expiresIn: number;
  /** Empty if the provider did not say. */
  readonly scopes: readonly string[];
}

/**
 * Why there are no tokens. `revoked`: the person has to let us in again. `client`: our own client is refused, such as a
 * secret that has expired. `failed`: the provider, or the way to it; later it may work.
 */
export interface TokenFailure {
  readonly ok: false;
  readonly kind: "revoked" | "client" | "failed";
  /** The provider's code; `timeout` or `network` without an answer. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterMs?: number;
}

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Refreshing holds up a mail that is being sent, whose lease goes on. */
const TIMEOUT_MS = 10_000;
const MAX_WORDS = 300;
/** If a provider does not say how long a token lives (RFC 6749 5.1 only recommends it). */
const UNSAID_SECONDS = 600;

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

/** Gets a new access token. Never throws. */
export function refreshTokens(
  client: OAuthClient,
  refresh: string,
  fetch: Fetch,
): Promise<Granted | TokenFailure> {
  return askForTokens(client, { grant_type: "refresh_token", refresh_token: refresh }, fetch);
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

async function askForTokens(
  client: OAuthClient,
  asked: Record<string, string>,
  fetch: Fetch,
): Promise<Granted | TokenFailure> {
  const hide = [client.secret, ...Object.values(asked)];
  let status: number, retryAfter: string | null, body: JsonObject | undefined;
  try {
    const response = await fetch(client.tokenUrl, {
      method: "POST",
      body: new URLSearchParams({ client_id: client.id, client_secret: client.secret, ...asked }),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    status = response.status;
    retryAfter = response.headers.get("retry-after");
    body = objectOf((await readAnswer(response.body)).bytes);
  } catch (error) {
    const timeout = error instanceof DOMException && error.name === "TimeoutError";
    return {
      ok: false,
      kind: "failed",
      code: timeout ? "timeout" : "network",
      message: timeout ? `no answer within ${TIMEOUT_MS} ms` : "no connection, or it broke",
    };
  }
  const access = body?.access_token;
  if (status >= 200 && status < 300 && typeof access === "string" && access !== "") {
    const { refresh_token: refresh, expires_in, scope } = body!;
    return {
      ok: true,
      access,
      ...(typeof refresh === "string" && refresh !== "" ? { refresh } : {}),
      expiresIn: Number(expires_in) > 0 ? Math.floor(Number(expires_in)) : UNSAID_SECONDS,
      scopes: typeof scope === "string" ? scope.split(/\s/).filter((each) => each !== "") : [],
    };
  }
  const code = typeof body?.error === "string" ? body.error.slice(0, 60) : String(status);
  const words = typeof body?.error_description === "string"
    ? body.error_description
    : `HTTP ${status} without an explanation`;
  const retryAfterMs = parseRetryAfter(retryAfter, Date.now());
  return {
    ok: false,
    kind: KINDS[code] ?? "failed",
    code,
    message: hide.reduce((text, secret) => text.replaceAll(secret, "…"), words).slice(0, MAX_WORDS)
      .toWellFormed(),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** RFC 6749 5.2, and Microsoft's codes for what a person has to do at the browser. */
const KINDS: Readonly<Record<string, TokenFailure["kind"]>> = {
  invalid_grant: "revoked",
  interaction_required: "revoked",
  consent_required: "revoked",
  login_required: "revoked",
  invalid_client: "client",
  unauthorized_client: "client",
};

function objectOf(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What was asked for and not granted, by its short name. A provider that does not say granted what was asked. */
export function missingScopes(provider: MailboxProvider, granted: readonly string[]): string[] {
  if (granted.length === 0) return [];
  const names = granted.map((scope) => scope.toLowerCase().split("/").at(-1));
  return NEEDED_SCOPES[provider].filter((needed) => !names.includes(needed));
}
