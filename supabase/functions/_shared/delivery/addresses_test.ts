import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import {
  rememberResolutions,
  type Resolution,
  type ResolveDns,
  resolvePublic,
  specialRange,
} from "./addresses.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("specialRange(): distinguishes public addresses from all others", () => {
  const cases: [address: string, range: string | null][] = [
    ["93.184.215.14", null],
    ["8.8.8.8", null],
    ["1.0.0.1", null],
    ["223.255.255.255", null],
    ["172.15.255.255", null],
    ["172.32.0.1", null],
    ["100.63.255.255", null],
    ["100.128.0.1", null],
    ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", null],
    ["2a00:1450:4001:82f::200e", null],
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "unspecified"],
    ["10.0.0.1", "private"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["100.64.0.1", "carrierGradeNat"],
    ["100.100.100.200", "carrierGradeNat"], // Alibaba's metadata
    ["127.0.0.1", "loopback"],
    ["127.255.255.255", "loopback"],
    ["169.254.169.254", "linkLocal"], // AWS, Google, Azure: metadata
    ["168.63.129.16", "metadata"],
    ["192.0.0.192", "reserved"], // Oracle's metadata
    ["192.0.2.1", "reserved"],
    ["192.88.99.1", "reserved"],
    ["198.18.0.1", "reserved"],
    ["198.19.255.255", "reserved"],
    ["198.51.100.1", "reserved"],
    ["203.0.113.1", "reserved"],
    ["224.0.0.1", "multicast"],
    ["239.255.255.255", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["::", "unspecified"],
    ["::1", "loopback"],
    ["::7f00:1", "unassigned"], // IPv4-compatible
    ["::ffff:127.0.0.1", "ipv4Mapped"],
    ["::ffff:8.8.8.8", "ipv4Mapped"],
    ["::ffff:0:127.0.0.1", "rfc6145"],
    ["64:ff9b::7f00:1", "rfc6052"], // NAT64
    ["64:ff9b::808:808", "rfc6052"],
    ["64:ff9b:1::a00:1", "rfc6052"],
    ["100::1", "discard"],
    ["2001::1", "teredo"],
    ["2001:2::1", "benchmarking"],
    ["2001:20::1", "orchid2"],
    ["2001:db8::1", "reserved"],
    ["3fff::1", "reserved"],
    ["2002:7f00:1::", "6to4"],
    ["2002:808:808::", "6to4"],
    ["fc00::1", "uniqueLocal"],
    ["fd00:ec2::254", "uniqueLocal"], // AWS metadata
    ["fd20:ce::254", "uniqueLocal"], // Google metadata
    ["fe80::1", "linkLocal"],
    ["fe80::1%eth0", "linkLocal"],
    ["fec0::1", "deprecatedSiteLocal"],
    ["ff02::1", "multicast"],
    ["4000::1", "unassigned"],
    ["5f00::1", "segmentRouting"],
    ["", "invalid"],
    ["localhost", "invalid"],
    ["127.1", "invalid"],
    ["0x7f.0.0.1", "invalid"],
    ["010.0.0.1", "invalid"],
    ["2130706433", "invalid"],
    ["8.8.8.8 ", "invalid"],
  ];
  for (const [address, range] of cases) assertEquals(specialRange(address), range, address);
});

Deno.test("specialRange(): no IPv6 address that contains a private IPv4 address is public", () => {
  const v4 = fc.constantFrom("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1");
  const hex = (address: string) => {
    const [a, b, c, d] = ipaddr.IPv4.parse(address).octets;
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  };
  const hide = fc.constantFrom(
    (v4: string) => `::ffff:${v4}`,
    (v4: string) => `::${v4}`,
    (v4: string) => `::ffff:0:${v4}`,
    (v4: string) => `64:ff9b::${v4}`,
    (v4: string) => `64:ff9b:1:abcd::${v4}`,
    (v4: string) => `2002:${hex(v4)}::1`,
    (v4: string) => `2001:0:${hex(v4)}::1`,
  );
  holds(fc.property(v4, hide, (address, hide) => {
    assert(ipaddr.IPv6.isValid(hide(address)), hide(address));
    assert(specialRange(hide(address)) !== null, hide(address));
  }));
});

/** A resolver that answers from a table; "none" throws NotFound as Deno does. */
function resolver(answers: Record<string, string[] | "none" | Error | "never">): ResolveDns {
  return (_host, type) => {
    const answer = answers[type] ?? "none";
    if (answer === "never") return new Promise(() => {});
    if (answer === "none") return Promise.reject(new Deno.errors.NotFound("no records found"));
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
}

Deno.test("resolvePublic(): every address must be public, and DNS must answer", async () => {
  const cases: [name: string, answers: Parameters<typeof resolver>[0], outcome: string][] = [
    ["IPv4 only", { A: ["8.8.8.8"] }, "8.8.8.8"],
    ["IPv6 only", { AAAA: ["2606:4700::1"] }, "2606:4700::1"],
    ["both", { A: ["8.8.8.8", "8.8.4.4"], AAAA: ["2606:4700::1"] }, "8.8.8.8 8.8.4.4 2606:4700::1"],
    ["one of several is private", { A: ["8.8.8.8", "10.0.0.1"] }, "address"],
    ["IPv4 public, IPv6 private", { A: ["8.8.8.8"], AAAA: ["fd00::1"] }, "address"],
    ["IPv4 private, IPv6 public", { A: ["127.0.0.1"], AAAA: ["2606:4700::1"] }, "address"],
    ["no record", {}, "dns"],
    ["empty answers", { A: [], AAAA: [] }, "dns"],
    ["IPv6 fails", { A: ["8.8.8.8"], AAAA: new Error("refused") }, "8.8.8.8"],
    ["IPv4 fails", { A: new Error("refused"), AAAA: ["2606:4700::1"] }, "2606:4700::1"],
    ["IPv6 fails, IPv4 private", { A: ["10.0.0.1"], AAAA: new Error("refused") }, "address"],
    ["IPv6 fails, no IPv4", { AAAA: new Error("refused") }, "dns"],
    ["both fail", { A: new TypeError("x"), AAAA: new Error("y") }, "dns"],
    ["IPv6 does not answer", { A: ["8.8.8.8"], AAAA: "never" }, "8.8.8.8"],
    ["IPv4 does not answer", { A: "never", AAAA: ["2606:4700::1"] }, "2606:4700::1"],
    ["neither answers", { A: "never", AAAA: "never" }, "dns"],
    ["an answer that is no address", { A: ["evil.example"] }, "address"],
  ];
  for (const [name, answers, outcome] of cases) {
    const resolution = await resolvePublic("api.example.com", resolver(answers), 20);
    assertEquals(resolution.ok ? resolution.addresses.join(" ") : resolution.code, outcome, name);
  }
});

Deno.test("resolvePublic(): the detail names the address family and its result", async () => {
  const cases: [answers: Parameters<typeof resolver>[0], why: string][] = [
    [{}, "the host has no address, neither IPv4 (A) nor IPv6 (AAAA)"],
    [{ A: new Error("x") }, "IPv4 (A): DNS failed, IPv6 (AAAA): no address"],
    [{ AAAA: "never" }, "IPv4 (A): no address, IPv6 (AAAA): no answer from DNS in time"],
    [{ A: ["8.8.8.8"], AAAA: ["fd00::1"] }, "an IPv6 (AAAA) address of the host is not public: uniqueLocal"],
    [{ A: ["10.0.0.1"], AAAA: new Error("x") }, "an IPv4 (A) address of the host is not public: private"],
  ];
  for (const [answers, why] of cases) {
    const resolution = await resolvePublic("api.example.com", resolver(answers), 20);
    assertEquals(resolution.ok ? "" : resolution.why, why);
  }
});

Deno.test("resolvePublic(): a family that hangs delays only by its grace period once the other has answered", async () => {
  for (
    const answers of [{ A: ["8.8.8.8"], AAAA: "never" }, { A: "never", AAAA: ["2606:4700::1"] }] as const
  ) {
    // With the patience for both this would not end within the test's time.
    const resolution = await resolvePublic("api.example.com", resolver(answers as never), 2 ** 30, 1);
    assertEquals(resolution.ok, true);
  }
});

Deno.test("resolvePublic(): a resolver that throws synchronously is a refusal, and a name of this machine is refused", async () => {
  const broken: ResolveDns = () => {
    throw new TypeError("no permission");
  };
  assertEquals((await resolvePublic("api.example.com", broken) as { code?: string }).code, "dns");
  // Deno's own resolver, which needs no network for this name.
  assertEquals((await resolvePublic("localhost") as { code?: string }).code, "address");
});

Deno.test("rememberResolutions(): caches good answers, not refusals, and joins pending queries", async () => {
  let time = 0, asked = 0;
  let answer: Resolution = { ok: true, addresses: ["8.8.8.8"] };
  const resolve = rememberResolutions(() => (asked++, Promise.resolve(answer)), {
    ttlMs: 5000,
    size: 2,
    now: () => time,
  });

  await Promise.all([resolve("a"), resolve("a"), resolve("a")]);
  assertEquals(asked, 1, "joined");
  time = 4999;
  await resolve("a");
  assertEquals(asked, 1, "remembered");
  time = 5000;
  answer = { ok: false, code: "address", why: "private" };
  assertEquals(await resolve("a"), answer, "asked again after ttlMs");
  assertEquals(await resolve("a"), answer);
  assertEquals(asked, 3, "a refusal is not remembered");
  answer = { ok: true, addresses: ["8.8.4.4"] };
  for (const host of ["b", "c", "d", "b"]) await resolve(host);
  assertEquals(asked, 7, "beyond size the oldest is dropped");
});

Deno.test("rememberResolutions(): does not cache an error", async () => {
  let fails = true;
  const resolve = rememberResolutions(() =>
    fails ? Promise.reject(new Error("x")) : Promise.resolve({ ok: true, addresses: ["8.8.8.8"] })
  );
  assertEquals(await resolve("a").catch((error) => error.message), "x");
  fails = false;
  assertEquals((await resolve("a")).ok, true);
});
