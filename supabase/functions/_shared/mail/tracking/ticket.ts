/**
 * Tickets in the addresses of a tracked mail: which mail it is, and where its links lead, sealed so that only we can make
 * and read them.
 *
 * A ticket holds the number of the mail and the number of its list of links, so that a pixel or a click is answered
 * without asking the database about the mail: one list serves all mails with the same links. It holds no address of a
 * destination. A text that we did not make is recognised at once, so strangers who try texts cost nothing.
 *
 * Sealed as a synthetic IV (Rogaway and Shrimpton, 2006): SipHash of the content is the tag, and SipHash of the tag masks
 * the content. 64 bits of tag: one of 2^64 invented tickets is taken for ours.
 *
 * @module
 */
import { sipHash, type SipKey, sipKey } from "../../crypto/siphash.ts";

/** What a ticket stands for. */
export interface Ticket {
  /** Number of the mail: a positive integer. */
  readonly mail: number;
  /** Number of its list of links: a positive integer; 0 for none. */
  readonly links: number;
}

/** A key in use, as {@linkcode ticketKey} makes it. */
export interface TicketKey {
  readonly tag: SipKey;
  readonly mask: SipKey;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
/** 7 bytes for the mail, 5 for the links: 2^53 mails, a trillion lists. */
const CONTENT = 12;
const TAG = 8;
/** Characters of a ticket: 20 bytes in base32. */
const LENGTH = (CONTENT + TAG) * 8 / 5;
const MOST_LINKS = 2 ** 40;

const VALUES = new Int8Array(128).fill(-1);
for (let i = 0; i < 32; i++) {
  VALUES[ALPHABET.charCodeAt(i)] = i;
  // Some mail programs and proxies change the case of addresses.
  VALUES[ALPHABET[i].toUpperCase().charCodeAt(0)] = i;
}

/** The keys in 64 hex digits. */
export function ticketKey(hex: string): TicketKey {
  return { tag: sipKey(hex.slice(0, 32)), mask: sipKey(hex.slice(32, 64)) };
}

const bytes = new Uint8Array(TAG + CONTENT);
const masking = new Uint8Array(TAG + 1);

/** The ticket as 32 characters of a-z and 2-7. */
export function sealTicket({ tag, mask }: TicketKey, { mail, links }: Ticket): string {
  if (
    !Number.isSafeInteger(mail) || mail < 1 || !Number.isSafeInteger(links) || links < 0 ||
    links >= MOST_LINKS
  ) {
    throw new RangeError("numbers of a ticket are positive integers");
  }
  write(TAG, 7, mail);
  write(TAG + 7, 5, links);
  writeHex(0, sipHash(tag, bytes.subarray(TAG)));
  toggle(mask);
  let text = "", held = 0, bits = 0;
  for (const byte of bytes) {
    held = (held << 8 | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[held >> (bits - 5) & 31];
  }
  return text;
}

/** What a ticket of ours stands for; undefined for any other text. */
export function openTicket({ tag, mask }: TicketKey, text: string): Ticket | undefined {
  if (text.length !== LENGTH) return undefined;
  let held = 0, bits = 0, at = 0;
  for (let i = 0; i < LENGTH; i++) {
    const unit = text.charCodeAt(i), value = unit < 128 ? VALUES[unit] : -1;
    if (value < 0) return undefined;
    held = (held << 5 | value) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits & 255;
    }
  }
  toggle(mask);
  const expected = sipHash(tag, bytes.subarray(TAG));
  let differs = 0;
  for (let i = 0; i < TAG; i++) differs |= bytes[i] ^ parseInt(expected.slice(2 * i, 2 * i + 2), 16);
  if (differs !== 0) return undefined;
  return { mail: read(TAG, 7), links: read(TAG + 7, 5) };
}

/** Masks the content, or unmasks it. */
function toggle(mask: SipKey): void {
  masking.set(bytes.subarray(0, TAG));
  for (let block = 0; block * 8 < CONTENT; block++) {
    masking[TAG] = block;
    const stream = sipHash(mask, masking);
    for (let i = 0; i < 8 && block * 8 + i < CONTENT; i++) {
      bytes[TAG + block * 8 + i] ^= parseInt(stream.slice(2 * i, 2 * i + 2), 16);
    }
  }
}

function write(at: number, length: number, value: number): void {
  for (let i = length - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) {
    bytes[at + i] = rest % 256;
  }
}

function read(at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + bytes[at + i];
  return value;
}

function writeHex(at: number, hex: string): void {
  for (let i = 0; i < hex.length; i += 2) bytes[at + i / 2] = parseInt(hex.slice(i, i + 2), 16);
}
