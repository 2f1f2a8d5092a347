/**
 * Opens and clicks as lines of text, the input of `record_accesses`.
 *
 * @module
 */
import type { Lines } from "../db/write_behind.ts";

/** An open or a click; no text in it holds a space. */
export interface AccessRow {
  readonly kind: "open" | "click";
  /** Number of the mail. */
  readonly ticket: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** Which link, from 1; 0 for the one that people do not see. */
  readonly link?: number;
  readonly verdict: string;
  readonly client: string;
  /** As `signsText` writes them. */
  readonly signs: string;
  readonly reasons: readonly string[];
}

/** A growing group of accesses. */
export class AccessLines implements Lines<AccessRow> {
  count = 0;
  #text = "";

  add({ kind, ticket, at, link, verdict, client, signs, reasons }: AccessRow): void {
    if (this.count++ > 0) this.#text += "\n";
    this.#text += `${kind[0]} ${ticket} ${at} ${link ?? ""} ${verdict} ${client} ${signs} ${
      reasons.join(",")
    }`;
  }

  text(): string {
    return this.#text;
  }
}
