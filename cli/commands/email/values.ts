/** Parsers of values that only mail has. */
import { InvalidArgumentError } from "commander";

/** An e-mail address, lower-cased. The database and the providers know the rest of the rules. */
export function mailAddress(text: string): string {
  const address = text.trim().toLowerCase();
  if (/^[^@\s<>]{1,64}@[^@\s<>]{1,253}\.[^@\s<>.]+$/.test(address)) return address;
  throw new InvalidArgumentError("Use an e-mail address, like alex@example.com.");
}

/** A domain, lower-cased. */
export function domain(text: string): string {
  const name = text.trim().toLowerCase();
  if (/^(?=.{1,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/.test(name)) return name;
  throw new InvalidArgumentError("Use a domain, like reply.example.com.");
}
