import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Platform } from "../contract/link_limits.ts";
import { agentOf, type Verdict } from "./agents.ts";
import { assertLinear } from "../../../../tests/support/growth.ts";
import { BROWSER_AGENTS, IN_APP_AGENTS } from "../../../../tests/support/in_app_agents.ts";
import { AGENTS, visitOf } from "../../../../tests/support/links_samples.ts";

const cases: [string | null, Platform, Verdict, string?][] = [
  [AGENTS.iphone, "ios", "human"],
  [AGENTS.android, "android", "human"],
  [AGENTS.windows, "windows", "human"],
  [AGENTS.mac, "macos", "human"],
  [AGENTS.linux, "linux", "human"],
  [
    "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/466.0]",
    "ios",
    "human",
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 337.0",
    "ios",
    "human",
  ],
  [
    "Mozilla/5.0 (Linux; Android 10; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/96.0.4664.104 Mobile Safari/537.36",
    "android",
    "human",
  ],
  [
    "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36 WhatsApp",
    "android",
    "human",
  ],
  [
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "linux",
    "human",
  ],
  [
    "[FBAN/FB4A;FBAV/567.1.0.52.74;FBBV/1;FBDM/{density=3.0,width=1080,height=2340};FBLC/nl_NL;FBMF/samsung;FBPN/com.facebook.katana;FBDV/SM-S921B;FBSV/16;]",
    "android",
    "human",
  ],
  ["[FBAN/FBIOS;FBAV/466.0.0.33.108;FBDV/iPhone15,3;FBMD/iPhone;FBSN/iOS;FBSV/18.5]", "ios", "human"],
  [
    "Mozilla/5.0 (Linux; Android 9; SM-G955U; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/79.0 Mobile Safari/537.36 Viber/12.1.0.11",
    "android",
    "human",
  ],
  ["Viber/13.3.0.5 CFNetwork/1121.2.2 Darwin/19.3.0", "other", "preview", "viber"],
  [AGENTS.whatsapp, "other", "preview", "whatsapp"],
  ["WhatsApp/2.23.20.0 i", "other", "preview", "whatsapp"],
  [
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "other",
    "preview",
    "facebookexternalhit",
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "macos",
    "preview",
    "facebookexternalhit",
  ],
  ["Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "other", "preview", "slackbot"],
  ["TelegramBot (like TwitterBot)", "other", "preview", "telegrambot"],
  ["Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "other", "preview", "discordbot"],
  ["LinkedInBot/1.0 (compatible; Mozilla/5.0; +http://www.linkedin.com)", "other", "preview", "linkedinbot"],
  [AGENTS.googlebot, "other", "bot", "google"],
  ["curl/8.7.1", "other", "bot", "curl"],
  ["python-requests/2.32.3", "other", "bot", "python"],
  ["Mozilla/5.0 nora-feldkamp", "other", "bot", "unnamed"],
  ["nora.feldkamp@mail.example", "other", "bot", "unnamed"],
  ["4915112345678", "other", "bot", "unnamed"],
  ["nora-feldkamp-bot/1.0", "other", "bot", "unnamed"],
  [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
    "linux",
    "bot",
  ],
  ["", "other", "bot", "no_user_agent"],
  [null, "other", "bot", "no_user_agent"],
];
/** A phone's and a computer's browser, with the name of a model and with text behind it. */
const onPhone = (model: string, behind = "") =>
  `Mozilla/5.0 (Linux; Android 14; ${model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36${behind}`;
const onComputer = (behind: string) => `${AGENTS.windows} ${behind}`;

for (
  const model of ["CUBOT X30", "CUBOT_NOTE_S", "Robot R1", "Spider X", "Crawler Pro Build/UQ1A", "Monitor 5"]
) {
  cases.push([onPhone(model), "android", "human"]);
}
for (
  const name of [
    "Barracuda",
    "Sophos",
    "Symantec",
    "Netcraft",
    "Trellix",
    "Cisco-Talos",
    "FortiGuard",
    "PhishTank",
    "SafeLinks/1.0",
    "proofpoint",
    "VirusTotal",
    "urlscan.io",
    "DatadogSynthetics",
    "Chrome-Lighthouse",
  ]
) cases.push([onComputer(name), "windows", "bot"]);
cases.push(
  [
    onPhone("Nexus 5X", " (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    "android",
    "bot",
    "google",
  ],
  [onPhone("K; compatible; ExampleBot/1.0"), "android", "bot"],
  [onPhone("K; ExampleBot; +https://example.com/bot"), "android", "bot"],
  ["Synapse (bot; +https://github.com/matrix-org/synapse)", "other", "preview", "synapse"],
  ["Mattermost-Bot/1.1 (+https://mattermost.com)", "other", "preview", "mattermost-bot"],
  [
    "Mozilla/5.0 (compatible; ZulipURLPreview/8.0; +https://chat.example.com)",
    "other",
    "preview",
    "zulipurlpreview",
  ],
  ["ZaloBot", "other", "preview", "zalobot"],
);
for (const [ua, platform, verdict, reason] of cases) {
  Deno.test(`agentOf(): ${ua} -> ${platform}, ${verdict}`, () => {
    const agent = agentOf(ua);
    assertEquals([agent.platform, agent.verdict], [platform, verdict]);
    if (reason !== undefined) assertEquals(agent.reason, reason);
    assertEquals(agent.reason === undefined, verdict === "human");
  });
}

Deno.test("a visit's verdict: prefetching decides first, then the kind of request, then the client", () => {
  const verdict = (headers: Record<string, string>, method = "GET") => {
    const { verdict, reason } = visitOf({ headers, method });
    return [verdict, reason];
  };
  assertEquals(verdict({}), ["human", undefined]);
  assertEquals(verdict({}, "HEAD"), ["preview", "head"]);
  assertEquals(verdict({ "sec-purpose": "prefetch" }), ["prefetch", "purpose_header"]);
  assertEquals(verdict({ purpose: "prefetch", "user-agent": AGENTS.googlebot }), [
    "prefetch",
    "purpose_header",
  ]);
});

Deno.test("a prefetch identifies itself in one of several ways", () => {
  for (
    const [name, value] of [
      ["sec-purpose", "prefetch;prerender"],
      ["sec-purpose", "Prefetch;anonymous-client-ip"],
      ["purpose", "prefetch"],
      ["purpose", "preview"],
      ["x-purpose", "preview"],
      ["x-purpose", "instant"],
      ["x-moz", "prefetch"],
    ]
  ) {
    assertEquals(visitOf({ headers: { [name]: value } }).verdict, "prefetch", `${name} ${value}`);
    const headers = { "sec-purpose": "", [name]: value };
    assertEquals(visitOf({ headers }).verdict, "prefetch", `${name} ${value} after an empty header`);
  }
});

Deno.test("a visit's referrer is the host of the page, or the app, that led to it", () => {
  const cases: [string, string | undefined][] = [
    ["https://News.example.org/a?b", "news.example.org"],
    ["http://example.org:8080", "example.org"],
    ["android-app://com.google.android.gm/", "com.google.android.gm"],
    [
      "android-app://com.google.android.googlequicksearchbox/https/www.google.com",
      "com.google.android.googlequicksearchbox",
    ],
    ["ios-app://389801252/instagram", "389801252"],
    ["android-app://org.example.my_mail/", "org.example.my_mail"],
    ["ANDROID-APP://com.Slack/", "com.slack"],
    ["about:client", undefined],
    ["android-app:", undefined],
    ["javascript:alert(1)", undefined],
    ["https://user@example.org/", undefined],
  ];
  for (const [referer, host] of cases) {
    assertEquals(visitOf({ headers: { referer } }).referrer, host, referer);
  }
});

Deno.test("an app's own client that requests the decision is not a machine, and states its platform", () => {
  const json = { accept: "application/json" };
  const programs = [
    "okhttp/4.12.0",
    "ExampleApp/241 CFNetwork/1494.0.7 Darwin/23.4.0",
    "Dart/3.4 (dart:io)",
    "curl/8.7",
    "",
  ];
  for (const ua of programs) {
    const asked = visitOf({ headers: { ...json, "user-agent": ua }, query: "platform=ios" });
    assertEquals([asked.verdict, asked.reason, asked.platform], ["human", undefined, "ios"], ua);
    const page = visitOf({ headers: { accept: "text/html", "user-agent": ua }, query: "platform=ios" });
    assertEquals(page.platform === "ios", false, "who wants a page is what its browser says");
  }
  const crawler = visitOf({ headers: { ...json, "user-agent": AGENTS.googlebot } });
  assertEquals(crawler.verdict, "bot");
  assertEquals(visitOf({ headers: json, query: "platform=toaster" }).platform, "ios", "an iPhone's");
});

Deno.test("a client that continues from a page shown to machines is a person", () => {
  const headers = { "user-agent": AGENTS.whatsapp };
  assertEquals(visitOf({ headers }).verdict, "preview");
  assertEquals(visitOf({ headers, query: "gl_open=1" }).verdict, "human");
  assertEquals(visitOf({ headers, query: "gl_open=1", method: "HEAD" }).verdict, "preview");
});

Deno.test("a visit's facts are read from headers, and nonsense is ignored", () => {
  const { country, referrer, user, language, visitor } = visitOf({
    headers: {
      "cf-ipcountry": "T1",
      referer: "javascript:alert(1)",
      "accept-language": "*",
      cookie: "gl_visitor=short",
    },
    query: "u=%00",
  });
  assertEquals([country, referrer, user, language, visitor], [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("agentOf(): a User-Agent of any length takes linear time", async () => {
  for (const part of ["Line/", "bot ", "Mozilla/5.0 ", "(;", "http"]) {
    await assertLinear(2000, (size) => agentOf(`${part.repeat(size)}${crypto.randomUUID()}`));
  }
});

Deno.test("agentOf(): an in-app browser is recognised by its app, and is a person's", () => {
  for (const [app, platform, ua] of IN_APP_AGENTS) {
    const agent = agentOf(ua);
    assertEquals([agent.inApp, agent.platform, agent.verdict], [app, platform, "human"], ua);
  }
  for (const [platform, ua] of BROWSER_AGENTS) {
    const agent = agentOf(ua);
    assertEquals([agent.inApp, agent.platform, agent.verdict], [undefined, platform, "human"], ua);
  }
});

Deno.test("agentOf(): a client that appends its name to a browser's is a machine", () => {
  const names = [
    ...[
      "Barracuda Sentinel (EE)",
      "Mimecast",
      "Proofpoint",
      "VirusTotal",
      "Siteimprove",
      "PTST/230",
      "Mastodon/4.3.0",
    ],
    ...["Chrome-Lighthouse", "Google-InspectionTool/1.0", "(compatible; bingbot/2.0)", "BingPreview/1.0b"],
    ...["UptimeRobot/2.0", "DatadogSynthetics", "(Applebot/0.1; +http://www.apple.com/go/applebot)"],
    ...["(via ggpht.com GoogleImageProxy)", "SkypeUriPreview Preview/0.5", "OAI-SearchBot/1.0"],
  ];
  for (const agent of [AGENTS.windows, AGENTS.mac, AGENTS.android]) {
    for (const name of names) {
      assertEquals(agentOf(`${agent} ${name}`).verdict === "human", false, name);
    }
  }
  for (
    const ua of [
      "Mozilla/4.0 (compatible; ms-office; MSOffice rmj)",
      "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
      "Mastodon/4.3.0 (http.rb/5.2.0; +https://social.example/)",
    ]
  ) assertEquals(agentOf(ua).verdict, "preview", ua);
});

Deno.test("agentOf(): only Safari-based browsers may be an iPad that presents itself as a Mac", () => {
  const mac = (rest: string) => agentOf(`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${rest}`).maybeIpad;
  const webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
  assertEquals(mac(`${webkit} Version/18.1 Safari/605.1.15`), true);
  assertEquals(mac(`${webkit} CriOS/131 Version/11.1.1 Safari/605.1.15`), true);
  assertEquals(mac(`${webkit} FxiOS/133.0 Safari/605.1.15`), true);
  assertEquals(mac(webkit), true, "a web view");
  assertEquals(mac("AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"), false);
  assertEquals(agentOf(AGENTS.iphone).maybeIpad, false);
});
