/**
 * Conditions of a link's targets.
 *
 * @module
 */
import { bucket } from "../../flags/bucket.ts";
import type { When } from "../../contract/links.ts";
import { inWindow } from "../../time/window.ts";
import { rangeTakes } from "../visitor/languages.ts";
import type { Visit } from "../visitor/visit.ts";

/** One condition, compiled. */
export interface Test {
  /** Name of the condition. */
  readonly name: string;
  holds(visit: Visit): boolean;
}

/** Names of the conditions that have a test; `weight` has none. */
type Tested = Exclude<keyof When, "weight">;

const MAKERS: { [Name in Tested]: (value: NonNullable<When[Name]>) => Test["holds"] } = {
  platform: (platforms) => (visit) => platforms.includes(visit.platform),
  country: (countries) => (visit) => visit.country !== undefined && countries.includes(visit.country),
  language: (ranges) => (visit) => {
    const { language } = visit;
    return language !== undefined && ranges.some((range) => rangeTakes(range, language));
  },
  referrer: (hosts) => (visit) => {
    const { referrer } = visit;
    return referrer !== undefined && hosts.some((host) => referrer === host || referrer.endsWith(`.${host}`));
  },
  query: (wanted) => {
    const entries = Object.entries(wanted);
    return (visit) =>
      entries.every(([name, values]) => {
        const value = visit.param(name);
        return value !== undefined && (values === true || values.includes(value));
      });
  },
  date: ({ from, until }) => {
    const begin = from === undefined ? -Infinity : Date.parse(from);
    const end = until === undefined ? Infinity : Date.parse(until);
    return (visit) => visit.now >= begin && visit.now < end;
  },
  time: (window) => {
    const inside = inWindow(window);
    return (visit) => inside(new Date(visit.now));
  },
  in_app: (wanted) => ({ inApp }) =>
    typeof wanted === "boolean"
      ? wanted === (inApp !== undefined)
      : inApp !== undefined && wanted.includes(inApp),
  visitor: (kind) => (visit) => visit.returning === (kind === "returning"),
};

/** An unknown or malformed condition is never met: a fault must not widen a rule. */
const NEVER = () => false;

/** Compiles stored conditions, in order. Never throws. */
export function compileWhen(when: When): Test[] {
  return Object.entries(when).filter(([name, value]) => name !== "weight" && value !== undefined)
    .map(([name, value]) => {
      const make = MAKERS[name as Tested] as ((value: unknown) => Test["holds"]) | undefined;
      try {
        return { name, holds: make?.(value) ?? NEVER };
      } catch {
        return { name, holds: NEVER };
      }
    });
}

/** A visitor's position among the shares of a link: 0 to 100 in steps of 0.01, always the same for one visitor. */
export function shareOf(code: string, visitor: string): number {
  return bucket(`link:${code}:`, visitor) / 100;
}
