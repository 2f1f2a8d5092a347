import { assertEquals } from "../../../tests/support/assert.ts";
import type { TextNumber } from "../../../supabase/functions/_shared/contract/answers/sms.ts";
import type { SmsSetup } from "../../../supabase/functions/_shared/contract/http/sms.ts";
import { findingsOf, type NumberAtTwilio } from "./doctor.ts";

const HOOK = "https://texts.example.org/functions/v1/sms-webhook";
const SETUP: SmsSetup = {
  sends_by: ["twilio"],
  faults: [{ variable: "TELNYX_API_KEY", fault: "it is not set" }],
  twilio: {
    accounts: ["AC1"],
    webhook_url: `${HOOK}#rc=5&rp=all`,
    fallback_url: `${HOOK}/fallback`,
    voice_url: `${HOOK}/voice`,
    verifies_by: ["auth_token"],
    proxy_service: false,
  },
  telnyx: { webhook_url: `${HOOK}/telnyx`, verifies: false },
};
const NUMBER: TextNumber = {
  number: "12025550100",
  provider: "twilio",
  account: null,
  class: null,
  state: "active",
  max_per_second: 1,
  held_since: null,
  held_code: null,
  waiting: 0,
  created_at: "2026-11-30T12:00:00Z",
};
const ENTERED: NumberAtTwilio = {
  number: NUMBER.number,
  smsUrl: SETUP.twilio.webhook_url,
  fallbackUrl: SETUP.twilio.fallback_url,
  method: "POST",
  voiceUrl: SETUP.twilio.voice_url,
  voiceMethod: "POST",
};
/** What is not as it should be. */
const faults = (...args: Parameters<typeof findingsOf>) =>
  findingsOf(...args).filter(({ level }) => level !== "ok").map(({ level, what }) => `${level}: ${what}`);

Deno.test("findingsOf(): nothing where all is set up", () => {
  assertEquals(faults(SETUP, [NUMBER], 0, { atTwilio: [ENTERED], voice: 401, account: "AC1" }), []);
});

Deno.test("findingsOf(): what the functions lack, for the providers in use", () => {
  const none = {
    ...SETUP,
    sends_by: [],
    faults: [{ variable: "TWILIO_AUTH_TOKEN", fault: "it is not set" }],
  };
  assertEquals(faults(none, [NUMBER], 0), ["problem: TWILIO_AUTH_TOKEN: it is not set"]);
  assertEquals(faults(SETUP, [{ ...NUMBER, provider: "telnyx" }], 0), [
    "problem: TELNYX_API_KEY: it is not set",
    "problem: its webhooks cannot be verified",
  ]);
  const local = {
    ...SETUP.twilio,
    webhook_url: "http://127.0.0.1:54321/functions/v1/sms-webhook#rc=5",
    proxy_service: true,
  };
  assertEquals(faults({ ...SETUP, twilio: local }, [], 3), [
    "warning: their address is not https, or of this machine: providers cannot call it",
    "warning: TWILIO_PROXY_SERVICE_SID is set and not used",
    "warning: there are none",
    "warning: of 3 nobody knows whether they went",
  ]);
});

Deno.test("findingsOf(): numbers that are held or paused, and what is entered at Twilio", () => {
  const held = { ...NUMBER, held_since: "2026-11-30T12:00:00Z", held_code: "30034", waiting: 2 };
  assertEquals(faults(SETUP, [held, { ...NUMBER, state: "paused" }], 0), [
    "problem: held by error 30034, 2 conversations wait",
    "warning: paused",
  ]);
  for (
    const [entered, found] of [
      [[], "problem: the account at twilio does not have it"],
      [
        [{ ...ENTERED, smsUrl: "https://old.example.org/" }],
        "problem: messages go to https://old.example.org/",
      ],
      [[{ ...ENTERED, smsUrl: "" }], "problem: messages go to no address"],
      [[{ ...ENTERED, method: "GET" }], "warning: messages come by GET"],
      [[{ ...ENTERED, fallbackUrl: "" }], "warning: it has no fallback address"],
      [[{ ...ENTERED, smsUrl: HOOK }], "warning: its address asks for no repetitions"],
    ] as const
  ) assertEquals(faults(SETUP, [NUMBER], 0, { atTwilio: entered }), [found]);
});

Deno.test("findingsOf(): calls, where a number is an organisation's", () => {
  const pool = { ...NUMBER, class: "pool" };
  const silent = { ...ENTERED, voiceUrl: "" };
  assertEquals(faults(SETUP, [NUMBER], 0, { atTwilio: [silent], voice: undefined }), []);
  assertEquals(faults(SETUP, [pool], 0, { atTwilio: [silent], voice: undefined }), [
    "problem: their address does not answer",
    "warning: calls go to no address",
  ]);
  assertEquals(
    faults(SETUP, [pool], 0, {
      atTwilio: [{ ...ENTERED, voiceUrl: "https://old.example.org/" }],
      voice: 404,
    }),
    [
      "problem: their address answers 404",
      "warning: calls go to https://old.example.org/",
    ],
  );
  assertEquals(faults(SETUP, [pool], 0, { atTwilio: [{ ...ENTERED, voiceMethod: "GET" }], voice: 401 }), [
    "warning: calls come by GET",
  ]);
});

Deno.test("findingsOf(): numbers of another account are not looked for in this one", () => {
  const elsewhere = { ...NUMBER, account: "AC2" };
  assertEquals(faults(SETUP, [elsewhere], 0, { atTwilio: [], account: "AC1" }), []);
  assertEquals(faults(SETUP, [elsewhere], 0, { atTwilio: [], account: "AC2" }), [
    "problem: the account at twilio does not have it",
  ]);
  assertEquals(faults(SETUP, [NUMBER], 0, { atTwilio: [], account: "AC2" }), []);
});
