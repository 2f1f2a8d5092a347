import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { keptOf } from "./misprints.ts";
import { holds } from "../../../../../tests/support/property.ts";

const cases: [asked: string, kept: string][] = [
  ["summer-sale", "summer-sale"],
  ["dem02345", "dem02345"],
  ["poster_12", "poster_12"],
  ["jo.doe@mail.example", "(e-mail address)"],
  ["jo.doe%40mail.example", "(e-mail address)"],
  ["jo.doe%2540mail.example", "(e-mail address)"],
  ["jo.doe%ef%bc%a0mail.example", "(e-mail address)"],
  ["%e4jo%40mail.example", "(e-mail address)"],
  ["jo-doe-at-mail-example", "(e-mail address)"],
  ["jo(at)mail.example", "(e-mail address)"],
  ["4915112345678", "(number)"],
  ["+49-151-12345678", "(number)"],
  ["%2b49%20151%2012345678", "(number)"],
  ["0049_151_1234", "(number)"],
  ["%ef%bc%94%ef%bc%99%ef%bc%91%ef%bc%95%ef%bc%91%ef%bc%91", "(number)"],
  ["tel-0151-123456", "(number)"],
  ["born-1990-01-01", "(number)"],
  ["123456", "(number)"],
  ["3f0c2a52-7a3e-4a53-9f59-0b3f7d0c9d11", "(secret)"],
  ["eyjhbgcioijiuzi1nij9.eyjzdwiioiixin0.c2ln", "(secret)"],
  ["am8uzg9lqg1hawwuzxhhbxbszq", "(secret)"],
  ["reset-password-8f2a", "(secret)"],
  ["deadbeef0123", "(secret)"],
  ["favicon.ico", "(other)"],
  ["jo.doe", "(other)"],
  ["%zz", "(other)"],
  ["", "(other)"],
];
for (const [asked, kept] of cases) {
  Deno.test(`keptOf(): ${asked} -> ${kept}`, () => assertEquals(keptOf(asked), kept));
}

/** As a browser, a mail program or a person may have written it. */
const written = (text: fc.Arbitrary<string>) =>
  fc.tuple(
    text,
    fc.constantFrom<((text: string) => string)[]>(
      (text) => text,
      encodeURIComponent,
      (text) => encodeURIComponent(encodeURIComponent(text)),
      (text) =>
        Array.from(new TextEncoder().encode(text), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(
          "",
        ),
      (text) => text.replace(/[!-~]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) + 0xfee0)),
      btoa,
    ),
  ).map(([text, write]) => write(text).toLowerCase());

const word = fc.stringMatching(/^[a-z]{3,12}$/);
const address = fc.tuple(word, word, fc.constantFrom("example", "test", "co.example"))
  .map(([name, host, end]) => `${name}.${name}@${host}.${end}`);
const phone = fc.tuple(fc.stringMatching(/^[0-9]{8,15}$/), fc.constantFrom("", "-", "_", ".", " "))
  .map(([digits, between]) => digits.replace(/(...)(?=.)/g, `$1${between}`));
const secret = fc.oneof(
  fc.uuid(),
  fc.stringMatching(/^[0-9a-f]{16,64}$/),
  fc.stringMatching(/^[A-Za-z0-9]{22,64}$/),
  fc.stringMatching(/^ey[A-Za-z0-9]{20,40}\.[A-Za-z0-9]{20,40}\.[A-Za-z0-9]{20,40}$/),
);

Deno.test("keptOf(): stores no address, number or token, in any spelling", () => {
  holds(fc.property(written(fc.oneof(address, phone, secret)), (asked) => {
    const kept = keptOf(asked);
    assert(kept.startsWith("("), `${asked} -> ${kept}`);
  }));
});

Deno.test("keptOf(): stores the code itself, and never what cannot be a code", () => {
  holds(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (asked) => {
    const kept = keptOf(asked);
    assert(
      /^\((e-mail address|number|secret|other)\)$/.test(kept) ||
        (kept === asked && /^[a-z0-9_-]+$/.test(kept)),
    );
  }));
});
