/**
 * What detection finds. Pure types and constants.
 *
 * @module
 */

/** Kinds of contact that would lead two people around the business. */
export const VIOLATION_TYPES = ["phone", "email", "social", "payment", "off_platform", "url"] as const;
export type ViolationType = (typeof VIOLATION_TYPES)[number];

/** One find, in offsets of the folded text. */
export interface Find {
  readonly type: ViolationType;
  /** Name of the rule, for audit and statistics. */
  readonly rule: string;
  readonly from: number;
  readonly to: number;
  /** How sure the rule is, between 0 and 1. */
  readonly score: number;
}

/** What an organisation lets pass, and where its people live. */
export interface PoachingContext {
  /**
   * ISO codes of the countries whose national numbers are recognised.
   * @default {COUNTRIES}
   */
  readonly countries?: readonly string[];
  /** Phone numbers that may be named: the business's own, masked ones, the vet and others of the booking. */
  readonly allowedNumbers?: readonly string[];
  /** Hosts of links and domains of addresses that may be named; subdomains are included. */
  readonly allowedHosts?: readonly string[];
}
