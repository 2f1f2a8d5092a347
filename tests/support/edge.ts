/**
 * The deployed functions, each from its `index.ts`, in this process: on a real database through the real Data
 * API, with the simulator as Meta. Each test gets its own database and its own Meta.
 */
import { fail } from "./assert.ts";
import type { JSONValue, Sql } from "postgres";
import "./answers_held.ts";
import { createDataApi, type DataApi } from "../../local/data_api/data_api.ts";
import { MetaSimulator } from "../../local/simulator/meta.ts";
import { SendGridSimulator } from "../../local/simulator/mail/sendgrid.ts";
import { createStorageApi, type StorageApi, type StorageBucket } from "../../local/storage/storage_api.ts";
import { tmpdir } from "node:os";
import { join } from "../../lib/paths.ts";
import type { Contact, Settings } from "../../local/simulator/model.ts";
import { loadConfig } from "../../supabase/functions/_shared/db/config.ts";
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { flushOutcomes } from "../../supabase/functions/_shared/rollouts/outcomes.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { forgetRefusal, isTooOld } from "../../supabase/functions/_shared/db/schema.ts";
import { loadSamples } from "../../local/simulator/samples.ts";
import { ed25519Pair } from "../../local/project/ed25519.ts";
import { TelnyxSimulator } from "../../local/simulator/texts/telnyx.ts";
import { MailboxesSimulator } from "../../local/simulator/mailboxes/mailboxes.ts";
import { AiSimulator } from "../../local/simulator/ai/ai.ts";
import { TelegramSimulator } from "../../local/simulator/telegram/telegram.ts";
import { PagerDutySimulator } from "../../local/simulator/pagerduty/pagerduty.ts";
import { TwilioSimulator } from "../../local/simulator/texts/twilio.ts";
import { watch } from "./guard.ts";
import { advance } from "./monotonic_clock.ts";
import { testDatabase } from "./postgres.ts";
import { until } from "./until.ts";

/** The secrets and keys of the functions, Meta and the callers. */
export const KEYS = {
  appSecret: "app-secret-of-the-test",
  verifyToken: "verify-token-of-the-test",
  accessToken: "access-token-of-the-test",
  secretKey: "sb_secret_test",
  publishableKey: "sb_publishable_test",
  sealingKeys: `test:${btoa("s".repeat(32))}`,
  audienceSecret: "audience-secret-of-the-test",
  sendgridKey: "SG.key-of-the-test",
  apiToken: "api-token-of-the-test",
  twilioAccount: "AC0123456789abcdef0123456789abcdef",
  twilioToken: "auth-token-of-the-test",
  telnyxKey: "telnyx-key-of-the-test",
  modelKey: "sk-model-key-of-the-test",
  telegramToken: "7000000001:bot-token-of-the-test-0123456789",
  telegramSecret: "telegram-secret-of-the-test",
  formerTelegramSecret: "telegram-secret-of-before",
  pagerDutyToken: "pagerduty-token-of-the-test",
  pagerDutyRoutingKey: "pagerduty-routing-key-of-the-test",
  pagerDutySecret: "pagerduty-secret-of-the-test",
  opsgenieKey: "opsgenie-key-of-the-test",
  atlassianSecret: "atlassian-word-of-the-test",
  trafficToken: "traffic-token-of-the-test",
  mailboxClient: "client-of-the-test",
  mailboxSecret: "client-secret-of-the-test",
} as const;

/** A second account of the business, unused unless a test writes to it and sets its secrets. */
export const SECOND = {
  name: "Second shop",
  wabaId: "100000000000002",
  phoneNumberId: "106540352242923",
  displayNumber: "15550783882",
  accessToken: "second-access-token-of-the-test",
  appSecret: "second-app-secret-of-the-test",
} as const;

/** The key pair with which the simulated SendGrid signs: PKCS #8 and SubjectPublicKeyInfo in base64. */
export const SENDGRID_KEYS = await keyPair();

async function keyPair(): Promise<{ signingKey: string; publicKey: string }> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const encoded = async (format: "pkcs8" | "spki", key: CryptoKey) =>
    btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.exportKey(format, key))));
  return {
    signingKey: await encoded("pkcs8", pair.privateKey),
    publicKey: await encoded("spki", pair.publicKey),
  };
}

/** The business number, by its id at Meta and as people see it. */
export const NUMBER = { id: "301245600017789", display: "12025550100" } as const;

/** Our numbers for texts, as Twilio writes them. */
export const TEXT_NUMBERS = ["+12025550100", "+12025550101"] as const;

/** Our number at Telnyx. */
export const TELNYX_NUMBER = "+12025550102";

type Function =
  | "wa-webhook"
  | "wa-router"
  | "wa-send"
  | "wa-media"
  | "wa-graph"
  | "email-webhook"
  | "email-send"
  | "email-track"
  | "mailboxes"
  | "sms-webhook"
  | "sms-send"
  | "telegram-webhook"
  | "oncall-webhook"
  | "deeplinks"
  | "gateway"
  | "flags"
  | "health"
  | "messages"
  | "metrics"
  | "diagnostics";
const NAMES: readonly Function[] = [
  "wa-webhook",
  "wa-router",
  "wa-send",
  "wa-media",
  "wa-graph",
  "email-webhook",
  "email-send",
  "email-track",
  "mailboxes",
  "sms-webhook",
  "sms-send",
  "telegram-webhook",
  "oncall-webhook",
  "deeplinks",
  "gateway",
  "flags",
  "health",
  "messages",
  "metrics",
  "diagnostics",
];

/** A response with its body read. */
export interface Answer {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** The environment of a test. */
export interface Edge {
  sql: Sql;
  /** URL of the functions, the Data API and Meta. */
  url: string;
  meta: MetaSimulator;
  /** The simulated SendGrid. */
  mail: SendGridSimulator;
  /** The simulated Twilio. */
  texts: TwilioSimulator;
  /** The simulated Telnyx. */
  telnyx: TelnyxSimulator;
  /** The simulated Google and Microsoft. */
  mailboxes: MailboxesSimulator;
  /** The simulated Telegram; its webhook is set. */
  telegram: TelegramSimulator;
  /** The simulated model. Functions have no key of it unless a test sets `OPENAI_API_KEY`. */
  ai: AiSimulator;
  /** The simulated PagerDuty and Opsgenie. */
  pagerDuty: PagerDutySimulator;
  /** Calls a function. A body that is neither text nor bytes is sent as JSON. */
  call(
    name: Function | `${Function}/${string}`,
    init?: { method?: string; headers?: HeadersInit; body?: unknown },
  ): Promise<Answer>;
  /** Passes a request to its function unchanged; undefined if there is no such function. */
  fetch(request: Request): Promise<Response> | undefined;
  /** `POST wa-send` with a secret key. */
  send(message: unknown, headers?: HeadersInit): Promise<Answer>;
  /** `POST wa-webhook` with a body, signed by Meta's secret. */
  hook(body: unknown): Promise<Answer>;
  /** A person writes; resolves after Meta's webhook has been answered. */
  says(person: Contact, message: Parameters<MetaSimulator["userSends"]>[1]): Promise<string>;
  /** Writes settings, and makes the functions read them. */
  set(settings: Record<string, string | { value: string; metadata: JSONValue }>): Promise<void>;
  /** Advances the clock until the functions must read the configuration again. */
  reread(): Promise<void>;
  /** Makes everything due that waits for its time: retries, paces, circuits, held accounts. */
  hurry(): Promise<void>;
  /** Runs `use` while a proxy in front of the database reports it as unavailable. */
  away(use: () => Promise<void>): Promise<void>;
  /**
   * Runs `use` while the responses of an SQL function are lost: its work is committed, but the caller does
   * not know, as if it had died.
   */
  unheard(name: string, use: () => Promise<void>): Promise<void>;
  /** Resolves when everything that can be routed and sent now is. */
  settled(): Promise<void>;
  /** Resolves when no function works any more: what becomes due then is taken by nobody who was there before. */
  rested(): Promise<void>;
}

let serving:
  | {
    api: DataApi;
    meta: MetaSimulator;
    mail: SendGridSimulator;
    texts: TwilioSimulator;
    telnyx: TelnyxSimulator;
    mailboxes: MailboxesSimulator;
    telegram: TelegramSimulator;
    ai: AiSimulator;
    pagerDuty: PagerDutySimulator;
    files: StorageApi;
  }
  | undefined;
/** Number of requests that are being answered. */
let underWay = 0;
/** What continues after answers, as the platform learns of it. */
const works = new Set<Promise<unknown>>();
globalThis.EdgeRuntime = {
  waitUntil(work) {
    works.add(work);
    work.finally(() => works.delete(work));
  },
};

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  underWay++;
  try {
    return await answer(request);
  } finally {
    underWay--;
  }
});

function answer(request: Request): Promise<Response> {
  const { api, meta, mail, texts, telnyx, mailboxes, telegram, ai, pagerDuty, files } = serving ??
    fail("a request came outside of a test");
  const { pathname } = new URL(request.url);
  const [, , , name] = pathname.split("/");
  if (pathname.startsWith("/functions/v1/")) return functions[inBlue(name)].fetch(request);
  if (pathname.startsWith("/sendgrid/")) return mail.fetch(request);
  if (pathname.startsWith("/twilio/")) return texts.fetch(request);
  if (pathname.startsWith("/telnyx/")) return telnyx.fetch(request);
  if (/^\/(?:google|microsoft)\//.test(pathname)) return mailboxes.fetch(request);
  if (pathname.startsWith("/simulator/telegram/")) return telegram.fetch(request);
  if (pathname.startsWith("/simulator/ai/")) return ai.fetch(request);
  if (/^\/simulator\/(?:pagerduty|opsgenie)\//.test(pathname)) return pagerDuty.fetch(request);
  if (pathname.startsWith("/storage/")) return files.fetch(request);
  return pathname.startsWith("/graph/") ? meta.graph(request) : api.fetch(request);
}

/** What is deployed under green's slugs is the same. */
const inBlue = (slug: string) => slug.replace(/-green$/, "") as Function;

const url = `http://127.0.0.1:${server.addr.port}`;
// Nobody asks once the last test has ended.
server.unref();

for (
  const [name, value] of Object.entries({
    SUPABASE_URL: url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: KEYS.secretKey }),
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: KEYS.publishableKey }),
    AUDIENCE_SECRET: KEYS.audienceSecret,
    SEALING_KEYS: KEYS.sealingKeys,
    WHATSAPP_APP_SECRET: KEYS.appSecret,
    WHATSAPP_VERIFY_TOKEN: KEYS.verifyToken,
    WHATSAPP_ACCESS_TOKEN: KEYS.accessToken,
    WHATSAPP_GRAPH_URL: `${url}/graph/v26.0`,
    SENDGRID_API_KEY: KEYS.sendgridKey,
    SENDGRID_URL: `${url}/sendgrid`,
    SENDGRID_INBOUND_PUBLIC_KEY: SENDGRID_KEYS.publicKey,
    SENDGRID_EVENTS_PUBLIC_KEY: SENDGRID_KEYS.publicKey,
    INBOUND_PARSE_DOMAIN: "reply.example.com",
    SEND_DOMAIN: "example.com",
    FORWARD_FROM_EMAIL: "replies@example.com",
    FORWARD_FROM_NAME: "Gatelink",
    API_TOKEN: KEYS.apiToken,
    LB_ADMIN_TOKEN: KEYS.trafficToken,
    TWILIO_ACCOUNT_SID: KEYS.twilioAccount,
    TWILIO_AUTH_TOKEN: KEYS.twilioToken,
    TWILIO_URL: `${url}/twilio`,
    TELNYX_API_KEY: KEYS.telnyxKey,
    TELNYX_PUBLIC_KEY: ed25519Pair(KEYS.telnyxKey).publicKey,
    TELNYX_URL: `${url}/telnyx`,
    GOOGLE_CLIENT_ID: KEYS.mailboxClient,
    GOOGLE_CLIENT_SECRET: KEYS.mailboxSecret,
    GOOGLE_LOGIN_URL: `${url}/google`,
    GOOGLE_OAUTH_URL: `${url}/google`,
    GMAIL_URL: `${url}/google`,
    MICROSOFT_CLIENT_ID: KEYS.mailboxClient,
    MICROSOFT_CLIENT_SECRET: KEYS.mailboxSecret,
    MICROSOFT_LOGIN_URL: `${url}/microsoft`,
    MICROSOFT_GRAPH_URL: `${url}/microsoft/v1.0`,
    TELEGRAM_BOT_TOKEN: KEYS.telegramToken,
    TELEGRAM_WEBHOOK_SECRET: `${KEYS.telegramSecret},${KEYS.formerTelegramSecret}`,
    TELEGRAM_URL: `${url}/simulator/telegram`,
    OPENAI_BASE_URL: `${url}/simulator/ai/v1`,
    PD_TOKEN: KEYS.pagerDutyToken,
    PD_ROUTING_KEY: KEYS.pagerDutyRoutingKey,
    PD_WEBHOOK_SECRET: KEYS.pagerDutySecret,
    PD_URL: `${url}/simulator/pagerduty`,
    PD_EVENTS_URL: `${url}/simulator/pagerduty`,
    OPSGENIE_API_KEY: KEYS.opsgenieKey,
    OPSGENIE_WEBHOOK_SECRET: KEYS.atlassianSecret,
    OPSGENIE_URL: `${url}/simulator/opsgenie`,
  })
) Deno.env.set(name, value);

const functions = Object.fromEntries(
  await Promise.all(NAMES.map(async (name) => [
    name,
    (await import(`../../supabase/functions/${name}/index.ts`)).default,
  ])),
) as Record<Function, { fetch(request: Request): Promise<Response> }>;
const { pipeline } = await import("../../supabase/functions/_shared/compose.ts");

watch("that the database refused this code", () => isTooOld());

/** Registers a test that has the functions; see {@linkcode withEdge}. */
export function edgeTest(name: string, test: (edge: Edge) => Promise<void>): void {
  Deno.test(name, () => withEdge(test));
}

/** Runs `use` with routing and sending on, and with destinations on this machine allowed. */
export async function withEdge(use: (edge: Edge) => Promise<void>): Promise<void> {
  const database = await testDatabase();
  const api = createDataApi({ dbUrl: database.url, jwtSecret: "jwt-secret-of-the-test", ...KEYS });
  const meta = newMeta({ statusDelayMs: 0, autoRead: false });
  const mail = new SendGridSimulator({
    apiKey: KEYS.sendgridKey,
    signingKey: SENDGRID_KEYS.signingKey,
    inboundUrl: `${url}/functions/v1/email-webhook/inbound`,
    eventsUrl: `${url}/functions/v1/email-webhook/events`,
    retryMs: 20,
  });
  const texts = new TwilioSimulator({
    accountSid: KEYS.twilioAccount,
    authToken: KEYS.twilioToken,
    numbers: TEXT_NUMBERS,
    webhookUrl: `${url}/functions/v1/sms-webhook`,
    samples: loadSamples(),
  });
  const telnyx = new TelnyxSimulator({
    apiKey: KEYS.telnyxKey,
    seed: KEYS.telnyxKey,
    numbers: [TELNYX_NUMBER],
    webhookUrl: `${url}/functions/v1/sms-webhook/telnyx`,
    url: () => `${url}/telnyx`,
    samples: loadSamples(),
  });
  const telegram = new TelegramSimulator({ token: KEYS.telegramToken, retryMs: 20 });
  telegram.setWebhook(`${url}/functions/v1/telegram-webhook`, KEYS.telegramSecret);
  const ai = new AiSimulator({ key: KEYS.modelKey });
  const pagerDuty = new PagerDutySimulator({
    token: KEYS.pagerDutyToken,
    routingKey: KEYS.pagerDutyRoutingKey,
    secret: KEYS.pagerDutySecret,
    opsgenieKey: KEYS.opsgenieKey,
    webhookUrl: `${url}/functions/v1/oncall-webhook/pagerduty`,
  });
  const folder = join(tmpdir(), `gatelink-test-files-${crypto.randomUUID()}`);
  const files = createStorageApi({
    folder,
    ...KEYS,
    jwtSecret: "jwt-secret-of-the-test",
    buckets: () => database.sql<StorageBucket[]>`select id, file_size_limit::float8 from storage.buckets`,
  });
  const mailboxes = new MailboxesSimulator({
    clientId: KEYS.mailboxClient,
    clientSecret: KEYS.mailboxSecret,
  });
  serving = { api, meta, mail, texts, telnyx, mailboxes, telegram, ai, pagerDuty, files };
  const edge = edgeOf(database.sql, meta, mail, texts, telnyx, mailboxes, telegram, ai, pagerDuty);
  try {
    await database.sql`
      insert into public.wa_numbers (id, display_number) values (${NUMBER.id}, ${NUMBER.display})`;
    await database.sql`
      insert into public.destination_allowlist (pattern, purpose) values ('127.0.0.1', 'forward')`;
    await edge.set({
      "wa_router.enabled": "true",
      "wa_send.enabled": "true",
      "email_router.enabled": "true",
      "telegram_cards.enabled": "true",
      "email_send.enabled": "true",
      "email_reply_tokens.enabled": "true",
      "forward.allow_loopback": "true",
    });
    await use(edge);
  } finally {
    // Nothing that is due later shall be waited for.
    Deno.env.set("FEATURE_ENABLED", "false");
    meta.stop();
    mail.stop();
    texts.stop();
    telnyx.stop();
    telegram.stop();
    ai.stop();
    await pagerDuty.settled();
    await edge.settled();
    // What still comes in is counted too.
    await until("nothing is under way", () => underWay === 0);
    await edge.settled();
    Deno.env.delete("FEATURE_ENABLED");
    await flushCounts();
    await flushMeasurements();
    await flushOutcomes();
    await edge.rested();
    serving = undefined;
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    await api.close();
    await database.drop();
    // A function may have asked once more while the test ended.
    forgetRefusal();
  }
}

function newMeta(settings: Partial<Settings>): MetaSimulator {
  return new MetaSimulator({
    ...KEYS,
    webhookUrl: `${url}/functions/v1/wa-webhook`,
    phoneNumberId: NUMBER.id,
    displayNumber: NUMBER.display,
    accounts: [SECOND],
    // Tests make conversations in the database, of which Meta has not heard.
    settings: { enforceWindow: false, ...settings },
    retry: { firstMs: 20 },
  });
}

function edgeOf(
  sql: Sql,
  meta: MetaSimulator,
  mail: SendGridSimulator,
  texts: TwilioSimulator,
  telnyx: TelnyxSimulator,
  mailboxes: MailboxesSimulator,
  telegram: TelegramSimulator,
  ai: AiSimulator,
  pagerDuty: PagerDutySimulator,
): Edge {
  const call: Edge["call"] = async (name, { method = "POST", headers, body } = {}) => {
    const isRaw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
    const sent = (isRaw ? body : JSON.stringify(body)) as BodyInit | undefined;
    const response = await fetch(`${url}/functions/v1/${name}`, { method, headers, body: sent });
    const answer = await response.text();
    const json = /\bjson\b/.test(response.headers.get("content-type") ?? "");
    return {
      status: response.status,
      headers: response.headers,
      body: json && answer !== "" ? JSON.parse(answer) : answer,
    };
  };
  const through = async (
    fetch: (api: DataApi, request: Request) => Promise<Response>,
    use: () => Promise<void>,
  ) => {
    const before = serving!;
    serving = { ...before, api: { ...before.api, fetch: (request) => fetch(before.api, request) } };
    try {
      await use();
    } finally {
      serving = before;
    }
  };
  const unavailable = () => new Response("no healthy upstream", { status: 503 });
  const reread = async () => {
    const [{ revision }] = await sql<{ revision: number }[]>`
      select (public.load_config(null) ->> 'revision')::float8 as revision`;
    // A question that is under way is as old as it was asked, and one that takes long leaves the old answer in use.
    await until("the functions have read what changed", async () => {
      advance(3001);
      return (await loadConfig().catch(() => undefined))?.revision === revision;
    });
    advance(3001);
  };
  return {
    sql,
    url,
    meta,
    mail,
    texts,
    telnyx,
    mailboxes,
    telegram,
    ai,
    pagerDuty,
    call,
    reread,
    fetch: (request) => {
      const name = request.url.slice(request.url.indexOf("/", 8)).split(/[/?]/)[3];
      return Object.hasOwn(functions, name) ? functions[name as Function].fetch(request) : undefined;
    },
    send: (body, headers = { apikey: KEYS.secretKey }) => call("wa-send", { headers, body }),
    hook: (body) => {
      const text = JSON.stringify(body);
      const signature = sign(new TextEncoder().encode(text), KEYS.appSecret);
      return call("wa-webhook", { headers: { "x-hub-signature-256": signature }, body: text });
    },
    says: async (person, message) => {
      const wamid = meta.userSends(person, message);
      await meta.settled();
      return wamid;
    },
    set: async (settings) => {
      for (const [key, given] of Object.entries(settings)) {
        const { value, metadata } = typeof given === "string" ? { value: given, metadata: {} } : given;
        await sql`
          insert into public.settings (key, value, metadata) values (${key}, ${value}, ${sql.json(metadata)})
          on conflict (key) do update set value = excluded.value, metadata = excluded.metadata`;
      }
      await reread();
    },
    hurry: async () => {
      await sql`update public.deliveries set next_attempt_at = now() where state = 'pending'`;
      await sql`update private.delivery_lanes set due_at = now() where due_at is not null and lease is null`;
      await sql`update public.destinations set circuit_open_until = now() where circuit_open_until is not null`;
      await sql`update public.outbound_messages set next_attempt_at = now() where state = 'queued'`;
      await sql`
        update private.outbound_lanes set due_at = now(), pair_tat = null where due_at is not null and lease is null`;
      await sql`update public.senders 
        set send_tat = null, held_until = case when held_since is not null then now() end`;
    },
    away: (use) => through(() => Promise.resolve(unavailable()), use),
    unheard: (name, use) =>
      through(async (api, request) => {
        const response = await api.fetch(request);
        if (!request.url.endsWith(`/rpc/${name}`)) return response;
        await response.body?.cancel();
        return unavailable();
      }, use),
    settled: async () => {
      await pipeline.drain();
    },
    // Between two of its requests, work after an answer is not under way.
    rested: async () => {
      await until("no work is left", () => underWay === 0 && works.size === 0);
    },
  };
}
