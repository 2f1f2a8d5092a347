import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { DAYS, isZone, type Window } from "../contract/window.ts";
import { inWindow } from "./window.ts";
import { holds } from "../../../../tests/support/property.ts";

const office: Window = {
  days: ["mon", "tue", "wed", "thu", "fri"],
  from: "09:00",
  to: "17:00",
  zone: "Europe/Berlin",
};
const night: Window = { days: ["fri"], from: "22:00", to: "06:00", zone: "America/New_York" };
const wholeDay: Window = { days: ["sun"], from: "00:00", to: "24:00", zone: "Europe/Berlin" };
const small: Window = { days: ["sun"], from: "02:00", to: "03:00", zone: "Europe/Berlin" };

Deno.test("inWindow() uses the wall clock of its zone", () => {
  const cases: [name: string, window: Window, now: string, inside: boolean][] = [
    ["from is inside", office, "2026-03-02T09:00:00+01:00", true],
    ["a minute before from is not", office, "2026-03-02T08:59:59+01:00", false],
    ["to is not inside", office, "2026-03-02T17:00:00+01:00", false],
    ["the last second is", office, "2026-03-02T16:59:59+01:00", true],
    ["Saturday is not", office, "2026-03-07T10:00:00+01:00", false],
    ["in summer the clock has moved: 07:00 UTC is nine", office, "2026-07-06T07:00:00Z", true],
    ["in winter it is eight", office, "2026-01-05T07:00:00Z", false],
    ["over midnight: Friday evening", night, "2026-03-06T23:00:00-05:00", true],
    ["over midnight: belongs to the day it starts", night, "2026-03-07T03:00:00-05:00", true],
    ["over midnight: not the morning of its own day", night, "2026-03-06T03:00:00-05:00", false],
    ["over midnight: ends", night, "2026-03-07T06:00:00-05:00", false],
    ["over midnight: not a day later", night, "2026-03-07T23:00:00-05:00", false],
    ["a whole day begins at midnight", wholeDay, "2026-03-01T00:00:00+01:00", true],
    ["a whole day ends at midnight", wholeDay, "2026-03-02T00:00:00+01:00", false],
    ["an hour the clock skips: just before", small, "2026-03-29T00:59:00Z", false],
    ["an hour the clock skips: just after", small, "2026-03-29T01:00:00Z", false],
    ["an hour the clock repeats: first time", small, "2026-10-25T00:30:00Z", true],
    ["an hour the clock repeats: second time", small, "2026-10-25T01:30:00Z", true],
    ["an hour the clock repeats: over", small, "2026-10-25T02:00:00Z", false],
    ["a zone of quarter hours", { ...office, zone: "Asia/Kathmandu" }, "2026-03-02T03:15:00Z", true],
    ["a quarter of an hour before", { ...office, zone: "Asia/Kathmandu" }, "2026-03-02T03:14:00Z", false],
  ];
  for (const [name, window, now, inside] of cases) {
    assertEquals(inWindow(window)(new Date(now)), inside, name);
  }
});

Deno.test("inWindow(): a window and its complement share the week between them", () => {
  const clock = fc.integer({ min: 0, max: 1439 }).map((m) =>
    `${String(Math.floor(m / 60)).padStart(2, "0")}:${String(m % 60).padStart(2, "0")}`
  );
  const instant = fc.date({ min: new Date("2026-01-01"), max: new Date("2027-01-01"), noInvalidDate: true });
  const zone = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe");
  holds(fc.property(clock, clock, instant, zone, (from, to, now, zone) => {
    fc.pre(from !== to);
    const one = inWindow({ days: [...DAYS], from, to, zone });
    const other = inWindow({ days: [...DAYS], from: to, to: from, zone });
    assertEquals(one(now), !other(now));
  }));
});

Deno.test("isZone() knows IANA names only", () => {
  assertEquals(["Europe/Berlin", "UTC", "Mars/Olympus", ""].map(isZone), [true, true, false, false]);
});
