/** Visits of links for load: spread by Zipf's law, over connections that are kept or, on demand, made again. */
import { answer, get } from "./load.ts";

/** What a phone's browser sends. */
export const HEADERS = {
  "user-agent":
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
  accept: "text/html,application/xhtml+xml,*/*;q=0.8",
  "accept-language": "en-GB,en;q=0.9",
};

/** Code of the nth link of the bench, from 0. */
export function codeOf(n: number): string {
  return `bench-${n}`;
}

/** The request for the nth link, ready to be written to a connection. */
export function visitOf(host: string, n: number): Uint8Array {
  return get(host, pathOf(n), HEADERS);
}

/** Path of the nth link. */
export function pathOf(n: number): string {
  return `/functions/v1/deeplinks/${codeOf(n)}`;
}

/** Draws numbers from 0 to `count` - 1, the nth with a weight of 1/(n + 1). Starts anew from `seed`. */
export function zipf(count: number, seed = 1): () => number {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let n = 0; n < count; n++) sums[n] = sum += 1 / (n + 1);
  let state = seed;
  return () => {
    // Mulberry32: the same visits in each run of the bench.
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    const wanted = ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * sum;
    let low = 0, high = count - 1;
    while (low < high) {
      const middle = low + high >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** So many visits over `count` links. The bytes for a link are made once and shared by all its visits. */
export function visits(host: string, count: number, howMany: number, seed?: number): Uint8Array[] {
  const draw = zipf(count, seed);
  const made = new Map<number, Uint8Array>();
  return Array.from({ length: howMany }, () => {
    const n = draw();
    let bytes = made.get(n);
    if (bytes === undefined) made.set(n, bytes = visitOf(host, n));
    return bytes;
  });
}

/**
 * Visits without end until `until` resolves, by connections that are made again when they break: what it takes to go on
 * while a server is killed and started again.
 * @returns How many redirects arrived whole.
 */
export async function visitsThrough(
  target: { hostname: string; port: number },
  requests: readonly Uint8Array[],
  connections: number,
  until: Promise<unknown>,
): Promise<number> {
  let redirects = 0, next = 0, over = false;
  const ended = until.finally(() => over = true);
  const worker = async () => {
    const buffer = new Uint8Array(16384);
    while (!over) {
      let conn: Deno.TcpConn;
      try {
        conn = await Deno.connect(target);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
        continue;
      }
      try {
        while (!over) {
          const request = requests[next++ % requests.length];
          for (let at = 0; at < request.length;) at += await conn.write(request.subarray(at));
          if (await answer(conn, buffer) === "302") redirects++;
        }
      } catch {
        // Killed in the midst of an answer: on with a new connection.
      } finally {
        conn.close();
      }
    }
  };
  await Promise.all([ended, ...Array.from({ length: connections }, worker)]);
  return redirects;
}
