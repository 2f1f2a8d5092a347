/**
 * A stack for a file of tests of the command line (Postgres, Data API, functions), a service that it may deliver to,
 * and `gatelink` as a process of its own.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { createDataApi } from "../../local/data_api.ts";
import { ROOT } from "../../local/paths.ts";
import { parse } from "../../supabase/functions/_shared/whatsapp/updates.ts";
import type { JSONValue } from "postgres";
import { testDatabase } from "./postgres.ts";

export const NUMBER = "106540352242922";
export const PHONE = "16505551234";

/** A stack for this file, and a service that it may deliver to. */
const database = await testDatabase();
export const { sql } = database;
export const folder = await Deno.makeTempDir({ prefix: "gatelink-cli-" });
export const file = join(folder, "stack.json");
export const stack = {
  url: "",
  dbUrl: database.url,
  publishableKey: "sb_publishable_cli_test",
  secretKey: "sb_secret_cli_test",
  whatsapp: { appSecret: "app-secret-of-the-test", verifyToken: "v", phoneNumberId: NUMBER },
};
const stops: (() => Promise<unknown>)[] = [];

/** What the service got, and how it answers by path: `/401` with 401, everything else with 200. */
export const received: { path: string; body: string; headers: Headers }[] = [];
/** Base address of the service. */
export let service = "";

Deno.test.beforeAll(async () => {
  const api = createDataApi({ ...stack, jwtSecret: crypto.randomUUID() });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    return pathname === "/functions/v1/wa-webhook" ? webhook.fetch(request) : api.fetch(request);
  });
  stack.url = `http://127.0.0.1:${server.addr.port}`;
  const environment = {
    SUPABASE_URL: stack.url,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: stack.secretKey }),
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: stack.publishableKey }),
    WHATSAPP_APP_SECRET: stack.whatsapp.appSecret,
    WHATSAPP_VERIFY_TOKEN: stack.whatsapp.verifyToken,
  };
  for (const [name, value] of Object.entries(environment)) Deno.env.set(name, value);
  const webhook = (await import("../../supabase/functions/wa-webhook/index.ts")).default;
  const hook = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname;
    received.push({ path, body: await request.text(), headers: request.headers });
    return new Response(`answer to ${path}`, { status: Number(/^\/(\d{3})$/.exec(path)?.[1] ?? 200) });
  });
  service = `http://127.0.0.1:${hook.addr.port}`;
  await Deno.writeTextFile(file, JSON.stringify(stack));
  await sql`insert into public.settings (key, value) values ('forward.allow_loopback', 'true'), ('wa_router.enabled', 'true')`;
  await sql`insert into public.destination_allowlist (pattern, purpose) values ('127.0.0.1', 'forward')`;
  stops.push(() => server.shutdown(), () => hook.shutdown(), () => api.close());
});

Deno.test.afterAll(async () => {
  for (const stop of stops) await stop();
  await database.drop();
  await Deno.remove(folder, { recursive: true });
});

export interface Ran {
  code: number;
  out: string;
  err: string;
  /** The one JSON document on stdout; throws when there is anything else. */
  // deno-lint-ignore no-explicit-any
  json(): any;
}

/** Runs the command line as a process. */
export async function gatelink(
  args: string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(ROOT, "cli", "main.ts"), ...args],
    cwd: options.cwd ?? ROOT,
    env: { GATELINK_STACK: file, NO_COLOR: "", ...options.env },
    stdin: "null",
  }).output();
  const out = new TextDecoder().decode(stdout), err = new TextDecoder().decode(stderr);
  return { code, out, err, json: () => JSON.parse(out) };
}

/** Runs a command that must go well, with --json, and gives its document. */
export async function document<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const ran = await gatelink([...args, "--json"]);
  assertEquals([ran.code, ran.err], [0, ""], `gatelink ${args.join(" ")}\n${ran.out}${ran.err}`);
  return ran.json() as T;
}

/** Runs a command that must fail, as text and with --json: exit code, error code, and that it says what to do next. */
export async function fails(
  args: string[],
  exit: number,
  code: string,
  said: RegExp,
  options?: Parameters<typeof gatelink>[1],
): Promise<void> {
  const [text, json] = await Promise.all([gatelink(args, options), gatelink([...args, "--json"], options)]);
  assertEquals([text.code, text.out], [exit, ""], text.err);
  assertMatch(text.err, said);
  assertEquals([json.code, json.err], [exit, ""]);
  const { error } = json.json() as { error: { code: string; message: string; hint?: string } };
  assertEquals(error.code, code, error.message);
  assert(error.hint, `no hint with: ${error.message}`);
}

let serial = 0;
/** A name that no other test has. */
export function unique(prefix: string): string {
  return `${prefix}-${++serial}`;
}

/** A webhook body with one text message. */
export function body(wamid: string, text: string): string {
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{
      id: "1",
      changes: [{
        field: "messages",
        value: {
          messaging_product: "whatsapp",
          metadata: { phone_number_id: NUMBER, display_phone_number: "15550783881" },
          contacts: [{ wa_id: PHONE, profile: { name: "Nora Feld" } }],
          messages: [{
            from: PHONE,
            id: wamid,
            timestamp: String(Math.floor(Date.now() / 1000)),
            type: "text",
            text: { body: text },
          }],
        },
      }],
    }],
  });
}

/** Stores a text message as the webhook does, but wakes no router: what becomes of it is the test's. */
export async function stored(wamid: string, text: string): Promise<{ id: string; conversation: string }> {
  const updates = JSON.parse(JSON.stringify(parse(JSON.parse(body(wamid, text)))));
  await sql`select public.ingest_updates(${sql.json(updates)})`;
  const [message] = await sql<{ id: string; conversation: string }[]>`
    select id, conversation_id as conversation from public.messages where provider_id = ${wamid}`;
  return message;
}

/** Writes down a decision about a message, as the router does. */
export async function decided(
  message: { id: string; conversation: string },
  decision: {
    destination_ids: string[];
    route_name?: string;
    explanation?: Record<string, string | boolean>[];
  },
): Promise<void> {
  const decisions: Record<string, JSONValue>[] = [{
    message_id: message.id,
    reason: "matched",
    explanation: [],
    ...decision,
  }];
  await sql`select public.record_decisions(1, ${
    sql.json([{ id: message.conversation, held: false, through_seq: null, decisions }])
  })`;
}

/** A destination added without the command line, by its id. */
export async function destination(name: string): Promise<string> {
  await sql`select public.add_destination(${name}, 'http://127.0.0.1:9999/x')`;
  const [{ id }] = await sql`select id from public.destinations where name = ${name}`;
  return id;
}

/** A file in the test's folder. */
export async function written(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await Deno.mkdir(join(path, ".."), { recursive: true });
  await Deno.writeTextFile(path, text);
  return path;
}
