/**
 * 300 opens and clicks with who made them: 150 of people, 150 of machines.
 *
 * Origin: composed for this project of User-Agents that mail programs, proxies, browsers and scanners publish or that
 * issues of other mail tools quote (named in `verdict.ts`), of networks that the services publish, and of timings that
 * people and scanners are reported with. Nobody's own mail is in it. It is made by a rule and not recorded, so figures of
 * it say that the rules do what they mean, and less about the mail of any one team.
 *
 * @module
 */
import type { Access } from "../../supabase/functions/_shared/mail/tracking/verdict.ts";

/** What happened to one message, with who did each of it, in the same order. */
export interface LabelledMail {
  readonly name: string;
  readonly deliveredAt?: number;
  readonly accesses: readonly Access[];
  readonly by: readonly ("person" | "machine")[];
}

const NOON = Date.UTC(2026, 10, 24, 12);
const SECOND = 1000, MINUTE = 60_000, HOUR = 3_600_000;

const chrome = (version: number, system = "Windows NT 10.0; Win64; x64", mobile = "") =>
  `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 ${mobile}Safari/537.36`;
const BROWSERS = [
  chrome(142),
  chrome(131),
  `${chrome(138)} Edg/138.0.0.0`,
  chrome(140, "Linux; Android 10; K", "Mobile "),
  chrome(141, "Macintosh; Intel Mac OS X 10_15_7"),
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
  "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
  "Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0",
  "Mozilla/5.0 (Linux; Android 9; SM-J530F; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/86.0.4240.198 Mobile Safari/537.36",
];
const GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html";
const READERS = [
  GMAIL,
  YAHOO,
  "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
  "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
  "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.5.0",
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
  chrome(142),
];
const GMAIL_AHEAD =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
const PROGRAMS = [
  "curl/8.5.0",
  "python-requests/2.32.3",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
  "Mozilla/5.0 (compatible; BarracudaCentral; +http://www.barracudacentral.org)",
  "Go-http-client/2.0",
  "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
];
const SCANNERS = ["67.231.152.7", "207.211.31.81", "209.222.82.140", "40.94.25.16", "148.163.130.2"];
/** Addresses for documents (RFC 5737): of people at home. */
const home = (i: number) => `198.51.100.${1 + i % 250}`;

/** Each of `n` by its number. */
const many = (n: number, make: (i: number) => LabelledMail) => Array.from({ length: n }, (_, i) => make(i));
const open = (at: number, userAgent: string, more: Partial<Access> = {}): Access => ({
  kind: "open",
  at,
  userAgent,
  ...more,
});
const click = (at: number, userAgent: string, link: string, more: Partial<Access> = {}): Access => ({
  kind: "click",
  at,
  userAgent,
  link,
  ...more,
});
const person = "person" as const, machine = "machine" as const;

/** All of it. */
export const MAIL_ACCESSES: readonly LabelledMail[] = [
  // People, 140.
  ...many(30, (i) => ({
    name: "a person opens",
    deliveredAt: NOON,
    accesses: [open(NOON + 25 * SECOND + i * i * MINUTE, READERS[i % READERS.length], { address: home(i) })],
    by: [person],
  })),
  ...many(10, (i) => ({
    name: "a person at Gmail opens at once",
    deliveredAt: NOON,
    accesses: [open(NOON + (3 + i) * SECOND, i % 2 ? YAHOO : GMAIL, { address: "66.249.84.1" })],
    by: [person],
  })),
  ...many(25, (i) => ({
    name: "a person opens and clicks within seconds, as in a desktop program",
    deliveredAt: NOON,
    accesses: [
      open(NOON + 12 * SECOND + i * MINUTE, READERS[i % READERS.length], { address: home(i) }),
      click(NOON + 14 * SECOND + i * MINUTE, BROWSERS[i % BROWSERS.length], "1", { address: home(i) }),
    ],
    by: [person, person],
  })),
  ...many(15, (i) => ({
    name: "a person reads on from two links",
    deliveredAt: NOON,
    accesses: [
      click(NOON + i * HOUR + HOUR, BROWSERS[i % BROWSERS.length], "1", { address: home(i) }),
      click(NOON + i * HOUR + HOUR + (4 + i) * SECOND, BROWSERS[i % BROWSERS.length], "2", {
        address: home(i),
      }),
    ],
    by: [person, person],
  })),
  ...many(10, (i) => ({
    name: "a person clicks from behind browser isolation",
    deliveredAt: NOON,
    accesses: [
      click(NOON + (1 + i) * HOUR, BROWSERS[0], "1", { address: i < 5 ? SCANNERS[i % 2] : home(i) }),
    ],
    by: [person],
  })),
  ...many(10, (i) => ({
    name: "a person clicks; when the mail was delivered is not known",
    accesses: [click(NOON + i * MINUTE, BROWSERS[i % BROWSERS.length], "1", { address: home(i) })],
    by: [person],
  })),
  // A scanner, and the person after it: 40 of machines, 10 of people.
  ...many(10, (i) => ({
    name: "a scanner follows every link at delivery, the person an hour later",
    deliveredAt: NOON,
    accesses: [
      ...["1", "2", "3", "4"].map((link, n) =>
        click(NOON + 15 * SECOND + n * 700, BROWSERS[(i + n) % 5], link, { address: SCANNERS[i % 5] })
      ),
      click(NOON + HOUR + i * MINUTE, BROWSERS[i % 10], "2", { address: home(i) }),
    ],
    by: [machine, machine, machine, machine, person],
  })),
  // Machines, 110.
  ...many(30, (i) => ({
    name: "Apple loads ahead",
    deliveredAt: NOON,
    accesses: [open(NOON + i * 17 * MINUTE, "Mozilla/5.0", { address: "17.58.1.9" })],
    by: [machine],
  })),
  ...many(10, (i) => ({
    name: "Gmail loads ahead",
    deliveredAt: NOON,
    accesses: [open(NOON + (20 + i) * SECOND, GMAIL_AHEAD, { address: "66.249.84.1" })],
    by: [machine],
  })),
  ...many(20, (i) => ({
    name: "a program that says so",
    deliveredAt: NOON,
    accesses: [
      i % 3
        ? click(NOON + i * HOUR, PROGRAMS[i % PROGRAMS.length], "1", { address: home(i) })
        : open(NOON + i * HOUR, PROGRAMS[i % 3], { address: home(i) }),
    ],
    by: [machine],
  })),
  ...many(15, (i) => ({
    name: "a scanner with a person's agent and address clicks at once",
    deliveredAt: NOON,
    accesses: [
      click(NOON + (i - 2) * 700, BROWSERS[i % BROWSERS.length], "1", { address: `203.0.113.${i + 1}` }),
    ],
    by: [machine],
  })),
  ...many(5, (i) => ({
    name: "a scanner with changing addresses follows the hidden link, too",
    deliveredAt: NOON,
    accesses: [
      click(NOON + (40 + i) * SECOND, BROWSERS[i], "1", { address: `203.0.113.${2 * i + 1}` }),
      click(NOON + (48 + i) * SECOND, BROWSERS[i], "trap", {
        address: `203.0.113.${2 * i + 2}`,
        trap: true,
      }),
    ],
    by: [machine, machine],
  })),
  ...many(10, (i) => ({
    name: "a HEAD, or a browser that looks ahead",
    deliveredAt: NOON,
    accesses: [
      click(
        NOON + i * HOUR + HOUR,
        BROWSERS[i],
        "1",
        i % 2 ? { method: "HEAD", address: home(i) } : { purpose: "prefetch;anonymous-client-ip" },
      ),
    ],
    by: [machine],
  })),
  ...many(10, (i) => ({
    name: "a scanner's network follows one link within two minutes",
    deliveredAt: NOON,
    accesses: [
      click(NOON + (15 + 10 * i) * SECOND, BROWSERS[i % 5], "1", { address: SCANNERS[i % 5] }),
    ],
    by: [machine],
  })),
  ...many(5, (i) => ({
    name: "a scanner follows late, with a browser of years ago",
    deliveredAt: NOON,
    accesses: [
      click(NOON + (i + 3) * HOUR, chrome(60 + i), "1", { address: `203.0.113.${i + 50}` }),
    ],
    by: [machine],
  })),
];
