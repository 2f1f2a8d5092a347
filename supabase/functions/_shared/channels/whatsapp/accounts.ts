/**
 * The accounts of numbers, for calls of the Graph API besides sending: a file belongs to the account of the number that
 * received or uploaded it, and only that account's token reaches it.
 *
 * @module
 */
import { Problem } from "../../http/problem.ts";
import { environment, isFailure, type WhatsAppCredentials } from "./credentials.ts";
import type { GraphAccess } from "./graph_call.ts";

/** Dependencies of {@linkcode createAccounts}. */
export interface AccountsDeps {
  /**
   * The name of the variable with a number's token (null: the default account's); null if the number is not known.
   */
  numberCredentials(numberId: string): Promise<{ readonly credentials: string | null } | null>;
  /** @default the environment's */
  credentials?: Pick<WhatsAppCredentials, "access" | "all">;
}

/** Access by number. */
export interface Accounts {
  /**
   * The account of a number; the default for a number that is not known.
   * @throws {Problem} `config_invalid` while the account's token is missing.
   */
  of(numberId: string): Promise<GraphAccess>;
  /**
   * The accounts that a file of Meta's may belong to: the number's, or all of them where no known number is named.
   * @throws {Problem} `config_invalid` while the account's token, or any token, is missing.
   */
  candidates(numberId: string | undefined): Promise<readonly GraphAccess[]>;
}

/** Creates {@linkcode Accounts}. Each call asks for the number's credentials, so that a change is used at once. */
export function createAccounts(
  { numberCredentials, credentials: { access, all } = environment }: AccountsDeps,
): Accounts {
  function ready(variable: string | null | undefined): GraphAccess {
    const found = access(variable ?? undefined);
    if (isFailure(found)) throw new Problem("config_invalid", { detail: found.message });
    return found;
  }

  return {
    of: async (numberId) => ready((await numberCredentials(numberId))?.credentials),
    async candidates(numberId) {
      const known = numberId === undefined ? null : await numberCredentials(numberId);
      if (known !== null) return [ready(known.credentials)];
      const accounts = all();
      return accounts.length > 0 ? accounts : [ready(undefined)];
    },
  };
}
