/** A stack with an identity that sends and receives mail, and the simulated SendGrid as tests use it. */
import postgres, { type Sql } from "postgres";
import type { MailSettings } from "../../local/simulator/mail/settings.ts";
import type { SentMail } from "../../local/simulator/mail/store.ts";
import type { MailWay, WrittenMail } from "../../local/simulator/mail/mime.ts";
import type { MailPost } from "../../local/simulator/mail/poster.ts";
import { testDatabase } from "./postgres.ts";
import { type RunningStack, startStack } from "./stack.ts";
import { until } from "./until.ts";

/** The identity of these tests, and its owner's inbox. */
export const ALEX = {
  from: "alex@example.com",
  name: "Alex Morgan",
  inbox: "alex.inbox@corp.example",
  user: "user-1",
};

/** What SendGrid has seen. */
export interface MailState {
  sent: SentMail[];
  posts: MailPost[];
  settings: MailSettings;
}

/** The ground of a test. */
export interface MailGround {
  stack: RunningStack;
  sql: Sql;
  /** `POST` to a function with a secret key. */
  send(body: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  mails(): Promise<MailState>;
  /** The only mail to an address, once it was sent. */
  mailTo(address: string, nth?: number): Promise<SentMail>;
  /** Somebody writes; resolves once the post was answered for good. */
  receive(mail: WrittenMail, way?: MailWay, copies?: number): Promise<MailPost[]>;
  configure(settings: Partial<MailSettings>): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a stack with {@linkcode ALEX}.
 * @param options.ownPostgres Whether it has a Postgres of its own, which a test may kill.
 */
export async function startMailStack({ ownPostgres = false } = {}): Promise<MailGround> {
  const { stack, sql, drop } = ownPostgres ? await withOwnPostgres() : await onTestDatabase();
  const ground: MailGround = {
    ...mailOn(stack, sql),
    async stop() {
      await stack.stop();
      await drop();
    },
  };
  try {
    await addIdentity(sql);
  } catch (error) {
    await ground.stop();
    throw error;
  }
  return ground;
}

/** Mail on a running stack. */
export function mailOn(stack: RunningStack, sql: Sql): Omit<MailGround, "stop"> {
  // Reached through the host of the functions, which a test may kill.
  const simulator = (path: string, body?: unknown) =>
    until(`the simulator answers ${path}`, async () => {
      const response = await fetch(`${stack.url}/simulator/sendgrid/${path}`, {
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
      return await response.json();
    });
  const mails = (): Promise<MailState> => simulator("mails");
  return {
    stack,
    sql,
    mails,
    async send(body) {
      const response = await fetch(`${stack.url}/functions/v1/email-send`, {
        method: "POST",
        headers: { apikey: stack.stack.secretKey, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    },
    mailTo: (address, nth = 0) =>
      until(
        `a mail to ${address}`,
        async () => (await mails()).sent.filter(({ to }) => to[0].email === address).at(nth),
      ),
    async receive(mail, way, copies) {
      const { posts } = await simulator("receive", { mail, way, copies }) as { posts: number[] };
      return await until("the post is answered", async () => {
        const found = (await mails()).posts.filter(({ id }) => posts.includes(id));
        return found.every(({ state }) => state !== "waiting") ? found : undefined;
      });
    },
    configure: async (settings) => void await simulator("settings", settings),
  };
}

async function onTestDatabase(): Promise<{ stack: RunningStack; sql: Sql; drop(): Promise<void> }> {
  const { sql, url, drop } = await testDatabase();
  try {
    return { stack: await startStack({ env: { DATABASE_URL: url } }), sql, drop };
  } catch (error) {
    await drop();
    throw error;
  }
}

async function withOwnPostgres(): Promise<{ stack: RunningStack; sql: Sql; drop(): Promise<void> }> {
  const stack = await startStack();
  const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
  return { stack, sql, drop: () => sql.end({ timeout: 1 }) };
}

/** Adds the identity with its confirmed inbox. */
export async function addIdentity(sql: Sql): Promise<void> {
  await sql.begin(async (sql) => {
    await sql`select set_config('request.jwt.claims', '{"role":"service_role"}', true)`;
    await sql`set local role service_role`;
    const [{ identity }] = await sql`select public.add_identity(${ALEX.from}, ${
      sql.json({ user_id: ALEX.user, display_name: ALEX.name, forward_to: ALEX.inbox, is_default: true })
    }) as identity`;
    for (const what of ["from", "forward"]) {
      const [{ begun }] = await sql`select public.begin_identity_check(${identity.id}, ${what}) as begun`;
      const [{ checked }] =
        await sql`select public.check_identity(${identity.id}, ${what}, ${begun.code}) as checked`;
      if (!checked.ok) throw new Error(`the ${what} address was not confirmed`);
    }
  });
}
