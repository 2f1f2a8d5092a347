/**
 * Limits the visits of one link by one network, per minute and isolate. The limit is generous, since thousands of
 * people with the same link may share one carrier address; it stops rates that no number of people reaches.
 *
 * Memory is bounded. If more than {@linkcode MAX} networks reach that rate, the limiter starts over; a network that
 * shares a counter of the sieve with such a network has half the limit.
 *
 * @module
 */
import { Sieve } from "./sieve.ts";

const MINUTE_MS = 60_000;
/** About 5 MB. */
const MAX = 50_000;

/** See the module. */
export class Pace {
  readonly #max: number;
  readonly #sieve = new Sieve(MINUTE_MS);
  /** Exact counts of visits, beyond the half that the sieve passes. */
  readonly #visits = new Map<string, number>();

  constructor(max: number = MAX) {
    this.#max = max;
  }

  /** Takes a visit. Milliseconds until the next one is allowed; 0 if this one is. */
  take(now: number, network: string, code: string, mostInMinute: number): number {
    if (this.#sieve.turn(now)) this.#visits.clear();
    const half = Math.floor(mostInMinute / 2);
    if (this.#sieve.add(network, code) < half) return 0;
    const key = `${network} ${code}`;
    const visits = this.#visits.get(key) ?? 0;
    if (visits >= mostInMinute - half) return MINUTE_MS - now % MINUTE_MS;
    if (visits === 0 && this.#visits.size >= this.#max) this.#visits.clear();
    this.#visits.set(key, visits + 1);
    return 0;
  }
}
