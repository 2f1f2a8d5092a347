/** The queues of our numbers at a provider that sends at a pace: each number sends one text after the other. */
export class NumberQueues {
  /** When each number has sent all that is in its queue, in milliseconds since 1970. */
  #free = new Map<string, number>();

  /** So long a text would wait now, in milliseconds. */
  waitOf(number: string, now: number): number {
    return Math.max(0, (this.#free.get(number) ?? 0) - now);
  }

  /** Puts a text that takes so long into the queue. Returns how long it waits before. */
  take(number: string, takesMs: number, now: number): number {
    const waits = this.waitOf(number, now);
    this.#free.set(number, now + waits + takesMs);
    return waits;
  }

  clear(): void {
    this.#free.clear();
  }
}
