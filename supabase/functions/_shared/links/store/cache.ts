/**
 * A cache bounded by weight that costs a hit next to nothing.
 *
 * @module
 */

interface Entry<T> {
  readonly value: T;
  readonly weight: number;
  used: boolean;
}

/**
 * Values by key, the least recently used ones leaving when the whole becomes too heavy.
 *
 * "Recently used" is one bit (the clock algorithm, "second chance"): a hit sets it, and making room takes the oldest
 * entry whose bit is not set, clearing bits on its way. Exact LRU would move an entry at each hit.
 */
export class Cache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /**
   * Where the oldest entry is. Kept from one to the next: a map that is asked anew looks through the gaps that others have
   * left before it. Not kept where none has to leave: an iterator keeps what a map held when it was made.
   */
  #oldest: MapIterator<[string, Entry<T>]> | undefined;
  readonly #maxWeight: number;
  #weight = 0;

  /** @param maxWeight Of all values together, in whatever `set` is given. */
  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.used = true;
    return entry.value;
  }

  /** Keeps a value; one that is heavier than all may be together is not kept. */
  set(key: string, value: T, weight = 1): void {
    this.delete(key);
    if (weight > this.#maxWeight) return;
    this.#weight += weight;
    while (this.#weight > this.#maxWeight) this.#evict();
    this.#entries.set(key, { value, weight, used: false });
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }

  clear(): void {
    this.#entries.clear();
    this.#oldest = undefined;
    this.#weight = 0;
  }

  #evict(): void {
    for (;;) {
      this.#oldest ??= this.#entries.entries();
      const { done, value } = this.#oldest.next();
      if (done) {
        this.#oldest = undefined;
        continue;
      }
      const [key, entry] = value;
      this.#entries.delete(key);
      if (!entry.used) {
        this.#weight -= entry.weight;
        return;
      }
      entry.used = false;
      this.#entries.set(key, entry); // at the end: it comes by again after the others
    }
  }
}
