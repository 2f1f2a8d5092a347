/** Requests addresses as a browser would, and reports each redirect. Independent of links. */
import { fetchReason } from "../../core/errors.ts";

/** The result of a request. */
export interface Probe {
  url: string;
  /** Status of the last answer; undefined if there was none. */
  status?: number;
  /** The redirects followed, in order; empty if there was none. */
  hops: { status: number; to: string }[];
  /** Headers of the last answer. */
  headers: Headers;
  /** Body of the last answer, up to the requested length. */
  bytes: Uint8Array;
  /** Whether the body is longer than that. */
  cut: boolean;
  /** Why there was no answer, or why the request was aborted. */
  error?: string;
}

/** Options of {@linkcode probe}. */
export interface ProbeOptions {
  timeoutMs: number;
  /** Maximum redirects to follow. @default {5} */
  follow?: number;
  /** Maximum bytes of the body to read. @default {0} */
  bytes?: number;
  headers?: Record<string, string>;
}

/** Identifies the client to the owner of a page. */
const USER_AGENT = "Mozilla/5.0 (compatible; gatelink-links-doctor)";

/** Requests an address. Never throws. */
export async function probe(url: string, options: ProbeOptions): Promise<Probe> {
  const { timeoutMs, follow = 5, bytes = 0, headers = {} } = options;
  const found: Probe = { url, hops: [], headers: new Headers(), bytes: new Uint8Array(), cut: false };
  let at = url;
  try {
    for (;;) {
      const response = await fetch(at, {
        headers: { "user-agent": USER_AGENT, accept: "*/*", ...headers },
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      found.status = response.status;
      found.headers = response.headers;
      const location = response.headers.get("location");
      if (location === null || response.status < 300 || response.status > 399) {
        Object.assign(found, await head(response, bytes));
        return found;
      }
      await response.body?.cancel();
      if (found.hops.length === follow) {
        return follow === 0 ? found : { ...found, error: `more than ${follow} redirects` };
      }
      at = new URL(location, at).href;
      found.hops.push({ status: response.status, to: at });
    }
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    return {
      ...found,
      status: undefined,
      error: late ? `no answer within ${timeoutMs / 1000} s` : fetchReason(error),
    };
  }
}

async function head(response: Response, most: number): Promise<{ bytes: Uint8Array; cut: boolean }> {
  const parts: Uint8Array[] = [];
  let length = 0, cut = false;
  const reader = response.body?.getReader();
  while (reader !== undefined && !cut && most > 0) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value.subarray(0, most - length));
    length += value.length;
    cut = length > most;
  }
  await reader?.cancel();
  return { bytes: new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer()), cut };
}
