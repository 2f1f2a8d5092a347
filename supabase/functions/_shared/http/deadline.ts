/**
 * Time limits of work that nearly always ends in time.
 *
 * A timer of the runtime for each request, and another for each delivery, takes longer than reading the request's body.
 * Here all work with the same limit shares one.
 *
 * @module
 */

/** A limit that runs; `end` it as soon as the work is done. */
export interface Deadline {
  /** Calls it off. May be called again, and after it has passed. */
  end(): void;
}

class Entry implements Deadline {
  readonly at: number;
  readonly late: () => void;
  queue: Queue | undefined;
  before: Entry | undefined;
  after: Entry | undefined;

  constructor(at: number, late: () => void) {
    this.at = at;
    this.late = late;
  }

  end(): void {
    this.queue?.remove(this);
  }
}

/** The deadlines of one limit, and so in the order in which they pass. */
class Queue {
  readonly #ms: number;
  #first: Entry | undefined;
  #last: Entry | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number) {
    this.#ms = ms;
  }

  add(late: () => void): Deadline {
    const entry = new Entry(performance.now() + this.#ms, late);
    entry.queue = this;
    entry.before = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.after = entry;
    this.#last = entry;
    // Where the first is called off, the timer stays: what it finds too early it waits for again.
    this.#timer ??= setTimeout(() => this.#pass(), this.#ms);
    return entry;
  }

  remove(entry: Entry): void {
    const { before, after } = entry;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    entry.queue = entry.before = entry.after = undefined;
    if (this.#first !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    queues.delete(this.#ms);
  }

  #pass(): void {
    this.#timer = undefined;
    const now = performance.now();
    const passed: Entry[] = [];
    for (let entry = this.#first; entry !== undefined && entry.at <= now; entry = entry.after) {
      passed.push(entry);
    }
    for (const entry of passed) entry.end();
    if (this.#first !== undefined) {
      this.#timer = setTimeout(() => this.#pass(), Math.ceil(this.#first.at - now));
    }
    for (const { late } of passed) late();
  }
}

const queues = new Map<number, Queue>();

/** Calls `late` after `ms` milliseconds, unless the deadline is ended before. `late` must not throw. */
export function startDeadline(ms: number, late: () => void): Deadline {
  let queue = queues.get(ms);
  if (queue === undefined) queues.set(ms, queue = new Queue(ms));
  return queue.add(late);
}
