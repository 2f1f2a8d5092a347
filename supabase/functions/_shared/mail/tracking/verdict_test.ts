import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { measureOpens } from "../../../../../bench/opens_measure.ts";
import { assertLinear } from "../../../../../tests/support/growth.ts";
import { MAIL_ACCESSES } from "../../../../../tests/support/mail_accesses.ts";
import { holds } from "../../../../../tests/support/property.ts";
import { scannerOf } from "./scanners.ts";
import { clientOf } from "./client.ts";
import { type Access, judgeAccesses, judgeSigned, readSigns, signsOf, signsText } from "./verdict.ts";

const NOON = Date.UTC(2026, 10, 24, 12);
const CHROME =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const open = (more: Partial<Access> = {}): Access => ({ kind: "open", at: NOON, userAgent: CHROME, ...more });
const click = (more: Partial<Access> = {}): Access => ({
  kind: "click",
  at: NOON,
  userAgent: CHROME,
  link: "1",
  ...more,
});
/** The verdict and the reasons of the first, as one text. */
const said = (accesses: Access[], deliveredAt?: number) =>
  judgeAccesses(accesses, { deliveredAt }).map(({ verdict, reasons }) =>
    `${verdict}: ${reasons.join(" ")}`
  )[0];

Deno.test("judgeAccesses(): each sign has its verdict and its reason", () => {
  const cases: [Access, string, number?][] = [
    [open(), "human: browser"],
    [open({ userAgent: GMAIL }), "human: mail_proxy", NOON - 2000],
    [open({ userAgent: "Mozilla/4.0 (compatible; ms-office; MSOffice 16)" }), "human: mail_program"],
    [open({ address: "40.94.25.16" }), "human: browser"],
    [open({ userAgent: "Mozilla/5.0" }), "machine: apple_prefetch"],
    [click({ userAgent: "Mozilla/5.0" }), "machine: bare_agent"],
    [
      open({
        userAgent: `${CHROME.slice(0, 0)}x Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0`,
      }),
      "machine: gmail_prefetch",
    ],
    [open({ machine: true }), "machine: provider"],
    [open({ userAgent: "" }), "unsure: no_agent"],
    [click({ userAgent: "" }), "machine: no_agent"],
    [click({ userAgent: "curl/8.5.0" }), "machine: program"],
    [click({ userAgent: "Mozilla/4.0 (compatible; ms-office; MSOffice 16)" }), "machine: program"],
    [click({ method: "HEAD" }), "machine: method"],
    [click({ purpose: "prefetch;prerender" }), "machine: prefetch"],
    [click(), "machine: instant", NOON - 9999],
    [click(), "machine: instant", NOON + 3000],
    [click(), "human: browser", NOON - 10_000],
    [click({ address: "67.231.152.7" }), "unsure: network_proofpoint"],
    [click({ address: "67.231.152.7" }), "unsure: network_proofpoint", NOON - 7_200_000],
    [click({ address: "67.231.152.7" }), "machine: network_proofpoint", NOON - 60_000],
    [click({ userAgent: CHROME.replace("142", "79") }), "unsure: old_browser"],
    [
      click({ userAgent: CHROME.replace("142", "79"), address: "205.139.111.9" }),
      "machine: network_mimecast old_browser",
    ],
  ];
  for (const [access, expected, deliveredAt] of cases) {
    assertEquals(said([access], deliveredAt), expected, JSON.stringify(access));
  }
});

Deno.test("judgeAccesses(): a burst and the hidden link are machines', before and after the fact; a later click is not", () => {
  const at = (seconds: number, link: string, trap = false) =>
    click({ at: NOON + seconds * 1000, link, trap });
  const verdicts = (accesses: Access[]) => judgeAccesses(accesses).map(({ verdict }) => verdict);
  assertEquals(verdicts([at(0, "1"), at(4, "2"), at(9, "3"), at(3600, "2")]), [
    "machine",
    "machine",
    "machine",
    "human",
  ]);
  assertEquals(verdicts([at(0, "1"), at(4, "1"), at(9, "2")]), Array(3).fill("human"), "two links are read");
  assertEquals(verdicts([at(0, "1"), at(6, "2"), at(11, "3")]), Array(3).fill("human"), "in more than 10 s");
  assertEquals(verdicts([at(0, "1"), at(1, "2")]), ["unsure", "unsure"]);
  assertEquals(verdicts([at(0, "1"), at(15, "trap", true), at(40, "1")]), ["machine", "machine", "human"]);
});

Deno.test("judgeAccesses(): on 300 labelled opens and clicks, people and machines are told apart", () => {
  const measured = measureOpens(MAIL_ACCESSES);
  assertEquals([measured.people, measured.machines], [150, 150]);
  assert(measured.peopleCalledMachines.share <= 0.02, measured.wrong.join("; "));
  assert(measured.machinesCalledPeople.share <= 0.05, measured.wrong.join("; "));
  assert(measured.peopleUnsure.share <= 0.1);
});

const accesses = fc.array(
  fc.record({
    kind: fc.constantFrom("open" as const, "click" as const),
    at: fc.integer({ min: NOON, max: NOON + 120_000 }),
    userAgent: fc.oneof(fc.constantFrom(CHROME, GMAIL, "Mozilla/5.0", ""), fc.string({ unit: "binary" })),
    address: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()),
    link: fc.constantFrom("1", "2", "3", "4"),
    trap: fc.boolean(),
  }),
  { maxLength: 20 },
);

Deno.test("judgeAccesses(): the order in which accesses are given changes no verdict", () => {
  holds(fc.property(accesses, fc.integer({ min: NOON - 60_000, max: NOON }), (given, deliveredAt) => {
    const forward = judgeAccesses(given, { deliveredAt });
    const backward = judgeAccesses([...given].reverse(), { deliveredAt }).reverse();
    // Clicks of one instant may change places among themselves.
    if (new Set(given.map(({ at }) => at)).size === given.length) assertEquals(forward, backward);
    assertEquals(forward.length, given.length);
    assert(forward.every(({ reasons }) => reasons.length > 0));
  }));
});

Deno.test("judgeAccesses(): what becomes known later never turns a machine into a person", () => {
  holds(fc.property(accesses, accesses, (given, later) => {
    const before = judgeAccesses(given), after = judgeAccesses([...given, ...later]);
    before.forEach(({ verdict }, i) => {
      if (verdict === "machine") assertEquals(after[i].verdict, "machine");
    });
  }));
});

Deno.test("judgeAccesses(): takes time in proportion to what there is", async () => {
  await assertLinear(
    2000,
    (size) =>
      judgeAccesses(Array.from({ length: size }, (_, i) => click({ at: NOON + i, link: String(i % 5) }))),
  );
});

Deno.test("scannerOf(): knows the networks, also in the form of IPv6, and nobody else's", () => {
  assertEquals(
    ["67.231.144.1", "::ffff:67.231.159.255", "67.231.160.0", "8.8.8.8", "2001:db8::1", "", "x"].map(
      scannerOf,
    ),
    ["proofpoint", "proofpoint", undefined, undefined, undefined, undefined, undefined],
  );
});

Deno.test("judgeSigned(): gives the same verdicts from signs that were stored as text", () => {
  holds(
    fc.property(accesses, fc.integer({ min: NOON - 60_000, max: NOON + 60_000 }), (given, deliveredAt) => {
      const stored = given.map((access) => {
        const text = signsText(signsOf(access));
        assert(/^[a-z_.,]{1,250}$/.test(text), text);
        return {
          kind: access.kind,
          at: access.at,
          link: access.link,
          trap: access.trap,
          signs: readSigns(text),
        };
      });
      assertEquals(judgeSigned(stored, { deliveredAt }), judgeAccesses(given, { deliveredAt }));
    }),
  );
});

Deno.test("clientOf(): names the family of mail programs and browsers, and other for what says nothing", () => {
  const cases: [string, string][] = [
    [GMAIL, "gmail"],
    [CHROME, "chrome"],
    [`${CHROME} Edg/142.0.0.0`, "edge"],
    ["YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "yahoo"],
    ["Mozilla/5.0", "apple"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)", "apple"],
    ["Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "outlook"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.1.0", "thunderbird"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "firefox"],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
      "safari",
    ],
    ["curl/8.5.0", "other"],
    ["", "other"],
  ];
  for (const [agent, family] of cases) assertEquals(clientOf(agent), family, agent);
});
