/** Objects in a folder: a file per object, and one beside it with its type. */
import { dirname, join } from "../../lib/paths.ts";

/** What is known of an object. */
export interface ObjectInfo {
  size: number;
  type: string;
  createdAt: Date;
}

/** An entry of a folder. */
export interface Entry {
  name: string;
  /** Absent for a folder. */
  info?: ObjectInfo;
}

/** Suffix of the file with an object's type; no encoded name can end in it. */
const TYPE = "%type";
const DRAFT = "%draft";

/**
 * Objects below a folder; names may hold any characters. Writes are synchronous: into the page cache they take less than
 * the way to another thread and back.
 */
export class Files {
  #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Writes an object whole, or not at all.
   * @returns false if it would have more than `maxBytes`, or if one is there and `replace` is false.
   */
  async write(
    bucket: string,
    path: string,
    body: AsyncIterable<Uint8Array>,
    { type, maxBytes, replace }: { type: string; maxBytes: number; replace: boolean },
  ): Promise<"written" | "exists" | "too_large"> {
    const file = this.#pathOf(bucket, path);
    if (!replace && await infoOf(file) !== undefined) return "exists";
    const draft = `${file}.${crypto.randomUUID()}${DRAFT}`;
    let drafted = true;
    try {
      const open = create(draft);
      let length = 0;
      try {
        for await (const chunk of body) {
          length += chunk.length;
          if (length > maxBytes) return "too_large";
          for (let at = 0; at < chunk.length;) at += open.writeSync(chunk.subarray(at));
        }
      } finally {
        open.close();
      }
      Deno.writeTextFileSync(file + TYPE, type, { mode: 0o600 });
      Deno.renameSync(draft, file);
      drafted = false;
      return "written";
    } finally {
      if (drafted) await Deno.remove(draft).catch(() => {});
    }
  }

  /** What is known of an object; undefined if there is none. */
  async info(bucket: string, path: string): Promise<ObjectInfo | undefined> {
    return await infoOf(this.#pathOf(bucket, path));
  }

  /** The bytes of an object from `start` to before `end`. */
  async read(bucket: string, path: string, start: number, end: number): Promise<ReadableStream<Uint8Array>> {
    const open = await Deno.open(this.#pathOf(bucket, path));
    await open.seek(start, Deno.SeekMode.Start);
    let left = end - start;
    const cut = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk.subarray(0, left));
        left -= Math.min(left, chunk.length);
        if (left === 0) controller.terminate();
      },
    });
    if (left > 0) return open.readable.pipeThrough(cut);
    open.close();
    return new Blob().stream();
  }

  /** Deletes an object and the folders that it leaves empty. @returns whether there was one. */
  async remove(bucket: string, path: string): Promise<boolean> {
    const file = this.#pathOf(bucket, path);
    try {
      await Deno.remove(file);
    } catch (error) {
      if (isAbsent(error)) return false;
      throw error;
    }
    await Deno.remove(file + TYPE).catch(() => {});
    const top = join(this.#root, name(bucket));
    for (let folder = dirname(file); folder !== top && folder.startsWith(top); folder = dirname(folder)) {
      // Not empty, or somebody writes into it at this moment.
      if (!await Deno.remove(folder).then(() => true, () => false)) break;
    }
    return true;
  }

  /** What lies directly in a folder, by name. */
  async list(bucket: string, folder: string): Promise<Entry[]> {
    const path = folder === "" ? join(this.#root, name(bucket)) : this.#pathOf(bucket, folder);
    const found: Entry[] = [];
    try {
      for await (const entry of Deno.readDir(path)) {
        if (entry.name.endsWith(TYPE) || entry.name.endsWith(DRAFT)) continue;
        const info = entry.isFile ? await infoOf(join(path, entry.name)) : undefined;
        if (entry.isFile && info === undefined) continue;
        found.push({ name: decodeURIComponent(entry.name), ...(info && { info }) });
      }
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    return found.sort((a, b) => a.name < b.name ? -1 : 1);
  }

  #pathOf(bucket: string, path: string): string {
    return join(this.#root, name(bucket), ...path.split("/").map(name));
  }
}

/** Opens a new file, and makes its folder where it is not there. */
function create(file: string): Deno.FsFile {
  const options = { write: true, createNew: true, mode: 0o600 };
  for (;;) {
    try {
      return Deno.openSync(file, options);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      // Also where a deletion has just removed the folder that it left empty.
      Deno.mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    }
  }
}

/** A name that every file system takes: two dots, for one, would lead out of the folder. */
function name(part: string): string {
  return encodeURIComponent(part).replaceAll(".", "%2E").replaceAll("*", "%2A");
}

async function infoOf(file: string): Promise<ObjectInfo | undefined> {
  try {
    const { size, mtime, isFile } = await Deno.stat(file);
    if (!isFile) return undefined;
    const type = await Deno.readTextFile(file + TYPE).catch(() => "application/octet-stream");
    return { size, type, createdAt: mtime ?? new Date(0) };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}
