/**
 * Access tokens of mailboxes: opened where they are needed, refreshed under a lease of the database's.
 *
 * @module
 */
import type { MailboxAccess, MailboxToken, SendFailure } from "../channels/channel.ts";
import { seal, SealError, type SealingKeys, unseal } from "../crypto/seal.ts";
import type { Rpc } from "../db/client.ts";
import { type MailboxProvider, type OAuthClient, refreshTokens } from "./oauth.ts";

/** Dependencies of {@linkcode createMailboxAccess}. */
export interface MailboxAccessDeps {
  rpc: Rpc;
  /** The first one seals. @throws {Problem} `config_invalid` */
  keys(): SealingKeys;
  /** @throws {Problem} `config_invalid` */
  client(provider: MailboxProvider): OAuthClient;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** Where tokens of an account belong: sealed for one, they open for no other. */
export function tokenContext(provider: MailboxProvider, address: string): string {
  return `mailbox:${provider}:${address}`;
}

/** Attempts to store what a provider gave: Microsoft's old refresh token may not count any more. */
const STORING = 3;

/**
 * Creates a {@linkcode MailboxAccess}.
 *
 * Failure policy: closed. What a person has to repair (access that ended, a client's secret, a key that is missing) holds the
 * mailbox; while somebody else refreshes, or the provider does not answer, the mail waits.
 */
export function createMailboxAccess({ rpc, keys, client, fetch }: MailboxAccessDeps): MailboxAccess {
  return async (identity, refused) => {
    const taken = await rpc("take_mailbox_token", {
      p_identity: identity,
      ...(refused === undefined ? {} : { p_refused: refused }),
    });
    try {
      switch (taken.state) {
        case "none":
          return held("mailbox_missing", "the identity's mailbox is not connected");
        case "reauthorise":
          return held("mailbox_reauthorise", "the mailbox has to be connected again");
        case "wait":
          return waits(taken.retry_after_ms, "its token is being refreshed");
        case "ready": {
          const token = await unseal(keys(), taken.access, tokenContext(taken.provider, taken.address));
          return { token, version: taken.version };
        }
        case "refresh":
          return await refreshed(taken);
      }
    } catch (error) {
      if (error instanceof SealError) return held("not_ready", `SEALING_KEYS: ${error.message}`);
      throw error;
    }
  };

  async function refreshed(
    { mailbox, lease, refresh, provider, address }: {
      mailbox: string;
      lease: string;
      refresh: string;
      provider: MailboxProvider;
      address: string;
    },
  ): Promise<MailboxToken | SendFailure> {
    const context = tokenContext(provider, address);
    const known = keys();
    let opened: string, ours: OAuthClient;
    try {
      opened = await unseal(known, refresh, context);
      ours = client(provider);
    } catch (error) {
      await rpc("settle_mailbox_token", { p_settled: { mailbox, lease, outcome: "failed" } });
      if (error instanceof SealError) throw error;
      return held("not_ready", `the client of ${provider} is not set up`);
    }
    const got = await refreshTokens(ours, opened, fetch);
    if (!got.ok) {
      const outcome = got.kind === "revoked" ? "revoked" as const : "failed" as const;
      await rpc("settle_mailbox_token", {
        p_settled: {
          mailbox,
          lease,
          outcome,
          error: `${got.code}: ${got.message}`,
          ...(got.retryAfterMs === undefined ? {} : { retry_after_ms: got.retryAfterMs }),
        },
      });
      if (got.kind === "revoked") return held("mailbox_reauthorise", got.message);
      if (got.kind === "client") return held(got.code, got.message);
      return waits(got.retryAfterMs ?? 2000, `its token could not be refreshed: ${got.code}`);
    }
    // The refresh token too, so that each is sealed with the newest key before long.
    const sealed = {
      access: await seal(known, got.access, context),
      refresh: await seal(known, got.refresh ?? opened, context),
    };
    const p_settled = {
      mailbox,
      lease,
      outcome: "refreshed" as const,
      ...sealed,
      expires_in: got.expiresIn,
    };
    for (let attempt = 1;; attempt++) {
      try {
        const { settled, version } = await rpc("settle_mailbox_token", { p_settled });
        if (settled && version !== undefined) return { token: got.access, version };
        return waits(1000, "somebody else refreshed its token");
      } catch (error) {
        if (attempt === STORING) throw error;
      }
    }
  }
}

function held(code: string, message: string): SendFailure {
  return { ok: false, kind: "held", scope: "number", code, message };
}

function waits(retryAfterMs: number, message: string): SendFailure {
  return { ok: false, kind: "throttle", scope: "number", code: "refreshing", message, retryAfterMs };
}
