/**
 * The real dependencies of deliveries: the allowlist of the configuration, the network, DNS.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { unseal } from "../crypto/seal.ts";
import type { Config } from "../db/config.ts";
import { rememberResolutions, resolvePublic } from "./addresses.ts";
import { type Allowlist, compileAllowlist } from "./allowlist.ts";
import type { DeliveryDeps } from "./deliver.ts";

/** The parts of a configuration that decide where deliveries may go. */
export interface DeliveryConfig {
  readonly allowlist: Allowlist;
  readonly allowLoopback: boolean;
}

/** Extracts it from a configuration; cache it as long as that. */
export async function deliveryConfigOf(config: Config): Promise<DeliveryConfig> {
  return {
    allowlist: await compileAllowlist(
      config.allowlist.filter(({ purpose }) => purpose === "forward").map(({ pattern }) => pattern),
    ),
    allowLoopback: isLocalStack() &&
      config.settings.some(({ key, value }) => key === "forward.allow_loopback" && value === "true"),
  };
}

/** Only a local stack obeys the setting that allows loopback destinations, whatever the database says. */
function isLocalStack(): boolean {
  const { hostname } = new URL(env("SUPABASE_URL").SUPABASE_URL);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

const resolve = rememberResolutions((host) => resolvePublic(host));

/** The dependencies of this isolate's deliveries. */
export function deliveryDepsOf({ allowlist, allowLoopback }: DeliveryConfig): DeliveryDeps {
  return {
    fetch,
    resolve,
    allowlist,
    allowLoopback,
    unseal: (sealed, context) => unseal(env("SEALING_KEYS").SEALING_KEYS, sealed, context),
  };
}
