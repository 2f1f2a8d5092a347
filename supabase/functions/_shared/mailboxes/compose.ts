/**
 * Access to mailboxes with its real dependencies.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { rpc } from "../db/client.ts";
import { createMailboxAccess } from "./access.ts";
import { oauthClient } from "./oauth.ts";

/** Access tokens of mailboxes, by identity. */
export const mailboxAccess = createMailboxAccess({
  rpc,
  keys: () => env("SEALING_KEYS").SEALING_KEYS,
  client: oauthClient,
  fetch: (url, init) => fetch(url, init),
});
