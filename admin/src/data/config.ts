/** The Supabase project of the panel, read from `config.json` beside the panel's index.html. */

/** Contents of `config.json`. Both are public. */
export interface Config {
  /** URL of the Supabase project, without a trailing slash. */
  url: string;
  publishableKey: string;
}

/** Address of a file beside the panel's index.html, from the pages in folders below it too: they name their icon there. */
export const beside = (file: string): string =>
  new URL(file, document.querySelector<HTMLLinkElement>("link[rel=icon]")!.href).href;

/**
 * Reads `config.json`.
 * @throws {Error} with a message for people: what is wrong with the file, and what to do.
 */
export async function readConfig(): Promise<Config> {
  const address = beside("config.json");
  const response = await fetch(address, { cache: "no-cache" });
  if (!response.ok) {
    throw new Error(`${address} answered ${response.status}. Put config.json next to index.html.`);
  }
  const config: Config = await response.json().catch(() => {
    throw new Error(`${address} is not valid JSON. It must contain {"url": …, "publishableKey": …}.`);
  });
  if (!/^https?:\/\//.test(config?.url) || !config.publishableKey || config.publishableKey.includes("…")) {
    throw new Error(`${address} must contain your project's url and publishable key.`);
  }
  if (config.publishableKey.startsWith("sb_secret_")) {
    throw new Error(
      `${address} contains a secret key, which anybody can read. Revoke that key and use the publishable key instead.`,
    );
  }
  return { url: config.url.replace(/\/$/, ""), publishableKey: config.publishableKey };
}
