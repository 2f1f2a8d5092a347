/**
 * Webhooks for load tests, posted as Meta does: over many connections, each repeated, byte for byte, until it
 * is answered 200.
 */
import { answer, post } from "../../bench/load.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { bytesOf } from "./webhook.ts";

/** Where the webhooks go, and what they are signed with. */
export interface InsistentMetaOptions {
  /** Of the functions, on 127.0.0.1. */
  port: number;
  appSecret: string;
  /** Webhooks under way at once. @default 64 */
  connections?: number;
}

/** A Meta that never gives up; `await using` ends it. */
export interface InsistentMeta extends AsyncDisposable {
  /** Posts a JSON body. Resolves when it was answered 200; never rejects, however long that takes. */
  post(body: unknown): Promise<void>;
  /** Number of webhooks not yet answered with 200. */
  waiting(): number;
  /** Counts of responses other than 200: by status, or `none` if the connection ended or there was no response. */
  others: Record<string, number>;
}

/** Meta's own waits are seconds to hours; these are as short as the receivers can bear. */
const WAIT_MS = { first: 20, longest: 320 };
/** Time without a response after which the connection is closed, in milliseconds. */
const PATIENCE_MS = 15_000;

/** Starts one. */
export function startInsistentMeta(
  { port, appSecret, connections = 64 }: InsistentMetaOptions,
): InsistentMeta {
  const queue: { request: Uint8Array; done: () => void }[] = [];
  const others: Record<string, number> = {};
  const idle: (() => void)[] = [];
  let waiting = 0;
  let stopped = false;

  async function connection(): Promise<void> {
    const buffer = new Uint8Array(16384);
    let conn: Deno.TcpConn | undefined;
    const close = () => {
      try {
        conn?.close();
      } catch {
        // Whoever lost patience has closed it.
      }
      conn = undefined;
    };
    const once = async (request: Uint8Array): Promise<string> => {
      const late = setTimeout(close, PATIENCE_MS);
      try {
        if (conn === undefined) {
          conn = await Deno.connect({ hostname: "127.0.0.1", port });
          conn.setNoDelay(true);
        }
        for (let written = 0; written < request.length;) {
          written += await conn.write(request.subarray(written));
        }
        return await answer(conn, buffer);
      } catch {
        close();
        return "none";
      } finally {
        clearTimeout(late);
      }
    };
    while (!stopped) {
      const next = queue.shift();
      if (next === undefined) {
        await new Promise<void>((resolve) => idle.push(resolve));
        continue;
      }
      for (let waitMs = WAIT_MS.first; !stopped; waitMs = Math.min(waitMs * 2, WAIT_MS.longest)) {
        const status = await once(next.request);
        if (status === "200") {
          waiting--;
          next.done();
          break;
        }
        others[status] = (others[status] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
    close();
  }

  const running = Array.from({ length: connections }, connection);
  return {
    others,
    waiting: () => waiting,
    post: (body) => {
      const bytes = bytesOf(body);
      const request = post(`127.0.0.1:${port}`, "/functions/v1/wa-webhook", {
        "content-type": "application/json",
        "x-hub-signature-256": sign(bytes, appSecret),
      }, bytes);
      waiting++;
      return new Promise((done) => {
        queue.push({ request, done });
        idle.pop()?.();
      });
    },
    [Symbol.asyncDispose]: async () => {
      stopped = true;
      for (const wake of idle.splice(0)) wake();
      await Promise.all(running);
    },
  };
}
