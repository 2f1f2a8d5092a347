/**
 * The connection to the project: supabase-js with the publishable key. The database decides what it may do.
 */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { Database } from "../../../supabase/functions/_shared/contract/database.ts";
import type { Config } from "./config.ts";

/** A client typed with the tables and their columns. */
export type Client = SupabaseClient<Database>;

let connected: { client: Client; config: Config } | undefined;

/** Creates the client. Called once, before anything is shown. */
export function connect(config: Config): Client {
  const client = createClient<Database>(config.url, config.publishableKey, {
    auth: { flowType: "implicit", storageKey: keyOf(config) },
    // What nobody waits for any more must not keep one of the browser's few connections.
    global: {
      fetch: (input, init = {}) =>
        fetch(input, { ...init, signal: AbortSignal.any([AbortSignal.timeout(20_000), ...signalsOf(init)]) }),
    },
  });
  connected = { client, config };
  return client;
}

const keyOf = ({ url }: Config) => `gatelink-${new URL(url).host}`;
/** The key of localStorage under which the session is kept. */
export const sessionKey = (): string => keyOf(project());

let renewing: Promise<void> | undefined;
let renewed = -Infinity;
/** Another new token helps no more within this time, in milliseconds. */
const RENEW_MS = 60_000;

/**
 * Called when the database refuses the token. A new one is fetched; where that is refused too the session is over, which
 * the sign-in then says.
 */
export async function renewSession(): Promise<void> {
  if (renewing === undefined && performance.now() - renewed < RENEW_MS) return;
  renewing ??= client().auth.refreshSession().then(async ({ error }) => {
    // Without a network nothing is known of the session.
    if (error?.status && error.status < 500) await client().auth.signOut({ scope: "local" });
  }).finally(() => {
    renewing = undefined;
    renewed = performance.now();
  });
  await renewing;
}

const signalsOf = ({ signal }: RequestInit) => signal ? [signal] : [];

/** The client that `connect` made. */
export function client(): Client {
  if (!connected) throw new Error("connect() comes first");
  return connected.client;
}

/** The project that the panel works on. */
export function project(): Config {
  if (!connected) throw new Error("connect() comes first");
  return connected.config;
}
