/**
 * The Worker of ops/cloudflare/email-worker, and `POST /__email?from=&to=`, which has it handle the body as Cloudflare's Email
 * Routing would. Answers what it did: `{error, forwarded, rejected}`. Miniflare's own way in takes no mail above 1 MiB and none
 * without a Message-ID.
 */
import worker from "../../ops/cloudflare/email-worker/worker.js";

/** The header as Cloudflare gives it: unfolded; bytes beyond ASCII are Latin-1. */
function headersOf(raw) {
  const text = new TextDecoder("latin1").decode(raw.subarray(0, 200_000));
  const block = text.slice(0, /\r?\n\r?\n/.exec(text)?.index ?? text.length).replace(/\r?\n[ \t]+/g, " ");
  const headers = new Headers();
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    try {
      headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
    } catch {
      // Cloudflare leaves out what is no header.
    }
  }
  return headers;
}

export default {
  async fetch(request, env, context) {
    const url = new URL(request.url);
    if (url.pathname !== "/__email") return await worker.fetch(request, env, context);
    const raw = new Uint8Array(await request.arrayBuffer());
    const done = { error: null, forwarded: [], rejected: null };
    const message = {
      from: url.searchParams.get("from"),
      to: url.searchParams.get("to"),
      headers: headersOf(raw),
      raw: new Response(raw).body,
      rawSize: raw.length,
      setReject: (reason) => done.rejected = reason,
      forward: (to, headers) => {
        done.forwarded.push([to, ...[...(headers ?? [])].flat()]);
        return Promise.resolve();
      },
    };
    try {
      await worker.email(message, env, context);
    } catch (error) {
      done.error = error.message;
    }
    return Response.json(done);
  },
};
