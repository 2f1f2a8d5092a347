/**
 * Comparison of secrets.
 *
 * @module
 */

/**
 * Whether two texts are equal. The time taken depends only on the length of `shown`, which the caller knows,
 * and reveals nothing about `expected`.
 */
export function timingSafeEqual(expected: string, shown: string): boolean {
  let difference = expected.length ^ shown.length;
  for (let i = 0; i < shown.length; i++) {
    difference |= shown.charCodeAt(i) ^ expected.charCodeAt(i % (expected.length || 1));
  }
  return difference === 0;
}
