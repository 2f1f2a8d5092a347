/**
 * Keys of payments: an IBAN, a cashtag. Pure; each token looks at a bounded number of neighbours.
 *
 * @module
 */
import type { Find } from "./finding.ts";
import type { Token } from "./tokens.ts";

/**
 * Countries of the five languages and their neighbours, by the two letters that an IBAN begins with, and how long it is there
 * (SWIFT's IBAN registry): `el chip es 941000024680135` is none.
 */
const IBAN_LENGTHS: Readonly<Record<string, number>> = {
  ...{
    de: 22,
    at: 20,
    ch: 21,
    fr: 27,
    es: 24,
    pt: 25,
    be: 16,
    nl: 18,
    lu: 20,
    it: 27,
    ie: 22,
    gb: 22,
    pl: 28,
    dk: 18,
  },
  ...{ se: 24, no: 15, fi: 18 },
};

/** Every account and cashtag. */
export function findKeys(tokens: readonly Token[]): Find[] {
  const finds: Find[] = [];
  for (let first = 0; first < tokens.length; first++) {
    const find = ibanAt(tokens, first) ?? cashtagAt(tokens, first);
    if (find !== undefined) finds.push(find);
  }
  return finds;
}

function ibanAt(tokens: readonly Token[], first: number): Find | undefined {
  const { kind, text, glued } = tokens[first];
  if (
    kind !== "word" || glued || !Object.hasOwn(IBAN_LENGTHS, text) || tokens[first + 1]?.kind !== "number"
  ) return undefined;
  const whole = IBAN_LENGTHS[text];
  let length = 2, last = first;
  while (last + 1 < tokens.length && last < first + 16 && length < whole) {
    const next = tokens[last + 1];
    if (next.kind === "mark" || next.kind === "word" && (next.text.length > 4 || !next.glued && length < 8)) {
      break;
    }
    length += next.text.length;
    last++;
  }
  const digits = tokens.slice(first + 1, last + 1).filter((token) => token.kind === "number").reduce(
    (sum, token) => sum + token.text.length,
    0,
  );
  if (length !== whole || digits < 10) return undefined;
  return {
    type: "payment",
    rule: "payment.iban",
    from: tokens[first].from,
    to: tokens[last].to,
    score: 0.85,
  };
}

/** `$norawalks`: letters right behind the sign, at the beginning of a word. `R$20` and `$20` are prices. */
function cashtagAt(tokens: readonly Token[], first: number): Find | undefined {
  const name = tokens[first + 1];
  if (
    tokens[first].text !== "$" || tokens[first].glued || name?.kind !== "word" || !name.glued ||
    name.text.length < 3
  ) return undefined;
  return { type: "payment", rule: "payment.cashtag", from: tokens[first].from, to: name.to, score: 0.78 };
}
