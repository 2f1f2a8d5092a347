/**
 * OAuth 2.0 with Google and Microsoft: our clients, and refreshing (RFC 6749). Connecting is the function mailboxes'.
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

/** Not one organisation's: the aliases, and the tenant of all personal accounts by its id. */
const ANY_TENANT = /^(?:common|organizations|consumers|9188040d-6c67-4c5b-b112-36a304b66dad)$/i;

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
  /** Whether only accounts of one organisation can sign in. */
  readonly oneOrganisation: boolean;
  /** Further parameters of the authorization request. */
  readonly extra: Readonly<Record<string, string>>;
}

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
      oneOrganisation: false,
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
    oneOrganisation: !ANY_TENANT.test(MICROSOFT_TENANT),
    extra: { response_mode: "query", prompt: "select_account" },
  };
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

/** As the global one. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Refreshing holds up a mail that is being sent, whose lease goes on. */
export const TIMEOUT_MS = 10_000;
const MAX_WORDS = 300;
/** If a provider does not say how long a token lives (RFC 6749 5.1 only recommends it). */
const UNSAID_SECONDS = 600;

/** Gets a new access token. Never throws. */
export function refreshTokens(
  client: OAuthClient,
  refresh: string,
  fetch: Fetch,
): Promise<Granted | TokenFailure> {
  return askForTokens(client, { grant_type: "refresh_token", refresh_token: refresh }, fetch);
}

/** Asks for tokens by one of the grants. Never throws. */
export async function askForTokens(
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
