/**
 * Labels of figures by address: domain, scope and type of the address that a mail was sent to.
 *
 * Anybody can write to any address. So only parts that a route names stand in a label, and the types that everybody knows;
 * all others are `other`. Pure.
 *
 * @module
 */
import { addressParts } from "./address.ts";

/** Parts of addresses that routes name. */
export interface NamedParts {
  readonly domains: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
  /** Whether any route asks for parts of addresses. */
  readonly areAsked: boolean;
}

/** Types of addresses that are known without a route. */
const KNOWN_TYPES = ["alert", "incident", "request", "report", "billing", "security", "deploy"];

/** Deeper conditions than these are refused when they are stored. */
const DEPTH = 32;

/** The parts that the conditions of routes name. Conditions that cannot be read name none. */
export function namedParts(conditions: Iterable<unknown>): NamedParts {
  const named = { domains: new Set<string>(), scopes: new Set<string>(), types: new Set(KNOWN_TYPES) };
  let areAsked = false;
  const read = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > DEPTH) return;
    const { type, ...members } = value as Record<string, unknown>;
    if (type !== "address") {
      for (const each of Object.values(members)) read(each, depth + 1);
      return;
    }
    areAsked = true;
    for (const part of ["domains", "scopes", "types"] as const) {
      const values: unknown = members[part];
      if (!Array.isArray(values)) continue;
      for (const value of values) if (typeof value === "string") named[part].add(value.toLowerCase());
    }
  };
  for (const condition of conditions) read(condition, 0);
  return { ...named, areAsked };
}

/** Label of a part that no route names, and of an address that has no parts. */
export const OTHER = "other";

/** Domain, scope and type of an address, separated by spaces: `-` for a part that it lacks, `other` for one that no route names. */
export function addressLabel(address: string | undefined, named: NamedParts): string {
  const parts = address === undefined ? undefined : addressParts(address);
  if (parts === undefined) return `${OTHER} ${OTHER} ${OTHER}`;
  const label = (part: string | undefined, known: ReadonlySet<string>) =>
    part === undefined ? "-" : known.has(part) ? part : OTHER;
  return [
    label(parts.domain, named.domains),
    label(parts.scope, named.scopes),
    label(parts.type, named.types),
  ].join(" ");
}
