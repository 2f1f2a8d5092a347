/** What the functions see: the variables that the platform injects, and the user's own secrets. */
import { createHash } from "node:crypto";
import { parseEnv } from "node:util";
import { join } from "../../lib/paths.ts";
import type { Keys } from "./data_folder.ts";
import { UserError } from "../../lib/user_error.ts";

export interface EnvironmentOptions {
  /** Public address of the stack, without a slash at the end. */
  url: string;
  keys: Keys;
  whatsapp: Keys["whatsapp"];
  /** Address of the Data API for the functions. */
  apiUrl: string;
  dbUrl: string;
  /** The user's own secrets; they come before what the stack makes up. */
  secrets: Record<string, string>;
}

/** Names that only the platform may set. */
const RESERVED = "SUPABASE_";

/**
 * The secrets of `.env` in the folder of the functions, or none.
 * @throws UserError for a name that the platform would refuse.
 */
export function userSecrets(functions: string): Record<string, string> {
  const path = join(functions, ".env");
  let secrets: Record<string, string>;
  try {
    secrets = parseEnv(Deno.readTextFileSync(path)) as Record<string, string>;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
  const reserved = Object.keys(secrets).find((name) => name.startsWith(RESERVED));
  if (reserved) {
    throw new UserError(
      `${path} sets ${reserved}, but the platform reserves names that begin with ${RESERVED}. Rename or remove it.`,
    );
  }
  return secrets;
}

/** What Meta and the functions share: made up by the stack where the user's secrets don't say. */
export function whatsappAccount(keys: Keys, secrets: Record<string, string>): Keys["whatsapp"] {
  const { whatsapp } = keys;
  return {
    ...whatsapp,
    // While it is being rotated there are several; Meta signs with one of them.
    appSecret: secrets.WHATSAPP_APP_SECRET?.split(",")[0].trim() || whatsapp.appSecret,
    verifyToken: secrets.WHATSAPP_VERIFY_TOKEN || whatsapp.verifyToken,
    accessToken: secrets.WHATSAPP_ACCESS_TOKEN || whatsapp.accessToken,
  };
}

/** Environment of the functions, to be put over this process's own. */
export function functionsEnvironment(options: EnvironmentOptions): Record<string, string> {
  const { url, keys, whatsapp, apiUrl, dbUrl, secrets } = options;
  return {
    DEPLOY_ENVIRONMENT: "local",
    WHATSAPP_APP_SECRET: whatsapp.appSecret,
    WHATSAPP_VERIFY_TOKEN: whatsapp.verifyToken,
    WHATSAPP_ACCESS_TOKEN: whatsapp.accessToken,
    WHATSAPP_GRAPH_URL: `${apiUrl}/simulator/graph/v26.0`,
    // The host adds the caller's address itself, so nobody can forge it.
    CLIENT_IP_HEADER: "x-forwarded-for",
    SEALING_KEYS: `local:${createHash("sha256").update(`sealing ${keys.secretKey}`).digest("base64")}`,
    LINK_DOMAIN: `${new URL(url).host}/l`,
    ...secrets,
    SUPABASE_URL: apiUrl,
    SUPABASE_DB_URL: dbUrl,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: keys.publishableKey }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: keys.secretKey }),
    // Auth signs with a shared secret here, so there is no public key to list.
    SUPABASE_JWKS: JSON.stringify({ keys: [] }),
  };
}
