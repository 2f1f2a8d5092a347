/** Who looks at a tracked mail: people and machines, as their programs ask for its pixel and its links. */

/** Who can look, with the words of the page. */
export const VISITORS = {
  gmail: "Opened in Gmail",
  person: "A person follows the first link",
  apple: "Apple loads images ahead",
  scanner: "A scanner follows every link",
} as const;
export type Visitor = keyof typeof VISITORS;

/** The User-Agents of their programs. */
export const AGENTS: Readonly<Record<Visitor, string>> = {
  gmail: "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
  person:
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  apple: "Mozilla/5.0",
  // Scanners name a browser, too: it is what they do that tells.
  scanner:
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
};
/** Whoever clicks sooner after the delivery is taken for a scanner. */
const PERSON_WAITS_MS = 11_000;

/** The addresses in a mail by which it is tracked. */
export interface TrackedAddresses {
  pixel?: string;
  links: string[];
  trap?: string;
}

/** Finds them. @param origin Where the stack answers: nobody else is ever asked. */
export function trackedAddresses(html: string, origin: string): TrackedAddresses {
  const found: TrackedAddresses = { links: [] };
  for (const [, , escaped] of html.matchAll(/\s(?:href|src)=(["'])(https?:\/\/[^"'<>\s]{1,2000})\1/gi)) {
    const url = escaped.replaceAll("&amp;", "&");
    if (!URL.canParse(url) || new URL(url).origin !== origin) continue;
    const { pathname } = new URL(url);
    if (/\/pixel\/[^/]+$/.test(pathname)) found.pixel ??= url;
    else if (/\/c\/[^/]+\/0$/.test(pathname)) found.trap ??= url;
    else if (/\/c\/[^/]+\/\d+$/.test(pathname) && !found.links.includes(url)) found.links.push(url);
  }
  return found;
}

/** What a visit needs besides the mail. */
export interface VisitWorld {
  fetch: typeof fetch;
  /** Unix milliseconds. */
  now(): number;
  wait(ms: number): Promise<void>;
}

/**
 * Somebody looks at a mail. Answers the statuses that the addresses gave, in the order in which they were asked.
 * @throws RangeError if the mail has none of the addresses.
 */
export async function visit(
  visitor: Visitor,
  { html, at }: { html: string; at: number },
  origin: string,
  { fetch, now, wait }: VisitWorld,
): Promise<number[]> {
  const { pixel, links, trap } = trackedAddresses(html, origin);
  const asked: Readonly<Record<Visitor, readonly (string | undefined)[]>> = {
    gmail: [pixel],
    person: [links[0]],
    apple: [pixel],
    scanner: [...links, trap, pixel],
  };
  const wanted = asked[visitor].filter((url): url is string => url !== undefined);
  if (wanted.length === 0) {
    throw new RangeError(
      pixel === undefined && links.length === 0 ? "this mail is not tracked" : "this mail has no link",
    );
  }
  if (visitor === "person") await wait(Math.max(0, at + PERSON_WAITS_MS - now()));
  const statuses: number[] = [];
  for (const url of wanted) {
    const response = await fetch(url, { headers: { "user-agent": AGENTS[visitor] }, redirect: "manual" });
    await response.body?.cancel();
    statuses.push(response.status);
  }
  return statuses;
}
