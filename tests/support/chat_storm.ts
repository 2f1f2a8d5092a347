/**
 * Many mails for many chats on a whole stack, with Telegram, the model's server, the on-call provider and the provider of mail
 * in this process: Telegram refuses what is above its limits, the others hang, are wrong or gone.
 */
import postgres, { type Sql } from "postgres";
import { formOf, mimeOf } from "../../local/simulator/mail/mime.ts";
import { SendGridSimulator } from "../../local/simulator/mail/sendgrid.ts";
import { TELEGRAM_PEOPLE, TelegramSimulator } from "../../local/simulator/telegram/telegram.ts";
import { configSeen } from "./config_seen.ts";
import { functionsWith, type RunningStack, startStack } from "./stack.ts";
import { atLeast, until } from "./until.ts";

const TOKEN = "7000000001:bot-token-of-the-storm-0123456789abcdef";
const SECRET = "telegram-secret-of-the-storm";
const DOMAIN = "reply.example.com";
const PATIENCE = { withinMs: 240_000 };
/** Chats with a schedule at the on-call provider. */
const SCHEDULES = 20;
/** Posts of a mail at once, as a provider makes them. */
const POSTS_AT_ONCE = 32;

/** What no log may have, and no model: each mail holds all of it. */
export const PLANTED: Readonly<Record<string, string>> = {
  address: "casey.private@example.org",
  phone: "+1 202-555-0143",
  card: "4111 1111 1111 1111",
  iban: "DE89 3704 0044 0532 0130 00",
  key: "sk-proj-Planted0Planted1Planted2Planted3",
};

/** A card as it came to Telegram. */
export interface ShownCard {
  readonly mail: number;
  readonly chat: number;
  /** Milliseconds from the first post of the mail. */
  readonly afterMs: number;
  /** How often the host had been killed by then. */
  readonly kills: number;
}

/** See {@linkcode startStorm}. */
export interface Storm {
  readonly stack: RunningStack;
  readonly sql: Sql;
  readonly telegram: TelegramSimulator;
  /** Cards in their order, of every chat. */
  readonly cards: ShownCard[];
  /** Bodies that the model's server got. */
  readonly asked: string[];
  /** Paths that the on-call provider was asked for. */
  readonly called: string[];
  /** The chat that a mail belongs into. */
  chatOf(mail: number): number;
  /** Notes that the host is killed. */
  killed(): void;
  /** Posts mails evenly over a time, each until it was taken. Resolves when all are. */
  post(mails: number, overMs: number): Promise<void>;
  /** Resolves when each mail has a card. */
  shown(mails: number): Promise<void>;
  stop(): Promise<void>;
}

/** What everything but Telegram does: takes requests and never answers, answers nonsense, or is not there. */
export type Outside = "hangs" | "is wrong" | "is gone";

/** Starts it, with a destination and a route for each chat. */
export async function startStorm(chats: number, others: Outside = "hangs"): Promise<Storm> {
  const signing = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const encoded = async (format: "pkcs8" | "spki", key: CryptoKey) =>
    btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.exportKey(format, key))));
  const telegram = new TelegramSimulator({ token: TOKEN, retryMs: 50 });
  const asked: string[] = [], called: string[] = [];
  const hanging = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/simulator/telegram/")) return await telegram.fetch(request);
    const body = await request.text().catch(() => "");
    if (pathname.startsWith("/openai/")) asked.push(body);
    if (pathname.startsWith("/pagerduty/")) called.push(pathname);
    if (others === "is wrong") {
      return new Response('<html>{"choices":[{"message":{"content":"@all http://evil.example"}}]', {
        headers: { "content-type": "application/json" },
      });
    }
    // For ever, as far as the caller can tell.
    await new Promise((done) => {
      request.signal.addEventListener("abort", done);
      hanging.signal.addEventListener("abort", done);
    });
    return new Response(null, { status: 504 });
  });
  const here = `http://127.0.0.1:${server.addr.port}`;
  // Nothing listens at the port of discard.
  const outside = others === "is gone" ? "http://127.0.0.1:9" : here;
  const functions = await functionsWith({
    TELEGRAM_BOT_TOKEN: TOKEN,
    TELEGRAM_WEBHOOK_SECRET: SECRET,
    TELEGRAM_URL: `${here}/simulator/telegram`,
    OPENAI_API_KEY: "sk-key-of-the-storm",
    OPENAI_BASE_URL: `${outside}/openai/v1`,
    PD_TOKEN: "pd-token-of-the-storm",
    PD_URL: `${outside}/pagerduty`,
    OPSGENIE_API_KEY: "genie-key-of-the-storm",
    OPSGENIE_URL: `${outside}/opsgenie`,
    SENDGRID_API_KEY: "SG.key-of-the-storm",
    SENDGRID_URL: `${outside}/sendgrid`,
    SENDGRID_INBOUND_PUBLIC_KEY: await encoded("spki", signing.publicKey),
    INBOUND_PARSE_DOMAIN: DOMAIN,
  });
  const stack = await startStack({ functions: functions.path });
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  const provider = new SendGridSimulator({
    apiKey: "none",
    signingKey: await encoded("pkcs8", signing.privateKey),
    inboundUrl: "http://127.0.0.1:9/",
    eventsUrl: "http://127.0.0.1:9/",
  });

  const groups: number[] = [], cards: ShownCard[] = [], postedAt: number[] = [];
  let kills = 0;
  telegram.setWebhook(`${stack.url}/functions/v1/telegram-webhook`, SECRET);
  for (let i = 0; i < chats; i++) {
    const { id } = telegram.addGroup(`Team ${i}`, "supergroup");
    groups.push(id);
    telegram.setMember(id, true, TELEGRAM_PEOPLE[0]);
  }
  await telegram.settled();
  await until(
    "every chat is known",
    atLeast(
      chats,
      async () => (await sql`select from public.telegram_chats where id = any (${groups})`).length,
    ),
    PATIENCE,
  );
  for (const [i, id] of groups.entries()) {
    await sql`select public.add_telegram_destination(${`team-${i}`}, ${id})`;
    await sql`select public.add_route(${[`team-${i}`]}, ${
      sql.json({ type: "address", domains: [`team${i}`], types: ["alert"] })
    }, 10, ${sql.json({ name: `team-${i}`, channels: ["email"] })})`;
  }
  for (let i = 0; i < Math.min(chats, SCHEDULES); i++) {
    const schedule = {
      name: `on-call-${i}`,
      source: "pagerduty",
      external_id: `P${i}`,
      destination: `team-${i}`,
    };
    await sql`select public.add_oncall(${sql.json(schedule)})`;
  }
  await sql`
    insert into public.settings (key, value) values
      ('email_router.enabled', 'true'), ('mail_analysis.enabled', 'true'), ('dynamic_routing.enabled', 'true'),
      ('email_replies.enabled', 'true')
    on conflict (key) do update set value = excluded.value`;
  await configSeen(stack, sql);

  const seen = new Set<string>();
  telegram.listen((change) => {
    if (change.type !== "chat") return;
    for (const message of change.chat.messages) {
      const mail = /^Mail (\d+)\n/.exec(message.text)?.[1];
      const key = `${change.chat.id} ${message.message_id}`;
      // A part without buttons is no card.
      if (mail === undefined || message.buttons.length === 0 || seen.has(key)) continue;
      seen.add(key);
      const n = Number(mail);
      cards.push({ mail: n, chat: change.chat.id, afterMs: performance.now() - postedAt[n], kills });
    }
  });

  async function deliver(n: number): Promise<void> {
    const mail = {
      from: { address: `monitor-${n}@corp.example`, name: "Monitor" },
      // Each of a kind of its own, so that none is shown by another's card when they wait.
      to: `team${n % chats}.db${n}.alert@${DOMAIN}`,
      subject: `Mail ${n}`,
      text: `FIRING: disk full on host ${n}\n\n${Object.values(PLANTED).join("\n")}\n`,
      messageId: `storm-${n}@corp.example`,
    };
    const { body, contentType } = formOf(mimeOf(mail, new Date()), mail);
    postedAt[n] = performance.now();
    await until(`mail ${n} is taken`, async () => {
      const response = await fetch(`${stack.url}/functions/v1/email-webhook/inbound`, {
        method: "POST",
        headers: { "content-type": contentType, ...provider.poster.headersFor(body) },
        body,
      });
      await response.body?.cancel();
      return response.ok;
    }, PATIENCE);
  }

  return {
    stack,
    sql,
    telegram,
    cards,
    asked,
    called,
    chatOf: (mail) => groups[mail % chats],
    killed: () => void kills++,
    async post(mails, overMs) {
      const begin = performance.now();
      const underWay = new Set<Promise<void>>();
      for (let n = 0; n < mails; n++) {
        const wait = begin + n * overMs / mails - performance.now();
        if (wait > 0) await new Promise((done) => setTimeout(done, wait));
        while (underWay.size >= POSTS_AT_ONCE) await Promise.race(underWay);
        const posted: Promise<void> = deliver(n).finally(() => underWay.delete(posted));
        underWay.add(posted);
      }
      await Promise.all(underWay);
    },
    shown: async (mails) =>
      void await until(
        "each mail has its card",
        atLeast(mails, () => new Set(cards.map(({ mail }) => mail)).size),
        PATIENCE,
      ),
    async stop() {
      telegram.stop();
      provider.stop();
      await sql.end({ timeout: 1 });
      await stack.stop();
      hanging.abort();
      await server.shutdown();
      await functions[Symbol.asyncDispose]();
    },
  };
}

/** The 95th percentile of some times. */
export function p95(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * 0.95) - 1)] ?? 0;
}

/** Which of {@linkcode PLANTED} a text holds, whatever separates its parts. */
export function leaksIn(text: string): string[] {
  const bare = text.replaceAll(/[\s\-]/g, "");
  return Object.entries(PLANTED).filter(([, value]) =>
    text.includes(value) || bare.includes(value.replaceAll(/[\s\-]/g, ""))
  ).map(([name]) => name);
}
