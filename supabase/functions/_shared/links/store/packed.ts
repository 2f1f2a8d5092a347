/**
 * Texts by key, packed into bytes: a tenth of the memory of objects, and nothing for the garbage collector to scan.
 *
 * Two generations: entries that are added, or requested from the older generation, go into the younger one. When it is
 * full, the older one is dropped whole and the younger takes its place. This evicts the least recently used entries
 * without tracking individual use.
 *
 * @module
 */

const CHUNK_BYTES = 1 << 20;
/** Header of a record: length of the key (1 byte), length of the value (3 bytes). */
const HEAD_BYTES = 4;
/** Record size that the table is sized for; with shorter records the table is full before the bytes are. */
const TYPICAL_BYTES = 48;

const utf8 = new TextEncoder(), decoder = new TextDecoder();

/** See the module. Keys are ASCII, at most 255 characters. */
export class PackedCache {
  readonly #each: number;
  #young: Generation;
  #old: Generation;

  /** @param maxBytes Maximum memory use. */
  constructor(maxBytes: number) {
    this.#each = maxBytes >> 1;
    this.#young = new Generation(this.#each);
    this.#old = new Generation(this.#each);
  }

  /** Number of entries; one that is in both generations counts twice. */
  get size(): number {
    return this.#young.count + this.#old.count;
  }

  /** Bytes used. */
  get bytes(): number {
    return this.#young.bytes + this.#old.bytes;
  }

  /** Whether no eviction is near: the older generation is empty. */
  get roomy(): boolean {
    return this.#old.count === 0;
  }

  has(key: string): boolean {
    const hash = hashOf(key);
    return this.#young.has(key, hash) || this.#old.has(key, hash);
  }

  get(key: string): string | undefined {
    const hash = hashOf(key);
    const young = this.#young.get(key, hash);
    if (young !== undefined) return young;
    const old = this.#old.get(key, hash);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  /** Stores a value under a new key; a value longer than a chunk is not stored. */
  set(key: string, value: string): void {
    const record = new Uint8Array(HEAD_BYTES + key.length + 3 * value.length);
    if (record.length > CHUNK_BYTES || key.length > 255) return;
    const begin = HEAD_BYTES + key.length;
    utf8.encodeInto(key, record.subarray(HEAD_BYTES));
    const { written } = utf8.encodeInto(value, record.subarray(begin));
    record.set([key.length, written >> 16, written >> 8 & 255, written & 255]);
    const whole = record.subarray(0, begin + written);
    const hash = hashOf(key);
    if (this.#young.put(whole, hash)) return;
    this.#old = this.#young;
    this.#young = new Generation(this.#each);
    this.#young.put(whole, hash);
  }

  delete(key: string): void {
    const hash = hashOf(key);
    this.#young.delete(key, hash);
    this.#old.delete(key, hash);
  }

  clear(): void {
    this.#young = new Generation(this.#each);
    this.#old = new Generation(this.#each);
  }
}

/** A table slot whose record was deleted: probing continues past it. */
const GONE = 0xffffffff;

/** Consecutive records, found by a table with open addressing: offset + 1 of each record, 0 for none. */
class Generation {
  count = 0;
  readonly #chunks: Uint8Array[] = [];
  readonly #maxChunks: number;
  readonly #table: Uint32Array;
  readonly #mask: number;
  #taken = 0;
  #end = CHUNK_BYTES;

  constructor(maxBytes: number) {
    // Twice as many slots as records, rounded to a power of two.
    const places = 2 ** Math.ceil(Math.log2(Math.max(64, maxBytes / TYPICAL_BYTES)));
    this.#table = new Uint32Array(places);
    this.#mask = places - 1;
    this.#maxChunks = Math.max(1, Math.floor((maxBytes - places * 4) / CHUNK_BYTES));
  }

  get bytes(): number {
    return this.#table.byteLength + this.#chunks.length * CHUNK_BYTES;
  }

  has(key: string, hash: number): boolean {
    return this.#find(key, hash) >= 0;
  }

  get(key: string, hash: number): string | undefined {
    const at = this.#find(key, hash);
    if (at < 0) return undefined;
    const place = this.#table[at] - 1, chunk = this.#chunks[place >>> 20], from = place & CHUNK_BYTES - 1;
    const begin = from + HEAD_BYTES + chunk[from];
    const length = chunk[from + 1] << 16 | chunk[from + 2] << 8 | chunk[from + 3];
    return decoder.decode(chunk.subarray(begin, begin + length));
  }

  /** Returns false if there is no room. */
  put(record: Uint8Array, hash: number): boolean {
    if (this.#taken >= this.#table.length * 0.8) return false;
    if (this.#end + record.length > CHUNK_BYTES) {
      if (this.#chunks.length >= this.#maxChunks) return false;
      this.#chunks.push(new Uint8Array(CHUNK_BYTES));
      this.#end = 0;
    }
    this.#chunks[this.#chunks.length - 1].set(record, this.#end);
    let at = hash & this.#mask;
    while (this.#table[at] !== 0) at = at + 1 & this.#mask;
    this.#table[at] = (this.#chunks.length - 1) * CHUNK_BYTES + this.#end + 1;
    this.#end += record.length;
    this.#taken++;
    this.count++;
    return true;
  }

  delete(key: string, hash: number): void {
    const at = this.#find(key, hash);
    if (at < 0) return;
    this.#table[at] = GONE;
    this.count--;
  }

  /** The slot of a key's record; -1 if absent. */
  #find(key: string, hash: number): number {
    const table = this.#table, mask = this.#mask;
    for (let at = hash & mask; table[at] !== 0; at = at + 1 & mask) {
      if (table[at] !== GONE && this.#isAt(table[at] - 1, key)) return at;
    }
    return -1;
  }

  #isAt(place: number, key: string): boolean {
    const chunk = this.#chunks[place >>> 20], from = place & CHUNK_BYTES - 1;
    if (chunk[from] !== key.length) return false;
    // From the end, where similar codes differ.
    for (let i = key.length - 1; i >= 0; i--) {
      if (chunk[from + HEAD_BYTES + i] !== key.charCodeAt(i)) return false;
    }
    return true;
  }
}

/** FNV-1a with an extra final mix, since the table uses the lowest bits. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
  return (hash ^ hash >>> 13) >>> 0;
}
