import { assertEquals } from "../../../../../tests/support/assert.ts";
import { isInNetworks } from "./own.ts";

const NETWORKS = "203.0.113.0/24, 198.51.100.7\n2001:db8:1::/48 2001:db8:2:3::9, nonsense, 1.2.3.4/99";
const cases: [address: string, own: boolean][] = [
  ["203.0.113.1", true],
  ["::ffff:203.0.113.1", true],
  ["203.0.113.1:4711", true],
  ["203.0.114.1", false],
  ["198.51.100.7", true],
  ["198.51.100.8", false],
  ["2001:db8:1:ffff::1", true],
  ["2001:db8:2:3::1", true],
  ["2001:db8:2:4::9", false],
  ["1.2.3.4", false],
  ["nonsense", false],
  ["", false],
];
for (const [address, own] of cases) {
  Deno.test(`isInNetworks(): ${address} -> ${own}`, () => assertEquals(isInNetworks(NETWORKS, address), own));
}

Deno.test("isInNetworks() is false if no networks are named", () => {
  assertEquals(isInNetworks("", "203.0.113.1"), false);
  assertEquals(isInNetworks(" , ", "203.0.113.1"), false);
});
