/** Items that wait for their time; items with equal times keep their order. */
export class DueList<T> {
  #waiting: { due: number; item: T }[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** When the next item is due, in milliseconds; undefined if nothing waits. */
  get nextDue(): number | undefined {
    return this.#waiting[0]?.due;
  }

  add(due: number, item: T): void {
    let low = 0;
    let high = this.#waiting.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#waiting[middle].due <= due) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, { due, item });
  }

  clear(): void {
    this.#waiting = [];
  }

  /** Removes items that are due at `now` from the front while `fits` returns true. */
  take(now: number, fits: (item: T, taken: number) => boolean): T[] {
    let count = 0;
    while (
      count < this.#waiting.length && this.#waiting[count].due <= now &&
      fits(this.#waiting[count].item, count)
    ) count++;
    return this.#waiting.splice(0, count).map(({ item }) => item);
  }
}
