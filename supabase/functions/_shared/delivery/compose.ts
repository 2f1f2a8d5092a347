/**
 * What a delivery needs of the world, with everything real: the allowlist of the configuration, the network, DNS.
 *
 * @module
 */
import { env } from "../config/env.ts";
import { unseal } from "../crypto/seal.ts";
import type { Config } from "../db/config.ts";
import { rememberResolutions, resolvePublic } from "./addresses.ts";
import { type Allowlist, compileAllowlist } from "./allowlist.ts";
import type { DeliveryDeps } from "./deliver.ts";

/** What a configuration says about where may be delivered to. */
export interface DeliveryConfig {
  readonly allowlist: Allowlist;
  readonly allowLoopback: boolean;
}

/** Reads it from a configuration; to be kept as long as that is. */
export async function deliveryConfigOf(config: Config): Promise<DeliveryConfig> {
  return {
    allowlist: await compileAllowlist(
      config.allowlist.filter(({ purpose }) => purpose === "forward").map(({ pattern }) => pattern),
    ),
    allowLoopback: isLocalStack() &&
      config.settings.some(({ key, value }) => key === "forward.allow_loopback" && value === "true"),
  };
}

/** The setting that allows loopback destinations is obeyed on a local stack alone, whatever a database says. */
function isLocalStack(): boolean {
  const { hostname } = new URL(env("SUPABASE_URL").SUPABASE_URL);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

const resolve = rememberResolutions((host) => resolvePublic(host));

/** The world that deliveries of this isolate are made in. */
export function deliveryDepsOf({ allowlist, allowLoopback }: DeliveryConfig): DeliveryDeps {
  return {
    fetch,
    resolve,
    allowlist,
    allowLoopback,
    unseal: (sealed, context) => unseal(env("SEALING_KEYS").SEALING_KEYS, sealed, context),
  };
}
