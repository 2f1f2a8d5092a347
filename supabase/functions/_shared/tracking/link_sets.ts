/**
 * Where the links of tracked mails lead, in one isolate's memory: one entry for all mails with the same links. An entry
 * never changes.
 *
 * Failure policy: what is in memory is used, whatever the state of the database; what is not cannot be followed while it is
 * unavailable (`database_unavailable`, 503).
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";
import { groupCommit } from "../db/group_commit.ts";
import { Cache } from "../db/weighed_cache.ts";

/** Approximate bytes of an entry besides its addresses. */
const ENTRY_BYTES = 200;
/** Entries known to be no more, as those of erased people. */
const MAX_GONE = 2000;

/** An address as a header can hold it; empty for what is none. */
function headerForm(url: string): string {
  try {
    return new URL(url).href;
  } catch {
    return "";
  }
}

/** Lists of addresses by number, each as a header can hold it; an empty one cannot be followed. */
export class LinkSets {
  readonly #held: Cache<readonly string[]>;
  readonly #gone = new Cache<true>(MAX_GONE);
  readonly #read: (id: number) => Promise<readonly string[] | undefined>;

  /** @param maxBytes Maximum memory use. @default {32 MiB} */
  constructor(rpc: Rpc, maxBytes = 32 << 20) {
    this.#held = new Cache(maxBytes);
    this.#read = groupCommit({
      maxItems: 200,
      maxQueued: 10_000,
      commit: async (ids: number[]) => {
        const found = new Map(
          (await rpc("mail_link_sets", { p_ids: ids })).map(({ id, links }) => [id, links]),
        );
        return ids.map((id) => found.get(id));
      },
    });
  }

  /** The links from memory; null if they are no more, undefined if only the database knows. */
  peek(id: number): readonly string[] | null | undefined {
    const key = String(id);
    return this.#held.get(key) ?? (this.#gone.get(key) === undefined ? undefined : null);
  }

  /** The links from the database; null if they are no more. */
  async load(id: number): Promise<readonly string[] | null> {
    const found = await this.#read(id), key = String(id);
    if (found === undefined) {
      this.#gone.set(key, true);
      return null;
    }
    const links = found.map(headerForm);
    this.#held.set(key, links, links.reduce((bytes, url) => bytes + url.length + 30, ENTRY_BYTES));
    return links;
  }
}
