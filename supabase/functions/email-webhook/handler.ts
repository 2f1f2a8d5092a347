/**
 * The function that receives mail, and what providers report about the mail that we sent.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `POST /inbound`, `/inbound/{secret}` | SendGrid's Inbound Parse | 200 for what is stored, 5xx for everything else |
 * | `POST /events` | SendGrid's Event Webhook | 200, 401, 400 |
 * | `POST /cloudflare` | the Worker behind Cloudflare's Email Routing | 200 for what is stored, 5xx for everything else |
 * | `GET /cloudflare/weight` | the same | the share of mail that is for us |
 * | `POST /mailgun`, `/mailgun/mime` | Mailgun's routes | 200 for what is stored, 5xx for everything else |
 * | `POST /resend` | Resend's webhooks | 200, 401, 400 |
 * | `GET, POST /u/{token}` | whoever ends a subscription (RFC 8058) | 200 |
 * | `POST /explain` | the team, with a secret key | what a mail would lead to; stores nothing |
 * | `GET /setup` | the team, with a secret key | how mail is set up in the environment; no secrets |
 * | `POST /` | the clock, with a secret key | removes stored files that are due |
 *
 * @module
 */
import type { Door } from "../_shared/channels/channel.ts";
import type { MailEvent, ParsedEvents } from "../_shared/channels/email/inbound/events.ts";
import type { Intake, Posted, Taken } from "../_shared/channels/email/intake.ts";
import type { ResendBody } from "../_shared/channels/email/inbound/resend_events.ts";
import type { MailSetup, MailWeight } from "../_shared/contract/http/mail.ts";
import { type Bytes, readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { FilePath } from "../_shared/storage/paths.ts";
import type { Decline } from "../_shared/tracking/decline.ts";
import { askPage, declinedBy, donePage, requireToken } from "../_shared/tracking/decline_pages.ts";
import type { Explain } from "./explain.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "secret", handler: "purge" },
  { method: "POST", path: "/explain", auth: "secret", handler: "explain" },
  { method: "GET", path: "/setup", auth: "secret", handler: "setup" },
  { method: "POST", path: "/inbound", auth: "none", handler: "inbound" },
  { method: "POST", path: "/inbound/{secret}", auth: "none", handler: "inbound" },
  { method: "POST", path: "/cloudflare", auth: "none", handler: "cloudflare" },
  { method: "GET", path: "/cloudflare/weight", auth: "none", handler: "weight" },
  { method: "POST", path: "/mailgun", auth: "none", handler: "mailgun" },
  { method: "POST", path: "/mailgun/mime", auth: "none", handler: "mailgun" },
  { method: "POST", path: "/events", auth: "none", handler: "events" },
  { method: "POST", path: "/resend", auth: "none", handler: "resend" },
  { method: "GET", path: "/u/{token}", auth: "none", handler: "askUnsubscribe" },
  { method: "POST", path: "/u/{token}", auth: "none", handler: "unsubscribe" },
] as const satisfies readonly Route[];

/** How posts of Inbound Parse are known to come from SendGrid. */
export type InboundCheck = "signature" | "secret";

/** Dependencies of the handler. */
export interface EmailWebhookDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): void;
  doors: { inbound: Door<Promise<boolean>>; events: Door<Promise<boolean>>; resend: Door; worker: Door };
  /** @throws {Problem} `config_invalid` if neither is configured. */
  inboundCheck(): InboundCheck;
  /** Whether this secret of an address is one of those configured. */
  isInboundSecret(shown: string): boolean;
  intake: Intake;
  /** Reads what the Worker posts. @throws {Problem} */
  takeWorkerPost(bytes: Bytes): Promise<{ posted: Posted; isWhole: boolean }>;
  /** Reads a signed form of Mailgun's. @throws {Problem} `signature_invalid`, `signature_missing` */
  readMailgun(bytes: Bytes, contentType: string): Posted;
  /** The share of mail that is for us, and the salt of the hash that shares it out. */
  mailWeight(): Promise<MailWeight>;
  explain: Explain;
  setup(): MailSetup;
  parseEvents(bytes: Uint8Array): ParsedEvents;
  parseResend(bytes: Uint8Array, id: string): ResendBody;
  /** Fetches a mail that came in at Resend. @throws {Problem} of 5xx */
  fetchReceived(id: string): Promise<Posted>;
  /** Stores events, a character for each. */
  ingestEvents(events: readonly MailEvent[]): Promise<{ outcomes: string; freed?: boolean }>;
  /** What recipients decline. */
  decline: Decline;
  /** Files that are due for removal, and their removal. */
  dueFiles(limit: number): Promise<FilePath[]>;
  removeFiles(files: readonly FilePath[]): Promise<void>;
  forgetFiles(files: readonly FilePath[]): Promise<void>;
  pipeline: { decide(): Promise<void>; forward(): Promise<void>; send(): Promise<void> };
  waitUntil(work: Promise<unknown>): void;
}

/** Kill switch of the intake: `EMAIL_WEBHOOK_ENABLED`. Providers keep what they get a 503 for. */
const FEATURE = "email_webhook";
/** SendGrid posts at most 30 MB. */
const INBOUND_BYTES = 31 * 1024 * 1024;
/** SendGrid collects events up to 768 KB; proxies may add to it. */
const EVENT_BYTES = 4 * 1024 * 1024;
/** Most events in one call of the database. */
const EVENTS_AT_ONCE = 500;
/** Files of one removal, and removals of one call. */
const FILES_AT_ONCE = 500;
const REMOVALS = 20;

/** The handler of `email-webhook`. */
export function createHandler(deps: EmailWebhookDeps): Handler {
  return createRouter<(typeof ROUTES)[number]["handler"], Context>("email-webhook", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: {
      secret: (headers) => {
        deps.requireSecretKey(headers);
        return "";
      },
    },
    handlers: {
      purge,
      explain,
      setup,
      inbound,
      cloudflare,
      weight,
      mailgun,
      events,
      resend,
      askUnsubscribe,
      unsubscribe,
    },
  });

  function requireOn(): void {
    if (deps.killed(FEATURE)) throw new Problem("disabled_by_environment");
  }

  /**
   * Failure policy: SendGrid drops a mail for good at any 4xx, silently, and repeats it for 72 hours at a 5xx. So every
   * refusal here is a 5xx, also that of a wrong signature: with a wrongly configured key, a 401 would lose all mail.
   */
  async function inbound({ request, params, context }: Call<Context>): Promise<Response> {
    try {
      requireOn();
      if (deps.inboundCheck() === "secret") {
        // Before anything is read.
        if (!deps.isInboundSecret(params.secret ?? "")) throw new Problem("signature_invalid");
      } else if (!deps.doors.inbound.isSigned(request)) throw new Problem("signature_missing");
      const bytes = await readBody(request, INBOUND_BYTES);
      if (deps.inboundCheck() === "signature" && !await deps.doors.inbound.verify(request, bytes)) {
        throw new Problem("signature_invalid");
      }
      const contentType = request.headers.get("content-type") ?? "";
      return taken(await deps.intake.form(bytes, contentType, context.traceparent));
    } catch (error) {
      throw asOurs(error);
    }
  }

  /**
   * Failure policy: as for SendGrid. The Worker takes any answer but 2xx for a temporary failure, and so does the server
   * that the mail comes from.
   */
  async function cloudflare({ request, context }: Call<Context>): Promise<Response> {
    try {
      requireOn();
      const bytes = await fromWorker(request);
      const { posted, isWhole } = await deps.takeWorkerPost(bytes);
      const response = taken(await deps.intake.mail(posted, context.traceparent));
      // What the Worker keeps of a big mail it may forget.
      if (isWhole) response.headers.set("x-gatelink-raw", "taken");
      return response;
    } catch (error) {
      throw asOurs(error);
    }
  }

  async function weight({ request }: Call<Context>): Promise<Response> {
    await fromWorker(request);
    return Response.json(await deps.mailWeight(), { headers: { "cache-control": "no-store" } });
  }

  /** Before anything is read: where a door is not set up, nobody can have signed for it. */
  function requireSetUp(door: "email_worker" | "mailgun", variable: string): void {
    if (!deps.setup()[door]) {
      throw new Problem("config_invalid", { cause: new Error(`set ${variable} to receive mail here`) });
    }
  }

  async function fromWorker(request: Request): Promise<Bytes> {
    requireSetUp("email_worker", "EMAIL_WORKER_SECRET");
    if (!deps.doors.worker.isSigned(request)) throw new Problem("signature_missing");
    const bytes = request.body === null ? new Uint8Array() : await readBody(request, INBOUND_BYTES);
    if (!deps.doors.worker.verify(request, bytes)) throw new Problem("signature_invalid");
    return bytes;
  }

  /** Mailgun repeats for 8 hours what is refused by anything but 406. */
  async function mailgun({ request, context }: Call<Context>): Promise<Response> {
    try {
      requireOn();
      requireSetUp("mailgun", "MAILGUN_SIGNING_KEY");
      const bytes = await readBody(request, INBOUND_BYTES);
      const posted = deps.readMailgun(bytes, request.headers.get("content-type") ?? "");
      return taken(await deps.intake.mail(posted, context.traceparent));
    } catch (error) {
      throw asOurs(error);
    }
  }

  async function explain({ request, query }: Call<Context>): Promise<Response> {
    const bytes = await readBody(request, INBOUND_BYTES);
    const contentType = request.headers.get("content-type") ?? "";
    return Response.json(await deps.explain(bytes, contentType, new URLSearchParams(query)));
  }

  function setup(): Response {
    return Response.json(deps.setup());
  }

  async function events({ request }: Call<Context>): Promise<Response> {
    requireOn();
    if (!deps.doors.events.isSigned(request)) throw new Problem("signature_missing");
    const bytes = await readBody(request, EVENT_BYTES);
    if (!await deps.doors.events.verify(request, bytes)) throw new Problem("signature_invalid");
    return await storeEvents(deps.parseEvents(bytes));
  }

  async function resend({ request, context }: Call<Context>): Promise<Response> {
    requireOn();
    if (!deps.doors.resend.isSigned(request)) throw new Problem("signature_missing");
    const bytes = await readBody(request, EVENT_BYTES);
    if (!deps.doors.resend.verify(request, bytes)) throw new Problem("signature_invalid");
    const body = deps.parseResend(bytes, request.headers.get("svix-id") ?? "");
    if (body.received === undefined) return await storeEvents(body);
    return taken(await deps.intake.mail(await deps.fetchReceived(body.received), context.traceparent));
  }

  async function storeEvents({ events, unreadable }: ParsedEvents): Promise<Response> {
    let outcomes = "", freed = false;
    for (let from = 0; from < events.length; from += EVENTS_AT_ONCE) {
      const stored = await deps.ingestEvents(events.slice(from, from + EVENTS_AT_ONCE));
      outcomes += stored.outcomes;
      freed ||= stored.freed === true;
    }
    if (freed) deps.waitUntil(deps.pipeline.send());
    // Stored, not acknowledged.
    if (unreadable !== undefined) throw new Problem("invalid_json", { cause: unreadable });
    const stored = outcomes.split("s").length - 1;
    return Response.json({ received: outcomes.length, stored, duplicates: outcomes.length - stored });
  }

  /** Work that a mail makes due; its answer does not wait for it. */
  function taken({ received, stored, duplicates, forwards, relays, routes }: Taken): Response {
    if (routes) deps.waitUntil(deps.pipeline.decide());
    if (forwards) deps.waitUntil(deps.pipeline.forward());
    if (relays) deps.waitUntil(deps.pipeline.send());
    return Response.json({ received, stored, duplicates });
  }

  /** A page with buttons. It changes nothing: scanners open every address in a mail. */
  function askUnsubscribe({ params }: Call<Context>): Response {
    requireToken(params.token);
    return askPage();
  }

  /**
   * Mail programs post `List-Unsubscribe=One-Click`, people the form of the page. The answer is the same for a token
   * that is unknown, and the rate is not limited: the law wants it done.
   */
  async function unsubscribe({ request, params }: Call<Context>): Promise<Response> {
    requireOn();
    const declined = declinedBy(new TextDecoder().decode(await readBody(request, 4096)));
    const token = requireToken(params.token);
    await (declined === "tracking" ? deps.decline.withdraw(token) : deps.decline.unsubscribe(token));
    return donePage(declined);
  }

  async function purge(): Promise<Response> {
    let removed = 0;
    for (let i = 0; i < REMOVALS; i++) {
      const files = await deps.dueFiles(FILES_AT_ONCE);
      if (files.length === 0) break;
      await deps.removeFiles(files);
      await deps.forgetFiles(files);
      removed += files.length;
      if (files.length < FILES_AT_ONCE) break;
    }
    return Response.json({ removed });
  }
}

/** Turns a refusal into one that lets the provider try again. */
function asOurs(error: unknown): unknown {
  if (!(error instanceof Problem) || error.status >= 500) return error;
  const { code, detail, cause } = error;
  return new Problem(code, { status: 503, detail, cause, headers: { "retry-after": "300" } });
}
