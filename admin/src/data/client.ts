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
  });
  connected = { client, config };
  return client;
}

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
