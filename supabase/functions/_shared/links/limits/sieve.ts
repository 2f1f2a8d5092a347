/**
 * An upper bound for how often a key occurred, in windows of time, at almost no cost: one counter for each of 262,144
 * hashes, in 1 MiB whatever the load. Keys with the same hash are counted together, so the result may be too high but
 * never too low. Only the few keys above a bound have to be counted exactly from there on.
 *
 * @module
 */

const CELLS = 1 << 18;

/** See the module. */
export class Sieve {
  readonly #windowMs: number;
  readonly #cells: Uint32Array;
  #window = NaN;

  constructor(windowMs: number, cells: number = CELLS) {
    this.#windowMs = windowMs;
    this.#cells = new Uint32Array(cells);
  }

  /** Starts a new window if it is time for one; returns whether it did. */
  turn(now: number): boolean {
    const window = Math.floor(now / this.#windowMs);
    if (window === this.#window) return false;
    this.#window = window;
    this.#cells.fill(0);
    return true;
  }

  /** Upper bound for the occurrences in this window. */
  count(first: string, second: string, third = ""): number {
    return this.#cells[this.#cell(first, second, third)];
  }

  /** Counts one occurrence; returns the upper bound before it. */
  add(first: string, second: string, third = ""): number {
    return this.#cells[this.#cell(first, second, third)]++;
  }

  /** FNV-1a, folded. Texts with the same hash are counted together, also if somebody constructs them. */
  #cell(first: string, second: string, third: string): number {
    let hash = mix(0x811c9dc5, first);
    hash = mix(hash, second);
    if (third !== "") hash = mix(hash, third);
    return (hash ^ (hash >>> 15)) & (this.#cells.length - 1);
  }
}

function mix(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return Math.imul(hash ^ 0xff, 0x01000193);
}
