/**
 * The links and rules as one isolate holds them.
 *
 * A link stays in memory until the database says that it changed: one small question every few seconds
 * (`refresh_links`) keeps all of them right, where a time to live would read each of them again and again. Those that
 * are visited most are ready to be resolved; many more lie packed behind them, and are made ready when they are asked
 * for, which takes a few microseconds. As long as there is room, its neighbours are read with a link: they cost hardly
 * more than the call for it does, and the next visitor of one of them waits for nothing.
 *
 * Failure policy: while the database is away, what is held is used, however old; a link that is not held cannot be
 * resolved (`database_unavailable`, 503).
 *
 * @module
 */
import { isRefusedAsTooOld, requireSchema, type Rpc } from "../../db/client.ts";
import type { Config } from "../../db/config.ts";
import { groupCommit } from "../../db/group_commit.ts";
import type { OnFlag } from "../../flags/evaluate.ts";
import { Cache } from "./cache.ts";
import { Link, type LinkRow } from "../model/link.ts";
import type { OwnCode } from "../model/own.ts";
import { PackedCache } from "./packed.ts";
import { readRules, type Rules } from "../model/rules.ts";
import type { VisitorKeys } from "../visitor/hashes.ts";

/** What a {@linkcode LinkStore} is made of. */
export interface StoreOptions {
  rpc: Rpc;
  loadConfig(): Promise<Config>;
  /** The configuration as it is in this moment. */
  loadFreshConfig(): Promise<Config>;
  /** Lets work go on after the answer. */
  waitUntil(work: Promise<unknown>): void;
  /** Told when what is held could not be brought up to date. */
  onStale(error: unknown, ageMs: number): void;
  /** Knows the addresses of this installation's own links. */
  ownCode?: OwnCode;
  /** Told what each flag that a visit asked said, and why. */
  onFlag?: OnFlag;
  /** Told of each link that was asked for: whether memory had it. */
  onAsked?(hit: boolean): void;
  /** Most bytes that links that are ready may take, as estimated. @default {16 MiB, about 35,000 plain ones} */
  readyBytes?: number;
  /** Most bytes that packed links may take. @default {64 MiB, about a million plain ones} */
  packedBytes?: number;
  /** Milliseconds of a clock that does not jump. @default {performance.now} */
  now?(): number;
}

interface Loading {
  readonly promise: Promise<Link | undefined>;
  stale: boolean;
}

/** What is held may be this old before a visit waits for it to be looked at again. */
const MAX_AGE_MS = 5000;
/** From this age on it is looked at again in the background, so that no visit waits as long as there are some. */
const REFRESH_AGE_MS = 2000;
/** How long until a database that was away is asked again. */
const RETRY_MS = 1000;
/** Codes known to be no link's, and for how long. */
const MAX_MISSING = 2000;

/** Links that are read with one that is not held. */
const READ_AHEAD = 100;

/** A link costs about this beside its texts: objects, map entry, key. Measured with 100,000 plain ones. */
const LINK_BYTES = 450;

/** See the module. */
export class LinkStore {
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #links: Cache<Link>;
  readonly #packed: PackedCache;
  readonly #missing = new Cache<true>(MAX_MISSING);
  /** Loads under way; one that is marked stale began before its link changed. */
  readonly #loading = new Map<string, Loading>();
  readonly #read: (code: string) => Promise<LinkRow | undefined>;
  /** How often links were forgotten. */
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

  /** Key by which visitors' cookies are known as ours; only after {@linkcode ready}. */
  get cookieKey(): string {
    return this.#cookieKey;
  }

  /** How many links are ready and packed, and the bytes they take: as estimated, and as they are. */
  get held(): { links: number; bytes: number; packed: number; packed_bytes: number } {
    return {
      links: this.#links.size,
      bytes: this.#links.weight,
      packed: this.#packed.size,
      packed_bytes: this.#packed.bytes,
    };
  }

  /**
   * Sees to it that what is held is no older than 5 s. Undefined when it is so already: then nothing has to be waited
   * for.
   *
   * @throws {Problem} `schema_too_new` while the database refuses code as old as this.
   */
  ready(): Promise<void> | undefined {
    requireSchema();
    const now = this.#now();
    const age = now - this.#refreshedAt;
    if (age < REFRESH_AGE_MS) return undefined;
    const failing = this.#failedAt > this.#refreshedAt && now - this.#failedAt < MAX_AGE_MS;
    if (age >= MAX_AGE_MS && (this.#rules === undefined || !failing)) return this.#refresh();
    // Up to date still, or the database is away: nobody waits for it.
    if (now - this.#failedAt >= RETRY_MS && this.#refreshing === undefined) {
      this.#options.waitUntil(this.#refresh());
    }
    return undefined;
  }

  /** The link with this code from memory; null when no link has it, undefined when that has to be asked. */
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

  /** The link with this code from the database, undefined when no link has it. One call for all who ask at the time. */
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
      // One that changed meanwhile serves those who waited for it, and nobody after.
      if (isStale()) return row && new Link(row);
      if (row === undefined) {
        this.#missing.set(code, true);
        return undefined;
      }
      // It may have come as a neighbour of another meanwhile; twice it would take the room of two.
      if (!this.#packed.has(code)) this.#packed.set(code, pack(row));
      return this.#keep(row);
    } finally {
      this.#loading.delete(code);
    }
  }

  /** One call for all of these, and for neighbours of the first. */
  async #commit(codes: string[]): Promise<(LinkRow | undefined)[]> {
    const forgotten = this.#forgotten;
    // What its members of JSON hold was checked when it was written.
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
    // What changed meanwhile may be among the neighbours as it was before.
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

  /** Reads the rules as they are in this moment: somebody may have changed them a second ago, and wait for it. */
  async renew(): Promise<Rules> {
    await this.#refreshing?.catch(() => {});
    await this.#refresh(this.#options.loadFreshConfig);
    return this.rules;
  }

  #refresh(loadConfig = this.#options.loadConfig): Promise<void> {
    return this.#refreshing ??= (async () => {
      // What is held is as old as the question: what changed after that may be missing from the answer.
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
          // What is held may mean something else by now.
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

  /** Forgets links that changed; null for all. Whoever changes one calls it, to see the change at once. */
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

/** A row as text: its address alone where it has nothing else, as most do, and JSON where it has. */
function pack({ code: _, ...row }: LinkRow): string {
  const { default_url, ...rest } = row;
  return default_url !== undefined && Object.keys(rest).length === 0 && !default_url.startsWith("{")
    ? default_url
    : JSON.stringify(row);
}

function unpack(code: string, text: string): LinkRow {
  return text.startsWith("{") ? { code, ...JSON.parse(text) } : { code, default_url: text };
}

/** About how much memory a link takes, in bytes. */
function weightOf(row: LinkRow): number {
  const { default_url = "", expired_url = "", targets, whatsapp, preview, utm } = row;
  const plain = LINK_BYTES + default_url.length + expired_url.length;
  if (targets === undefined && whatsapp === undefined && preview === undefined && utm === undefined) {
    return plain;
  }
  // Compiled conditions are closures over what they were made from.
  return plain + 6 * JSON.stringify([targets, whatsapp, preview, utm]).length;
}
