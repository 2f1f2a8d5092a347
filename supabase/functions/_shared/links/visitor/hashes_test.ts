import { assert, assertEquals, assertNotEquals } from "../../../../../tests/support/assert.ts";
import { hashPassword, isPassword } from "../model/passwords.ts";
import { dayOf, hashOf, isOwnAddress, networkOf } from "./hashes.ts";

const KEYS = { zone: "UTC", days: { "2026-11-21": "1f".repeat(32), "2026-11-22": "2e".repeat(32) } };
const NOON = Date.UTC(2026, 10, 21, 12);

Deno.test("hashOf(): the same for one visitor and day, different for any other, none without a key", () => {
  const hash = hashOf(KEYS, NOON, "203.0.113.7", "Safari");
  assert(/^[0-9a-f]{16}$/.test(hash!));
  assertEquals(hashOf(KEYS, NOON + 3_600_000, "203.0.113.7", "Safari"), hash);
  assertNotEquals(hashOf(KEYS, NOON, "203.0.113.8", "Safari"), hash);
  assertNotEquals(hashOf(KEYS, NOON, "203.0.113.7", "Chrome"), hash);
  assertNotEquals(hashOf(KEYS, NOON + 86_400_000, "203.0.113.7", "Safari"), hash);
  assertNotEquals(hashOf(KEYS, NOON, "203.0.113.7\nSafari"), undefined);
  assertEquals(hashOf(KEYS, NOON + 5 * 86_400_000, "203.0.113.7", "Safari"), undefined);
  assertEquals(hashOf({ zone: "UTC", days: {} }, NOON, "203.0.113.7"), undefined);
});

Deno.test("hashOf() accepts a User-Agent of any length", () => {
  assert(hashOf(KEYS, NOON, "203.0.113.7", "ä".repeat(5000)) !== undefined);
});

const days: [zone: string, at: string, day: string][] = [
  ["UTC", "2026-11-21T23:59:59.999Z", "2026-11-21"],
  ["UTC", "2026-11-22T00:00:00Z", "2026-11-22"],
  ["America/New_York", "2026-11-22T04:59:59.999Z", "2026-11-21"],
  ["America/New_York", "2026-11-22T05:00:00Z", "2026-11-22"],
  // Clocks change: these days have 25 and 23 hours.
  ["Europe/Berlin", "2026-10-24T21:59:59.999Z", "2026-10-24"],
  ["Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25"],
  ["Europe/Berlin", "2026-10-25T22:59:59.999Z", "2026-10-25"],
  ["Europe/Berlin", "2026-10-25T23:00:00Z", "2026-10-26"],
  ["Europe/Berlin", "2026-03-29T21:59:59.999Z", "2026-03-29"],
  ["Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30"],
  ["Asia/Kathmandu", "2026-11-21T18:14:59.999Z", "2026-11-21"],
  ["Asia/Kathmandu", "2026-11-21T18:15:00Z", "2026-11-22"],
  ["Pacific/Kiritimati", "2026-11-21T10:00:00Z", "2026-11-22"],
  ["Mars/Base", "2026-11-21T23:00:00Z", "2026-11-21"],
];
for (const [zone, at, day] of days) {
  Deno.test(`dayOf(): ${at} is ${day} in ${zone}`, () => assertEquals(dayOf(Date.parse(at), zone), day));
}

const networks: [string, string | undefined][] = [
  ["203.0.113.7", "203.0.113.7"],
  [" 203.0.113.7 ", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::9", "2001:db8:1:2"],
  ["::ffff:cb00:7107", "203.0.113.7"],
  ["2001:DB8:1:2:0:0:0:9", "2001:db8:1:2"],
  ["203.0.113.7:4711", "203.0.113.7"],
  ["[2001:db8:1:2::9]:4711", "2001:db8:1:2"],
  ["[2001:db8:1:2::9]", "2001:db8:1:2"],
  ["2001:db8:1:2::9%eth0", "2001:db8:1:2"],
  ["64:ff9b::203.0.113.7", "203.0.113.7"],
  ["64:ff9b::cb00:7107", "203.0.113.7"],
  ["64:ff9b:1:2::9", "64:ff9b:1:2"],
  ['"[2001:db8:1:2::9]:4711"', "2001:db8:1:2"],
  ["not an address", undefined],
  ["", undefined],
];
for (const [address, network] of networks) {
  Deno.test(`networkOf(): ${address} -> ${network}`, () => assertEquals(networkOf(address), network));
}

const addresses: [string, boolean][] = [
  ["203.0.114.7", true],
  ["2a00:1450:4001::1", true],
  ["10.1.2.3", false],
  ["192.168.1.1", false],
  ["172.16.0.1", false],
  ["100.64.0.1", false],
  ["100.127.255.255", false],
  ["127.0.0.1", false],
  ["169.254.1.1", false],
  ["::1", false],
  ["fd00::1", false],
  ["fe80::1", false],
  ["::ffff:100.64.0.1", false],
  ["64:ff9b::10.1.2.3", false],
  ["64:ff9b::203.0.114.7", true],
  ["nonsense", false],
];
for (const [address, own] of addresses) {
  Deno.test(`isOwnAddress(): ${address} -> ${own}`, () => assertEquals(isOwnAddress(address), own));
}

Deno.test("isPassword(): accepts only that password, from any keyboard", async () => {
  const hash = await hashPassword("pässword ①");
  assert(/^scrypt\$16384\$8\$1\$/.test(hash));
  assertNotEquals(await hashPassword("pässword ①"), hash);
  assertEquals(await isPassword("pässword ①".normalize("NFD"), hash), true);
  for (const wrong of ["passwort", "pässword", "", "x".repeat(10_000)]) {
    assertEquals(await isPassword(wrong, hash), false);
  }
  for (const broken of ["", "scrypt", "md5$1$1$1$YQ==$YQ=="]) {
    assertEquals(await isPassword("a", broken), false);
  }
});
