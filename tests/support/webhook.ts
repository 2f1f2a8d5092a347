/** wa-webhook on a real database, reached through the real Data API. */
import type { Sql } from "postgres";
import "./answers_held.ts";
import { createDataApi } from "../../local/data_api/data_api.ts";
import { createRpc } from "../../supabase/functions/_shared/db/client.ts";
import type { Bytes } from "../../supabase/functions/_shared/http/body.ts";
import { serve } from "../../supabase/functions/_shared/serve/serve.ts";
import { sign } from "../../supabase/functions/_shared/channels/whatsapp/inbound/signature.ts";
import { createWhatsApp } from "../../supabase/functions/_shared/channels/whatsapp/index.ts";
import { inbound } from "../../supabase/functions/_shared/pipeline/inbound.ts";
import { createIngest, type IngestOptions } from "../../supabase/functions/_shared/pipeline/ingest.ts";
import { testDatabase } from "./postgres.ts";
import "./flushed.ts";

/** The app secret that a body is signed with. */
export const SECRET = "app-secret-of-the-test";
const KEYS = { publishableKey: "sb_publishable_test", secretKey: "sb_secret_test" };

/** What a test gets. */
export interface Webhook {
  sql: Sql;
  /** Posts a body, signed unless `signature` says otherwise (null: not at all). */
  post(body: unknown, signature?: string | null): Promise<Answer>;
  fetch(request: Request): Response | Promise<Response>;
  /** What tests change while it runs. */
  settings: { killed: boolean; secrets: string[]; databaseAway: boolean };
  /** How often routing was asked for. */
  drained(): number;
}

/** An answer, read. */
export interface Answer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

const encoder = new TextEncoder();
/** The bytes of a body: itself, a text or a JSON value. */
export const bytesOf = (body: unknown): Bytes =>
  body instanceof Uint8Array
    ? body as Bytes
    : encoder.encode(typeof body === "string" ? body : JSON.stringify(body));

/** Registers a test that gets a webhook with a database of its own. */
export function webhookTest(
  name: string,
  test: (webhook: Webhook) => Promise<void>,
  options: IngestOptions = {},
) {
  Deno.test(`wa-webhook: ${name}`, async () => {
    const database = await testDatabase();
    const api = createDataApi({ dbUrl: database.url, jwtSecret: "jwt-secret-of-the-test", ...KEYS });
    const settings = { killed: false, secrets: [SECRET], databaseAway: false };
    let drained = 0;
    const rpc = createRpc({
      endpoint: () => ({ url: "http://data.test", key: KEYS.secretKey }),
      fetch: (url, init) =>
        settings.databaseAway
          ? Promise.reject(new TypeError("connection refused"))
          : api.fetch(new Request(url, init)),
    });
    const channel = createWhatsApp({ appSecrets: () => settings.secrets, verifyToken: () => "verify-token" });
    const { fetch } = serve(
      "wa-webhook",
      inbound(channel, {
        killed: () => settings.killed,
        ingest: createIngest(rpc, channel, options),
        drain: () => Promise.resolve(drained++),
        waitUntil: () => {},
      }),
    );
    const post = async (
      body: unknown,
      signature: string | null = sign(bytesOf(body), SECRET),
    ): Promise<Answer> => {
      const headers: HeadersInit = signature === null ? {} : { "x-hub-signature-256": signature };
      const request = new Request("http://edge.test/wa-webhook", {
        method: "POST",
        headers,
        body: bytesOf(body),
      });
      const response = await fetch(request);
      return { status: response.status, headers: response.headers, body: await response.json() };
    };
    try {
      await test({ sql: database.sql, post, fetch, settings, drained: () => drained });
    } finally {
      await api.close();
      await database.drop();
    }
  });
}

/** A text message of Meta's. */
export const text = (id: string, from = "12025550123", body = "Hello") => ({
  from,
  id: `wamid.${id}`,
  timestamp: "1780000000",
  type: "text",
  text: { body },
});
/** A webhook body with these messages; `more` adds to its value. */
export const hook = (messages: unknown[], more: Record<string, unknown> = {}) => ({
  object: "whatsapp_business_account",
  entry: [{
    id: "240011223344556",
    changes: [{
      field: "messages",
      value: {
        messaging_product: "whatsapp",
        metadata: { display_phone_number: "12025550100", phone_number_id: "301245600017789" },
        messages,
        ...more,
      },
    }],
  }],
});
/** How many updates are stored. */
export const events = async (sql: Sql) =>
  Number((await sql`select count(*) from public.webhook_events`)[0].count);
/** The answer to a webhook. */
export const counts = (received: number, stored: number) => ({
  received,
  stored,
  duplicates: received - stored,
});
