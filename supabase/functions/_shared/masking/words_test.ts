import { assert, assertEquals, assertNotMatch } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { noticeLanguage, noticeOf } from "./words.ts";

Deno.test("noticeLanguage(): by the country of the phone, English where a country has several or none is known", () => {
  const cases: [string | null, string][] = [
    ["12025550143", "en"],
    ["33612345678", "fr"],
    ["4915112345678", "de"],
    ["436641234567", "de"],
    ["34612345678", "es"],
    ["5215512345678", "es"],
    ["59891234567", "es"],
    ["351912345678", "pt"],
    ["5511912345678", "pt"],
    ["41791234567", "en"],
    [null, "en"],
  ];
  for (const [phone, language] of cases) assertEquals(noticeLanguage(phone), language, String(phone));
});

Deno.test("noticeOf(): the next window is told by the clocks of the organisation", () => {
  const next = "2026-12-24T17:00:00Z";
  assertEquals(
    noticeOf("no_active_window", "en", { next, zone: "America/New_York" }).match(/begins (.*)\.$/)?.[1],
    "Thursday, December 24 at 12:00 PM",
  );
  assert(
    noticeOf("no_active_window", "de", { next, zone: "Europe/Berlin" }).includes("24. Dezember um 18:00"),
  );
  assert(noticeOf("no_active_window", "en", { zone: "UTC" }).endsWith("call the office."));
});

Deno.test("noticeOf(): in no language does a notice name a number or an address", () => {
  for (const language of ["en", "es", "fr", "pt", "de"] as const) {
    for (const kind of ["blocked", "no_active_window", "opted_out"] as const) {
      const notice = noticeOf(kind, language, { zone: "UTC" });
      assertNotMatch(notice, /\d|@|http/, `${language} ${kind}`);
      assert(notice.length < 320, `${language} ${kind}: ${notice.length} characters`);
    }
  }
});

Deno.test("noticeLanguage(): knows a language for any digits", async () => {
  await holds(fc.property(fc.stringMatching(/^[1-9][0-9]{6,14}$/), (phone) => {
    assert(["en", "es", "fr", "pt", "de"].includes(noticeLanguage(phone)));
  }));
});
