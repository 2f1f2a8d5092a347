/**
 * The requests to each running function, and the responses that show that it works. `deno task bench deploy`
 * measures the first probe of a function.
 *
 * Requests have the path that the hosted runtime passes on: `/wa-webhook`, without `/functions/v1`.
 */
import { createHmac } from "node:crypto";

/** The project that functions run in; the local stack writes it to stack.json. */
export interface Project {
  /** Data API and Auth, as SUPABASE_URL. */
  url: string;
  dbUrl: string;
  publishableKey: string;
  secretKey: string;
  whatsapp: { appSecret: string; verifyToken: string; phoneNumberId: string };
}

export interface Probe {
  what: string;
  /** Method, headers, body, and what follows the function's path: a path below it or a query. */
  request(project: Project): { query?: string; init?: RequestInit };
  /** Expected status. */
  status: number;
  /** Expected beginning of `content-type`. */
  type: string;
  /** Expected body, exactly (text), or as members that the JSON response must have. @default any */
  body?: string | Record<string, unknown>;
}

const PROBLEM = "application/problem+json";

const HEALTH: Probe = {
  what: "answers with the database's health",
  request: () => ({}),
  status: 200,
  type: "application/json",
  body: { status: "ok" },
};

const NEEDS_KEY: Probe = {
  what: "refuses a caller without a key",
  request: () => ({ init: { method: "POST", body: "{}" } }),
  status: 401,
  type: PROBLEM,
  body: { code: "unauthorized" },
};

/** Probes by function. A function without probes fails the check. */
export const PROBES: Record<string, Probe[]> = {
  "deeplinks": [NEEDS_KEY],
  "diagnostics": [{
    what: "reports recent activity to a secret key",
    request: ({ secretKey }) => ({ init: { headers: { apikey: secretKey } } }),
    status: 200,
    type: "application/json",
  }],
  "email-send": [NEEDS_KEY, {
    what: "reports the errors of a mail",
    request: ({ secretKey }) => ({
      init: {
        method: "POST",
        headers: { apikey: secretKey, "content-type": "application/json" },
        body: JSON.stringify({ to: "somebody@example.com", subject: "Hello" }),
      },
    }),
    status: 422,
    type: PROBLEM,
  }, {
    what: "lists campaigns for a secret key",
    request: ({ secretKey }) => ({ query: "/campaigns?limit=1", init: { headers: { apikey: secretKey } } }),
    status: 200,
    type: "application/json",
  }],
  "email-track": [NEEDS_KEY, {
    what: "answers the pixel that counts nothing",
    request: () => ({ query: "/pixel/test.png", init: {} }),
    status: 200,
    type: "image/png",
  }],
  "email-webhook": [NEEDS_KEY, {
    what: "refuses unsigned events",
    request: () => ({ query: "/events", init: { method: "POST", body: "[]" } }),
    status: 401,
    type: PROBLEM,
  }],
  "flags": [NEEDS_KEY, {
    what: "delivers due notifications of rollouts",
    request: ({ secretKey }) => ({ init: { method: "POST", headers: { apikey: secretKey } } }),
    status: 202,
    type: "application/json",
    body: { status: "notifying" },
  }],
  "mailboxes": [NEEDS_KEY, {
    what: "refuses to connect a mailbox without a key",
    request: () => ({ query: "/start", init: { method: "POST", body: "{}" } }),
    status: 401,
    type: PROBLEM,
    body: { code: "unauthorized" },
  }],
  "sms-send": [NEEDS_KEY, {
    what: "reports the errors of a text",
    request: ({ secretKey }) => ({
      init: {
        method: "POST",
        headers: { apikey: secretKey, "content-type": "application/json" },
        body: JSON.stringify({ to: "nobody", text: "Hello" }),
      },
    }),
    status: 422,
    type: PROBLEM,
  }],
  "sms-webhook": [{
    what: "refuses an unsigned text",
    request: () => ({ init: { method: "POST", body: "Body=Hello" } }),
    status: 401,
    type: PROBLEM,
  }, {
    what: "refuses an unsigned call",
    request: () => ({ query: "/voice", init: { method: "POST", body: "CallSid=CA1" } }),
    status: 401,
    type: PROBLEM,
    body: { code: "signature_missing" },
  }],
  "telegram-webhook": [{
    what: "refuses an update without the secret",
    request: () => ({
      init: { method: "POST", headers: { "content-type": "application/json" }, body: '{"update_id":1}' },
    }),
    status: 401,
    type: PROBLEM,
    body: { code: "signature_missing" },
  }],
  "oncall-webhook": [{
    what: "keeps its work from who has no key",
    request: () => ({ query: "/work", init: { method: "POST" } }),
    status: 401,
    type: PROBLEM,
    body: { code: "unauthorized" },
  }],
  "gateway": [{
    what: "keeps the split from who has no token",
    request: () => ({ query: "/api/traffic", init: { method: "POST", body: "{}" } }),
    status: 401,
    type: PROBLEM,
    body: { code: "unauthorized" },
  }, {
    what: "tells the error rate",
    request: () => ({ query: "/api/metrics/error-rate", init: {} }),
    status: 200,
    type: "application/json",
    body: { window_minutes: 5 },
  }],
  "health": [HEALTH],
  "messages": [{
    what: "is not there while messaging is off",
    request: () => ({ query: "/diagnostics", init: {} }),
    status: 404,
    type: PROBLEM,
    body: { code: "not_found" },
  }],
  "metrics": [{
    what: "prints metrics for a secret key",
    request: ({ secretKey }) => ({ init: { headers: { apikey: secretKey } } }),
    status: 200,
    type: "text/plain; version=0.0.4",
  }],
  "wa-webhook": [
    {
      what: "answers Meta's handshake",
      request: ({ whatsapp }) => ({
        query: `?hub.mode=subscribe&hub.verify_token=${encodeURIComponent(whatsapp.verifyToken)}` +
          "&hub.challenge=1158201444",
      }),
      status: 200,
      type: "text/plain",
      body: "1158201444",
    },
    {
      what: "refuses an unsigned body",
      request: () => ({ init: { method: "POST", body: "{}" } }),
      status: 401,
      type: PROBLEM,
    },
    {
      what: "stores a signed message",
      request: ({ whatsapp }) => signed(whatsapp, message(whatsapp.phoneNumberId)),
      status: 200,
      type: "application/json",
      body: { received: 1, stored: 1, duplicates: 0 },
    },
  ],
  "wa-graph": [{
    what: "refuses an unknown token as Meta does",
    request: () => ({ query: "/v26.0/1/messages", init: { method: "POST", body: "{}" } }),
    status: 401,
    type: "application/json",
  }],
  "wa-media": [NEEDS_KEY, {
    what: "knows no file without a message",
    request: ({ secretKey }) => ({
      query: "/00000000-0000-7000-8000-000000000000",
      init: { headers: { apikey: secretKey } },
    }),
    status: 404,
    type: PROBLEM,
    body: { code: "media_not_found" },
  }],
  "wa-router": [NEEDS_KEY, {
    what: "routes queued messages",
    request: ({ secretKey }) => ({ init: { method: "POST", headers: { apikey: secretKey } } }),
    status: 202,
    type: "application/json",
    body: { status: "draining" },
  }],
  "wa-send": [NEEDS_KEY, {
    what: "reports the errors of a message",
    request: ({ secretKey }) => ({
      init: {
        method: "POST",
        headers: { apikey: secretKey, "content-type": "application/json" },
        body: JSON.stringify({ to: "16505550199", type: "text" }),
      },
    }),
    status: 422,
    type: PROBLEM,
  }],
};

/** Sends one probe to a function at `origin` and returns what is wrong with the response, if anything. */
export async function ask(
  probe: Probe,
  slug: string,
  origin: string,
  project: Project,
): Promise<string | undefined> {
  const { query = "", init } = probe.request(project);
  const response = await fetch(`${origin}/${slug}${query}`, { ...init, signal: AbortSignal.timeout(20_000) });
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  const got = `${response.status} ${type} ${text.slice(0, 500)}`;
  if (response.status !== probe.status) return `status is not ${probe.status}: ${got}`;
  if (!type.startsWith(probe.type)) return `content-type is not ${probe.type}: ${got}`;
  if (typeof probe.body === "string") {
    return text === probe.body ? undefined : `body is not ${probe.body}: ${got}`;
  }
  if (probe.body === undefined) return undefined;
  const json = JSON.parse(text);
  for (const [key, value] of Object.entries(probe.body)) {
    if (json[key] !== value) return `${key} is not ${JSON.stringify(value)}: ${got}`;
  }
}

/** A text message in Meta's format, with a new id. */
function message(phoneNumberId: string): string {
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{
      id: "102290129340398",
      changes: [{
        field: "messages",
        value: {
          messaging_product: "whatsapp",
          metadata: { display_phone_number: "15550100", phone_number_id: phoneNumberId },
          contacts: [{ profile: { name: "Deploy check" }, wa_id: "16505550199" }],
          messages: [{
            from: "16505550199",
            id: `wamid.${crypto.randomUUID()}`,
            timestamp: String(Math.floor(Date.now() / 1000)),
            type: "text",
            text: { body: "Hello" },
          }],
        },
      }],
    }],
  });
}

function signed({ appSecret }: Project["whatsapp"], body: string): { init: RequestInit } {
  const signature = createHmac("sha256", appSecret).update(body).digest("hex");
  return {
    init: {
      method: "POST",
      headers: { "content-type": "application/json", "x-hub-signature-256": `sha256=${signature}` },
      body,
    },
  };
}
