/** The one connection to the project: supabase-js with the publishable key. What it may do, the database decides. */
import { createClient, type SupabaseClient } from "@supabase/supabase-js";
import type { Config } from "./config.ts";

let connected: { client: SupabaseClient; config: Config } | undefined;

/** Connects, once, before anything is shown. */
export function connect(config: Config): SupabaseClient {
  const client = createClient(config.url, config.publishableKey, {
    auth: { flowType: "implicit", storageKey: `gatelink-${new URL(config.url).host}` },
  });
  connected = { client, config };
  return client;
}

/** The client that `connect` made. */
export function client(): SupabaseClient {
  if (!connected) throw new Error("connect() comes first");
  return connected.client;
}

/** The project that the panel works on. */
export function project(): Config {
  if (!connected) throw new Error("connect() comes first");
  return connected.config;
}
