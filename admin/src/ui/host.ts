/**
 * The host that the allowlist has to contain for a URL, with a port only if it is not 443; undefined for what
 * is no https address of a named host.
 */
export function hostOf(url: string): string | undefined {
  let parsed: URL;
  try {
    parsed = new URL(url.trim());
  } catch {
    return undefined;
  }
  const { protocol, hostname, host, username } = parsed;
  return protocol === "https:" && username === "" && /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(hostname) &&
      /[a-z]/.test(hostname.slice(hostname.lastIndexOf(".")))
    ? host
    : undefined;
}

/** What somebody typed or pasted as a host: of a whole address, or of one with a path, its host. */
export function typedHost(text: string): string {
  const trimmed = text.trim();
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(trimmed)
    ? trimmed
    : /[/?#]/.test(trimmed)
    ? `https://${trimmed}`
    : "";
  if (address === "" || !URL.canParse(address)) return text;
  // An address of plain http is not allowed either way, but its host is what was meant.
  return new URL(address.replace(/^http:/i, "https:")).host || text;
}
