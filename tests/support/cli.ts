/**
 * For tests of the command line: a whole local stack per file, on its own database; a service that it may
 * deliver to; and `gatelink` on it.
 *
 * The router's flag is off, so that only the test changes a message.
 */
import { assert, assertEquals, assertMatch } from "./assert.ts";
import { dirname, join } from "node:path";
import type { JSONValue } from "postgres";
import { parse } from "../../supabase/functions/_shared/channels/whatsapp/inbound/updates.ts";
import { type Ran, runGatelink, type RunOptions } from "./gatelink.ts";
import { testDatabase } from "./postgres.ts";
import { startStack } from "./stack.ts";

const database = await testDatabase();
export const { sql } = database;
/** Folder of the file's own; removed at the end. */
export const folder = await Deno.makeTempDir({ prefix: "gatelink-cli-" });
/** Where stack.json is. */
export const file = join(folder, "data", "stack.json");
/** What it holds. */
export const stack = {
  url: "",
  dbUrl: "",
  publishableKey: "",
  secretKey: "",
  whatsapp: { appSecret: "", verifyToken: "", phoneNumberId: "" },
};

/** What the service got. */
export const received: { path: string; body: string; headers: Headers }[] = [];
/** Address of the service, which answers by path: `/401` with 401, all else with 200. */
export let service = "";

/**
 * An address without a listener, now and later: the system never assigns a port below 1024 on its own. Not
 * one of those that fetch() blocks.
 */
export const NOBODY = "http://127.0.0.1:2";

/** The person who writes. */
export const PHONE = "16505551234";

const stops: (() => Promise<unknown>)[] = [];

Deno.test.beforeAll(async () => {
  const hook = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname;
    received.push({ path, body: await request.text(), headers: request.headers });
    return new Response(`answer to ${path}`, { status: Number(/^\/(\d{3})$/.exec(path)?.[1] ?? 200) });
  });
  stops.push(() => hook.shutdown());
  service = `http://127.0.0.1:${hook.addr.port}`;
  const running = await startStack({ data: dirname(file), env: { DATABASE_URL: database.url } });
  stops.push(() => running.stop());
  Object.assign(stack, running.stack);
  await sql`update public.settings set value = 'false' where key = 'wa_router.enabled'`;
});

Deno.test.afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  await database.drop();
  await Deno.remove(folder, { recursive: true });
});

/** The words of a command line: apart by spaces, kept together by single or double quotes. */
export function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, bare]) =>
    single ?? double ?? bare
  );
}

/** Runs `gatelink` with these words. */
export function gatelink(line: string, options: RunOptions = {}): Promise<Ran> {
  return runGatelink(words(line), { ...options, env: { GATELINK_STACK: file, ...options.env } });
}

/** Runs a command that must succeed, with --json, and returns its document. */
// deno-lint-ignore no-explicit-any
export async function document<T = any>(line: string): Promise<T> {
  const ran = await gatelink(`${line} --json`);
  assertEquals([ran.code, ran.err], [0, ""], `gatelink ${line}\n${ran.out}${ran.err}`);
  return ran.json();
}

/**
 * Runs a command that must fail, as text on stderr and with --json as a document; both say what to do next.
 */
export async function fails(
  line: string,
  exit: number,
  code: string,
  said: RegExp,
  options?: Parameters<typeof gatelink>[1],
): Promise<void> {
  const [text, json] = await Promise.all([gatelink(line, options), gatelink(`${line} --json`, options)]);
  assertEquals([text.code, text.out], [exit, ""], text.err);
  assertMatch(text.err, said);
  assertEquals([json.code, json.err], [exit, ""]);
  const { error } = json.json();
  assertEquals(error.code, code, error.message);
  assert(error.hint, `no hint with: ${error.message}`);
}

let serial = 0;
/** A name that no other test has. */
export function unique(prefix: string): string {
  return `${prefix}-${++serial}`;
}

/** A webhook body with one text message. */
export function body(wamid: string, text: string, phone = PHONE): string {
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{
      id: "1",
      changes: [{
        field: "messages",
        value: {
          messaging_product: "whatsapp",
          metadata: { phone_number_id: stack.whatsapp.phoneNumberId, display_phone_number: "15550783881" },
          contacts: [{ wa_id: phone, profile: { name: "Nora Feld" } }],
          messages: [{
            from: phone,
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

/**
 * Stores a text message as the webhook does, without waking the router: the test decides what happens to it.
 */
export async function stored(wamid: string, text: string): Promise<{ id: string; conversation: string }> {
  const updates = JSON.parse(JSON.stringify(parse(JSON.parse(body(wamid, text)))));
  await sql`select public.ingest_updates(${sql.json(updates)})`;
  const [message] = await sql<{ id: string; conversation: string }[]>`
    select id, conversation_id as conversation from public.messages where provider_id = ${wamid}`;
  return message;
}

/** Records a decision about a message, as the router does. */
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
