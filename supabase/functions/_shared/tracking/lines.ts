/**
 * Opens and clicks as lines of text, the input of `record_accesses`. Encoded into bytes immediately, because the garbage
 * collector would copy each of thousands of waiting objects.
 *
 * @module
 */
import type { Lines } from "../db/write_behind.ts";

/** An open or a click. No text in it holds a space or a character outside ASCII. */
export interface AccessRow {
  readonly kind: "open" | "click";
  /** Number of the mail. */
  readonly ticket: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** Which link, from 1; 0 for the one that people do not see; undefined for an open. */
  readonly link: number | undefined;
  /** What {@linkcode saidOf} makes of the rest. */
  readonly said: string;
}

/** What an access says for itself, as the end of its line. @param signs As `signsText` writes them. */
export function saidOf(
  { verdict, client, signs, reasons }: {
    readonly verdict: string;
    readonly client: string;
    readonly signs: string;
    readonly reasons: readonly string[];
  },
): string {
  return `${verdict} ${client} ${signs} ${reasons.join(",")}`;
}

/** Far above the longest line. */
const MAX_LINE = 1024;
const ascii = new TextDecoder();

/** A growing group of accesses. */
export class AccessLines implements Lines<AccessRow> {
  count = 0;
  #bytes = new Uint8Array(16 * 1024);
  #end = 0;

  add({ kind, ticket, at, link, said }: AccessRow): void {
    if (this.#end + MAX_LINE > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
    }
    if (this.count++ > 0) this.#bytes[this.#end++] = 10;
    this.#write(kind[0]);
    this.#write(String(ticket));
    this.#write(String(at));
    this.#write(link === undefined ? "" : String(link));
    this.#write(said);
  }

  text(): string {
    return ascii.decode(this.#bytes.subarray(0, this.#end)).replaceAll(" \n", "\n").trimEnd();
  }

  /** Writes a field and a space. */
  #write(text: string): void {
    const length = Math.min(text.length, MAX_LINE / 2);
    for (let i = 0; i < length; i++) this.#bytes[this.#end++] = text.charCodeAt(i);
    this.#bytes[this.#end++] = 32;
  }
}
