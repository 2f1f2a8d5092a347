/**
 * Forms with files (RFC 7578), read as they arrive: a file of any size needs no more memory than a chunk.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Problem } from "./problem.ts";

/** One field of a form. */
export interface Part {
  readonly name: string;
  /** Present for files. */
  readonly filename?: string;
  /** Its own content type. */
  readonly type?: string;
  /** Must be read or cancelled before the next part is asked for. */
  readonly body: ReadableStream<Uint8Array>;
}

/** Most bytes of a part's headers. */
const MAX_HEAD = 16 * 1024;
const MAX_PARTS = 50;

/** The boundary that a content type names; undefined if it is no form. */
export function boundaryOf(contentType: string | null): string | undefined {
  if (contentType === null || !/^multipart\/form-data\s*;/i.test(contentType)) return undefined;
  const match = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

/**
 * The parts of a form, in their order.
 *
 * @throws {Problem} `invalid_request` for what is no form, `body_incomplete` if it ends early.
 */
export async function* readForm(
  stream: ReadableStream<Uint8Array>,
  boundary: string,
): AsyncGenerator<Part, void, void> {
  const source = new Source(stream);
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter has no line before it.
  source.buffer = Buffer.from("\r\n");
  try {
    if (!await drained(source, delimiter)) throw malformed("it does not begin with its boundary");
    for (let count = 0;; count++) {
      await source.need(2);
      const after = source.take(2).toString("latin1");
      if (after === "--") return;
      if (after !== "\r\n" || count === MAX_PARTS) {
        throw malformed("a part does not begin with a line of its own");
      }
      const head = await headOf(source);
      let isRead = false;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          try {
            const chunk = await source.until(delimiter);
            if (chunk === undefined) {
              isRead = true;
              controller.close();
            } else controller.enqueue(chunk);
          } catch (error) {
            controller.error(error);
          }
        },
      }, { highWaterMark: 0 });
      yield { ...head, body };
      if (!isRead && !await drained(source, delimiter)) throw ended();
    }
  } finally {
    source.cancel();
  }
}

/** The text of a field. @throws {Problem} `invalid_request` if it is longer. */
export async function textOf(part: Part, maxBytes = 64 * 1024): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of part.body) {
    length += chunk.length;
    if (length > maxBytes) throw malformed(`the field ${part.name} is too long`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Reads up to and with the delimiter. */
async function drained(source: Source, delimiter: Buffer): Promise<boolean> {
  while (await source.until(delimiter) !== undefined) { /* is thrown away */ }
  return true;
}

const NAME = /\bname="([^"\r\n]*)"/i;
const FILENAME = /\bfilename="([^"\r\n]*)"/i;

async function headOf(source: Source): Promise<Omit<Part, "body">> {
  const end = Buffer.from("\r\n\r\n");
  // A part without headers would begin with the empty line.
  let text = "";
  for (let chunk; (chunk = await source.until(end)) !== undefined;) {
    text += chunk.toString("utf8");
    if (text.length > MAX_HEAD) throw malformed("the headers of a part are too long");
  }
  const headers = new Map(
    text.split("\r\n").map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const disposition = headers.get("content-disposition") ?? "";
  // `filename` ends in `name`, so it is taken away first.
  const filename = FILENAME.exec(disposition)?.[1];
  const name = NAME.exec(disposition.replace(FILENAME, ""))?.[1];
  if (name === undefined) throw malformed("a part has no name");
  const type = headers.get("content-type");
  return {
    name,
    ...(filename === undefined ? {} : { filename: decodedName(filename) }),
    ...(type === undefined ? {} : { type }),
  };
}

/** Browsers percent-encode quotes and line breaks in names, and nothing else. */
function decodedName(name: string): string {
  return name.replace(/%(22|0D|0A)/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

class Source {
  buffer: Buffer = Buffer.alloc(0);
  #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Fills the buffer up to so many bytes. */
  async need(length: number): Promise<void> {
    while (this.buffer.length < length) await this.#fill();
  }

  take(length: number): Buffer {
    const taken = this.buffer.subarray(0, length);
    this.buffer = this.buffer.subarray(length);
    return taken;
  }

  /** Bytes before the delimiter; undefined once it was reached, and taken. */
  async until(delimiter: Buffer): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.buffer.indexOf(delimiter);
      if (at === 0) {
        this.take(delimiter.length);
        return undefined;
      }
      if (at > 0) return this.take(at);
      // The end of the buffer may be the beginning of the delimiter.
      const sure = this.buffer.length - delimiter.length + 1;
      if (sure > 0) return this.take(sure);
      await this.#fill();
    }
  }

  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  async #fill(): Promise<void> {
    let read;
    try {
      read = await this.#reader.read();
    } catch (cause) {
      throw new Problem("body_incomplete", { cause });
    }
    if (read.done) throw ended();
    this.buffer = this.buffer.length === 0
      ? Buffer.from(read.value.buffer, read.value.byteOffset, read.value.byteLength)
      : Buffer.concat([this.buffer, read.value]);
  }
}

function malformed(why: string): Problem {
  return new Problem("invalid_request", { detail: `The form is malformed: ${why}.` });
}

function ended(): Problem {
  return new Problem("body_incomplete");
}
