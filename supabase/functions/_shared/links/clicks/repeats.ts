/**
 * Limits the rows per visitor: the first 60 clicks of a visitor on one link in an hour get a row each, and further
 * clicks are counted on the last of these rows. Otherwise one visitor could fill the table with as many rows as a
 * server can answer requests.
 *
 * Each isolate limits by itself, in hours of the clock, so that a row and its repeats belong to the same day. A visitor
 * is identified by the day's hash and the user that the link names (`?u=`). Non-human visitors have no hash: for each
 * link and reason they count as one.
 *
 * Memory is bounded. If an isolate has more than {@linkcode MAX} such visitors, it starts over, and some visitors get
 * more rows; a visitor who shares a counter of the sieve with another may get fewer.
 *
 * @module
 */
import type { Click } from "./lines.ts";
import { Sieve } from "../limits/sieve.ts";

/** Rows per visitor and link in an hour. */
export const ROWS = 60;
/** About 10 MB. */
const MAX = 50_000;

/** See the module. */
export class Repeats {
  readonly #max: number;
  readonly #sieve = new Sieve(3_600_000);
  /** The last row of each visitor who has reached the limit, by link: a key of both would be made for each visit. */
  readonly #last = new Map<string, Map<string, Click>>();
  #size = 0;

  constructor(max: number = MAX) {
    this.#max = max;
  }

  /** The row that a click would be counted on at this time; undefined if it would get its own. */
  rowOf(now: number, code: string, who: string, more = ""): Click | undefined {
    if (this.#sieve.turn(now)) this.#clear();
    return this.#sieve.count(code, who, more) < ROWS
      ? undefined
      : this.#last.get(code)?.get(visitorOf(who, more));
  }

  /** Takes a click: returns the row that it is counted on; undefined if it gets its own. */
  take(click: Click, who: string, more = ""): Click | undefined {
    if (this.#sieve.turn(click.t)) this.#clear();
    if (this.#sieve.add(click.code, who, more) < ROWS - 1) return undefined;
    const visitor = visitorOf(who, more);
    let ofLink = this.#last.get(click.code);
    const row = ofLink?.get(visitor);
    // A token that was passed on must be found again.
    if (row !== undefined && (click.o === undefined || click.o === row.o)) return row;
    if (row === undefined && this.#size++ >= this.#max) {
      this.#clear();
      this.#size = 1;
      ofLink = undefined;
    }
    if (ofLink === undefined) this.#last.set(click.code, ofLink = new Map());
    ofLink.set(visitor, click);
    return undefined;
  }

  #clear(): void {
    this.#last.clear();
    this.#size = 0;
  }
}

function visitorOf(who: string, more: string): string {
  return more === "" ? who : `${who} ${more}`;
}
