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
    auth: { flowType: "implicit", storageKey: `gatelink-${new URL(config.url).host}` },
    // What nobody waits for any more must not keep one of the browser's few connections.
    global: {
      fetch: (input, init = {}) =>
        fetch(input, { ...init, signal: AbortSignal.any([AbortSignal.timeout(20_000), ...signalsOf(init)]) }),
    },
  });
  connected = { client, config };
  return client;
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
