/**
 * A load generator that costs little: requests are made beforehand, connections are kept, answers are only skimmed.
 * It shares the machine with what it measures, so each microsecond of its own would be taken from the other side.
 */

/** What a run of load came to. Latencies in milliseconds. */
export interface Load {
  requests: number;
  seconds: number;
  perSecond: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
  /** How often each status came. */
  statuses: Record<string, number>;
}

/** Makes the bytes of a POST over HTTP/1.1. */
export function post(
  host: string,
  path: string,
  headers: Record<string, string>,
  body: Uint8Array,
): Uint8Array {
  const lines = Object.entries({ host, "content-length": String(body.length), ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = new TextEncoder().encode(`POST ${path} HTTP/1.1\r\n${lines}\r\n`);
  const request = new Uint8Array(head.length + body.length);
  request.set(head);
  request.set(body, head.length);
  return request;
}

/** Makes the bytes of a GET over HTTP/1.1. */
export function get(host: string, path: string, headers: Record<string, string>): Uint8Array {
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${lines}\r\n`);
}

/**
 * Sends each request once, over `connections` connections, each with one request under way.
 * @param pace Requests a second at most; as fast as it goes when left out.
 * @param onSend Told of each request just before it is written.
 */
export async function load(
  target: { hostname: string; port: number },
  requests: readonly Uint8Array[],
  connections: number,
  pace?: number,
  onSend: (index: number) => void = () => {},
): Promise<Load> {
  const latencies = new Float64Array(requests.length);
  const statuses: Record<string, number> = {};
  let next = 0;
  const conns = await Promise.all(Array.from({ length: connections }, () => Deno.connect(target)));
  const started = performance.now();

  async function worker(conn: Deno.TcpConn): Promise<void> {
    conn.setNoDelay(true);
    const buffer = new Uint8Array(16384);
    for (;;) {
      const index = next++;
      if (index >= requests.length) break;
      if (pace !== undefined) {
        const due = started + index * 1000 / pace;
        const early = due - performance.now();
        if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      }
      const sent = performance.now();
      const request = requests[index];
      onSend(index);
      for (let written = 0; written < request.length;) written += await conn.write(request.subarray(written));
      const status = await answer(conn, buffer);
      latencies[index] = performance.now() - sent;
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
    conn.close();
  }

  await Promise.all(conns.map(worker));
  const seconds = (performance.now() - started) / 1000;
  const sorted = latencies.sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return {
    requests: requests.length,
    seconds,
    perSecond: requests.length / seconds,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: at(1),
    statuses,
  };
}

const decoder = new TextDecoder();

/** Reads one whole answer and gives its status. @throws Error when the connection ends before. */
export async function answer(conn: Deno.TcpConn, buffer: Uint8Array): Promise<string> {
  let filled = 0;
  for (;;) {
    const read = await conn.read(buffer.subarray(filled));
    if (read === null) throw new Error("the server closed the connection");
    filled += read;
    const text = decoder.decode(buffer.subarray(0, filled));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const length = /content-length: (\d+)/i.exec(text)?.[1];
    if (length === undefined) throw new Error(`an answer without content-length: ${text.slice(0, 200)}`);
    if (filled >= end + 4 + Number(length)) return text.slice(9, 12);
  }
}
