/** Reproducible randomness: the same seed gives the same run. Not for secrets. */
export class Random {
  #state: number;

  /** @param seed Any 32-bit number; by default a different one each time. */
  constructor(seed: number = crypto.getRandomValues(new Uint32Array(1))[0]) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 (included) to 1 (excluded), by mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** `length` characters out of `alphabet`. */
  string(length: number, alphabet: string): string {
    let made = "";
    while (made.length < length) made += alphabet[Math.floor(this.next() * alphabet.length)];
    return made;
  }
}
