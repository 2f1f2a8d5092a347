import { assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { preferredLanguage, preferredLanguages, rangeTakes } from "./languages.ts";

const preferred: [string | null, string | undefined][] = [
  ["de-DE,de;q=0.9,en;q=0.8", "de-de"],
  ["en;q=0.8, de;q=0.9", "de"],
  ["en, de", "en"],
  ["en;q=0.5,de;q=0.5", "en"],
  ["*", undefined],
  ["*, fr;q=0.2", "fr"],
  ["de;q=0", undefined],
  ["de ; q = 0.3 , en;q=0.2", "de"],
  ["zh-Hant-TW", "zh-hant-tw"],
  ["de;q=2", undefined],
  ["de;q=1.5, en;q=0.1", "en"],
  ["fr;q=0.8, de;Q=0.9", "de"],
  ["de;q=.5, en;q=0.4", "de"],
  ["de;q=0.12345, en;q=0.1", "de"],
  ["de;q=., en;q=0.1", "en"],
  ["de_DE, en;q=0.5", "de-de"],
  ["<script>", undefined],
  ["", undefined],
  [null, undefined],
];
for (const [header, expected] of preferred) {
  Deno.test(`preferredLanguage(): ${header} -> ${expected}`, () =>
    assertEquals(preferredLanguage(header), expected));
}

Deno.test("preferredLanguages(): by quality, equal ones in their order", () => {
  assertEquals(preferredLanguages("fr;q=0.5, nl, *;q=0.1, de;q=0.5, en;q=0"), ["nl", "fr", "de"]);
});

/** A range, tags that it matches, tags that it does not. */
const ranges: [string, string[], string[]][] = [
  ["pt", ["pt", "pt-br", "pt-latn-br"], ["ptx", "es", "p"]],
  ["pt-br", ["pt-br", "pt-latn-br", "pt-br-x-a"], ["pt", "pt-pt"]],
  // Old forms.
  ["he", ["he", "iw", "iw-il", "heb"], ["yi"]],
  ["iw", ["he-il", "iw"], ["hi"]],
  ["id", ["in-id", "ind"], ["it"]],
  ["yi", ["ji"], []],
  ["ro", ["mo", "ro-md"], []],
  ["fil", ["tl", "tl-ph"], []],
  ["no", ["nb-no", "no", "nb"], ["nn"]],
  ["nb", ["no"], []],
  // Long forms.
  ["de", ["ger", "deu-at", "de-1996"], ["nds"]],
  ["zh", ["cmn", "zh-min-nan", "zh-hant-tw"], ["yue-hk"]],
  // Scripts, which tags have or leave out.
  ["zh-tw", ["zh-hant-tw", "zh-tw"], ["zh-hant", "zh", "zh-hk"]],
  ["zh-hant", ["zh-tw", "zh-hk", "zh-mo", "zh-hant-tw", "zh-hant"], ["zh", "zh-cn", "zh-hans-hk"]],
  ["zh-hans", ["zh", "zh-cn", "zh-sg", "zh-hans"], ["zh-tw", "zh-hant"]],
  ["sr-latn", ["sr-latn-rs", "sh"], ["sr", "sr-cyrl"]],
  ["en-us", ["en-us", "en-latn-us"], ["en", "en-gb"]],
  ["en-gb", ["en-gb", "en-uk"], ["en"]],
  ["de-at-1996", ["de-at-1996"], ["de-at", "de-1996"]],
];
for (const [range, matched, others] of ranges) {
  Deno.test(`rangeTakes(): ${range} matches ${matched.join(", ")}`, () => {
    for (const tag of matched) assertEquals(rangeTakes(range, tag), true, tag);
    for (const tag of others) assertEquals(rangeTakes(range, tag), false, tag);
  });
}

Deno.test("rangeTakes(): every tag matches itself and its language, and none throws", () => {
  const tag = fc.stringMatching(/^[a-z]{1,8}(-[a-z0-9]{1,8}){0,4}$/);
  holds(fc.property(tag, tag, (a, b) => {
    assertEquals(rangeTakes(a, a), true);
    rangeTakes(a, b);
  }));
});
