// Cloudflare Worker in front of two environments: reads the split every five seconds and decides itself, as the function
// `gateway` does (docs/two-environments.md). Route: api.example.com/*
//
// Variables: UPSTREAM (https://<ref>.supabase.co), PATHS below if you need others. Secret: LB_ADMIN_TOKEN; of
// several, `new,old`, the first signs and each is accepted.

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
const COOKIE = "gl_side";
/** Its name before: who has it stays on the same side, and gets the new one. */
const FORMER_COOKIE = "gl_visitor";
/** Key of the hash that decides a service's side. No secret: a new token must not move services. */
const SIDE_KEY = "gatelink side";
const SPLIT_MS = 5000;
const TIMEOUT_MS = 2000;

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

/** Keys that all users of an app share, and tokens of users: neither names a client. */
const NOT_A_SERVICE = /^(?:bearer +)?(?:sb_publishable_|eyJ[\w-]*\.)/i;
const service = (header) => header && !NOT_A_SERVICE.test(header) ? header : undefined;

async function setCookie(secret, id) {
  const value = await signed(secret, id, `visitor ${id}`);
  return `${COOKIE}=${value}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax`;
}

/** Whom a request comes from: cookie, a service's credentials, ticket of a mail, else somebody new. */
async function visitorOf({ headers }, path, secrets) {
  for (const name of [COOKIE, FORMER_COOKIE]) {
    const sent = new RegExp(`(?:^|;\\s*)${name}=([\\w.]+)`).exec(headers.get("cookie") ?? "")?.[1];
    const id = sent?.split(".")[0];
    for (const secret of id ? secrets : []) {
      if (sent !== await signed(secret, id, `visitor ${id}`)) continue;
      const isOld = name !== COOKIE || secret !== secrets[0];
      return { id, unit: id, ...(isOld && { cookie: await setCookie(secrets[0], id) }) };
    }
  }
  const credential = service(headers.get("apikey")) ?? service(headers.get("authorization")) ??
    /^\/(?:pixel|c|u)\/([\w-]{8,80})/.exec(path)?.[1];
  if (credential) {
    const hashed = (key) => hmac(key, `credential ${credential}`, 20);
    return { id: `h${await hashed(secrets[0])}`, unit: `c${await hashed(SIDE_KEY)}` };
  }
  const random = crypto.getRandomValues(new Uint8Array(16));
  const id = [...random].map((byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte & 31]).join("");
  return { id, unit: id, cookie: await setCookie(secrets[0], id) };
}

let split, readAt = -Infinity;

/** The split, at most five seconds old; the last known one while it cannot be read; undefined without one. */
async function readSplit(env, token) {
  if (Date.now() - readAt < SPLIT_MS) return split;
  // While one is known, others use it meanwhile. Without one each request reads it for itself: what another request
  // began may be cancelled with that.
  if (split !== undefined) readAt = Date.now();
  try {
    const response = await fetch(`${env.UPSTREAM}/functions/v1/gateway/split`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.ok) split = await response.json();
    else await response.body?.cancel();
  } catch {
    // The last one stays.
  }
  readAt = Date.now();
  return split;
}

/** What the function `gateway` chooses; to blue if it does not answer. */
async function ask(env, request, path) {
  const headers = new Headers({ "x-original-uri": path });
  for (const name of ["cookie", "apikey", "authorization"]) {
    if (request.headers.has(name)) headers.set(name, request.headers.get(name));
  }
  try {
    const { ok, headers: said } = await fetch(`${env.UPSTREAM}/functions/v1/gateway/choose`, {
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!ok) return { environment: "blue" };
    return {
      environment: said.get("x-environment") === "green" ? "green" : "blue",
      visit: said.get("x-gatelink-visitor"),
      cookie: said.get("set-cookie"),
    };
  } catch {
    return { environment: "blue" };
  }
}

/** The visitor's environment, the signed visit that counts, and a cookie for somebody new. */
async function choose(env, request, path, secrets) {
  if (secrets.length === 0) return { environment: "blue" };
  const known = await readSplit(env, secrets[0]);
  if (known === undefined) return await ask(env, request, path);
  if (!(known.green > 0)) return { environment: "blue" };
  const { id, unit, cookie } = await visitorOf(request, path, secrets);
  const environment = bucket(known.salt + unit) < Math.round(known.green * 100) ? "green" : "blue";
  return { environment, visit: await signed(secrets[0], id, `${environment} ${id}`), cookie };
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

    const secrets = (env.LB_ADMIN_TOKEN ?? "").split(",").map((one) => one.trim()).filter((one) =>
      one !== ""
    );
    const shown = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    const isAdmin = shown !== undefined && secrets.includes(shown);
    const wanted = request.headers.get("x-environment");
    if (wanted !== null && path !== "/health" && !isAdmin) {
      return new Response("Unauthorized", { status: 401 });
    }
    if (wanted !== null && !/^(blue|green)$/.test(wanted)) {
      return new Response("No such environment", { status: 422 });
    }

    const { environment, visit, cookie } = wanted === null
      ? await choose(env, request, path, secrets)
      : { environment: wanted };
    const headers = new Headers(request.headers);
    headers.delete("x-environment");
    headers.delete("x-gatelink-visitor");
    if (isAdmin) headers.delete("authorization");
    const [name, ...rest] = PATHS[begin].split("/");
    const send = (slug) => to([slug, ...rest].join("/") + path.slice(begin.length), headers);
    const answered = (response, by) => {
      const answer = new Response(response.body, response);
      answer.headers.set("x-environment", by);
      if (cookie) answer.headers.append("set-cookie", cookie);
      return answer;
    };
    if (visit) headers.set("x-gatelink-visitor", visit);
    if (environment === "blue") return answered(await send(name), "blue");
    const response = await send(`${name}-green`);
    // Every function of ours stamps its answers; the platform's own 404 means that this one is not deployed in green.
    if (response.status !== 404 || response.headers.has("x-request-id")) return answered(response, "green");
    await response.body?.cancel();
    if (request.body !== null) {
      // The body is read already, and SendGrid drops a mail for good at any 4xx: it comes again after a 503.
      const later = { status: 503, headers: { "retry-after": "30" } };
      return answered(new Response("Green does not have this function", later), "green");
    }
    headers.delete("x-gatelink-visitor");
    return answered(await send(name), "blue");
  },
};
