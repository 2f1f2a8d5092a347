/**
 * Links that lead to links of the same installation: none may lead to itself, in a circle, or through too many others.
 *
 * Two simultaneous calls can still create a circle together, so visits count the links that they pass through.
 *
 * @module
 */
import type { Rpc } from "../_shared/db/client.ts";
import { MAX_HOPS, type OwnAddress, ownAddresses, type OwnCode } from "../_shared/links/model/own.ts";
import type { LinkRow } from "../_shared/links/model/link.ts";
import type { Fault } from "./bodies.ts";

/** A link that is about to be written. */
export interface Writing {
  /** Undefined for a link that gets a new code, to which no link can lead yet. */
  readonly code: string | undefined;
  readonly link: Parameters<typeof ownAddresses>[0];
}

/**
 * Finds the faults of each of these links, in order. Reads other links only for links that lead to any: at most
 * `MAX_HOPS` calls in total.
 */
export async function findCircles(
  writings: readonly Writing[],
  ownCode: OwnCode,
  rpc: Rpc,
): Promise<Fault[][]> {
  const own = writings.map(({ link }) => ownAddresses(link, ownCode));
  const leads = new Map<string, readonly string[]>();
  const codesOf = (addresses: readonly OwnAddress[]) => addresses.map(({ code }) => code);
  writings.forEach(({ code }, index) => code !== undefined && leads.set(code, codesOf(own[index])));
  let open = own.flatMap(codesOf);
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const unread = [...new Set(open)].filter((code) => !leads.has(code));
    const rows = unread.length === 0
      ? []
      : await rpc("get_links", { p_codes: unread, p_ahead: 0 }) as LinkRow[];
    for (const code of unread) leads.set(code, []);
    for (const row of rows) leads.set(row.code, codesOf(ownAddresses(row, ownCode)));
    open = open.flatMap((code) => leads.get(code) ?? []);
    open = [...new Set(open)];
    if (open.length === 0) break;
  }
  return writings.map(({ code }, index) =>
    own[index].flatMap((address) => {
      const message = faultOf(code, address.code, leads);
      return message === undefined ? [] : [{ path: address.path, message }];
    })
  );
}

/** The fault in a path from one link to another. */
function faultOf(
  from: string | undefined,
  to: string,
  leads: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  if (from === to) return "leads to the link itself";
  let reached: ReadonlySet<string> = new Set([to]);
  for (let hop = 1; hop <= MAX_HOPS; hop++) {
    reached = new Set([...reached].flatMap((code) => leads.get(code) ?? []));
    if (from !== undefined && reached.has(from)) return "leads back to the link itself through other links";
    if (reached.size === 0) return undefined;
  }
  return `leads through more than ${MAX_HOPS} links of this installation`;
}
