/**
 * What mail needs in DNS: MX of the domain for answers, SPF, DKIM and DMARC of those that mail is sent from.
 *
 * Sources: RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC); Twilio SendGrid, "Setting up the Inbound Parse Webhook" and
 * "Sender Authentication"; Resend, "Managing Domains".
 */
import type { Identity } from "../../../supabase/functions/_shared/contract/answers/mail.ts";

/** Asks DNS. Each answers with what there is, empty if there is nothing; rejects if DNS cannot be asked. */
export interface Resolver {
  mx(name: string): Promise<{ exchange: string; priority: number }[]>;
  /** Each record's strings, joined. */
  txt(name: string): Promise<string[]>;
  cname(name: string): Promise<string[]>;
}

/** One finding. A problem stops mail or lets it be taken for spam; a warning may. */
export interface MailFinding {
  level: "ok" | "warning" | "problem";
  /** The record or setting. */
  about: string;
  what: string;
  /** What to do; absent if all is well. */
  advice?: string;
}

/** Domains to check. */
export interface MailDomains {
  /** INBOUND_PARSE_DOMAIN. */
  reply: string;
  /** Domains that mail is sent from, with the providers that send it. */
  from: ReadonlyMap<string, ReadonlySet<Carrier>>;
}

/** Checks every domain; the findings in the order of the checks. */
export async function checkMailDns({ reply, from }: MailDomains, dns: Resolver): Promise<MailFinding[]> {
  const findings = [await checkReplies(reply, dns)];
  if (from.has(reply)) {
    findings.push({
      level: "problem",
      about: reply,
      what: "mail is sent from the domain that answers come to",
      advice: "Use a subdomain for answers and for nothing else: all mail to it comes to Gatelink.",
    });
  }
  for (const [domain, providers] of from) {
    findings.push(await checkSpf(domain, dns));
    for (const provider of providers) findings.push(await checkDkim(domain, provider, dns));
    findings.push(await checkDmarc(domain, dns));
  }
  return findings;
}

const SENDGRID_MX = "mx.sendgrid.net";
const RESEND_MX = /^inbound-smtp\.[a-z0-9-]+\.amazonaws\.com$/;

async function checkReplies(domain: string, dns: Resolver): Promise<MailFinding> {
  const about = `MX ${domain}`;
  const found = (await dns.mx(domain)).toSorted((a, b) => a.priority - b.priority)
    .map(({ exchange }) => exchange.toLowerCase().replace(/\.$/, ""));
  const takes = (name: string) => name === SENDGRID_MX || RESEND_MX.test(name);
  if (found.length === 0 || !found.some(takes)) {
    return {
      level: "problem",
      about,
      what: found.length === 0 ? "there is none: no answer arrives" : `answers go to ${found.join(", ")}`,
      advice: `Enter MX 10 ${SENDGRID_MX} for ${domain} (Resend shows its own under Domains).`,
    };
  }
  const others = found.filter((name) => !takes(name));
  if (others.length === 0) return { level: "ok", about, what: found.join(", ") };
  return {
    level: takes(found[0]) ? "warning" : "problem",
    about,
    what: `some answers go to ${others.join(", ")}`,
    advice: "Remove the others: what they take never comes to Gatelink.",
  };
}

async function checkSpf(domain: string, dns: Resolver): Promise<MailFinding> {
  const about = `SPF ${domain}`;
  const records = (await dns.txt(domain)).filter((text) => /^v=spf1(?: |$)/i.test(text));
  if (records.length > 1) {
    return {
      level: "problem",
      about,
      what: `there are ${records.length} records, so SPF always fails`,
      advice: "Join them into one (RFC 7208 4.5).",
    };
  }
  // The provider's own return path, a subdomain, has the record that counts for its mail.
  if (records.length === 0) {
    return { level: "ok", about, what: "none; the provider's return path has its own" };
  }
  return /\+all\b/i.test(records[0])
    ? {
      level: "problem",
      about,
      what: records[0],
      advice: "+all lets anybody send as the domain: use ~all or -all.",
    }
    : { level: "ok", about, what: records[0] };
}

/** Providers that send for a domain; mailboxes send for themselves. */
export type Carrier = Exclude<Identity["provider"], "google" | "microsoft">;

const SELECTORS = { sendgrid: ["s1", "s2"], resend: ["resend"] } as const;

async function checkDkim(
  domain: string,
  provider: Carrier,
  dns: Resolver,
): Promise<MailFinding> {
  const names = SELECTORS[provider].map((selector) => `${selector}._domainkey.${domain}`);
  const about = `DKIM ${domain}`;
  const missing: string[] = [];
  for (const name of names) {
    // A CNAME to the provider, which then rotates its keys; or the key itself.
    const [aliases, texts] = [await dns.cname(name), await dns.txt(name)];
    const revoked = texts.length > 0 && texts.every((text) => /(?:^|;)\s*p=\s*(?:;|$)/i.test(text));
    if (revoked || aliases.length === 0 && !texts.some((text) => /(?:^|;)\s*p=/i.test(text))) {
      missing.push(name);
    }
  }
  if (missing.length === 0) return { level: "ok", about, what: `${names.join(", ")} of ${provider}` };
  return {
    level: "problem",
    about,
    what: `${missing.join(", ")} has no key`,
    advice: `Authenticate ${domain} at ${provider}, and enter the records that it shows. ` +
      "An account with selectors of its own may ignore this.",
  };
}

async function checkDmarc(domain: string, dns: Resolver): Promise<MailFinding> {
  const about = `DMARC ${domain}`;
  // A domain without a record has that of the domain above it.
  for (let name = domain; name.includes("."); name = name.slice(name.indexOf(".") + 1)) {
    const records = (await dns.txt(`_dmarc.${name}`)).filter((text) => /^v=DMARC1\s*(?:;|$)/i.test(text));
    if (records.length === 1) return { level: "ok", about, what: records[0] };
    if (records.length > 1) {
      return {
        level: "problem",
        about,
        what: `_dmarc.${name} has ${records.length} records, so none counts`,
        advice: "Keep one.",
      };
    }
  }
  return {
    level: "warning",
    about,
    what: "there is none",
    advice:
      `Enter TXT "v=DMARC1; p=none" for _dmarc.${domain}: Gmail and Yahoo refuse senders of many mails without one.`,
  };
}
