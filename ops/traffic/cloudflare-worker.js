// Cloudflare Worker in front of two environments: reads the split every five seconds and decides itself, as the function
// `gateway` does (docs/two-environments.md). Route: api.example.com/*
//
// Variables: UPSTREAM (https://<ref>.supabase.co), PATHS below if you need others. Secret: LB_ADMIN_TOKEN, of several the
// first.

/** Addresses at the root -> the function's address. */
const PATHS = {
  "/api/messages": "messages",
  "/api/sendgrid/inbound": "email-webhook/inbound",
  "/api/sendgrid/send": "email-send",
  "/c": "email-track/c",
  "/health": "health/plain",
  "/pixel": "email-track/pixel",
  "/sendgrid/inbound": "email-webhook/inbound",
  "/u": "email-track/u",
};
/** The gateway's own, which are not split. */
const OWN = ["/api/traffic", "/api/metrics/error-rate"];
const COOKIE = "gl_visitor";
const SPLIT_MS = 5000;

const utf8 = new TextEncoder();

/** `floor(murmur3_x86_32(text, 0) * 10000 / 2^32)`: 0 to 9999. */
export function bucket(text) {
  const bytes = utf8.encode(text);
  let h = 0;
  const mix = (k) => {
    k = Math.imul(k, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    return Math.imul(k, 0x1b873593);
  };
  const whole = bytes.length & ~3;
  for (let i = 0; i < whole; i += 4) {
    h ^= mix(bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24));
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let i = bytes.length - 1; i >= whole; i--) rest = (rest << 8) | bytes[i];
  if (whole < bytes.length) h ^= mix(rest);
  h ^= bytes.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return Math.floor(((h >>> 0) * 10000) / 2 ** 32);
}

const keys = new Map();

/** Hex digits of HMAC-SHA-256. */
async function hmac(secret, text, digits) {
  if (!keys.has(secret)) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    keys.set(secret, crypto.subtle.importKey("raw", utf8.encode(secret), algorithm, false, ["sign"]));
  }
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", await keys.get(secret), utf8.encode(text)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, digits);
}

const signed = async (secret, id, text) => `${id}.${await hmac(secret, text, 24)}`;

/** Whom a request comes from: cookie, credentials, ticket of a mail, else somebody new. */
async function visitorOf(request, path, secret) {
  const cookie = new RegExp(`(?:^|;\\s*)${COOKIE}=([\\w.]+)`).exec(request.headers.get("cookie") ?? "")?.[1];
  const known = cookie?.split(".")[0];
  if (known && cookie === await signed(secret, known, `visitor ${known}`)) return { id: known };
  const credential = request.headers.get("apikey") ?? request.headers.get("authorization") ??
    /^\/(?:pixel|c|u)\/([\w-]{8,80})/.exec(path)?.[1];
  if (credential) return { id: `h${await hmac(secret, `credential ${credential}`, 20)}` };
  const random = crypto.getRandomValues(new Uint8Array(16));
  const id = [...random].map((byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte & 31]).join("");
  const value = await signed(secret, id, `visitor ${id}`);
  return { id, cookie: `${COOKIE}=${value}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax` };
}

let split, readAt = -Infinity;

/** The split, at most five seconds old; the last known one while it cannot be read, at first all to blue. */
async function readSplit(env) {
  if (Date.now() - readAt < SPLIT_MS) return split;
  readAt = Date.now();
  try {
    const response = await fetch(`${env.UPSTREAM}/functions/v1/gateway/split`, {
      headers: { authorization: `Bearer ${env.LB_ADMIN_TOKEN}` },
    });
    if (response.ok) split = await response.json();
  } catch {
    // The last one stays.
  }
  return split;
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const path = url.pathname;
    const to = (address, headers) =>
      fetch(`${env.UPSTREAM}/functions/v1/${address}${url.search}`, {
        method: request.method,
        headers,
        body: request.body,
        redirect: "manual",
      });
    if (OWN.includes(path)) return to(`gateway${path}`, request.headers);
    const begin = Object.keys(PATHS).find((one) => path === one || path.startsWith(`${one}/`));
    if (begin === undefined) return new Response("Not found", { status: 404 });

    const isAdmin = request.headers.get("authorization") === `Bearer ${env.LB_ADMIN_TOKEN}`;
    const wanted = request.headers.get("x-environment");
    if (wanted !== null && path !== "/health" && !isAdmin) {
      return new Response("Unauthorized", { status: 401 });
    }
    if (wanted !== null && !/^(blue|green)$/.test(wanted)) {
      return new Response("No such environment", { status: 422 });
    }

    const headers = new Headers(request.headers);
    headers.delete("x-environment");
    headers.delete("x-gatelink-visitor");
    if (isAdmin) headers.delete("authorization");
    let environment = wanted ?? "blue", cookie;
    const known = wanted === null ? await readSplit(env) : undefined;
    if (known !== undefined && known.green > 0) {
      const visitor = await visitorOf(request, path, env.LB_ADMIN_TOKEN);
      environment = bucket(known.salt + visitor.id) < Math.round(known.green * 100) ? "green" : "blue";
      headers.set(
        "x-gatelink-visitor",
        await signed(env.LB_ADMIN_TOKEN, visitor.id, `${environment} ${visitor.id}`),
      );
      cookie = visitor.cookie;
    }
    const [name, ...rest] = PATHS[begin].split("/");
    const slug = environment === "green" ? `${name}-green` : name;
    const response = await to([slug, ...rest].join("/") + path.slice(begin.length), headers);
    const answer = new Response(response.body, response);
    answer.headers.set("x-environment", environment);
    if (cookie !== undefined) answer.headers.append("set-cookie", cookie);
    return answer;
  },
};
