/**
 * Finds what must not be committed: keys and tokens of the services that Gatelink uses, and unfinished work.
 */

/** One place in a file. */
export interface Leak {
  /** From 1. */
  line: number;
  what: string;
}

/** Shapes of secrets, as their issuers publish them for scanners. */
const SECRETS: [what: string, shape: RegExp][] = [
  ["a private key", /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/],
  ["a secret key of Supabase", /\bsb_secret_[A-Za-z0-9]{20,}/],
  ["an access token of Supabase", /\bsb[pv]_(?:[a-z]+_)?[0-9a-f]{40}\b/],
  ["an access token of Meta", /\bEAA[A-Za-z0-9]{60,}/],
  ["a JSON Web Token", /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}/],
  ["a token of GitHub", /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})/],
  ["a token of npm", /\bnpm_[A-Za-z0-9]{36}\b/],
  ["an access key of AWS", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ["a key of Google", /\bAIza[0-9A-Za-z_-]{35}\b/],
];

/** Marks of unfinished work, in code only. Concatenated, so that this file does not match. */
const LEFT_OVER = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\\b`);
const RUNS = /\.(?:ts|tsx|js|mjs|sql|sh)$|^\.ci\/run$/;

/**
 * Searches one file.
 * @param path Decides whether marks of unfinished work count: only in code.
 */
export function leaks(path: string, text: string): Leak[] {
  const found: Leak[] = [];
  text.split("\n").forEach((line, index) => {
    for (const [what, shape] of SECRETS) if (shape.test(line)) found.push({ line: index + 1, what });
    if (RUNS.test(path) && LEFT_OVER.test(line)) found.push({ line: index + 1, what: "work left over" });
  });
  return found;
}
