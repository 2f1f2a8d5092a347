/**
 * Whose clicks have rows enough: of one visitor on one link the first 60 of an hour have a row each, and what comes after
 * counts on the last of them. Without that one visitor fills the table with as many rows as a server can answer.
 *
 * By each isolate for itself, in hours of the clock, so that a row and what counts on it are of one day. A visitor is the
 * day's hash, and with it whom the link names (`?u=`). What is no human has no hash: of a link and a reason all are one.
 *
 * The memory is bounded. Where an isolate has more than {@linkcode MAX} such visitors it begins anew, and some have more
 * rows; one who shares a number of the sieve with another may have fewer.
 *
 * @module
 */
import type { Click } from "./lines.ts";
import { Sieve } from "../limits/sieve.ts";

/** Rows of one visitor and link in an hour. */
export const ROWS = 60;
/** Some 10 MB. */
const MAX = 50_000;

/** See the module. */
export class Repeats {
  readonly #max: number;
  readonly #sieve = new Sieve(3_600_000);
  /** The last row of those who have enough. */
  readonly #last = new Map<string, Click>();

  constructor(max: number = MAX) {
    this.#max = max;
  }

  /** The row that a click at this time would count on; undefined while it would have one of its own. */
  rowOf(now: number, code: string, who: string, more = ""): Click | undefined {
    if (this.#sieve.turn(now)) this.#last.clear();
    return this.#sieve.count(code, who, more) < ROWS ? undefined : this.#last.get(keyOf(code, who, more));
  }

  /** Takes a click: gives the row that it counts on; undefined when it has one of its own. */
  take(click: Click, who: string, more = ""): Click | undefined {
    if (this.#sieve.turn(click.t)) this.#last.clear();
    if (this.#sieve.add(click.code, who, more) < ROWS - 1) return undefined;
    const key = keyOf(click.code, who, more), row = this.#last.get(key);
    // A token that was handed on has to be found again.
    if (row !== undefined && (click.o === undefined || click.o === row.o)) return row;
    if (this.#last.size >= this.#max) this.#last.clear();
    this.#last.set(key, click);
    return undefined;
  }
}

function keyOf(code: string, who: string, more: string): string {
  return `${code} ${who} ${more}`;
}
