/** Which project the panel works on: `config.json` beside index.html. */

/** What `config.json` holds. Both are public. */
export interface Config {
  /** Address of the Supabase project, without a slash at the end. */
  url: string;
  publishableKey: string;
}

/**
 * Reads `config.json`.
 * @throws {Error} for people: what is wrong with it, and what to do.
 */
export async function readConfig(): Promise<Config> {
  const address = new URL("config.json", document.baseURI);
  const response = await fetch(address, { cache: "no-cache" });
  if (!response.ok) {
    throw new Error(`${address} answered ${response.status}. Put config.json beside index.html.`);
  }
  const config: Config = await response.json().catch(() => {
    throw new Error(`${address} is no JSON. It holds {"url": …, "publishableKey": …}.`);
  });
  if (!/^https?:\/\//.test(config?.url) || !config.publishableKey || config.publishableKey.includes("…")) {
    throw new Error(`Write your project's url and publishable key into ${address}.`);
  }
  if (config.publishableKey.startsWith("sb_secret_")) {
    throw new Error(
      `${address} holds a secret key, which everybody can now read. Revoke it, and put the publishable one there.`,
    );
  }
  return { url: config.url.replace(/\/$/, ""), publishableKey: config.publishableKey };
}
