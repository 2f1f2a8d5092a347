/**
 * The links and rules in one isolate's memory.
 *
 * A link stays in memory until the database reports that it changed: one small query every few seconds
 * (`refresh_links`) keeps all of them current, where a time to live would reread each of them repeatedly. The most
 * visited links are ready to be resolved; many more are packed, and are unpacked on request, which takes a few
 * microseconds. While there is room, a link's neighbours, which were made just before and after it, are read with it:
 * they cost hardly more than the call itself, and the next visitor of one of them does not wait.
 *
 * Failure policy: while the database is unavailable, what is in memory is used, however old; a link that is not in
 * memory cannot be resolved (`database_unavailable`, 503).
 *
 * @module
 */
import { isRefusedAsTooOld, requireSchema, type Rpc } from "../../db/client.ts";
import type { Config } from "../../db/config.ts";
import { groupCommit } from "../../db/group_commit.ts";
import type { OnFlag } from "../../flags/evaluate.ts";
import { Cache } from "../../db/weighed_cache.ts";
import { Link, type LinkRow } from "../model/link.ts";
import type { OwnCode } from "../model/own.ts";
import { PackedCache } from "./packed.ts";
import { readRules, type Rules } from "../model/rules.ts";
import type { VisitorKeys } from "../visitor/hashes.ts";

/** Options of {@linkcode LinkStore}. */
export interface StoreOptions {
  rpc: Rpc;
  loadConfig(): Promise<Config>;
  /** Loads the current configuration. */
  loadFreshConfig(): Promise<Config>;
  /** Keeps work running after the answer. */
  waitUntil(work: Promise<unknown>): void;
  /** Called when the contents could not be refreshed. */
  onStale(error: unknown, ageMs: number): void;
  /** Recognises the addresses of this installation's own links. */
  ownCode?: OwnCode;
  /** Called with the result and reason of each flag that a visit evaluated. */
  onFlag?: OnFlag;
  /** Called for each requested link: whether it was in memory. */
  onAsked?(hit: boolean): void;
  /** Maximum estimated bytes of ready links. @default {16 MiB, about 35,000 plain ones} */
  readyBytes?: number;
  /** Maximum bytes of packed links. @default {64 MiB, about a million plain ones} */
  packedBytes?: number;
  /** Milliseconds of a monotonic clock. @default {performance.now} */
  now?(): number;
}

interface Loading {
  readonly promise: Promise<Link | undefined>;
  stale: boolean;
}

/** Maximum age of the contents before a visit waits for a refresh. */
const MAX_AGE_MS = 5000;
/** Age from which the contents are refreshed in the background, so that with steady traffic no visit waits. */
const REFRESH_AGE_MS = 2000;
/** Wait before retrying a database that was unavailable. */
const RETRY_MS = 1000;
/** Maximum number of codes known to have no link, and for how long they are remembered. */
const MAX_MISSING = 2000;

/** Number of links that are read together with a missing one. */
const READ_AHEAD = 100;

/** Approximate bytes of a link besides its texts: objects, map entry, key. Measured with 100,000 plain ones. */
const LINK_BYTES = 450;

/** See the module. */
export class LinkStore {
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #links: Cache<Link>;
  readonly #packed: PackedCache;
  readonly #missing = new Cache<true>(MAX_MISSING);
  /** Running loads; one marked stale started before its link changed. */
  readonly #loading = new Map<string, Loading>();
  readonly #read: (code: string) => Promise<LinkRow | undefined>;
  /** Number of times links were forgotten. */
  #forgotten = 0;
  #since: string | null = null;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = -Infinity;
  #failedAt = -Infinity;
  #config: Config | undefined;
  #numbers = "";
  #rules: Rules | undefined;
  #keys: VisitorKeys = { zone: "UTC", days: {} };
  #cookieKey = "";

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#links = new Cache(options.readyBytes ?? 16 << 20);
    this.#packed = new PackedCache(options.packedBytes ?? 64 << 20);
    this.#read = groupCommit({
      maxItems: 500,
      maxQueued: 20_000,
      commit: (codes: string[]) => this.#commit(codes),
    });
  }

  /** The rules; only after {@linkcode ready}. */
  get rules(): Rules {
    return this.#rules!;
  }

  /** Keys of visitors' hashes; only after {@linkcode ready}. */
  get keys(): VisitorKeys {
    return this.#keys;
  }

  /** Key that authenticates visitors' cookies; only after {@linkcode ready}. */
  get cookieKey(): string {
    return this.#cookieKey;
  }

  /** Number of ready and packed links, and their bytes: estimated and actual, respectively. */
  get held(): { links: number; bytes: number; packed: number; packed_bytes: number } {
    return {
      links: this.#links.size,
      bytes: this.#links.weight,
      packed: this.#packed.size,
      packed_bytes: this.#packed.bytes,
    };
  }

  /**
   * Ensures that the contents are at most 5 s old. Returns undefined if they already are, so that there is nothing to
   * wait for.
   *
   * @throws {Problem} `schema_too_new` while the database refuses code of this version as too old.
   */
  ready(): Promise<void> | undefined {
    requireSchema();
    const now = this.#now();
    const age = now - this.#refreshedAt;
    if (age < REFRESH_AGE_MS) return undefined;
    const failing = this.#failedAt > this.#refreshedAt && now - this.#failedAt < MAX_AGE_MS;
    if (age >= MAX_AGE_MS && (this.#rules === undefined || !failing)) return this.#refresh();
    // Still fresh, or the database is unavailable: no visit waits.
    if (now - this.#failedAt >= RETRY_MS && this.#refreshing === undefined) {
      this.#options.waitUntil(this.#refresh());
    }
    return undefined;
  }

  /** The link with this code from memory; null if no link has it, undefined if only the database knows. */
  peek(code: string): Link | null | undefined {
    const link = this.#links.get(code) ?? this.#unpacked(code) ??
      (this.#missing.get(code) === undefined ? undefined : null);
    this.#options.onAsked?.(link !== undefined);
    return link;
  }

  #unpacked(code: string): Link | undefined {
    const packed = this.#packed.get(code);
    return packed === undefined ? undefined : this.#keep(unpack(code, packed));
  }

  /** The link with this code from the database; undefined if no link has it. Concurrent requests share one call. */
  load(code: string): Promise<Link | undefined> {
    const loading = this.#loading.get(code);
    if (loading !== undefined) return loading.promise;
    const entry: Loading = { stale: false, promise: this.#load(code, () => entry.stale) };
    this.#loading.set(code, entry);
    return entry.promise;
  }

  async #load(code: string, isStale: () => boolean): Promise<Link | undefined> {
    try {
      const row = await this.#read(code);
      // If the link changed meanwhile, the row serves those who waited for it, but is not stored.
      if (isStale()) return row && new Link(row);
      if (row === undefined) {
        this.#missing.set(code, true);
        return undefined;
      }
      // It may have been stored as a neighbour of another link meanwhile; a second copy would take twice the room.
      if (!this.#packed.has(code)) this.#packed.set(code, pack(row));
      return this.#keep(row);
    } finally {
      this.#loading.delete(code);
    }
  }

  /** One call for all of these codes and for neighbours of the first. */
  async #commit(codes: string[]): Promise<(LinkRow | undefined)[]> {
    const forgotten = this.#forgotten;
    // The contents of its JSON members were checked when they were written.
    const rows = await this.#options.rpc("get_links", {
      p_codes: codes,
      p_ahead: this.#packed.roomy ? READ_AHEAD : 0,
    }) as LinkRow[];
    const found = new Map(rows.map((row) => [row.code, row]));
    const asked = codes.map((code) => {
      const row = found.get(code);
      found.delete(code);
      return row;
    });
    // Neighbours may be outdated if links changed meanwhile.
    if (this.#forgotten === forgotten) {
      for (const [code, row] of found) if (!this.#packed.has(code)) this.#packed.set(code, pack(row));
    }
    return asked;
  }

  #keep(row: LinkRow): Link {
    const link = new Link(row);
    this.#links.set(link.code, link, weightOf(row));
    return link;
  }

  /** Reads the current rules, for a caller that waits for a change made a second ago. */
  async renew(): Promise<Rules> {
    await this.#refreshing?.catch(() => {});
    await this.#refresh(this.#options.loadFreshConfig);
    return this.rules;
  }

  #refresh(loadConfig = this.#options.loadConfig): Promise<void> {
    return this.#refreshing ??= (async () => {
      // The contents are as old as the query: later changes may be missing from its result.
      const asked = this.#now();
      try {
        const [config, answer] = await Promise.all([
          loadConfig(),
          this.#options.rpc("refresh_links", { p_since: this.#since }, { timeoutMs: 4000 }),
        ]);
        const numbers = JSON.stringify(answer.numbers);
        if (config !== this.#config || numbers !== this.#numbers) {
          this.#rules = {
            ...await readRules(config, answer.numbers, this.#options.ownCode),
            onFlag: this.#options.onFlag,
          };
          this.#config = config;
          this.#numbers = numbers;
        }
        this.forget(answer.changed);
        this.#keys = { zone: answer.zone, days: answer.visitor_keys };
        this.#cookieKey = answer.cookie_key;
        this.#since = answer.since;
        this.#refreshedAt = asked;
      } catch (error) {
        this.#failedAt = this.#now();
        if (isRefusedAsTooOld(error)) {
          // The contents may mean something else by now.
          this.#rules = this.#config = undefined;
          this.#refreshedAt = -Infinity;
          this.forget(null);
        }
        if (this.#rules === undefined) throw error;
        this.#options.onStale(error, this.#failedAt - this.#refreshedAt);
      } finally {
        this.#refreshing = undefined;
      }
    })();
  }

  /** Forgets links that changed; null for all. Callers that change a link use it to see the change at once. */
  forget(codes: readonly string[] | null): void {
    if (codes === null || codes.length > 0) this.#forgotten++;
    if (codes === null) {
      this.#links.clear();
      this.#packed.clear();
      this.#missing.clear();
      for (const entry of this.#loading.values()) entry.stale = true;
      return;
    }
    for (const code of codes) {
      this.#links.delete(code);
      this.#packed.delete(code);
      this.#missing.delete(code);
      const loading = this.#loading.get(code);
      if (loading !== undefined) loading.stale = true;
    }
  }
}

/** A row as text: only its address if it has nothing else, as most do; otherwise JSON. */
function pack({ code: _, ...row }: LinkRow): string {
  const { default_url, ...rest } = row;
  return default_url !== undefined && Object.keys(rest).length === 0 && !default_url.startsWith("{")
    ? default_url
    : JSON.stringify(row);
}

function unpack(code: string, text: string): LinkRow {
  return text.startsWith("{") ? { code, ...JSON.parse(text) } : { code, default_url: text };
}

/** Approximate memory of a link, in bytes. */
function weightOf(row: LinkRow): number {
  const { default_url = "", expired_url = "", targets, whatsapp, preview, utm } = row;
  const plain = LINK_BYTES + default_url.length + expired_url.length;
  if (targets === undefined && whatsapp === undefined && preview === undefined && utm === undefined) {
    return plain;
  }
  // Compiled conditions are closures over their source.
  return plain + 6 * JSON.stringify([targets, whatsapp, preview, utm]).length;
}
