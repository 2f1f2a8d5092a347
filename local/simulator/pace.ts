/** A rate limit by the generic cell rate algorithm: a burst of `burst`, then one each `everyMs`. */
export class Pace {
  #everyMs: number;
  #burst: number;
  #full = new Map<string, number>();

  constructor(everyMs: number, burst: number) {
    this.#everyMs = everyMs;
    this.#burst = burst;
  }

  /** Whether one more is allowed now for this key; if so, counts it. `now` in milliseconds. */
  allows(key: string, now: number): boolean {
    const from = Math.max(this.#full.get(key) ?? 0, now);
    if (from - now > this.#everyMs * (this.#burst - 1)) return false;
    if (this.#full.size >= 10_000) {
      for (const [old, until] of this.#full) if (until <= now) this.#full.delete(old);
    }
    this.#full.set(key, from + this.#everyMs);
    return true;
  }
}
