/**
 * A mailbox's connection: a person goes to the provider, lets us in, and comes back.
 *
 * Security: the state is random, used once, within ten minutes, and stored as its hash; only an admin gets one. The code is
 * bound to it by PKCE. Each provider has a callback of its own, so that one cannot pass for the other (RFC 9700 4.4).
 *
 * @module
 */
import { callMailbox, jsonOf, type MailboxWorld } from "../_shared/channels/email/mailboxes/call.ts";
import {
  type MailboxBegun,
  type MailboxChecked,
  type MailboxDisconnected,
  type MailboxRefusal,
  mailboxToConnect,
} from "../_shared/contract/http/mailboxes.ts";
import type { Result } from "../_shared/contract/sql.ts";
import { seal, type SealingKeys, unseal } from "../_shared/crypto/seal.ts";
import { sha256Hex } from "../_shared/crypto/sha256.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Logger } from "../_shared/log/log.ts";
import { tokenContext } from "../_shared/mailboxes/access.ts";
import type { MailboxProvider, OAuthClient } from "../_shared/mailboxes/oauth.ts";
import { accountOf, PROFILES } from "./account.ts";
import { authorizationUrl, challengeOf, exchangeCode, missingScopes, randomSecret, revoke } from "./grant.ts";

/** Dependencies of {@linkcode createConnect}. */
export interface ConnectDeps {
  rpc: Rpc;
  /** @throws {Problem} `config_invalid` */
  keys(): SealingKeys;
  /** @throws {Problem} `config_invalid` */
  client(provider: MailboxProvider): OAuthClient;
  /** Base URL of a provider's API of mailboxes. */
  apiUrl(provider: MailboxProvider): string;
  /** Where a provider sends people back to. */
  redirectUri(provider: MailboxProvider): string;
  /** Whether a page may be returned to. */
  isPanel(url: URL): Promise<boolean>;
  world: MailboxWorld;
}

/** Connecting and disconnecting. */
export interface Connect {
  /** Answers {@linkcode MailboxBegun}. */
  start(request: Request, by: string): Promise<Response>;
  /** @param query As the provider wrote it. */
  callback(provider: string, query: URLSearchParams, log: Logger): Promise<Response>;
  /** Answers {@linkcode MailboxChecked}. */
  check(id: string): Promise<Response>;
  /** Answers {@linkcode MailboxDisconnected}. */
  disconnect(id: string, by: string, log: Logger): Promise<Response>;
}

const BODY_BYTES = 4096;
const NO_STORE = { "cache-control": "no-store", "referrer-policy": "no-referrer" };

/** A connection that failed for a reason that a person can do something about. */
class Refused extends Error {
  override name = "Refused";
  constructor(readonly code: MailboxRefusal, message: string) {
    super(message);
  }
}

/** Creates a {@linkcode Connect}. Refusals: `invalid_request`, `identity_not_found`, `mailbox_not_found`, `mailbox_not_connected`. */
export function createConnect(deps: ConnectDeps): Connect {
  const { rpc, keys, client, apiUrl, redirectUri, isPanel, world } = deps;

  async function start(request: Request, by: string): Promise<Response> {
    const read = mailboxToConnect.safeParse(await readJson(request, BODY_BYTES));
    if (!read.success) {
      const [{ path, message }] = read.error.issues;
      throw new Problem("invalid_request", { detail: `${path.join(".")}: ${message}` });
    }
    const { provider, identity = null, return_to: returnTo = null } = read.data;
    const ours = client(provider);
    const sealing = keys();
    if (Object.keys(sealing).length === 0) {
      throw new Problem("config_invalid", { detail: "SEALING_KEYS contains no key to encrypt tokens with." });
    }
    if (returnTo !== null) {
      const page = URL.parse(returnTo);
      if (page === null || !await isPanel(page)) {
        throw new Problem("invalid_request", { detail: "return_to must be a page of the panel." });
      }
    }
    const state = randomSecret(), verifier = randomSecret();
    const hash = hashOf(state);
    const { address } = await rpc("begin_mailbox", {
      p_start: {
        state_hash: hash,
        provider,
        identity,
        verifier: await seal(sealing, verifier, `mailbox-start:${hash}`),
        return_to: returnTo,
        by,
      },
    }).catch((error) => {
      throw error instanceof DbError && error.code === "GL404" ? new Problem("identity_not_found") : error;
    });
    const challenge = await challengeOf(verifier);
    const url = authorizationUrl(ours, {
      redirectUri: redirectUri(provider),
      state,
      challenge,
      hint: address,
    });
    const answer: MailboxBegun = { url };
    return Response.json(answer, { headers: NO_STORE });
  }

  async function callback(provider: string, query: URLSearchParams, log: Logger): Promise<Response> {
    let returnTo: string | null = null;
    try {
      const hash = hashOf(query.get("state") ?? "");
      const begun = await rpc("take_mailbox_start", { p_state_hash: hash });
      if (begun === null || begun.provider !== provider) {
        throw new Refused(
          "state_invalid",
          "It was begun more than ten minutes ago, or was finished already.",
        );
      }
      returnTo = begun.return_to;
      const { address, proved } = await finish(begun, hash, query);
      // One that was named is as it was.
      const rest = proved || begun.identity !== null
        ? ""
        : " Nothing is sent as it until its address is confirmed by a code, which is mailed from the list of identities.";
      log.info("a mailbox was connected", { provider, by: begun.by });
      return returnTo === null
        ? new Response(`The mailbox ${address} is connected.${rest} You can close this page.\n`, {
          headers: NO_STORE,
        })
        : back(returnTo, { mailbox: "connected", address });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      log.warn("a mailbox was not connected", { provider, code: error.code });
      if (returnTo === null) throw new Problem("mailbox_not_connected", { detail: error.message });
      return back(returnTo, { mailbox: error.code });
    }
  }

  /** @returns The account's address, and whether the provider vouches for it. */
  async function finish(
    begun: NonNullable<Result<"take_mailbox_start">>,
    hash: string,
    query: URLSearchParams,
  ): Promise<{ address: string; proved: boolean }> {
    const { provider, identity, by } = begun;
    const code = query.get("code");
    if (code === null) {
      if (query.get("error") === "access_denied") {
        throw new Refused("access_denied", "Access was not given.");
      }
      throw new Refused("not_connected", "The provider sent no code.");
    }
    const sealing = keys(), ours = client(provider);
    const verifier = await unseal(sealing, begun.verifier, `mailbox-start:${hash}`);
    const got = await exchangeCode(
      ours,
      { code, verifier, redirectUri: redirectUri(provider) },
      world.fetch,
    );
    if (!got.ok) {
      throw new Refused(
        got.kind === "client" ? "client_refused" : "not_connected",
        `The provider refused the code: ${got.code}.`,
      );
    }
    const missing = missingScopes(provider, got.scopes);
    if (missing.length > 0) {
      throw new Refused("scopes_missing", `These permissions were not given: ${missing.join(", ")}.`);
    }
    if (got.refresh === undefined) {
      throw new Refused("no_refresh_token", "The provider gave no refresh token.");
    }
    const account = await accountOf(provider, apiUrl(provider), {
      fetch: world.fetch,
      mailbox: () => Promise.resolve({ token: got.access, version: 0 }),
    }, ours.oneOrganisation);
    if (account === undefined) {
      throw new Refused("not_connected", "The provider does not say whose mailbox it is.");
    }
    const context = tokenContext(provider, account.addresses[0]);
    try {
      const mailbox = await rpc("connect_mailbox", {
        p_mailbox: {
          provider,
          identity,
          ...account,
          scopes: got.scopes,
          access: await seal(sealing, got.access, context),
          refresh: await seal(sealing, got.refresh, context),
          expires_in: got.expiresIn,
          by,
        },
      });
      return { address: mailbox.address, proved: account.proved.includes(account.addresses[0]) };
    } catch (error) {
      if (error instanceof DbError && (error.code === "GL409" || error.code === "GL404")) {
        throw new Refused("wrong_account", `${error.message}.`);
      }
      throw error;
    }
  }

  async function check(id: string): Promise<Response> {
    const mailbox = (await rpc("list_mailboxes", {})).find((each) => each.id === id);
    if (mailbox === undefined) throw new Problem("mailbox_not_found");
    const { provider, identity } = mailbox;
    const called = await callMailbox(
      { url: apiUrl(provider), identity },
      { path: PROFILES[provider] },
      world,
    );
    const answer: MailboxChecked = "answer" in called && jsonOf(called.answer.bytes) !== undefined
      ? { ok: true, code: null, detail: null }
      : "refusal" in called
      ? {
        ok: false,
        code: called.refusal.code || String(called.refusal.status),
        detail: called.refusal.message,
      }
      : "failure" in called
      ? { ok: false, code: String(called.failure.code), detail: called.failure.message }
      : { ok: false, code: "unreadable", detail: "the answer is not the provider's" };
    return Response.json(answer);
  }

  /** Forgotten here first: what a provider does not confirm must not keep our access. */
  async function disconnect(id: string, by: string, log: Logger): Promise<Response> {
    const { provider, address, refresh } = await rpc("disconnect_mailbox", { p_id: id }).catch((error) => {
      throw error instanceof DbError && error.code === "GL404" ? new Problem("mailbox_not_found") : error;
    });
    let revoked = false;
    try {
      if (refresh !== null) {
        const opened = await unseal(keys(), refresh, tokenContext(provider, address));
        revoked = await revoke(client(provider), opened, world.fetch);
      }
    } catch {
      // A key or a client that is gone: the owner ends it at the provider, which the answer says.
    }
    log.info("a mailbox was disconnected", { provider, by, revoked });
    const answer: MailboxDisconnected = { address, provider, revoked };
    return Response.json(answer);
  }

  return { start, callback, check, disconnect };
}

function hashOf(state: string): string {
  return sha256Hex(state);
}

function back(page: string, found: Record<string, string>): Response {
  const url = new URL(page);
  // The panel keeps its pages after the #.
  const [path, search = ""] = url.hash.split("?", 2);
  const parameters = new URLSearchParams(path === "" ? url.search : search);
  for (const [name, value] of Object.entries(found)) parameters.set(name, value);
  if (path === "") url.search = parameters.toString();
  else url.hash = `${path}?${parameters}`;
  return new Response(null, { status: 303, headers: { location: url.href, ...NO_STORE } });
}
