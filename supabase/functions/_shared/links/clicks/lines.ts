/**
 * Clicks as lines of text, as `record_clicks` takes them: the fields of each with a space between two of them, in the
 * order code, t, p, h, v, k, r, y, f, g, o, u, n, q; empty where a click has none, and left out at the end.
 *
 * Text, since it costs Postgres a third of what JSON does; written into bytes at once, since thousands of objects that
 * wait for their group would each be copied by the garbage collector.
 *
 * @module
 */
import type { Verdict } from "../visitor/agents.ts";

/** A click; what stands at its default is left out. No field holds a space or anything outside of ASCII. */
export interface Click {
  code: string;
  /** When, in Unix milliseconds. */
  t: number;
  /** Verdict. @default {"human"} */
  v?: Verdict | "own";
  /** By what the verdict was reached. */
  r?: string;
  /** Where it went. @default {"web"} */
  k?: "web" | "app" | "store" | "whatsapp" | "fallback" | "preview";
  /** Platform. */
  p: string;
  /** Country. */
  y?: string;
  /** Referring host. */
  f?: string;
  /** Visitor's hash, 16 digits of hex. */
  h?: string;
  /** Audience user. */
  u?: string;
  /** Token. */
  o?: string;
  /** Fingerprint, 16 digits of hex. */
  g?: string;
  /** Number of the rule that took the visit, from 0. */
  n?: string;
  /** "1" where the QR code was scanned. */
  q?: string;
}

/** Longest line: each field at its longest is far below. A field that would not fit is cut. */
const MAX_LINE = 2048;
const SPACE = 32, LINE_FEED = 10, UNDERSCORE = 95;

let lastTime = -1, lastTimeText = "";

/** Lines that grow. */
export class ClickLines {
  /** How many lines there are. */
  count = 0;
  #bytes = new Uint8Array(16 * 1024);
  #end = 0;
  /** Separators that are due as soon as a field follows. */
  #due = 0;

  /** Adds a click. */
  add(click: Click): void {
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
  }

  /** The lines, with a line feed between two of them. */
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
      // What checks have kept out already would end the field, or the line.
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
