/**
 * Clicks as lines of text, the input of `record_clicks` and `record_repeats`: the fields of each click separated by
 * spaces, in the order code, t, p, h, v, k, r, y, f, g, o, u, n, q, visits; missing fields are empty, and omitted at the
 * end.
 *
 * Text, because it costs Postgres a third of what JSON does; encoded into bytes immediately, because the garbage
 * collector would copy each of thousands of waiting objects.
 *
 * @module
 */
import type { Verdict } from "../../agents/agents.ts";

/** A click; fields with their default value are omitted. No field contains a space or a non-ASCII character. */
export interface Click {
  code: string;
  /** Time in Unix milliseconds. */
  t: number;
  /** Verdict. @default {"human"} */
  v?: Verdict | "own";
  /** What the verdict is based on. */
  r?: string;
  /** Kind of destination. @default {"web"} */
  k?: "web" | "app" | "store" | "whatsapp" | "fallback" | "preview";
  /** Platform. */
  p: string;
  /** Country. */
  y?: string;
  /** Referring host. */
  f?: string;
  /** Visitor's hash, 16 hex digits. */
  h?: string;
  /** Audience user. */
  u?: string;
  /** Token. */
  o?: string;
  /** Fingerprint, 16 hex digits. */
  g?: string;
  /** Index of the rule that matched the visit, from 0. */
  n?: string;
  /** "1" if the QR code was scanned. */
  q?: string;
}

/** Maximum line length, far above the sum of the longest fields. A field that would not fit is truncated. */
const MAX_LINE = 2048;
const SPACE = 32, LINE_FEED = 10, UNDERSCORE = 95;

let lastTime = -1, lastTimeText = "";

/** A growing buffer of lines. */
export class ClickLines {
  /** Number of lines. */
  count = 0;
  #bytes = new Uint8Array(16 * 1024);
  #end = 0;
  /** Separators to write before the next field. */
  #due = 0;

  /**
   * Adds a click.
   * @param visits How many are counted on its row; undefined for the one that makes the row.
   */
  add(click: Click, visits?: number): void {
    if (this.#end + MAX_LINE > this.#bytes.length) this.#grow();
    if (this.count++ > 0) this.#bytes[this.#end++] = LINE_FEED;
    if (click.t !== lastTime) {
      lastTime = click.t;
      lastTimeText = String(click.t);
    }
    this.#due = 0;
    const begin = this.#end;
    this.#field(click.code, begin);
    this.#field(lastTimeText, begin);
    this.#field(click.p, begin);
    this.#field(click.h, begin);
    this.#field(click.v, begin);
    this.#field(click.k, begin);
    this.#field(click.r, begin);
    this.#field(click.y, begin);
    this.#field(click.f, begin);
    this.#field(click.g, begin);
    this.#field(click.o, begin);
    this.#field(click.u, begin);
    this.#field(click.n, begin);
    this.#field(click.q, begin);
    if (visits !== undefined) this.#field(String(visits), begin);
  }

  /** The lines, separated by line feeds. */
  text(): string {
    return ascii.decode(this.#bytes.subarray(0, this.#end));
  }

  #field(text: string | undefined, begin: number): void {
    if (text === undefined) {
      this.#due++;
      return;
    }
    const bytes = this.#bytes;
    let end = this.#end;
    for (; this.#due > 0; this.#due--) bytes[end++] = SPACE;
    const length = Math.min(text.length, begin + MAX_LINE - 64 - end);
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      // Characters that earlier checks exclude, and that would end the field or the line.
      bytes[end++] = unit > SPACE && unit < 127 ? unit : UNDERSCORE;
    }
    this.#end = end;
    this.#due = 1;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = larger;
  }
}

const ascii = new TextDecoder();

/** Clicks as lines. */
export function linesOf(clicks: Iterable<Click>): string {
  const lines = new ClickLines();
  for (const click of clicks) lines.add(click);
  return lines.text();
}
