/**
 * A cache bounded by weight with almost free hits.
 *
 * @module
 */

interface Entry<T> {
  readonly value: T;
  readonly weight: number;
  used: boolean;
}

/**
 * Values by key; the least recently used are evicted when the total weight is exceeded.
 *
 * "Recently used" is one bit (the clock algorithm, "second chance"): a hit sets it, and eviction takes the oldest entry
 * whose bit is not set, clearing bits on the way. Exact LRU would move an entry at each hit.
 */
export class Cache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /**
   * Iterator at the oldest entry. It is reused between evictions, since a new iterator would walk through the gaps of
   * evicted entries. It is dropped while nothing has to be evicted, since an iterator retains the map's contents at its
   * creation.
   */
  #oldest: MapIterator<[string, Entry<T>]> | undefined;
  readonly #maxWeight: number;
  #weight = 0;

  /** @param maxWeight Maximum total weight, in the unit passed to `set`. */
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

  /** Stores a value; one heavier than the maximum total is not stored. */
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
