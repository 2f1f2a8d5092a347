import { InvalidArgumentError } from "commander";
import { assertEquals, assertThrows } from "../../../tests/support/assert.ts";
import { addressParts, clockSpan, day, identifier, moment, person, turn, weekdays } from "./values.ts";

Deno.test("person(): an address, a name with an address, a name", () => {
  assertEquals(["ana@example.com", "Ana B <ana@example.com>", "Ana"].map(person), [
    { email: "ana@example.com" },
    { name: "Ana B", email: "ana@example.com" },
    { name: "Ana" },
  ]);
  for (const wrong of ["", "a@b@c", "Ana <ana>", "<ana@example.com", "x".repeat(101)]) {
    assertThrows(() => person(wrong), InvalidArgumentError, "Use ana@example.com");
  }
});

Deno.test("weekdays(): ranges, lists, over the end of the week", () => {
  assertEquals(["mon-fri", "sat,sun", "sun-mon", "wed"].map(weekdays), [[1, 2, 3, 4, 5], [6, 7], [1, 7], [
    3,
  ]]);
  for (const wrong of ["", "monday", "mon-", "mon-tue-wed"]) assertThrows(() => weekdays(wrong));
});

Deno.test("turn(), clockSpan(), day(), moment(), addressParts(), identifier(): what is valid and what is not", () => {
  assertEquals(["day", "week", "2 weeks", "3-days"].map(turn), [
    { unit: "day", every: 1 },
    { unit: "week", every: 1 },
    { unit: "week", every: 2 },
    { unit: "day", every: 3 },
  ]);
  for (const wrong of ["0 days", "53 weeks", "month", ""]) assertThrows(() => turn(wrong));
  assertEquals(clockSpan("18:00-08:00"), { from: "18:00", until: "08:00" });
  for (const wrong of ["18:00", "24:00-08:00", "1-2", "08:00-09:00-10:00"]) {
    assertThrows(() => clockSpan(wrong));
  }
  assertEquals(day("2026-02-28"), "2026-02-28");
  for (const wrong of ["2026-02-30", "28.2.2026", "2026-13-01"]) assertThrows(() => day(wrong));
  assertEquals(moment("2026-12-24T18:00:00+01:00"), "2026-12-24T17:00:00.000Z");
  for (const wrong of ["2026-12-24T18:00", "tomorrow", "2026-12-24T25:00Z"]) {
    assertThrows(() => moment(wrong), InvalidArgumentError, "Use a time with its offset");
  }
  assertEquals(addressParts("Alert, incident"), ["alert", "incident"]);
  for (const wrong of ["", "a,,b", "a.b"]) assertThrows(() => addressParts(wrong));
  assertEquals(identifier("00000000-0000-7000-8000-000000000C01"), "00000000-0000-7000-8000-000000000c01");
  assertThrows(() => identifier("1"));
});
