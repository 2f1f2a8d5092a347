/**
 * Mails that came in at Resend, which only names them: fetched by their id.
 *
 * Source: Resend, "Retrieve Received Email" (resend.com/docs/api-reference/emails/retrieve-received-email). Resend says
 * nothing of SPF and DKIM, so no sender counts as verified.
 *
 * @module
 */
import { readAnswer } from "../_shared/http/answers.ts";
import { Problem } from "../_shared/http/problem.ts";
import { isObject } from "../_shared/json/json.ts";
import { normalAddress } from "../_shared/mail/header_values.ts";
import { readMail } from "../_shared/mail/mime.ts";
import type { Posted } from "../_shared/channels/email/intake.ts";

/** Largest mail that is fetched. */
const MAX_BYTES = 31 * 1024 * 1024;
const TIMEOUT_MS = 20_000;

/** Account and network. */
export interface ReceivedDeps {
  url: string;
  key: string;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/**
 * Fetches a mail.
 *
 * Failure policy: whatever goes wrong is a 503, and Resend sends the webhook again.
 */
export async function fetchReceived(id: string, { url, key, fetch }: ReceivedDeps): Promise<Posted> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const answer = await fetch(`${url}/emails/receiving/${id}`, {
      headers: { authorization: `Bearer ${key}` },
      redirect: "manual",
      signal,
    });
    const body: unknown = JSON.parse(new TextDecoder().decode((await readAnswer(answer.body)).bytes));
    if (!answer.ok || !isObject(body)) throw new TypeError(`Resend answered ${answer.status}`);
    const address = isObject(body.raw) && typeof body.raw.download_url === "string"
      ? body.raw.download_url
      : "";
    if (!isPublic(address, url)) throw new TypeError("Resend gave no address of the mail");
    // Without the key: the address is signed, and may be another company's.
    const raw = await bytesOf(await fetch(address, { redirect: "manual", signal }));
    const to = (Array.isArray(body.to) ? body.to : []).flatMap((each) =>
      typeof each === "string" ? normalAddress(each) ?? [] : []
    );
    return {
      mail: readMail(raw),
      raw,
      post: { provider: "resend", envelope: { to, from: null }, spf: "none", dkim: {}, senderIp: null },
    };
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw new Problem("overloaded", { cause });
  }
}

/** Over https, or at the same place as the configured API, which may be a stand-in. */
function isPublic(address: string, api: string): boolean {
  const url = URL.parse(address);
  return url !== null && (url.protocol === "https:" || url.origin === new URL(api).origin);
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  if (!response.ok) throw new TypeError(`the mail was answered ${response.status}`);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > MAX_BYTES) throw new TypeError("the mail is too large");
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
