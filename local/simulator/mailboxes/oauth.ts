/** Signing in and tokens, as Google and Microsoft answer: RFC 6749 with PKCE, and a page to choose an account. */
import { challengeOf } from "../../../supabase/functions/mailboxes/grant.ts";
import type { Account, Accounts, Provider } from "./accounts.ts";
import type { MailboxSettings } from "./settings.ts";

export interface OAuthOptions {
  clientId: string;
  clientSecret: string;
  accounts: Accounts;
  settings(): MailboxSettings;
}

const refused = (error: string, description: string, status = 400) =>
  Response.json({ error, error_description: description }, { status });

/** The page where somebody chooses an account and lets us in, or not. */
export function signInPage(
  provider: Provider,
  url: URL,
  accounts: readonly Account[],
  { clientId }: { clientId: string },
): Response {
  const asked = url.searchParams;
  const name = provider === "google" ? "Google" : "Microsoft";
  const fault = asked.get("client_id") !== clientId
    ? "This client is not known."
    : asked.get("response_type") !== "code" || asked.get("code_challenge_method") !== "S256"
    ? "This request is not one for a code with PKCE."
    : undefined;
  const buttons = accounts.filter((each) => each.provider === provider).map(({ address }) =>
    `<p><button name="account" value="${escaped(address)}">Sign in as ${escaped(address)}</button></p>`
  ).join("");
  const body = fault === undefined
    ? `<p>Gatelink wants to send mail as you and to read what comes in.</p>
<form method="post">${buttons}
<p><label><input type="checkbox" name="read" checked> Let it read mail</label></p>
<p><button name="deny" value="1">Cancel</button></p></form>`
    : `<p>${fault}</p>`;
  return new Response(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${name}, simulated</title>
<body style="font:1rem/1.5 system-ui;max-width:30rem;margin:3rem auto;padding:0 1rem">
<h1>${name}, simulated</h1>${body}</body></html>`,
    { status: fault === undefined ? 200 : 400, headers: { "content-type": "text/html; charset=utf-8" } },
  );
}

/** What follows the page's buttons: back to whoever asked. */
export function letIn(url: URL, form: URLSearchParams, accounts: Accounts): Response {
  const asked = url.searchParams;
  const redirectUri = asked.get("redirect_uri") ?? "";
  const to = new URL(redirectUri);
  to.searchParams.set("state", asked.get("state") ?? "");
  if (form.has("deny")) to.searchParams.set("error", "access_denied");
  else {
    const scopes = (asked.get("scope") ?? "").split(" ");
    const given = form.has("read") ? scopes : scopes.filter((scope) => !/mail\.read(?:only)?$/i.test(scope));
    const account = accounts.find(form.get("account") ?? "");
    const challenge = asked.get("code_challenge") ?? "";
    to.searchParams.set("code", accounts.letIn(account, given, redirectUri, challenge));
  }
  return new Response(null, { status: 302, headers: { location: to.href } });
}

/** The token endpoint. */
export async function token(
  provider: Provider,
  form: URLSearchParams,
  { clientId, clientSecret, accounts, settings }: OAuthOptions,
): Promise<Response> {
  const { refresh: how, lifetime, skew, retryAfter } = settings();
  if (form.get("client_id") !== clientId || form.get("client_secret") !== clientSecret) {
    return refused("invalid_client", "The client is not known, or its secret is wrong.", 401);
  }
  const life = { seconds: Math.max(0, lifetime - skew) };
  const answer = (scopes: string[], { access, refresh }: { access: string; refresh: string | undefined }) =>
    Response.json({
      token_type: "Bearer",
      access_token: access,
      expires_in: lifetime,
      scope: scopes.join(" "),
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    });
  if (form.get("grant_type") === "authorization_code") {
    const found = accounts.takeCode(form.get("code") ?? "");
    if (
      found === undefined || found.redirectUri !== form.get("redirect_uri") ||
      found.challenge !== await challengeOf(form.get("code_verifier") ?? "")
    ) return refused("invalid_grant", "The code is wrong, or was used.");
    return answer(found.grant.scopes, accounts.giveTokens(found.grant, { ...life, rotated: undefined }));
  }
  if (how === "busy") {
    return new Response(null, { status: 429, headers: { "retry-after": String(retryAfter) } });
  }
  if (how === "error") return new Response("<html>", { status: 503 });
  if (how === "client") return refused("invalid_client", "The client's secret has expired.", 401);
  const given = form.get("refresh_token") ?? "";
  const grant = accounts.grantOf(given);
  if (grant === undefined) return refused("invalid_grant", "Token has been expired or revoked.");
  // Microsoft gives a new one each time, and the old one counts no more.
  const rotated = provider === "microsoft" ? given : undefined;
  return answer(grant.scopes, accounts.giveTokens(grant, { ...life, rotated }));
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
