/** What the links that an isolate holds take of its memory, however many it has seen. */
import type { Rpc } from "../supabase/functions/_shared/db/client.ts";
import { LinkStore } from "../supabase/functions/_shared/links/store/store.ts";
import type { Row } from "./report.ts";
import { codeOf } from "./visits.ts";

/** Lets a cache of its own see so many plain links, each once. */
export async function cacheRows(links: number): Promise<Row[]> {
  const rpc = ((_name: string, args: object) => {
    const { p_codes } = args as { p_codes: string[] };
    return Promise.resolve(
      p_codes.map((code) => ({ code, default_url: `https://www.example.com/p/${code}` })),
    );
  }) as Rpc;
  const never = () => Promise.reject(new Error("nobody asks for rules here"));
  const store = new LinkStore({
    rpc,
    loadConfig: never,
    loadFreshConfig: never,
    waitUntil: () => {},
    onStale: () => {},
  });
  for (let first = 0; first < links; first += 500) {
    const length = Math.min(500, links - first);
    await Promise.all(Array.from({ length }, (_, n) => store.load(codeOf(first + n))));
  }
  const { links: ready, bytes, packed, packed_bytes } = store.held;
  const mb = (bytes: number) => bytes / (1 << 20);
  return [
    { what: `cache after ${links.toLocaleString("en")} links: held`, value: packed },
    { what: "  packed, MiB", value: mb(packed_bytes), goal: "<= 64" },
    { what: "  ready", value: ready },
    { what: "  ready, MiB, as estimated", value: mb(bytes), goal: "<= 16" },
  ];
}
