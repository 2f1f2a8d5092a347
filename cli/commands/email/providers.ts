/**
 * What the providers of mail have entered, asked over their APIs and compared with what the functions expect.
 *
 * Sources: Twilio SendGrid, "Retrieve all parse settings", "Get All Event Webhooks", "List all authenticated domains"
 * (twilio.com/docs/sendgrid/api-reference); Resend, "List Domains", "List Webhooks" (resend.com/docs/api-reference).
 */
import type { MailSetup } from "../../../supabase/functions/_shared/contract/http/mail.ts";
import { fetchReason } from "../../core/errors.ts";
import type { MailDomains, MailFinding } from "./checks.ts";

/** The API of a provider, with a key that may read its settings. */
export interface ProviderAccess {
  url: string;
  key: string;
}

/** What is compared. */
export interface Expected extends MailDomains {
  /** Address of `email-webhook`, without a slash at its end. */
  webhook: string;
  /** How the functions are set up; null if they could not be asked. */
  setup: MailSetup | null;
}

/** Gets a JSON value, or why not. */
export type Ask = (path: string) => Promise<{ value: unknown } | { refused: string }>;

const TIMEOUT_MS = 15_000;
const SENDGRID_PAGES = "Settings > Inbound Parse";

/** Asks an API with a key. Whatever is no success becomes words: the doctor goes on with the rest. */
export function asker({ url, key }: ProviderAccess, ask: typeof fetch = fetch): Ask {
  return async (path) => {
    try {
      const response = await ask(`${url.replace(/\/+$/, "")}${path}`, {
        headers: { authorization: `Bearer ${key}`, accept: "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) return { value: await response.json() };
      await response.body?.cancel();
      const { status } = response;
      return {
        refused: status === 401 || status === 403
          ? `the key may not read this (HTTP ${status})`
          : `the API answers HTTP ${status}`,
      };
    } catch (error) {
      return { refused: fetchReason(error) };
    }
  };
}

/** Checks SendGrid's parse settings, event webhooks and authenticated domains. */
export async function checkSendGrid(expected: Expected, ask: Ask): Promise<MailFinding[]> {
  const [parse, events, domains] = await Promise.all([
    ask("/v3/user/webhooks/parse/settings"),
    ask("/v3/user/webhooks/event/settings/all"),
    ask("/v3/whitelabel/domains?limit=500"),
  ]);
  const unread = (about: string, { refused }: { refused: string }): MailFinding => ({
    level: "warning",
    about,
    what: refused,
    advice:
      "Give SENDGRID_API_KEY a key with full access, or read access to this, or look at it at SendGrid.",
  });
  const from = [...expected.from].filter(([, providers]) => providers.has("sendgrid")).map(([domain]) =>
    domain
  );
  return [
    ...("refused" in parse
      ? [unread("SendGrid, Inbound Parse", parse)]
      : parseFindings(expected, objectsIn(parse.value, "result"))),
    ...("refused" in events
      ? [unread("SendGrid, Event Webhook", events)]
      : eventFindings(expected, objectsIn(events.value, "webhooks"))),
    ...("refused" in domains
      ? [unread("SendGrid, domains", domains)]
      : from.map((domain) =>
        domainFinding("SendGrid", domain, objectsIn(domains.value, null), {
          name: "domain",
          isValid: ({ valid }) => valid === true,
        })
      )),
  ];
}

function parseFindings({ reply, webhook, setup }: Expected, settings: Item[]): MailFinding[] {
  const about = `SendGrid, Inbound Parse of ${reply}`;
  const enter = setup?.inbound === "secret"
    ? `${webhook}/inbound/<SENDGRID_INBOUND_SECRET>`
    : `${webhook}/inbound`;
  const found = settings.find(({ hostname }) => hostname === reply);
  if (found === undefined) {
    return [{
      level: "problem",
      about,
      what: "not set up: SendGrid refuses the answers",
      advice:
        `${SENDGRID_PAGES}: add host ${reply} with URL ${enter}, and tick "POST the raw, full MIME message".`,
    }];
  }
  const url = String(found.url ?? "");
  const findings: MailFinding[] = [];
  const secret = url.startsWith(`${webhook}/inbound/`);
  if (url !== `${webhook}/inbound` && !secret) {
    findings.push({
      level: "problem",
      about,
      what: `answers are posted to ${withoutSecret(url)}`,
      advice: `${SENDGRID_PAGES}: change the URL to ${enter}.`,
    });
  } else if (setup !== null && setup.inbound === "secret" && !secret) {
    findings.push({
      level: "problem",
      about,
      what: "the URL has no secret at its end, so all answers are refused",
      advice: `${SENDGRID_PAGES}: change the URL to ${enter}.`,
    });
  } else {
    findings.push({ level: "ok", about, what: withoutSecret(url) });
  }
  if (setup?.inbound === "signature" && "security_policy" in found && !found.security_policy) {
    findings.push({
      level: "problem",
      about,
      what: "no security policy is attached, so SendGrid does not sign, and all answers are refused",
      advice:
        "Attach the policy to the parse setting, or set SENDGRID_INBOUND_SECRET instead of the public key.",
    });
  }
  if (found.send_raw !== true) {
    findings.push({
      level: "warning",
      about,
      what: "answers are posted in parts, which damages some characters",
      advice: `${SENDGRID_PAGES}: tick "POST the raw, full MIME message".`,
    });
  }
  return findings;
}

/** Events that a message's state and the suppressions come from. */
const NEEDED = [
  "processed",
  "delivered",
  "bounce",
  "dropped",
  "deferred",
  "spam_report",
  "unsubscribe",
] as const;

function eventFindings({ webhook, setup }: Expected, webhooks: Item[]): MailFinding[] {
  const about = "SendGrid, Event Webhook";
  const pages = "Settings > Mail Settings > Event Webhooks";
  const found = webhooks.find(({ url }) => url === `${webhook}/events`);
  if (found === undefined || found.enabled !== true) {
    return [{
      level: "problem",
      about,
      what: found === undefined ? "none posts to this stack: nobody learns of bounces" : "it is switched off",
      advice: `${pages}: ${
        found === undefined ? `add ${webhook}/events` : "switch it on"
      }, with signature verification.`,
    }];
  }
  const missing = NEEDED.filter((event) => found[event] !== true);
  const key = typeof found.public_key === "string" ? found.public_key.trim() : "";
  const findings: MailFinding[] = [];
  if (missing.length > 0) {
    findings.push({
      level: "warning",
      about,
      what: `it does not report ${missing.join(", ")}`,
      advice: `${pages}: tick them.`,
    });
  }
  if (key === "") {
    findings.push({
      level: "problem",
      about,
      what: "it does not sign, so all events are refused",
      advice: `${pages}: switch on signature verification, and set SENDGRID_EVENTS_PUBLIC_KEY to its key.`,
    });
  } else if (setup !== null && !setup.events_keys.includes(key)) {
    findings.push({
      level: "problem",
      about,
      what: "it signs with another key than the functions have, so all events are refused",
      advice: `Set SENDGRID_EVENTS_PUBLIC_KEY to ${key}.`,
    });
  }
  return findings.length > 0 ? findings : [{ level: "ok", about, what: `${webhook}/events` }];
}

/** Checks Resend's domains and webhooks. */
export async function checkResend(expected: Expected, ask: Ask): Promise<MailFinding[]> {
  const [domains, webhooks] = await Promise.all([ask("/domains"), ask("/webhooks")]);
  const unread = (about: string, { refused }: { refused: string }): MailFinding => ({
    level: "warning",
    about,
    what: refused,
    advice: "Give RESEND_API_KEY a key with full access, or look at it at Resend.",
  });
  const from = [...expected.from].filter(([, providers]) => providers.has("resend")).map(([domain]) =>
    domain
  );
  const about = "Resend, Webhooks", endpoint = `${expected.webhook}/resend`;
  const found = "refused" in webhooks
    ? undefined
    : objectsIn(webhooks.value, "data").find((each) =>
      each.endpoint === endpoint && each.status !== "disabled"
    );
  return [
    ...("refused" in domains
      ? [unread("Resend, Domains", domains)]
      : from.map((domain) =>
        domainFinding("Resend", domain, objectsIn(domains.value, "data"), {
          name: "name",
          isValid: ({ status }) => status === "verified",
        })
      )),
    "refused" in webhooks ? unread(about, webhooks) : found === undefined
      ? {
        level: "problem",
        about,
        what: "none posts to this stack: nobody learns of bounces",
        advice: `Webhooks: add ${endpoint}, and set RESEND_WEBHOOK_SECRET to its signing secret.`,
      }
      : expected.setup?.resend_webhook === false
      ? {
        level: "problem",
        about,
        what: "the functions have no secret for it, so all events are refused",
        advice: "Set RESEND_WEBHOOK_SECRET to the signing secret of the webhook.",
      }
      : { level: "ok", about, what: endpoint },
  ];
}

/** A domain that mail is sent from, or the one above it, among those that the provider has authenticated. */
function domainFinding(
  provider: string,
  domain: string,
  domains: Item[],
  { name, isValid }: { name: string; isValid(item: Item): boolean },
): MailFinding {
  const about = `${provider}, domain ${domain}`;
  const found = domains.filter((item) => {
    const known = String(item[name] ?? "").toLowerCase();
    return known !== "" && (domain === known || domain.endsWith(`.${known}`));
  });
  if (found.some(isValid)) return { level: "ok", about, what: "authenticated" };
  return {
    level: "problem",
    about,
    what: found.length === 0 ? "not added" : "added, and its DNS records are not verified",
    advice: found.length === 0
      ? `Authenticate ${domain} at ${provider}, and enter the records that it shows.`
      : `Enter the records that ${provider} shows for ${domain}, and have them verified there.`,
  };
}

type Item = Record<string, unknown>;

/** The objects of a list, or of the list in a member; anything else is left out. */
function objectsIn(value: unknown, member: string | null): Item[] {
  const list = member === null ? value : (value as Item | null)?.[member];
  return Array.isArray(list) ? list.filter((item) => typeof item === "object" && item !== null) : [];
}

/** Without the secret at its end, for people's screens. */
function withoutSecret(url: string): string {
  return url.replace(/(\/inbound)\/[^/]*$/, "$1/…");
}
