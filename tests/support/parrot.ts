/** A throw-away channel for a provider called Parrot. It shows how little a channel needs. */
import type { Checked, Outbound, WebhookChannel } from "../../supabase/functions/_shared/channels/channel.ts";
import { hmacSha256 } from "../../supabase/functions/_shared/crypto/hmac.ts";
import { timingSafeEqual } from "../../supabase/functions/_shared/crypto/timing_safe_equal.ts";
import { isObject, isStorable, list, object, text } from "../../supabase/functions/_shared/json/json.ts";

/** The header with which Parrot signs, and what it signs with. */
export const PARROT = {
  header: "x-parrot-signature",
  secret: "secret-of-the-parrot",
  variable: "PARROT_URL",
};

/** Only what says something in at most 100 characters. */
function check(message: unknown): Checked<Outbound> {
  const say = object(message)?.say;
  const ok = typeof say === "string" && say !== "" && say.length <= 100 && isStorable(say);
  return ok
    ? { ok, value: { type: "text", say } }
    : { ok: false, issues: [{ path: "say", message: "must be 1 to 100 characters" }] };
}

/** Parrot, as the channel of this name. Its bodies are `{"nest", "said": [{"id", "by", "words"}]}`. */
export const parrot = (name: string): WebhookChannel => ({
  name,
  provider: "parrot_api",
  flags: { intake: "parrot_webhook", send: `${name}_send.enabled` },
  policy: { windowMs: null, optOut: "none", pace: { perSecond: 10, pairSeconds: 0 } },
  fields: new Set(["said", "unknown"]),
  limits: { webhookBytes: 64 * 1024, requestBytes: 4096 },
  ready: () => Deno.env.has(PARROT.variable) ? true : [{ variable: PARROT.variable, fault: "it is not set" }],
  isSigned: ({ headers }) => headers.has(PARROT.header),
  verify: ({ headers }, bytes) =>
    timingSafeEqual(hmacSha256(PARROT.secret, bytes), headers.get(PARROT.header) ?? ""),
  parse(bytes) {
    const source = { channel: name, provider: "parrot_api" };
    const other = () => ({
      ...source,
      key: `p:${hmacSha256("", bytes)}`,
      field: "unknown",
      kind: "other" as const,
    });
    try {
      const body: unknown = JSON.parse(new TextDecoder().decode(bytes));
      const said = isObject(body) ? list(body.said)?.filter(isObject) ?? [] : [];
      if (said.length === 0 || !isStorable(body)) return { updates: [other()] };
      return {
        updates: said.map((raw) => {
          const [id, phone, number] = [raw.id, raw.by, (body as { nest?: unknown }).nest].map((part) =>
            text(part)
          );
          // As `ingest_updates` takes it.
          const known = {
            sender_id: number,
            provider_id: id,
            identities: phone === undefined ? [] : [{ kind: "phone", value: phone }],
            type: "text",
            body: text(raw.words),
          };
          return { ...source, key: `p:${id}`, field: "said", kind: "message" as const, ...known, raw };
        }),
      };
    } catch (cause) {
      return { updates: [other()], unreadable: cause };
    }
  },
  check,
  checkRequest(body) {
    const [message, to] = [check(body), text(object(body)?.to)];
    if (!message.ok || to === undefined) {
      return { ok: false, issues: message.ok ? [{ path: "to", message: "?" }] : message.issues };
    }
    const identities = [{ kind: "phone", value: to }];
    return { ok: true, value: { to, identities, message: message.value, text: String(message.value.say) } };
  },
  wordsOf: ({ say }) => text(say),
  addressOf: ({ phone }) => phone,
  async send({ id, to, message }, { fetch }) {
    const failed = { ok: false as const, message: "Parrot did not take it" };
    if (this.ready() !== true) return { ...failed, kind: "retry", code: "not_ready" };
    try {
      const body = JSON.stringify({ id, to, say: message.say });
      const { status, headers, body: rest } = await fetch(Deno.env.get(PARROT.variable)!, {
        method: "POST",
        body,
      });
      await rest?.cancel();
      if (status === 200) return { ok: true, providerId: `parrot-${id}` };
      const kind = status === 429 ? "throttle" : status >= 500 ? "retry" : "final";
      return { ...failed, kind, code: status, retryAfterMs: 1000 * Number(headers.get("retry-after") ?? 0) };
    } catch {
      return { ...failed, kind: "retry", code: "network" };
    }
  },
  nextAttempt: (attempt, { kind, retryAfterMs = 0 }) =>
    kind === "final" || attempt > 3
      ? { outcome: "failed", why: kind === "final" ? "final" : "attempts_exhausted" }
      : { outcome: "retry", afterMs: Math.max(attempt * 1000, retryAfterMs) },
});
