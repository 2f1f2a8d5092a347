/** Accounts of the simulated Google and Microsoft: their tokens and their mails. */
import { readMail } from "../../../supabase/functions/_shared/mail/mime.ts";
import type { Mail } from "../../../supabase/functions/_shared/mail/types.ts";

export type Provider = "google" | "microsoft";

/** A mail in an account. */
export interface KeptMail {
  id: string;
  folder: "inbox" | "sent";
  raw: Uint8Array<ArrayBuffer>;
  mail: Mail;
  /** Without angle brackets. */
  messageId: string;
  at: number;
  /** Its place in the account's history, from 1. */
  seq: number;
}

/** An account that somebody can sign in to. */
export interface Account {
  provider: Provider;
  address: string;
  name: string;
  aliases: string[];
  /** What its owner signs in with at Microsoft; absent: its address. */
  principal?: string;
  mails: KeptMail[];
  /** Place in the history; grows with each mail. */
  seq: number;
  /** Places up to here are forgotten. */
  forgotten: number;
}

/** A permission that somebody gave. */
interface Grant {
  account: Account;
  scopes: string[];
  /** Refresh tokens that count. */
  refresh: Set<string>;
}

interface Code {
  grant: Grant;
  redirectUri: string;
  challenge: string;
}

const KEEP = 1000;
const random = () => crypto.randomUUID().replaceAll("-", "");

/** The accounts, what they let in, and what is in them. */
export class Accounts {
  readonly all: Account[] = [];
  readonly #codes = new Map<string, Code>();
  readonly #access = new Map<string, { grant: Grant; until: number }>();
  readonly #grants: Grant[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(provider: Provider, address: string, name: string, aliases: string[] = []): Account {
    const account = { provider, address, name, aliases, mails: [], seq: 1, forgotten: 0 };
    this.all.push(account);
    return account;
  }

  /** @throws RangeError if there is none. */
  find(address: string): Account {
    const found = this.all.find((each) => each.address === address);
    if (found === undefined) throw new RangeError(`there is no account ${address}`);
    return found;
  }

  /** Lets a client in; it exchanges the code for tokens. */
  letIn(account: Account, scopes: string[], redirectUri: string, challenge: string): string {
    const code = `code-${random()}`;
    this.#codes.set(code, { grant: { account, scopes, refresh: new Set() }, redirectUri, challenge });
    return code;
  }

  /** A code counts once. */
  takeCode(code: string): Code | undefined {
    const found = this.#codes.get(code);
    this.#codes.delete(code);
    if (found !== undefined) this.#grants.push(found.grant);
    return found;
  }

  grantOf(refresh: string): Grant | undefined {
    return this.#grants.find((grant) => grant.refresh.has(refresh));
  }

  /** Gives tokens that last so long by the provider's own clock. */
  giveTokens(grant: Grant, { seconds, rotated }: { seconds: number; rotated: string | undefined }) {
    const access = `access-${random()}`;
    this.#access.set(access, { grant, until: this.#now() + seconds * 1000 });
    let refresh: string | undefined;
    if (grant.refresh.size === 0 || rotated !== undefined) {
      refresh = `refresh-${random()}`;
      if (rotated !== undefined) grant.refresh.delete(rotated);
      grant.refresh.add(refresh);
    }
    return { access, refresh };
  }

  /** The account of an access token; undefined if it is over. */
  accountOf(access: string): Account | undefined {
    const found = this.#access.get(access);
    return found !== undefined && found.until > this.#now() ? found.grant.account : undefined;
  }

  /** The owner ends all access. */
  revoke(account: Account): void {
    for (const grant of this.#grants) if (grant.account === account) grant.refresh.clear();
    for (const [token, { grant }] of this.#access) if (grant.account === account) this.#access.delete(token);
  }

  /** Ends the access tokens alone, as a provider does that forgets them before their time. */
  endAccess(account: Account): void {
    for (const [token, { grant }] of this.#access) if (grant.account === account) this.#access.delete(token);
  }

  revokeToken(token: string): boolean {
    const grant = this.grantOf(token);
    if (grant !== undefined) this.revoke(grant.account);
    return grant !== undefined;
  }

  /** Keeps a mail. @param messageId One of the provider's own, in the place of the mail's. */
  keep(
    account: Account,
    folder: KeptMail["folder"],
    raw: Uint8Array<ArrayBuffer>,
    messageId?: string,
  ): KeptMail {
    const mail = readMail(raw);
    const kept: KeptMail = {
      id: random().slice(0, 16),
      folder,
      raw,
      mail,
      messageId: messageId ?? mail.messageId ?? `${random()}@${account.provider}.example`,
      at: this.#now(),
      seq: ++account.seq,
    };
    account.mails.push(kept);
    if (account.mails.length > KEEP) account.mails.shift();
    return kept;
  }
}
