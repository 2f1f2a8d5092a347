/**
 * The tree of parts of a mail (RFC 2046), as ranges of its bytes: nothing is copied, nothing decoded, every byte looked at
 * once. What people attach is found without holding it in memory a second time, which a 30 MB mail needs in an isolate of
 * 256 MB.
 *
 * @module
 */
import { type Fields, first, readBlock, type Structured, structured } from "./header.ts";
import type { MailLimits, Truncation } from "./types.ts";

/** A part. `start` and `end` enclose its body, encoded. */
export interface Part {
  readonly fields: Fields;
  readonly type: Structured;
  readonly disposition: Structured;
  readonly start: number;
  end: number;
  readonly children: Part[];
  readonly parent: Part | undefined;
}

/** Characters of a boundary that are compared; 70 are allowed (RFC 2046 5.1.1), and some mailers exceed it. */
const MOST_BOUNDARY = 250;
/** Header bytes of a part. */
const PART_HEADER_BYTES = 65_536;
const [LF, CR, HYPHEN, SPACE, TAB] = [10, 13, 0x2d, 0x20, 9];

/** A multipart whose end has not come. */
interface Open {
  readonly part: Part;
  readonly boundary: string;
  /** The child that is being read. */
  child: Part | undefined;
}

/** Reads the tree. Never throws. */
export function readParts(
  bytes: Uint8Array,
  limits: MailLimits,
): { root: Part; truncated: Set<Truncation> } {
  const truncated = new Set<Truncation>();
  // Some scripts begin a mail with the mark of UTF-8, which would belong to the first header's name.
  const from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const block = readBlock(bytes, from, bytes.length, limits.headerBytes, true);
  if (block.cut) truncated.add("headers");
  const root = partOf(block.fields, block.body, bytes.length, undefined);
  const open = new OpenParts();
  let count = 1;

  const enter = (part: Part): void => {
    if (!part.type.value.startsWith("multipart/")) return;
    const boundary = boundaryOf(bytes, part);
    if (boundary === undefined) return;
    if (open.list.length >= limits.depth) truncated.add("nesting");
    else open.push({ part, boundary, child: undefined });
  };
  enter(root);

  let at = root.start;
  while (at < bytes.length && open.list.length > 0) {
    const start = lineWithHyphens(bytes, at);
    if (start < 0) break;
    const line = boundaryLine(bytes, start, open.lengths);
    const found = line.text === undefined ? undefined : open.find(line.text);
    at = line.end;
    if (found === undefined) continue;
    // A boundary of an outer multipart ends the inner ones, which have lost their own end.
    for (const { part, child } of open.closeFrom(found.level + 1)) {
      if (child !== undefined) child.end = beforeBreak(bytes, start, child.start);
      part.end = beforeBreak(bytes, start, part.start);
    }
    const parent = open.list[found.level];
    if (parent.child !== undefined) parent.child.end = beforeBreak(bytes, start, parent.child.start);
    parent.child = undefined;
    if (found.closing) {
      open.closeFrom(found.level);
      continue;
    }
    if (count >= limits.parts) {
      truncated.add("parts");
      break;
    }
    count++;
    at = Math.min(at + 1, bytes.length);
    const header = readBlock(bytes, at, bytes.length, PART_HEADER_BYTES, false);
    if (header.cut) truncated.add("headers");
    const digest = parent.part.type.value === "multipart/digest" ? "message/rfc822" : undefined;
    const child = partOf(header.fields, header.body, bytes.length, parent.part, digest);
    parent.part.children.push(child);
    parent.child = child;
    at = child.start;
    enter(child);
  }
  return { root, truncated };
}

function partOf(
  fields: Fields,
  start: number,
  end: number,
  parent: Part | undefined,
  fallback: string = "text/plain",
): Part {
  const type = structured(first(fields, "content-type"));
  const value = /^[\w.+-]+\/[\w.+-]+$/.test(type.value) ? type.value : fallback;
  return {
    fields,
    type: value === type.value ? type : { value, params: type.params },
    disposition: structured(first(fields, "content-disposition")),
    start,
    end,
    children: [],
    parent,
  };
}

/** The boundary that a multipart states; or, where that is missing or appears nowhere near, the one it uses. */
function boundaryOf(bytes: Uint8Array, part: Part): string | undefined {
  const stated = part.type.params.get("boundary");
  if (stated !== undefined && stated !== "" && stated.length <= MOST_BOUNDARY) return stated;
  const start = lineWithHyphens(bytes, part.start);
  const line = start < 0 ? undefined : boundaryLine(bytes, start).text;
  return line === undefined || line === "" ? undefined : line;
}

/** The next position at the beginning of a line that starts with two hyphens; -1 if there is none. */
function lineWithHyphens(bytes: Uint8Array, from: number): number {
  const last = bytes.length - 1;
  if (bytes[from] === HYPHEN && bytes[from + 1] === HYPHEN && (from === 0 || bytes[from - 1] === LF)) {
    return from;
  }
  for (let at = from; at < last; at++) {
    if (bytes[at] === LF && bytes[at + 1] === HYPHEN && bytes[at + 2] === HYPHEN) return at + 1;
  }
  return -1;
}

/**
 * The text after the two hyphens, without trailing blanks; undefined if no boundary has that length. And where the next line
 * begins, or a place in this line where the search may go on.
 */
function boundaryLine(
  bytes: Uint8Array,
  start: number,
  lengths?: ReadonlySet<number>,
): { text: string | undefined; end: number } {
  let end = start + 2;
  const most = Math.min(bytes.length, end + MOST_BOUNDARY + 8);
  while (end < most && bytes[end] !== LF) end++;
  if (end < bytes.length && bytes[end] !== LF) return { text: undefined, end };
  let last = end;
  while (last > start + 2 && isBlank(bytes[last - 1])) last--;
  const known = lengths === undefined || lengths.has(last - start - 2);
  return {
    text: known ? String.fromCharCode(...bytes.subarray(start + 2, last)) : undefined,
    end: Math.min(end, bytes.length),
  };
}

const isBlank = (byte: number) => byte === SPACE || byte === TAB || byte === CR;

/** Multiparts whose end has not come, outermost first, with a way to find the one that a line belongs to. */
class OpenParts {
  readonly list: Open[] = [];
  readonly #levels = new Map<string, number>();
  /** Lengths of lines that may be boundaries: the others, millions in a hostile mail, are not even read. */
  readonly lengths = new Set<number>();

  push(open: Open): void {
    this.list.push(open);
    this.#index();
  }

  /** Closes all from a level on, innermost first. */
  closeFrom(level: number): Open[] {
    const closed = this.list.splice(level).reverse();
    if (closed.length > 0) this.#index();
    return closed;
  }

  #index(): void {
    this.#levels.clear();
    this.lengths.clear();
    for (const [level, { boundary }] of this.list.entries()) {
      this.#levels.set(boundary, level);
      this.lengths.add(boundary.length).add(boundary.length + 2);
    }
  }

  /** The innermost multipart whose boundary a line is, and whether it ends it; undefined if none. */
  find(text: string): { level: number; closing: boolean } | undefined {
    const between = this.#levels.get(text);
    if (between !== undefined) return { level: between, closing: false };
    const level = text.endsWith("--") ? this.#levels.get(text.slice(0, -2)) : undefined;
    return level === undefined ? undefined : { level, closing: true };
  }
}

/** The line break before a boundary belongs to the boundary (RFC 2046 5.1.1). */
function beforeBreak(bytes: Uint8Array, at: number, from: number): number {
  let end = at;
  if (end > from && bytes[end - 1] === LF) end--;
  if (end > from && bytes[end - 1] === CR) end--;
  return end;
}
