/**
 * The address of whoever asks, as far as it can be trusted.
 *
 * @module
 */

/**
 * The last address of a list (x-forwarded-for): the one added by the nearest proxy, which a visitor cannot invent.
 *
 * @param header Of the proxy, which nobody can forge; undefined if there is none.
 */
export function clientAddress({ headers }: Request, header: string | undefined): string | undefined {
  const value = header === undefined ? null : headers.get(header);
  return value === null ? undefined : value.slice(value.lastIndexOf(",") + 1).trim();
}
