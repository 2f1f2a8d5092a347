import {
  assert,
  assertEquals,
  assertNotMatch,
  assertStringIncludes,
} from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import {
  createWebhookLogEntry,
  hideValue,
  lastFour,
  redactPhoneNumber,
  redactText,
  redactValue,
} from "./redact.ts";
import { assertLinear } from "../../../../tests/support/growth.ts";
import { holds } from "../../../../tests/support/property.ts";

const cases: [string, string, string][] = [
  ["E.164", "to +491701234567 now", "to +…4567 now"],
  ["spaces, brackets, dashes", "call +1 (646) 670-4359.", "call +…4359."],
  ["no separators, glued to letters", "wa491701234567x", "wa…4567x"],
  ["percent-encoded", "text=%2B49%20170%20123%204567", "text=%2B…4567"],
  ["Arabic-Indic digits", "٠١٢٣٤٥٦٧٨٩", "…٦٧٨٩"],
  ["no-break spaces", "+49\u00a0170\u00a01234567", "+…4567"],
  ["IPv4 address", "from 192.168.100.200", "from …0200"],
  ["six digits stay", "line 123456", "line 123456"],
  ["uuid stays", "id 01927f5e-1234-7890-8123-456789012345", "id 01927f5e-1234-7890-8123-456789012345"],
  ["instant stays", "at 2026-11-21T21:23:26.123Z", "at 2026-11-21T21:23:26.123Z"],
  ["trace id stays", "0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"],
  ["32 digits are no trace id", "12345678901234567890123456789012", "…9012"],
  ["e-mail", "ada.lovelace@example.com wrote", "…@example.com wrote"],
  ["e-mail in brackets", "Ada <ada+x@mail.example.com>,", "Ada <…@mail.example.com>,"],
  ["e-mail with a quote", '"ada lovelace"@example.com', "…@example.com"],
  ["e-mail with an apostrophe", "to o'brien@example.com", "to …@example.com"],
  ["e-mail, long", `${"a".repeat(70)}=b.example@example.com`, "…@example.com"],
  ["e-mail, percent-encoded", "to=ada.l%40example.com&x", "…%40example.com&x"],
  ["e-mail, encoded twice", "/u/ada%2540example.com", "…%2540example.com"],
  ["e-mail in a path", "GET https://a.example/u/ada@example.com/x", "GET https:…@example.com/x"],
  ["e-mail by number", "ada@[IPv6:2001:db8::1]", "…@[IPv6:2001:db8::1]"],
  ["e-mail of any script", "用户@例え.テスト", "…@例え.テスト"],
  ["e-mail, several", "a@b.example,c@d.example", "…@b.example,…@d.example"],
  ["mailto", "mailto:ada@example.com", "mailto:…@example.com"],
  [
    "Telegram's token",
    "POST https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage",
    "POST https://api.telegram.org/bot[redacted]/sendMessage",
  ],
  ["Telegram's token, encoded", "bot123456789%3AAAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "bot[redacted]"],
  [
    "Twilio's account",
    "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef/Messages",
    "/…0401/Accounts/AC…cdef/Messages",
  ],
  ["OpenAI's key", "sk-proj-AbCd_1234-efgh is wrong", "sk-[redacted] is wrong"],
  ["no key", "task-force-of-the-day ask-me-anything", "task-force-of-the-day ask-me-anything"],
  ["SendGrid's key", "SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf", "SG.[redacted]"],
  ["Resend's key", "re_a1B2c3D4_e5F6g7H8i9J0k1L2", "re_[redacted]"],
  [
    "Slack's webhook",
    "https://hooks.slack.com/services/T0/B0/abc failed",
    "https://hooks.slack.com/… failed",
  ],
  ["Opsgenie's key", "Authorization: GenieKey 0f1e2d3c-aaaa", "Authorization: GenieKey [redacted]"],
  ["Google's refresh token", "1//0gabcDEF-ghi_jklMNOpqr is gone", "[redacted] is gone"],
  ["PagerDuty's key", "key u+Ab1_cd2-Ef3gh4Ij5kl", "key [redacted]"],
  ["ticket in a path", "/u/abcdefgh234567ab /c/abcdefgh234567ab/2", "/u/… /c/…/2"],
  [
    "token in a path",
    "https://x.example/hook/aB3dE5fG7hI9jK1lM3nO5pQ7/in",
    "https://x.example/hook/[redacted]/in",
  ],
  [
    "path without a token",
    "file:///srv/functions/wa-webhook/index.ts:1:2",
    "file:///srv/functions/wa-webhook/index.ts:1:2",
  ],
  ["bearer", "Authorization: Bearer abc.def", "Authorization: Bearer [redacted]"],
  [
    "publishable and secret keys",
    "sb_secret_a-B9 sb_publishable_x",
    "sb_secret_[redacted] sb_publishable_[redacted]",
  ],
  ["webhook secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", "whsec_[redacted]"],
  ["webhook signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "v1,[redacted]"],
  ["hub signature", "sha256=0af7651916cd43dd", "sha256=[redacted]"],
  ["JWT", "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl", "[redacted]"],
  ["Graph token", "EAAJB0ZCxk1234567890abcdef", "[redacted]"],
  ["link token", "hi [ref:abcdefghijklmnop]", "hi [ref:…]"],
  ["message id", "wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI1RjQyNUE3NEYxMzAzMzQ5MkEA", "wamid.…MzQ5MkEA"],
  ["URL with user info", "postgresql://admin:hunter2@db:5432/x", "postgresql://[redacted]@db:5432/x"],
  ["password with an @", "https://u:p@ss@host/x", "https://[redacted]@host/x"],
  ["URL with query", "GET https://a.example/x?access=1&b=2 ok", "GET https://a.example/x?… ok"],
  ["assignment", "verify_token=hunter2, next", "verify_token=[redacted], next"],
  ["JSON in text", '{"password":"a b","x":1}', '{"password":[redacted],"x":1}'],
  ["npm path is no e-mail", "node_modules/.deno/zod@4.6.7/index.js", "node_modules/.deno/zod@4.6.7/index.js"],
];

for (const [label, text, expected] of cases) {
  Deno.test(`redactText(): ${label}`, () => assertEquals(redactText(text), expected));
}

/** A phone number as people write it: digits of some script, separators between some of them. */
const phones = fc.record({
  digits: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 7, maxLength: 15 }),
  zero: fc.constantFrom("0", "٠", "०", "０"),
  separators: fc.array(fc.constantFrom("", " ", "-", ".", "(", ") ", "\u00a0", "\u2011", "/", "%20"), {
    minLength: 15,
    maxLength: 15,
  }),
  plus: fc.constantFrom("", "+", "00", "tel:", "%2B"),
}).map(({ digits, zero, separators, plus }) =>
  plus +
  digits.map((digit, i) =>
    String.fromCodePoint(zero.codePointAt(0)! + digit) + (i + 1 < digits.length ? separators[i] : "")
  ).join("")
);

/** Longest run of digits once everything that may separate the digits of one number is gone. */
function longestRun(text: string): number {
  const runs = text.replace(/%[0-9a-f]{2}|[\s().\-\u2011\/]/gi, "").match(/\p{Nd}+/gu) ?? [];
  return Math.max(0, ...runs.map((run) => [...run].length));
}

Deno.test("redactText(): no phone number passes, in any context", () => {
  const words = fc.string({ unit: "grapheme", maxLength: 40 }).map((text) =>
    text.replace(/[\p{Nd}%.()\-\/\s]/gu, "")
  );
  holds(
    fc.property(words, phones, words, (before, phone, after) => {
      const safe = redactText(`${before}|${phone}|${after}`);
      assertEquals(longestRun(safe) < 7, true, safe);
    }),
    { cases: 2000 },
  );
});

const alphabet = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"];
const random = fc.string({ unit: fc.constantFrom(...alphabet), minLength: 20, maxLength: 60 });
const secretForms = fc.tuple(
  fc.constantFrom(
    (s: string) => `Bearer ${s}`,
    (s: string) => `sb_secret_${s}`,
    (s: string) => `whsec_${s}`,
    (s: string) => `EAA${s}`,
    (s: string) => `sk-${s}`,
    (s: string) => `SG.${s}.${s}`,
    (s: string) => `re_${s}`,
    (s: string) => `GenieKey ${s}`,
    (s: string) => `1//0g${s}`,
    (s: string) => `u+${s}`,
    (s: string) => `https://api.example/bot123456:${s}/send`,
    (s: string) => `https://api.example/hook/aA1${s}zz`,
    (s: string) => `https://hooks.slack.com/services/T0/B0/${s}`,
    (s: string) => `[ref:${s}]`,
    (s: string) => `access_token=${s}`,
    (s: string) => `{"secret": "${s}"}`,
    (s: string) => `https://h.example/cb?code=${s}`,
    (s: string) => `postgres://u:${s}@h/db`,
  ),
  random,
);

Deno.test("redactText(): no secret in a known format passes", () => {
  holds(
    fc.property(fc.string({ maxLength: 30 }), secretForms, (before, [form, secret]) => {
      assertEquals(redactText(`${before} ${form(secret)} end`).includes(secret), false);
    }),
    { cases: 2000 },
  );
});

Deno.test("redactText(): a registered value never passes, whatever it looks like", () => {
  holds(fc.property(random, fc.string(), fc.string(), (secret, before, after) => {
    hideValue(secret);
    assertEquals(redactText(before + secret + after).includes(secret), false);
  }));
});

Deno.test("redactText(): a registered value never passes inside base64 or hex, or escaped", () => {
  const around = fc.string({ maxLength: 20 });
  holds(fc.property(random, around, around, (secret, before, after) => {
    hideValue(secret);
    const bytes = new TextEncoder().encode(before + secret + after);
    const base64 = btoa(String.fromCharCode(...bytes));
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    for (const form of [base64, base64.replaceAll("+", "-").replaceAll("/", "_"), hex]) {
      assertStringIncludes(redactText(`a ${form} b`), "[redacted]");
    }
  }));
});

/** An address that a person has, and the forms in which it stands in a text. */
const localParts = fc.string({
  unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789.!#$&'*+-/=?^_`{|}~é"),
  minLength: 5,
  maxLength: 90,
});
const addressForms = fc.constantFrom(
  (local: string) => `${local}@example.com`,
  (local: string) => `<${local}@mail.example.co.uk>`,
  (local: string) => JSON.stringify({ note: `${local}@example.com` }),
  (local: string) => `https://h.example/u/${encodeURIComponent(`${local}@example.com`)}`,
  (local: string) => `to%3D${encodeURIComponent(encodeURIComponent(`${local}@example.com`))}%20`,
  (local: string) => `mailto:${local}@xn--bcher-kva.example,${local}@example.xn--p1ai`,
  (local: string) => `"${local} ${local}"@example.com`,
);

Deno.test("redactText(): no local part of an e-mail address passes, in any context", () => {
  holds(
    fc.property(fc.string({ maxLength: 30 }), addressForms, localParts, fc.string({ maxLength: 30 }), (
      before,
      form,
      local,
      after,
    ) => {
      const safe = redactText(`${before} ${form(local)} ${after}`);
      for (const shown of [local, encodeURIComponent(local), encodeURIComponent(encodeURIComponent(local))]) {
        assertEquals(safe.includes(shown) && !`${before}${after}`.includes(shown), false, safe);
      }
    }),
    { cases: 2000 },
  );
});

Deno.test("redactText(): keeps the last four characters of Twilio account ids", () => {
  const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
  holds(
    fc.property(fc.string({ maxLength: 20 }), fc.constantFrom("AC", "SK", "MG"), hex, (before, kind, id) => {
      const safe = redactText(`${before}${kind}${id}/Messages`);
      assertEquals([safe.includes(id.slice(0, 28)), safe.includes(id)], [false, false], safe);
    }),
    { cases: 500 },
  );
});

Deno.test("redactPhoneNumber(): keeps the last four digits of a long enough number", () => {
  const cases = [["+49 170 1234567", "…4567"], ["12025550123", "…0123"], ["1234", "…"], ["nobody", "…"], [
    "",
    "…",
  ]];
  for (const [phone, expected] of cases) assertEquals(redactPhoneNumber(phone), expected);
  holds(fc.property(phones, (phone) => assertEquals(longestRun(redactPhoneNumber(phone)), 4)));
});

Deno.test("createWebhookLogEntry(): says who, where and how it was decided, without personal data", () => {
  assertEquals(
    createWebhookLogEntry({
      channel: "sms",
      From: "+12025550123",
      to: "ada@example.com",
      Body: "Where are you?",
      orgId: "01927f5e-1234-7890-8123-456789012345",
      thread_id: 7,
      decision: { leg: "client", why: "sent to +12025550199" },
      AuthToken: "abcdef",
      AccountSid: "AC0123456789abcdef0123456789abcdef",
    }),
    {
      channel: "sms",
      from: "…0123",
      to: "….com",
      body: "[14 characters]",
      org_id: "01927f5e-1234-7890-8123-456789012345",
      thread_id: 7,
      decision: { leg: "client", why: "sent to +…0199" },
      auth_token: "[redacted]",
      account_sid: "…cdef",
    },
  );
});

Deno.test("redactValue(): an error that quotes its input quotes nothing in the log, nor does its cause", () => {
  const caught = (work: () => unknown): Error => {
    try {
      work();
    } catch (error) {
      return error as Error;
    }
    throw new Error("it did not throw");
  };
  holds(fc.property(fc.string({ maxLength: 60 }).map((text) => text.replace(/["\\]/g, "")), (secret) => {
    for (
      const bad of [
        `hunter ${secret}`,
        `{"password": hunter ${secret}`,
        `["hunter ${secret}"`,
        `"hunter ${secret}`,
      ]
    ) {
      const error = caught(() => JSON.parse(bad));
      const logged = JSON.stringify(redactValue({ error: new Error("refused", { cause: error }) }));
      assert(!logged.includes("hunter"), logged);
      assert(logged.includes("not valid JSON"), logged);
    }
    const logged = JSON.stringify(redactValue(caught(() => new URL(`hunter ${secret}`))));
    assert(!logged.includes("hunter") && logged.includes("Invalid URL"), logged);
  }));
});

Deno.test("redactText(): takes linear time on hostile text", async () => {
  const parts = ["a", "1 ", "a.", "a@", "x://", "@", "%20", "1-a", "wamid."];
  parts.push(
    "@a.",
    "@1.",
    '"@',
    "%40",
    "%25",
    "a%40b.co",
    '"@b.co',
    "bot12345:",
    "/aA1",
    "aA1/",
    "AC0",
    "sk-",
    "SG.",
    "re_",
    "eyJ-------",
    "[ref:",
    "0300000003330333",
    'token="',
  );
  for (const part of parts) {
    await assertLinear(1000, (size) => redactText(part.repeat(size)));
  }
});

Deno.test("redactValue(): redacts by field name", () => {
  assertEquals(
    redactValue({
      phone: "+491701234567",
      waId: 491701234567,
      bsuid: "US.13491208655302741918",
      "client-ip": "2001:db8::1:abcd",
      username: "ada",
      body: "hello there",
      raw: { from: "491701234567" },
      api_key: "k",
      "X-Hub-Signature-256": "sha256=00",
      accessToken: ["a"],
      flag_key: "wa_router.enabled",
      took_ms: 12345678,
      rows: 999_999,
      from: 491701234567,
    }),
    {
      phone: "…4567",
      waId: "…4567",
      bsuid: "…1918",
      "client-ip": "…abcd",
      username: "…",
      body: "[11 characters]",
      raw: "[object]",
      api_key: "[redacted]",
      "X-Hub-Signature-256": "[redacted]",
      accessToken: "[redacted]",
      flag_key: "wa_router.enabled",
      took_ms: 12345678,
      rows: 999_999,
      from: "…4567",
    },
  );
});

Deno.test("redactValue(): any value, keys included, gives safe JSON and never throws", () => {
  const values = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: true,
    withObjectString: true,
    values: [phones, fc.boolean(), fc.integer({ min: 1e6 }), fc.constant(Symbol("x"))],
    key: fc.oneof(phones, fc.string()),
  });
  holds(
    fc.property(values, (value) => {
      const json = JSON.stringify(redactValue({ value }));
      const strings = json.replace(/\d{4}-\d\d-\d\dT[\d:.]{12}Z|\[\d+ (?:bytes|characters|more)\]/g, "");
      for (const text of strings.matchAll(/"(?:[^"\\]|\\.)*"/g)) {
        assertEquals(longestRun(JSON.parse(text[0])) < 7, true, text[0]);
      }
    }),
    { cases: 1000 },
  );
});

Deno.test("redactValue(): errors with causes, cycles, getters that throw, exotic values", () => {
  const inner = new Error("call 491701234567 failed", { cause: new Error("root +491701234568") });
  const safe = JSON.stringify(redactValue({ error: inner }));
  assertNotMatch(safe, /49170/);
  assertStringIncludes(safe, "redact_test.ts");
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  assertStringIncludes(JSON.stringify(redactValue(cycle)), "[deep]");
  const trap = {
    get x() {
      throw new Error("no");
    },
  };
  assertEquals(redactValue({ trap, f: () => 1, date: new Date(NaN) }), {
    trap: "[unreadable]",
    f: "[function]",
    date: "[date]",
  });
});

Deno.test("redactValue(): long texts are cut, without revealing a secret at the cut", () => {
  const secret = "Zx9".repeat(20);
  hideValue(secret);
  for (let length = 7940; length <= 8000; length++) {
    const safe = redactValue("Bearer b ".repeat(900).slice(0, length).padEnd(length, " ") + secret) as string;
    assertEquals(safe.includes("Zx9"), false);
  }
  assertEquals((redactValue("a ".repeat(5000)) as string).length < 2100, true);
});

Deno.test("lastFour() counts characters, not code units", () => {
  assertEquals(lastFour("ab🦎🦎🦎🦎"), "…🦎🦎🦎🦎");
  assertEquals(lastFour("1234"), "…");
});
