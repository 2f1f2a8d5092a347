/**
 * A value kept in memory for a few seconds, and for as long as its source is away.
 *
 * @module
 */

/** Options of {@linkcode cached}. */
export interface CacheOptions<T> {
  /** Gets the value; is given the one held so far. One call is under way at a time. */
  load(held: T | undefined): Promise<T>;
  /** How long a value may be used without asking again, in milliseconds: at most 5,000. */
  ttlMs: number;
  /** While the source is away: how long until it is asked again, in milliseconds. @default {1000} */
  retryMs?: number;
  /** Whether a failure must not be covered up by the value held, which is forgotten. @default {none} */
  isFinal?(error: unknown): boolean;
  /** Told of each failure that a held value covered up. */
  onStale?(error: unknown, ageMs: number): void;
  /** Milliseconds of a clock that does not jump. @default {performance.now} */
  now?(): number;
}

/** A cached value. */
export interface Cached<T> {
  /**
   * The value.
   *
   * - No older than `ttlMs`: from memory.
   * - Older: asked for anew, and **waited for**, so a change is seen after `ttlMs` and one call at most.
   *   (Serving the old value while a new one loads would show a change only to the caller after next.)
   * - The source fails: the value held, however old it is. While the source stays away nobody waits for
   *   it: it is asked again every `retryMs`, in the background. A failure older than `ttlMs` says nothing
   *   about now, so after a pause the first to ask waits again, and what changed meanwhile is seen.
   *
   * @throws What `load` threw, when there is no value to fall back on, or none may be.
   */
  get(): Promise<T>;
  /** How old the value held is, in milliseconds; undefined while there is none. */
  ageMs(): number | undefined;
}

/** Caches what `load` gives; see {@linkcode Cached}. */
export function cached<T>(options: CacheOptions<T>): Cached<T> {
  const { load, ttlMs, retryMs = 1000, isFinal, onStale, now = () => performance.now() } = options;
  if (!(ttlMs > 0 && ttlMs <= 5000)) throw new RangeError("ttlMs must be above 0 and at most 5000");

  let held: { value: T; at: number } | undefined;
  let loading: Promise<T> | undefined;
  /** When the last load failed; undefined while the source answers. */
  let failedAt: number | undefined;

  function refresh(): Promise<T> {
    return loading ??= (async () => {
      // The value is as old as the question: what changed after that may be missing from the answer.
      const at = now();
      try {
        const value = await load(held?.value);
        held = { value, at };
        failedAt = undefined;
        return value;
      } catch (error) {
        if (isFinal?.(error)) held = failedAt = undefined;
        else failedAt = now();
        if (held === undefined || failedAt === undefined) throw error;
        onStale?.(error, failedAt - held.at);
        return held.value;
      } finally {
        loading = undefined;
      }
    })();
  }

  function get(): Promise<T> {
    if (held === undefined) return refresh();
    if (now() - held.at <= ttlMs) return Promise.resolve(held.value);
    if (failedAt === undefined || now() - failedAt > ttlMs) return refresh();
    // One that must not be covered up is thrown to whoever asks next.
    if (now() - failedAt >= retryMs) refresh().catch(() => {});
    return Promise.resolve(held.value);
  }

  return { get, ageMs: () => held === undefined ? undefined : now() - held.at };
}
