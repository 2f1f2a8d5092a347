/**
 * How often a thing came at most, in windows of time, for next to nothing: a number for each of 262,144 hashes, in 1 MiB
 * whatever comes. What shares a hash is counted together, so the answer may be too high, and never too low: who is above
 * a bound has to be counted by name from there on, and nearly nobody is.
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

  /** Begins a new window where it is time for one, and says whether it was. */
  turn(now: number): boolean {
    const window = Math.floor(now / this.#windowMs);
    if (window === this.#window) return false;
    this.#window = window;
    this.#cells.fill(0);
    return true;
  }

  /** How often this came in the window, at most. */
  count(first: string, second: string, third = ""): number {
    return this.#cells[this.#cell(first, second, third)];
  }

  /** Counts it, and says how often it had come before, at most. */
  add(first: string, second: string, third = ""): number {
    return this.#cells[this.#cell(first, second, third)]++;
  }

  /** FNV-1a, folded. Whoever finds texts with the same hash gets them counted together. */
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
