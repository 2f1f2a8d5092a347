/**
 * Files at the simulated Meta: samples, what people send, and what the business uploads. Each has an id, as at Meta, and
 * may expire.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";

/** A file that a message can refer to by its id. */
export interface MediaFile {
  mimeType: string;
  /** In bytes. */
  size: number;
  /** SHA-256 of the bytes, base64, as webhooks give it. */
  sha256: string;
  filename: string;
  /** The content. */
  open(): BodyInit | Promise<BodyInit>;
}

/** Most files and bytes of those that were added; the oldest go first. */
const KEEP = { files: 200, bytes: 300 * 1024 * 1024 };

/** A file of these bytes. */
export function fileOf(bytes: Uint8Array, mimeType: string, filename: string): MediaFile {
  const sha256 = Buffer.from(createHash("sha256").update(bytes).digest()).toString("base64");
  return { mimeType, size: bytes.length, sha256, filename, open: () => bytes as BodyInit };
}

/** The files by id. Those that are added lie in a folder, if there is one, and outlive a restart. */
export class MediaShelf {
  #files = new Map<string, MediaFile>();
  #added: string[] = [];
  /** Ids of files that are gone: using them is an error, as at Meta. */
  #gone = new Set<string>();
  /** The accounts (WABA ids) that have a file; files that are not here belong to all. */
  #accounts = new Map<string, Set<string>>();
  #folder: string | undefined;

  constructor(samples: ReadonlyMap<string, MediaFile>, folder?: string) {
    for (const [id, file] of samples) this.#files.set(id, file);
    this.#folder = folder;
    if (folder !== undefined) this.#load(folder);
  }

  /** Called with the id of each file that is added. */
  onAdded: (id: string) => void = () => {};

  /** Ids of the files that there are. */
  get ids(): string[] {
    return [...this.#files.keys()].filter((id) => !this.#gone.has(id));
  }

  /**
   * The file of an id; undefined if there is none, or it has expired.
   * @param account WABA id: undefined, too, if another account has it.
   */
  get(id: string, account?: string): MediaFile | undefined {
    return this.#gone.has(id) || this.isForeign(id, account) ? undefined : this.#files.get(id);
  }

  /** Whether a file belongs to other accounts alone. */
  isForeign(id: string, account: string | undefined): boolean {
    return account !== undefined && this.#accounts.get(id)?.has(account) === false;
  }

  /** Gives a file that was added to an account (WABA id): one of its numbers received it. Samples are everybody's. */
  give(id: string, account: string): void {
    if (!this.#added.includes(id)) return;
    const accounts = this.#accounts.get(id) ?? new Set();
    if (accounts.has(account)) return;
    this.#accounts.set(id, accounts.add(account));
    if (this.#folder === undefined) return;
    const path = join(this.#folder, `${id}.json`);
    try {
      const about = JSON.parse(Deno.readTextFileSync(path));
      Deno.writeTextFileSync(path, JSON.stringify({ ...about, accounts: [...accounts] }));
    } catch (error) {
      // A file in memory alone.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Whether there was a file of this id and is none any more. */
  isGone(id: string): boolean {
    return this.#gone.has(id);
  }

  /** Adds a file under an id of its own. */
  add(file: MediaFile): string {
    const id = this.#newId();
    this.#put(id, file);
    return id;
  }

  /** Adds bytes, which are kept in the folder. */
  async keep(bytes: Uint8Array, mimeType: string, filename: string): Promise<string> {
    const made = fileOf(bytes, mimeType, filename);
    if (this.#folder === undefined) return this.add(made);
    const id = this.#newId();
    await Deno.mkdir(this.#folder, { recursive: true });
    const path = join(this.#folder, id);
    await Deno.writeFile(path, bytes);
    const { size, sha256 } = made;
    await Deno.writeTextFile(`${path}.json`, JSON.stringify({ mimeType, size, sha256, filename }));
    this.#put(id, { mimeType, size, sha256, filename, open: () => opened(path) });
    return id;
  }

  /** Makes an id invalid, as time or a deletion by its account does. @returns whether there was a file. */
  expire(id: string, account?: string): boolean {
    const had = this.get(id, account) !== undefined;
    if (had) this.#gone.add(id);
    return had;
  }

  /** Forgets what was added, and what has expired. */
  clear(): void {
    for (const id of this.#added.splice(0)) this.#drop(id);
    this.#gone.clear();
  }

  #newId(): string {
    for (;;) {
      const id = String(10 ** 14 + Math.floor(Math.random() * 9 * 10 ** 14));
      if (!this.#files.has(id)) return id;
    }
  }

  #put(id: string, file: MediaFile): void {
    this.#files.set(id, file);
    this.#added.push(id);
    this.#trim();
    this.onAdded(id);
  }

  #trim(): void {
    let bytes = this.#added.reduce((sum, id) => sum + this.#files.get(id)!.size, 0);
    while (this.#added.length > KEEP.files || bytes > KEEP.bytes && this.#added.length > 1) {
      const oldest = this.#added.shift()!;
      bytes -= this.#files.get(oldest)!.size;
      this.#drop(oldest);
      this.#gone.add(oldest);
    }
  }

  #drop(id: string): void {
    this.#files.delete(id);
    this.#accounts.delete(id);
    if (this.#folder === undefined) return;
    for (const name of [id, `${id}.json`]) {
      try {
        Deno.removeSync(join(this.#folder, name));
      } catch {
        // It was never there.
      }
    }
  }

  #load(folder: string): void {
    let names: string[];
    try {
      names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.endsWith(".json"));
    } catch {
      return;
    }
    for (const name of names.sort()) {
      const id = name.slice(0, -".json".length);
      const path = join(folder, id);
      try {
        const { accounts, ...about } = JSON.parse(Deno.readTextFileSync(`${path}.json`));
        if (accounts !== undefined) this.#accounts.set(id, new Set(accounts));
        this.#files.set(id, { ...about, open: () => opened(path) });
        this.#added.push(id);
      } catch {
        // Half written when the stack ended.
      }
    }
  }
}

async function opened(path: string): Promise<ReadableStream<Uint8Array>> {
  return (await Deno.open(path)).readable;
}
