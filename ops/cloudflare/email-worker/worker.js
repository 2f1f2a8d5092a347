// Cloudflare Email Routing in front of Gatelink: posts each mail as it came, with its envelope and a signature, to the
// function email-webhook. docs/email-routing.md says how to set it up.
//
// What it throws is a temporary failure to Cloudflare: the sender keeps the mail and tries again for days. It never
// rejects, because a rejected mail is gone.
//
// Variables: GATELINK_URL (https://<ref>.supabase.co). OLD_ADDRESS, while a former system takes a part of the mail: a
// verified address that leads there. WORKER_URL (https://<name>.<account>.workers.dev) and the R2 bucket MAILS, for mails
// above 2 MiB. POST_TIMEOUT_MS, if Gatelink needs more than 25 s. Secret: EMAIL_WORKER_SECRET (whsec_…); of several, `new,old`, the first signs.
import { bucket } from "../../traffic/cloudflare-worker.js";

/** Above this, the file goes to R2 and its reference to Gatelink. */
const BIG = 2 * 1024 * 1024;
/** How long a part of a mail may be that is posted along with a reference. */
const KEPT_PART = 256 * 1024;
const KEPT_ATTACHMENT = 16 * 1024;
const KEPT_HEADER = 256 * 1024;
const WEIGHT_MS = 5000;
const WEIGHT_TIMEOUT_MS = 2000;
const POST_TIMEOUT_MS = 25_000;
/** How long Gatelink may fetch a file. */
const LINK_SECONDS = 600;

const utf8 = new TextEncoder();
const ascii = new TextDecoder("latin1");

/** The first secret of EMAIL_WORKER_SECRET, as a key. */
function keyOf(env) {
  const secret = (env.EMAIL_WORKER_SECRET ?? "").split(",")[0].trim();
  if (secret === "") throw new Error("EMAIL_WORKER_SECRET is not set");
  const bytes = Uint8Array.from(atob(secret.replace(/^whsec_/, "")), (char) => char.charCodeAt(0));
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

async function hmac(env, bytes) {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await keyOf(env), bytes));
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));

function joined(...parts) {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Headers of Standard Webhooks (standardwebhooks.com). The same id for each repetition. */
async function signed(env, id, body) {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = await hmac(env, joined(utf8.encode(`${id}.${timestamp}.`), body));
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${btoa(String.fromCharCode(...signature))}`,
  };
}

const functionUrl = (env, path) =>
  `${env.GATELINK_URL.replace(/\/+$/, "")}/functions/v1/email-webhook/cloudflare${path}`;

let weight, readAt = -Infinity;

/** Percentage of the mail that is Gatelink's, at most five seconds old; the last known one while it cannot be read. */
async function readWeight(env) {
  if (Date.now() - readAt < WEIGHT_MS) return weight;
  try {
    const response = await fetch(functionUrl(env, "/weight"), {
      headers: await signed(env, `weight_${crypto.randomUUID()}`, new Uint8Array()),
      redirect: "manual",
      signal: AbortSignal.timeout(WEIGHT_TIMEOUT_MS),
    });
    const read = response.ok ? await response.json() : await response.body?.cancel();
    if (typeof read?.weight === "number" && typeof read.salt === "string") weight = read;
  } catch {
    // The last one stays.
  }
  readAt = Date.now();
  return weight;
}

/** What keeps a thread on one side: the mail that it began with; without one, sender and subject. */
export function threadOf(headers, from) {
  for (const name of ["references", "in-reply-to", "message-id"]) {
    const id = /<([^<>\s]{1,500})>/.exec((headers.get(name) ?? "").slice(0, 20_000))?.[1];
    if (id !== undefined) return id;
  }
  return `${from} ${(headers.get("subject") ?? "").replace(/^(?:re|aw|fwd?|wg): */i, "").slice(0, 500)}`;
}

/** Whether the former system gets a mail. Without a known weight it does: it took all mail before. */
async function isOld(message, env) {
  if (!env.OLD_ADDRESS) return false;
  const known = await readWeight(env);
  if (known === undefined) return true;
  return bucket(known.salt + threadOf(message.headers, message.from)) >= Math.round(known.weight * 100);
}

async function bytesOf(stream) {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** In one line: what the envelope holds must not add another one. */
const line = (name, value) => `${name}: ${String(value ?? "").replace(/[\r\n\0]/g, " ").trim()}\r\n`;

const withoutBreaks = (text) => text.replace(/\r?\n[ \t]+/g, " ");
const headerIn = (block, name) => new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(block)?.[1].trim() ?? "";

/**
 * A mail without the bodies of its attachments: all headers, and the texts. It stays a whole mail in structure, so that
 * readers find texts and names of files where they were.
 */
export function hollow(raw) {
  const kept = [];
  const boundaries = [];
  let at = 0, from = 0, inHeader = true, headerFrom = 0, isText = true, bodyFrom = 0;
  const endBody = (end) => {
    if (end - bodyFrom <= (isText ? KEPT_PART : KEPT_ATTACHMENT)) return;
    // Of a text the beginning, up to the end of a line; of a file nothing rather than half of it.
    const cut = isText ? raw.lastIndexOf(10, bodyFrom + KEPT_PART) + 1 : 0;
    kept.push(raw.subarray(from, Math.max(cut, bodyFrom)));
    from = end;
  };
  while (at < raw.length) {
    const found = raw.indexOf(10, at);
    const end = found < 0 ? raw.length : found + 1;
    const isEmpty = end - at === 1 || (end - at === 2 && raw[at] === 13);
    if (inHeader) {
      if (isEmpty || end - headerFrom > KEPT_HEADER) {
        const block = withoutBreaks(ascii.decode(raw.subarray(headerFrom, end)));
        const type = headerIn(block, "content-type").toLowerCase() || "text/plain";
        const boundary = /boundary *= *(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))/i.exec(
          headerIn(block, "content-type"),
        );
        if (type.startsWith("multipart/") && boundary !== null) boundaries.push(boundary[1] ?? boundary[2]);
        const isFile = /^attachment/i.test(headerIn(block, "content-disposition"));
        isText = !isFile && /^(?:text|multipart)\//.test(type);
        inHeader = false;
        bodyFrom = end;
      }
    } else if (raw[at] === 45 && raw[at + 1] === 45 && end - at < 300) {
      const text = ascii.decode(raw.subarray(at + 2, end)).trimEnd();
      const known = boundaries.find((each) => text === each || text === `${each}--`);
      if (known !== undefined) {
        endBody(at);
        if (text === known) {
          inHeader = true;
          headerFrom = end;
        } else {
          isText = true;
          bodyFrom = end;
        }
      }
    }
    at = end;
  }
  if (!inHeader) endBody(raw.length);
  kept.push(raw.subarray(from));
  return joined(...kept);
}

/** Puts a big mail into R2; its reference, or undefined where there is no place or it fails. */
async function putAway(env, raw) {
  if (raw.length <= BIG || env.MAILS === undefined || !env.WORKER_URL) return undefined;
  try {
    const key = await sha256(raw);
    await env.MAILS.put(key, raw);
    const until = Math.floor(Date.now() / 1000) + LINK_SECONDS;
    const signature = hex(await hmac(env, utf8.encode(`raw ${key} ${until}`)));
    return {
      key,
      url: `${env.WORKER_URL.replace(/\/+$/, "")}/raw/${key}?until=${until}&signature=${signature}`,
    };
  } catch (error) {
    console.error(`a mail of ${raw.length} bytes could not be put away: ${error?.message}`);
    return undefined;
  }
}

/** Posts a mail. @throws {Error} for every answer but 2xx */
async function post(message, env) {
  const raw = await bytesOf(message.raw);
  const away = await putAway(env, raw);
  // The reference stands first, where no mail can put one: what a mail begins with is never a line of ours.
  const envelope = (away === undefined ? "" : line("X-Gatelink-Raw", `${away.url} ${raw.length}`)) +
    line("X-Gatelink-Envelope-From", message.from) + line("X-Gatelink-Envelope-To", message.to);
  const body = joined(utf8.encode(envelope), away === undefined ? raw : hollow(raw));
  const id = await sha256(joined(utf8.encode(`${message.from}\0${message.to}\0`), raw));
  const response = await fetch(functionUrl(env, ""), {
    method: "POST",
    headers: { "content-type": "message/rfc822", ...await signed(env, `mail_${id.slice(0, 32)}`, body) },
    body,
    redirect: "manual",
    signal: AbortSignal.timeout(Number(env.POST_TIMEOUT_MS) || POST_TIMEOUT_MS),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`Gatelink answered ${response.status}`);
  if (away !== undefined && response.headers.get("x-gatelink-raw") === "taken") {
    await env.MAILS.delete(away.key).catch(() => {});
  }
}

/** Gives a file to whoever has its signed address: Gatelink. */
async function give(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  const key = /^\/raw\/([0-9a-f]{64})$/.exec(pathname)?.[1];
  const until = searchParams.get("until") ?? "";
  if (request.method !== "GET" || key === undefined || !/^\d{1,12}$/.test(until)) return undefined;
  if (Number(until) * 1000 < Date.now()) return undefined;
  const expected = hex(await hmac(env, utf8.encode(`raw ${key} ${until}`)));
  const given = searchParams.get("signature") ?? "";
  // Compared as hashes, so that the time says nothing of the signature.
  if (await sha256(utf8.encode(given)) !== await sha256(utf8.encode(expected))) return undefined;
  const file = await env.MAILS?.get(key);
  if (!file) return undefined;
  return new Response(file.body, {
    headers: {
      "content-type": "application/octet-stream",
      "content-length": String(file.size),
      "cache-control": "no-store",
    },
  });
}

export default {
  async email(message, env) {
    if (await isOld(message, env)) {
      await message.forward(env.OLD_ADDRESS, new Headers({ "x-original-to": message.to }));
      return;
    }
    await post(message, env);
  },

  async fetch(request, env) {
    return await give(request, env) ?? new Response("Not found", { status: 404 });
  },
};
