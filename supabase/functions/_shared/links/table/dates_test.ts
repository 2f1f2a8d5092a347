/** Times of files: ISO, or as people say that days and months stand. */
import { assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { type DateOrder, readTime } from "./dates.ts";

const cases: [text: string, order: DateOrder | undefined, iso: string | undefined, assumedUtc?: boolean][] = [
  ["2027-02-01", undefined, "2027-02-01T00:00:00.000Z", true],
  ["2027-02-01 09:30", undefined, "2027-02-01T09:30:00.000Z", true],
  ["2027-02-01T09:30:15.1234567", undefined, "2027-02-01T09:30:15.123Z", true],
  ["2027-02-01T09:30:15Z", undefined, "2027-02-01T09:30:15.000Z", false],
  ["2027-02-01 09:30:15 UTC", undefined, "2027-02-01T09:30:15.000Z", false],
  ["2027-02-01T09:30+05:30", undefined, "2027-02-01T04:00:00.000Z", false],
  ["2027-02-01T09:30:00-0800", undefined, "2027-02-01T17:30:00.000Z", false],
  ["2027-02-01T09:30:00+02", undefined, "2027-02-01T07:30:00.000Z", false],
  ["2028-02-29", undefined, "2028-02-29T00:00:00.000Z", true],
  ["2027-02-29", undefined, undefined],
  ["2027-13-01", undefined, undefined],
  ["2027-00-10", undefined, undefined],
  ["2027-02-01T24:00", undefined, undefined],
  ["2027-02-01T10:60", undefined, undefined],
  ["2027-02-01T10:00+15:00", undefined, undefined],
  ["0000-01-01", undefined, undefined],
  ["2027-2-1", undefined, undefined],
  ["20270201", undefined, undefined],
  ["10", undefined, undefined],
  ["46054", undefined, undefined],
  ["1798761600", undefined, undefined],
  ["Feb 1, 2027", undefined, undefined],
  ["tomorrow", undefined, undefined],
  ["2027/02/01", undefined, "2027-02-01T00:00:00.000Z", true],
  ["2027/2/1 9:05", "dmy", "2027-02-01T09:05:00.000Z", true],
  ["2027.02.01", undefined, "2027-02-01T00:00:00.000Z", true],
  ["2027/13/01", undefined, undefined],
  ["2027/02.01", undefined, undefined],
  ["20270201T093015Z", undefined, "2027-02-01T09:30:15.000Z", false],
  ["20270201T0930+0530", undefined, "2027-02-01T04:00:00.000Z", false],
  ["20270201T0930", undefined, "2027-02-01T09:30:00.000Z", true],
  ["2/1/2027, 9:05:00\u202fPM", "mdy", "2027-02-01T21:05:00.000Z", true],
  ["1/2/2027\u00a009:05", "dmy", "2027-02-01T09:05:00.000Z", true],
  ["01.02.2027", undefined, undefined],
  ["31.12.2027", undefined, undefined],
  ["01.02.2027", "dmy", "2027-02-01T00:00:00.000Z", true],
  ["1/2/2027 9:05", "dmy", "2027-02-01T09:05:00.000Z", true],
  ["01/02/2027", "mdy", "2027-01-02T00:00:00.000Z", true],
  ["1/2/2027, 9:05 PM", "mdy", "2027-01-02T21:05:00.000Z", true],
  ["1/2/2027 12:05 AM", "mdy", "2027-01-02T00:05:00.000Z", true],
  ["1/2/2027 13:05 PM", "mdy", undefined],
  ["31/12/2027", "mdy", undefined],
  ["12/31/2027", "dmy", undefined],
  ["1.2/2027", "dmy", undefined],
  ["1.2.27", "dmy", undefined],
  ["2027-02-01", "mdy", "2027-02-01T00:00:00.000Z", true],
];
for (const [text, order, iso, assumedUtc] of cases) {
  Deno.test(`readTime(): ${text}${order ? `, ${order}` : ""} -> ${iso ?? "nothing"}`, () => {
    assertEquals(readTime(text, order), iso === undefined ? undefined : { iso, assumedUtc: assumedUtc! });
  });
}

Deno.test("readTime(): any time of ours is read unchanged, without an order of day and month", () => {
  const date = fc.date({
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59Z"),
    noInvalidDate: true,
  });
  holds(
    fc.property(date, fc.constantFrom<(DateOrder | undefined)[]>(undefined, "dmy", "mdy"), (date, order) => {
      assertEquals(readTime(date.toISOString(), order), { iso: date.toISOString(), assumedUtc: false });
    }),
  );
});
