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
  /** The last row of each visitor who has reached the limit. */
  readonly #last = new Map<string, Click>();

  constructor(max: number = MAX) {
    this.#max = max;
  }

  /** The row that a click would be counted on at this time; undefined if it would get its own. */
  rowOf(now: number, code: string, who: string, more = ""): Click | undefined {
    if (this.#sieve.turn(now)) this.#last.clear();
    return this.#sieve.count(code, who, more) < ROWS ? undefined : this.#last.get(keyOf(code, who, more));
  }

  /** Takes a click: returns the row that it is counted on; undefined if it gets its own. */
  take(click: Click, who: string, more = ""): Click | undefined {
    if (this.#sieve.turn(click.t)) this.#last.clear();
    if (this.#sieve.add(click.code, who, more) < ROWS - 1) return undefined;
    const key = keyOf(click.code, who, more), row = this.#last.get(key);
    // A token that was passed on must be found again.
    if (row !== undefined && (click.o === undefined || click.o === row.o)) return row;
    if (this.#last.size >= this.#max) this.#last.clear();
    this.#last.set(key, click);
    return undefined;
  }
}

function keyOf(code: string, who: string, more: string): string {
  return `${code} ${who} ${more}`;
}
