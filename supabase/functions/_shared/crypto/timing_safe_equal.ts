/**
 * Comparison of secrets.
 *
 * @module
 */

/**
 * Whether two texts are equal, in a time that depends on the length of `shown` alone: it tells nothing of what is
 * expected, and the caller knows what it has shown.
 */
export function timingSafeEqual(expected: string, shown: string): boolean {
  let difference = expected.length ^ shown.length;
  for (let i = 0; i < shown.length; i++) {
    difference |= shown.charCodeAt(i) ^ expected.charCodeAt(i % (expected.length || 1));
  }
  return difference === 0;
}
