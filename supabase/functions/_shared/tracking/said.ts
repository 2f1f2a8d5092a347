/**
 * What an open or a click says for itself, by what its program says: nearly all are of a few thousand programs that ask
 * plainly, so what was found once is found again.
 *
 * @module
 */
import { clientOf } from "../mail/tracking/client.ts";
import {
  type Access,
  type AccessVerdict,
  judgeSigned,
  signsOf,
  signsText,
} from "../mail/tracking/verdict.ts";
import { saidOf } from "./lines.ts";

/** The first verdict, and the end of the line to record. */
export interface Said {
  readonly verdict: AccessVerdict;
  readonly said: string;
}

/** Programs that are remembered, of each kind of access, and the longest agent of them. */
const MAX_KNOWN = 2000;
const MAX_AGENT = 500;

const known = { open: new Map<string, Said>(), click: new Map<string, Said>() };

/** What an access says for itself. Hot: called once for each. */
export function sayingOf(access: Access, isScanner: (address: string) => boolean): Said {
  const { kind, userAgent, method, purpose, address, trap } = access;
  const isPlain = method === "GET" && purpose === "" && trap !== true &&
    (kind === "open" || address === undefined || !isScanner(address));
  if (!isPlain) return find(access);
  const of = known[kind];
  let said = of.get(userAgent);
  if (said === undefined) {
    said = find(access);
    if (of.size >= MAX_KNOWN) of.clear();
    if (userAgent.length <= MAX_AGENT) of.set(userAgent, said);
  }
  return said;
}

function find(access: Access): Said {
  const signs = signsOf(access);
  const [{ verdict, reasons }] = judgeSigned([{ ...access, signs }]);
  return {
    verdict,
    said: saidOf({ verdict, reasons, client: clientOf(access.userAgent), signs: signsText(signs) }),
  };
}
