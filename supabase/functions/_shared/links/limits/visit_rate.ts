/**
 * How often one network may visit one link: so often in a minute, by each isolate for itself. Generous, since behind one
 * address of a carrier there may be thousands of people with the same link; it ends what no number of people does.
 *
 * The memory is bounded. Where more than {@linkcode MAX} networks come that often it begins anew; one that shares a
 * number of the sieve with such a network has half as much.
 *
 * @module
 */
import { Sieve } from "./sieve.ts";

const MINUTE_MS = 60_000;
/** Some 5 MB. */
const MAX = 50_000;

/** See the module. */
export class Pace {
  readonly #max: number;
  readonly #sieve = new Sieve(MINUTE_MS);
  /** Visits by name, beyond the half that the sieve lets pass. */
  readonly #visits = new Map<string, number>();

  constructor(max: number = MAX) {
    this.#max = max;
  }

  /** Takes a visit. Milliseconds until there may be another, 0 when this one may be. */
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
