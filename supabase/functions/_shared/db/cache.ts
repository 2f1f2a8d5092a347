/**
 * A value cached in memory for a few seconds, or longer while its source is unavailable.
 *
 * @module
 */

/** Options of {@linkcode cached}. */
export interface CacheOptions<T> {
  /** Loads the value; receives the cached one. At most one call runs at a time. */
  load(held: T | undefined): Promise<T>;
  /** Longest time that a value is used without asking again, in milliseconds: at most 5,000. */
  ttlMs: number;
  /** While the source is unavailable: time until it is asked again, in milliseconds. @default {1000} */
  retryMs?: number;
  /**
   * Whether an error must reach the caller instead of the cached value, which is then dropped. @default
   * {none}
   */
  isFinal?(error: unknown): boolean;
  /** Called after each failure that a cached value covered. */
  onStale?(error: unknown, ageMs: number): void;
  /** Milliseconds of a monotonic clock. @default {performance.now} */
  now?(): number;
}

/** A cached value. */
export interface Cached<T> {
  /**
   * Returns the value.
   *
   * - Not older than `ttlMs`: from memory.
   * - Older: loaded again, and **waited for**, so a change is visible after at most `ttlMs` and one call.
   *   (Serving the old value during the load would show a change only to the second caller.)
   * - The source fails: the cached value, however old. Callers do not wait while the source is unavailable:
   *   it is asked again every `retryMs`, in the background. A failure older than `ttlMs` says nothing about
   *   the present, so after a pause the first caller waits again and sees what has changed.
   *
   * @throws What `load` threw, if there is no cached value or it must not be used.
   */
  get(): Promise<T>;
  /** Age of the cached value in milliseconds; undefined if there is none. */
  ageMs(): number | undefined;
}

/** Caches what `load` returns; see {@linkcode Cached}. */
export function cached<T>(options: CacheOptions<T>): Cached<T> {
  const { load, ttlMs, retryMs = 1000, isFinal, onStale, now = () => performance.now() } = options;
  if (!(ttlMs > 0 && ttlMs <= 5000)) throw new RangeError("ttlMs must be above 0 and at most 5000");

  let held: { value: T; at: number } | undefined;
  let loading: Promise<T> | undefined;
  /** Time of the last failed load; undefined while the source answers. */
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
