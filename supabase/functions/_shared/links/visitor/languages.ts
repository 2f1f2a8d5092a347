/**
 * The language that a visitor prefers.
 *
 * @module
 */

/**
 * The language range with the highest quality value of an Accept-Language header (RFC 9110 section 12.5.4), in lower
 * case; the first of equals. Undefined if there is none, or only `*` and ranges refused by `q=0`.
 */
export function preferredLanguage(header: string | null): string | undefined {
  let best: string | undefined, bestQuality = 0;
  for (const part of (header ?? "").slice(0, 500).split(",")) {
    const [, tag, quality = "1"] = PART.exec(part) ?? [];
    if (tag === undefined) continue;
    const q = Number(quality);
    if (q > bestQuality) {
      best = tag.toLowerCase();
      bestQuality = q;
    }
  }
  return best;
}

const PART = /^\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?$/;

/** Whether a language range matches a language tag (basic filtering, RFC 4647): `pt` matches pt and pt-BR, not ptx. */
export function rangeTakes(range: string, tag: string): boolean {
  return tag === range || (tag.startsWith(range) && tag[range.length] === "-");
}
