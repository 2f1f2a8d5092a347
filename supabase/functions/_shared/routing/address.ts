/**
 * What an address says about a mail: `domain.scope.type@…`, each part optional from the right.
 *
 * @module
 */

/** The parts of an address before the `@`, lower-cased. */
export interface AddressParts {
  readonly domain: string;
  readonly scope?: string;
  readonly type?: string;
}

const PART = /^[a-z0-9-]{1,32}$/;

/** The parts of an address without its `+tag`; undefined if it has other parts, or more than three. */
export function addressParts(address: string): AddressParts | undefined {
  const local = address.toLowerCase().split("@", 1)[0].split("+", 1)[0];
  const [domain, scope, type, ...rest] = local.slice(0, 100).split(".");
  if (rest.length > 0 || [domain, scope, type].some((part) => part !== undefined && !PART.test(part))) {
    return undefined;
  }
  return {
    domain,
    ...(scope === undefined ? {} : { scope }),
    ...(type === undefined ? {} : { type }),
  };
}
