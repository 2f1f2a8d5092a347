/** Personal data that a test plants, and the search for its traces in what somebody may see or read in a log. */
import { createHash } from "node:crypto";

/** A planted value by what it is: `{ phone: "491745550190", name: "Zerafina" }`. */
export type Planted = Record<string, string>;

/** Between the digits of a number that somebody wrote for people to read. */
const SEPARATORS = "[^0-9A-Za-z]{0,3}";

/**
 * The forms in which the planted values stand in a text, one `what as form` each: whole, with separators, reversed,
 * percent-encoded, hex, base64 and base64url at each of the three places that a byte can have in them, and as a
 * plain digest, from which a number is found by trying all of them.
 */
export function tracesOf(planted: Planted, text: string): string[] {
  return Object.entries(planted).flatMap(([what, value]) =>
    formsOf(value).filter(([, pattern]) => pattern.test(text)).map(([form]) => `${what} as ${form}`)
  );
}

function formsOf(value: string): [form: string, pattern: RegExp][] {
  const characters = [...value];
  const bytes = new TextEncoder().encode(value);
  const spaced = (of: string[]) =>
    /^\d+$/.test(value) ? new RegExp(of.join(SEPARATORS)) : new RegExp(of.map(escaped).join(""), "i");
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return [
    ["it stands", spaced(characters)],
    ["it stands, reversed", spaced(characters.toReversed())],
    ["percent-encoded", new RegExp(escaped(encodeURIComponent(value)), "i")],
    ["hex", new RegExp(hex.join("[^0-9A-Za-z]{0,2}"), "i")],
    ...[0, 1, 2].flatMap((place): [string, RegExp][] => {
      const inside = base64At(bytes, place);
      return [
        [`base64, place ${place}`, new RegExp(escaped(inside))],
        [`base64url, place ${place}`, new RegExp(escaped(urlSafe(inside)))],
      ];
    }),
    ...["md5", "sha1", "sha256"].flatMap((algorithm): [string, RegExp][] => {
      const digest = createHash(algorithm).update(value).digest();
      const base64 = digest.toString("base64").replace(/=+$/, "");
      return [
        [algorithm, new RegExp(digest.toString("hex"), "i")],
        [`${algorithm} in base64`, new RegExp(`${escaped(base64)}|${escaped(urlSafe(base64))}`)],
      ];
    }),
  ];
}

/** The characters of a base64 text that depend on nothing but these bytes, with so many bytes before them (mod 3). */
function base64At(bytes: Uint8Array, place: number): string {
  const all = new Uint8Array(place + bytes.length);
  all.set(bytes, place);
  return btoa(String.fromCharCode(...all)).slice(Math.ceil(place * 8 / 6), Math.floor(all.length * 8 / 6));
}

const urlSafe = (base64: string) => base64.replaceAll("+", "-").replaceAll("/", "_");
const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** A message id as WhatsApp makes them: the person's number stands in it, in base64. `serial` tells two apart. */
export function wamidOf(phone: string, serial: string): string {
  const id = serial.toUpperCase().padStart(20, "0");
  const bytes = `\x1c\x18${String.fromCharCode(phone.length)}${phone}\x15\x02\x00\x12\x18${
    String.fromCharCode(id.length)
  }${id}\x00`;
  return `wamid.${btoa(bytes)}`;
}
