/**
 * The environment: every variable that a function reads, what it is for, and its checked value.
 *
 * A function asks only for the variables that it needs (`env("WHATSAPP_APP_SECRET")`), when it needs them, so
 * a webhook does not fail because an access token is missing. Each variable is parsed once per process.
 *
 * Failure policy: closed. The log names each missing or malformed variable and what it is for, and the
 * request is answered `config_invalid` (500). The value itself is never printed.
 *
 * @module
 */
import { z } from "zod";
import { readPublicKey } from "../crypto/ecdsa.ts";
import { readEd25519Key } from "../crypto/ed25519.ts";
import { readSealingKeys } from "../crypto/seal.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../log/log.ts";
import { hideValue } from "../log/redact.ts";

/** What an installation may do without. Mail needs its domains whichever of its providers is in use. */
type Part =
  | "mail"
  | "sendgrid"
  | "resend"
  | "google"
  | "microsoft"
  | "twilio"
  | "telnyx"
  | "telegram"
  | "email_worker"
  | "mailgun";

interface Variable {
  /** Completes "It is needed to …" for the operator of this installation. */
  readonly purpose: string;
  /** From the text of the variable (undefined when unset or blank) to its value. */
  readonly schema: z.ZodType<unknown, string | undefined>;
  /** Whether the value must never be printed. */
  readonly secret?: boolean;
  /** What an installation may do without: it is needed once a variable of the same part is set. */
  readonly part?: Part;
  /** Fallback for projects that still use the former name. */
  readonly former?: { readonly name: string; readonly toText: (text: string) => string };
}

const text = z.string("it is not set");
const list = text.transform((value) =>
  value.split(",").map((part) => part.trim()).filter((part) => part !== "")
)
  .pipe(z.array(z.string()).min(1, "it holds no value"));

/** Name -> key, as Supabase injects its API keys since 2026. */
const keys = text.transform((value, context): unknown => {
  try {
    return JSON.parse(value);
  } catch {
    context.addIssue({ code: "custom", message: "it is not JSON" });
    return z.NEVER;
  }
}).pipe(
  z.record(z.string(), z.string().min(1, "a key is empty"), "it is not an object of name and key")
    .refine((value) => Object.keys(value).length > 0, "it holds no key"),
);

const url = text.transform((value) => value.replace(/(?<!\/)\/+$/, "")).pipe(
  z.url({ protocol: /^https?$/, error: "it is not an http(s) URL" }),
);

/** A host, with a path if links have only a part of it. */
const domain = z.string().toLowerCase().regex(
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::\d{1,5})?(?:\/[a-z0-9_-]+)*$/,
  "it is not a host like go.example.com, with or without a path",
);

/** A domain of mail addresses. */
const mailDomain = text.transform((value) => value.toLowerCase()).pipe(
  z.string().regex(
    /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/,
    "it is not a domain like reply.example.com",
  ),
);

/** Comma-separated; none if it is not set. */
const secrets = z.string().default("").transform((value) =>
  value.split(",").map((part) => part.trim()).filter((part) => part !== "")
);

/** Public keys of Telnyx's webhooks. */
const telnyxKeys = list.pipe(
  z.array(
    z.string().refine((key) => readEd25519Key(key) !== undefined, "it is not a public key of Telnyx's"),
  ),
);

/** Public keys of SendGrid's webhooks. */
const publicKeys = secrets.pipe(
  z.array(
    z.string().refine((key) => readPublicKey(key) !== undefined, "it is not a public key of SendGrid's"),
  ),
);

const token = z.string().toLowerCase().regex(/^[a-z0-9!#$%&'*+.^_|~-]+$/, "it is not a header name");

const VARIABLES = {
  SUPABASE_URL: { purpose: "reach the project's Data API (Supabase injects it)", schema: url },
  SUPABASE_SECRET_KEYS: {
    purpose: "call the Data API and to know callers with a secret key (Supabase injects it)",
    schema: keys,
    secret: true,
    former: {
      name: "SUPABASE_SERVICE_ROLE_KEY",
      toText: (key: string) => JSON.stringify({ service_role: key }),
    },
  },
  SUPABASE_PUBLISHABLE_KEYS: {
    purpose: "know callers with a publishable key (Supabase injects it)",
    schema: keys,
    secret: true,
    former: { name: "SUPABASE_ANON_KEY", toText: (key: string) => JSON.stringify({ anon: key }) },
  },
  WHATSAPP_APP_SECRET: {
    purpose: "verify the signature of Meta's webhooks; several, comma-separated, while rotating",
    schema: list,
    secret: true,
  },
  WHATSAPP_VERIFY_TOKEN: {
    purpose: "answer Meta's handshake when the webhook is registered",
    schema: text,
    secret: true,
  },
  WHATSAPP_ACCESS_TOKEN: { purpose: "send messages through the Graph API", schema: text, secret: true },
  WHATSAPP_GRAPH_URL: {
    purpose: "send messages somewhere else than to Meta's current Graph API",
    // v26.0 is the newest version that Meta served in autumn 2026; Meta keeps a version for two years.
    schema: z.string().default("https://graph.facebook.com/v26.0").pipe(url),
  },
  SENDGRID_API_KEY: { part: "sendgrid", purpose: "send mail through SendGrid", schema: text, secret: true },
  SENDGRID_URL: {
    purpose: "reach SendGrid somewhere else, such as https://api.eu.sendgrid.com",
    schema: z.string().default("https://api.sendgrid.com").pipe(url),
  },
  SENDGRID_INBOUND_PUBLIC_KEY: {
    part: "sendgrid",
    purpose: "verify mails that SendGrid's Inbound Parse posts; several, comma-separated, while rotating",
    schema: publicKeys,
  },
  SENDGRID_INBOUND_SECRET: {
    part: "sendgrid",
    purpose:
      "know SendGrid's Inbound Parse by a secret at the end of the address, where it does not sign; several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  SENDGRID_EVENTS_PUBLIC_KEY: {
    part: "sendgrid",
    purpose: "verify SendGrid's Event Webhook; several, comma-separated, while rotating",
    schema: publicKeys,
  },
  RESEND_API_KEY: { part: "resend", purpose: "send mail through Resend", schema: text, secret: true },
  RESEND_URL: {
    purpose: "reach Resend somewhere else",
    schema: z.string().default("https://api.resend.com").pipe(url),
  },
  RESEND_WEBHOOK_SECRET: {
    part: "resend",
    purpose: "verify Resend's webhooks (whsec_…); several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  EMAIL_WORKER_SECRET: {
    part: "email_worker",
    purpose:
      "verify mails that the Worker behind Cloudflare's Email Routing posts (whsec_…); several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  MAILGUN_SIGNING_KEY: {
    part: "mailgun",
    purpose: "verify mails that Mailgun's routes post; several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  GOOGLE_CLIENT_ID: {
    part: "google",
    purpose: "connect mailboxes at Google: the id of your OAuth client",
    schema: text,
  },
  GOOGLE_CLIENT_SECRET: {
    part: "google",
    purpose: "connect mailboxes at Google: the secret of your OAuth client",
    schema: text,
    secret: true,
  },
  GOOGLE_LOGIN_URL: {
    purpose: "sign in at Google somewhere else",
    schema: z.string().default("https://accounts.google.com").pipe(url),
  },
  GOOGLE_OAUTH_URL: {
    purpose: "get tokens of Google somewhere else",
    schema: z.string().default("https://oauth2.googleapis.com").pipe(url),
  },
  GMAIL_URL: {
    purpose: "reach the Gmail API somewhere else",
    schema: z.string().default("https://gmail.googleapis.com").pipe(url),
  },
  MICROSOFT_CLIENT_ID: {
    part: "microsoft",
    purpose: "connect mailboxes at Microsoft: the id of your app registration",
    schema: text,
  },
  MICROSOFT_CLIENT_SECRET: {
    part: "microsoft",
    purpose: "connect mailboxes at Microsoft: a secret of your app registration",
    schema: text,
    secret: true,
  },
  MICROSOFT_TENANT: {
    purpose: "connect mailboxes of one organisation at Microsoft only: its tenant id or domain",
    schema: z.string().default("common").pipe(
      z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$/, "it is not a tenant id or domain"),
    ),
  },
  MICROSOFT_LOGIN_URL: {
    purpose: "sign in at Microsoft somewhere else, such as a national cloud",
    schema: z.string().default("https://login.microsoftonline.com").pipe(url),
  },
  MICROSOFT_GRAPH_URL: {
    purpose: "reach Microsoft Graph somewhere else, such as a national cloud",
    schema: z.string().default("https://graph.microsoft.com/v1.0").pipe(url),
  },
  TWILIO_ACCOUNT_SID: {
    part: "twilio",
    purpose:
      "send texts through Twilio, and know its webhooks; further accounts whose webhooks are taken follow after commas",
    schema: list.pipe(
      z.array(
        z.string().regex(/^AC[0-9a-fA-F]{32}$/, "it is not an account's SID (AC and 32 hexadecimal digits)"),
      ),
    ),
  },
  TWILIO_AUTH_TOKEN: {
    part: "twilio",
    purpose:
      "verify Twilio's webhooks, and send without an API key; several, comma-separated, while rotating",
    schema: list,
    secret: true,
  },
  TWILIO_API_KEY_SID: {
    purpose: "call Twilio with an API key instead of the auth token (SK…)",
    schema: z.string().optional(),
  },
  TWILIO_API_KEY_SECRET: {
    purpose: "call Twilio with an API key instead of the auth token",
    schema: z.string().optional(),
    secret: true,
  },
  TWILIO_PROXY_SERVICE_SID: {
    purpose: "nothing any more: it is accepted where Twilio's Proxy was in use before, and not used",
    schema: z.string().optional(),
  },
  TWILIO_WEBHOOK_URL: {
    purpose:
      "verify Twilio's webhooks: the address of sms-webhook exactly as Twilio has it, with its port, user and fragment",
    schema: z.string().regex(/^https?:\/\/[^\s]+$/i, "it is not an http(s) URL").optional(),
  },
  TWILIO_WEBHOOK_AUTH_TOKEN: {
    purpose: "verify Twilio's webhooks by another token than the one that sends; several, comma-separated",
    schema: secrets,
    secret: true,
  },
  TWILIO_WEBHOOK_SHARED_KEYS: {
    purpose: "verify webhooks that Twilio's Webhook Rules sign with a shared key; several, comma-separated",
    schema: secrets,
    secret: true,
  },
  TWILIO_URL: {
    purpose: "reach Twilio somewhere else",
    schema: z.string().default("https://api.twilio.com").pipe(url),
  },
  TELNYX_API_KEY: { part: "telnyx", purpose: "send texts through Telnyx", schema: text, secret: true },
  TELNYX_PUBLIC_KEY: {
    part: "telnyx",
    purpose: "verify Telnyx's webhooks; several, comma-separated, while rotating",
    schema: telnyxKeys,
  },
  TELNYX_URL: {
    purpose: "reach Telnyx somewhere else",
    schema: z.string().default("https://api.telnyx.com").pipe(url),
  },
  TELEGRAM_BOT_TOKEN: {
    part: "telegram",
    purpose: "send cards to Telegram: the bot's token from @BotFather",
    schema: text.regex(/^\d{5,20}:[\w-]{20,100}$/, "must be a bot's token, 123456:ABC…"),
    secret: true,
  },
  TELEGRAM_WEBHOOK_SECRET: {
    part: "telegram",
    purpose:
      "recognise Telegram's webhooks: the secret given to setWebhook; several, comma-separated, while rotating",
    schema: list,
    secret: true,
  },
  TELEGRAM_URL: {
    purpose: "reach Telegram somewhere else",
    schema: z.string().default("https://api.telegram.org").pipe(url),
  },
  PD_TOKEN: {
    purpose: "ask PagerDuty who is on call: a key of its REST API",
    schema: text.optional(),
    secret: true,
  },
  PD_ROUTING_KEY: {
    purpose: "open incidents at PagerDuty: the integration key of a service (Events API v2)",
    schema: text.optional(),
    secret: true,
  },
  PD_WEBHOOK_SECRET: {
    purpose: "recognise PagerDuty's webhooks; several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  PD_URL: {
    purpose: "reach PagerDuty's REST API somewhere else: https://api.eu.pagerduty.com in the EU",
    schema: z.string().default("https://api.pagerduty.com").pipe(url),
  },
  PD_EVENTS_URL: {
    purpose: "reach PagerDuty's Events API somewhere else: https://events.eu.pagerduty.com in the EU",
    schema: z.string().default("https://events.pagerduty.com").pipe(url),
  },
  OPSGENIE_API_KEY: {
    purpose: "ask Opsgenie who is on call, and open alerts there",
    schema: text.optional(),
    secret: true,
  },
  OPSGENIE_WEBHOOK_SECRET: {
    purpose:
      "recognise webhooks of Opsgenie and Jira Service Management: a word that they send along; several, comma-separated",
    schema: secrets,
    secret: true,
  },
  OPSGENIE_URL: {
    purpose: "reach Opsgenie somewhere else: https://api.eu.opsgenie.com in the EU",
    schema: z.string().default("https://api.opsgenie.com").pipe(url),
  },
  JSM_CLOUD_ID: {
    purpose: "reach Jira Service Management: the id of your site",
    schema: text.optional(),
  },
  JSM_EMAIL: {
    purpose: "ask Jira Service Management who is on call: the account of the API token",
    schema: text.optional(),
  },
  JSM_API_TOKEN: {
    purpose: "ask Jira Service Management who is on call: an API token of that account",
    schema: text.optional(),
    secret: true,
  },
  JSM_URL: {
    purpose: "reach Jira Service Management somewhere else",
    schema: z.string().default("https://api.atlassian.com/jsm/ops/api").pipe(url),
  },
  INBOUND_PARSE_DOMAIN: {
    part: "mail",
    purpose: "receive answers to mails: the domain whose MX leads to the provider",
    schema: mailDomain,
  },
  SEND_DOMAIN: {
    part: "mail",
    purpose: "make the ids of mails: the domain that they are sent from",
    schema: mailDomain,
  },
  FORWARD_FROM_EMAIL: {
    part: "mail",
    purpose: "forward answers to the inboxes of identities: the address that forwards come from",
    schema: text.transform((value) => value.toLowerCase()).pipe(z.email("it is not an e-mail address")),
  },
  FORWARD_FROM_NAME: { part: "mail", purpose: "name the sender of forwards", schema: z.string().optional() },
  API_TOKEN: {
    purpose:
      "let services that know no key of the project send mail with a bearer token; several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  OPENAI_API_KEY: {
    purpose: "let a model say what mails are about; without it rules of our own do",
    schema: z.string().optional(),
    secret: true,
  },
  OPENAI_BASE_URL: {
    purpose: "ask a model somewhere else than at OpenAI: the address of an API like theirs, up to /v1",
    schema: z.string().default("https://api.openai.com/v1").pipe(url),
  },
  OPENAI_MODEL: {
    purpose: "name the model that is asked",
    schema: z.string().trim().max(100).default("gpt-4o-mini"),
  },
  PUBLIC_BASE_URL: {
    purpose: "write addresses into mails, such as those that end a subscription, with a host of your own",
    schema: url.optional(),
  },
  TRACK_BASE_URL: {
    purpose:
      "write addresses of tracked mails (/pixel, /c) and of unsubscribing (/u) with a host of your own that leads to email-track",
    schema: url.optional(),
  },
  WEBHOOK_BASE_URL: {
    purpose: "tell providers of texts where to report, if that is another host than PUBLIC_BASE_URL",
    schema: url.optional(),
  },
  LB_ADMIN_TOKEN: {
    purpose:
      "split traffic between blue and green: who has it may change the split; several, comma-separated, while rotating",
    schema: secrets,
    secret: true,
  },
  LINK_DOMAIN: { purpose: "print links on a domain of your own", schema: domain.optional() },
  LINK_HTML: {
    purpose: "answer visits of links with pages, where the platform lets HTML through (a custom domain)",
    schema: z.enum(["true", "false"], "it is neither true nor false").optional(),
  },
  AUDIENCE_SECRET: {
    purpose:
      "know the ids in links (`?u=`) and in flags' contexts that your services signed; several, comma-separated, while rotating",
    schema: z.string().default("").transform((value) =>
      value.split(",").map((part) => part.trim()).filter((part) => part !== "")
    ),
    secret: true,
  },
  SEALING_KEYS: {
    purpose:
      "seal what the database must not be able to read, such as headers of destinations and tokens of mailboxes: name:base64 of 32 bytes; several, comma-separated, the first seals",
    schema: z.string().default("").transform((value, context) => {
      const keys = readSealingKeys(value);
      if (typeof keys !== "string") return keys;
      context.addIssue({ code: "custom", message: keys });
      return z.NEVER;
    }),
    secret: true,
  },
  STATUSPAGE_PAGE_ID: {
    purpose: "post public incidents to Statuspage: the id of your page",
    schema: z.string().optional(),
  },
  STATUSPAGE_API_KEY: {
    purpose: "post public incidents to Statuspage: a key of its API",
    schema: z.string().optional(),
    secret: true,
  },
  COUNTRY_HEADER: {
    purpose: "know a visitor's country: the header that your proxy sets",
    schema: z.string().default("cf-ipcountry").pipe(token),
  },
  CLIENT_IP_HEADER: {
    purpose: "know a visitor's address: the header that your proxy sets and nobody can forge",
    schema: token.optional(),
  },
  DEPLOY_ENVIRONMENT: { purpose: "tell installations apart", schema: z.string().default("production") },
  GATELINK_VERSION: { purpose: "tell which version is deployed", schema: z.string().default("unversioned") },
} as const satisfies Record<string, Variable>;

/** Name of a variable that Gatelink reads. */
export type VariableName = keyof typeof VARIABLES;

/** Names and types of the checked values. */
export type Env = { readonly [Name in VariableName]: z.output<(typeof VARIABLES)[Name]["schema"]> };

/** A variable that is missing or malformed. Holds no value, so it may be shown. */
export interface ConfigFault {
  readonly variable: VariableName;
  /** What is wrong with it, such as "it is not set". */
  readonly fault: string;
  /** What it is needed for. */
  readonly purpose: string;
}

const known = new Map<VariableName, unknown>();

/**
 * The checked values of these variables.
 *
 * @throws {Problem} `config_invalid` when one is missing or malformed; the log names each.
 * @example
 * ```ts
 * const { WHATSAPP_APP_SECRET } = env("WHATSAPP_APP_SECRET"); // string[]
 * ```
 */
export function env<Name extends VariableName>(...names: Name[]): Pick<Env, Name> {
  const faults: ConfigFault[] = [];
  const values: Partial<Record<VariableName, unknown>> = {};
  for (const name of names) {
    const fault = known.has(name) ? undefined : read(name);
    if (fault !== undefined) faults.push(fault);
    values[name] = known.get(name);
  }
  if (faults.length > 0) {
    for (const { variable, fault, purpose } of faults) {
      log.error(
        `The environment variable ${variable} cannot be used: ${fault}. It is needed to ${purpose}.`,
        {
          variable,
        },
      );
    }
    throw new Problem("config_invalid");
  }
  return values as Pick<Env, Name>;
}

/** Every variable that Gatelink reads. */
export const VARIABLE_NAMES = Object.keys(VARIABLES) as readonly VariableName[];

/** The variables that this installation needs: all but those of parts of which it sets none. */
export function neededVariables(): VariableName[] {
  const used = new Set<Part | undefined>([undefined]);
  for (const name of VARIABLE_NAMES) {
    const { part }: Variable = VARIABLES[name];
    if (part === undefined || variable(name) === undefined) continue;
    used.add(part);
    if (part !== "twilio" && part !== "telnyx") used.add("mail");
  }
  return VARIABLE_NAMES.filter((name) => used.has((VARIABLES[name] as Variable).part));
}

/** What is wrong with these variables; empty when all can be used. Prints nothing. */
export function configFaults(...names: readonly VariableName[]): ConfigFault[] {
  return names.flatMap((name) => known.has(name) ? [] : read(name) ?? []);
}

/** Variables that may exist once for each account of a provider, as `<name>_<ACCOUNT>`. */
export type AccountVariable =
  | "WHATSAPP_ACCESS_TOKEN"
  | "WHATSAPP_APP_SECRET"
  | "TWILIO_ACCOUNT_SID"
  | "TWILIO_AUTH_TOKEN"
  | "TWILIO_API_KEY_SID"
  | "TWILIO_API_KEY_SECRET"
  | "TWILIO_WEBHOOK_SHARED_KEYS";

const byAccount = new Map<AccountVariable, ReadonlyMap<string, unknown>>();

/**
 * The values of `<name>_<ACCOUNT>` by `ACCOUNT`, with the type of `<name>`. Read once per process.
 *
 * Failure policy: closed. A blank or malformed value is left out, as if it were not set.
 */
export function envByAccount<Name extends AccountVariable>(name: Name): ReadonlyMap<string, Env[Name]> {
  let values = byAccount.get(name);
  if (values === undefined) {
    const { schema }: Variable = VARIABLES[name];
    const read = new Map<string, unknown>();
    for (const [key, value] of Object.entries(Deno.env.toObject())) {
      if (!key.startsWith(`${name}_`) || key.length === name.length + 1) continue;
      const result = schema.safeParse(value.trim() || undefined);
      if (!result.success) continue;
      for (const text of texts(result.data)) hideValue(text);
      read.set(key.slice(name.length + 1), result.data);
    }
    byAccount.set(name, values = read);
  }
  return values as ReadonlyMap<string, Env[Name]>;
}

/** Forgets what was read, for tests that change the environment. */
export function forgetEnv(): void {
  known.clear();
  byAccount.clear();
}

/** Reads, checks and remembers one variable; gives the fault when there is one. */
function read(name: VariableName): ConfigFault | undefined {
  const { schema, purpose, secret, former }: Variable = VARIABLES[name];
  const formerText = former && variable(former.name);
  const result = schema.safeParse(variable(name) ?? (formerText && former?.toText(formerText)));
  if (!result.success) {
    const fault = [...new Set(result.error.issues.map((issue) => issue.message))].join("; ");
    return { variable: name, fault, purpose };
  }
  if (secret) { for (const value of texts(result.data)) hideValue(value); }
  known.set(name, result.data);
}

/** The text of a variable; blank counts as unset. */
function variable(name: string): string | undefined {
  return Deno.env.get(name)?.trim() || undefined;
}

function texts(value: unknown): string[] {
  if (value === undefined) return [];
  if (typeof value === "string") return [value];
  return Object.values(value as Record<string, string> | string[]);
}
