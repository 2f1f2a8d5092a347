/**
 * The function that receives texts, and what providers report about those that we sent.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `POST, GET /` | Twilio: a text came in | 200 with `<Response/>` once it is stored |
 * | `POST, GET /fallback` | Twilio, after the first address failed | the same |
 * | `POST, GET /status` | Twilio: a status, with our id of the text in the query | the same |
 * | `POST /voice` | Twilio: a call came in, or one that we rang has ended | 200 with TwiML: who is rung, or what is said |
 * | `POST /telnyx` | Telnyx: all of this | 200 |
 * | `GET /media/{id}` | whoever has a signed address, or a key | a file of a text |
 * | `POST /files` | the clock, with a secret key | 202; stores files of texts, and deletes them at the provider |
 * | `POST /check` | the clock, with a secret key | 202; compares with the provider's list |
 * | `POST /notices` | the clock, with a secret key | 202; tells members of organisations what began or ended |
 * | `GET /setup` | the team, with a secret key | how texts are set up in the environment; no secrets |
 *
 * @module
 */
import type { Door } from "../_shared/channels/channel.ts";
import type { TwilioWebhook } from "../_shared/channels/sms/inbound/twilio.ts";
import type { SmsUpdate } from "../_shared/channels/sms/inbound/update.ts";
import type { SmsSetup } from "../_shared/contract/http/sms.ts";
import { readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import { partyOf } from "../_shared/sms/numbers.ts";
import { requireLink } from "../_shared/media/link.ts";
import type { Ingest } from "../_shared/pipeline/ingest.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "none", handler: "twilio" },
  { method: "GET", path: "/", auth: "none", handler: "twilio" },
  { method: "POST", path: "/fallback", auth: "none", handler: "twilio" },
  { method: "GET", path: "/fallback", auth: "none", handler: "twilio" },
  { method: "POST", path: "/status", auth: "none", handler: "twilio" },
  { method: "GET", path: "/status", auth: "none", handler: "twilio" },
  { method: "POST", path: "/voice", auth: "none", handler: "voice" },
  { method: "POST", path: "/telnyx", auth: "none", handler: "telnyx" },
  {
    method: "GET",
    path: "/media/{id}",
    auth: "operator",
    origins: "panel",
    checksItself: true,
    handler: "media",
  },
  { method: "POST", path: "/files", auth: "secret", handler: "files" },
  { method: "POST", path: "/check", auth: "secret", handler: "check" },
  { method: "POST", path: "/notices", auth: "secret", handler: "notices" },
  { method: "GET", path: "/setup", auth: "secret", handler: "setup" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** What a status says that it is about: either id finds the text. */
export type TextId = { ours: string } | { theirs: string };

/** Dependencies of the handler. */
export interface SmsWebhookDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): { name: string };
  /** Lets an operator or a secret key in, and returns its name. */
  requireOperator(headers: Headers): Promise<string>;
  doors: { twilio: Door; telnyx: Door };
  /** The accounts of Twilio's that a webhook may be from, by its signature. */
  signedBy(request: Request, bytes: Uint8Array): readonly string[];
  /** Whether our numbers may belong to different accounts of Twilio's. */
  hasSubaccounts(): boolean;
  /** Whether the account that a webhook is from has our number in it. */
  isOfAccount(account: string, number: string): Promise<boolean>;
  /** Our number that a text of ours went from, by our id or the provider's; null for an id of no text. */
  numberOf(id: TextId): Promise<string | null>;
  parseTwilio(body: Uint8Array, query: string, callback: string | undefined): TwilioWebhook;
  parseTelnyx(body: Uint8Array): { updates: SmsUpdate[]; unreadable?: unknown };
  ingest: Ingest;
  /** What is done with a call, as TwiML. @param dialled Whom we rang before, from the address that we gave Twilio. */
  answerCall(call: ReadonlyMap<string, string>, dialled: string | null): Promise<string>;
  /** The keys whose signed addresses are valid. */
  linkSecrets(): readonly string[];
  /** The file of a text; `index` from 0. */
  giveMedia(id: string, index: number): Promise<Response>;
  /** Stores files of texts, and deletes them at the provider, as far as that is due. */
  keepFiles(): Promise<void>;
  /** Compares with the provider's list, if that is due. */
  check(): Promise<void>;
  /** Tells members of organisations what began or ended for them. */
  tellMembers(): Promise<void>;
  setup(): SmsSetup;
  /** Routes waiting messages. */
  decide(): Promise<unknown>;
  panelOrigins(): Promise<ReadonlySet<string>>;
  waitUntil(work: Promise<unknown>): void;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Kill switch of the intake: `SMS_WEBHOOK_ENABLED`. What is refused meanwhile is found in the provider's list. */
const FEATURE = "sms_webhook";
/** 1,600 characters, encoded, with ten files and whatever Twilio adds. */
const BODY_BYTES = 256 * 1024;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The handler of `sms-webhook`. */
export function createHandler(deps: SmsWebhookDeps): Handler {
  return createRouter<Name, Context>("sms-webhook", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: {
      secret: (headers) => deps.requireSecretKey(headers).name,
      operator: deps.requireOperator,
    },
    panelOrigins: deps.panelOrigins,
    handlers: {
      twilio,
      voice,
      telnyx,
      media,
      files,
      check,
      notices: () => {
        deps.waitUntil(deps.tellMembers());
        return Response.json({ status: "telling" }, { status: 202 });
      },
      setup: () => Response.json(deps.setup()),
    },
  });

  /** Gates, in this order: kill switch, signature, size. The signature covers the raw body: nothing is parsed before. */
  async function verified(door: Door, request: Request): Promise<Uint8Array> {
    if (deps.killed(FEATURE)) throw new Problem("disabled_by_environment");
    if (!door.isSigned(request)) throw new Problem("signature_missing");
    const bytes = await readBody(request, BODY_BYTES);
    if (!door.verify(request, bytes)) throw new Problem("signature_invalid");
    return bytes;
  }

  /**
   * Failure policy: only what is committed is acknowledged. Twilio repeats a webhook once, at best; what is lost even so
   * is found in its list.
   */
  async function twilio({ request, query, context }: Call<Context>): Promise<Response> {
    const bytes = await verified(deps.doors.twilio, request);
    const named = new URLSearchParams(query).get("message") ?? "";
    const { update, account } = deps.parseTwilio(bytes, query, UUID.test(named) ? named : undefined);
    await requireAccount(request, bytes, account, {
      number: update.sender_id,
      ...(update.kind === "status" ? { texts: idsOf(update) } : {}),
      isAboutNumbers: update.kind !== "other",
    });
    await store([update], bytes.length, context);
    // JSON gives an error in Twilio's console, and words would be sent to the person.
    return twiml("<Response/>");
  }

  async function voice({ request, query }: Call<Context>): Promise<Response> {
    const bytes = await verified(deps.doors.twilio, request);
    const call = new Map(new URLSearchParams(new TextDecoder().decode(bytes)));
    await requireAccount(request, bytes, call.get("AccountSid"), {
      number: partyOf(call.get("To"))?.value,
      isAboutNumbers: true,
    });
    return twiml(await deps.answerCall(call, new URLSearchParams(query).get("dialled")));
  }

  /**
   * Failure policy: closed. An account speaks for itself alone, for its own numbers and for what was sent from them. Where
   * there are several accounts, what does not name one is not taken for the main account's.
   */
  async function requireAccount(
    request: Request,
    bytes: Uint8Array,
    account: string | undefined,
    about: { number: string | undefined; texts?: TextId[]; isAboutNumbers: boolean },
  ): Promise<void> {
    if (account === undefined) {
      if (!about.isAboutNumbers || !deps.hasSubaccounts()) return;
      throw new Problem("forbidden", { detail: "It does not name its account, and there are several." });
    }
    if (!deps.signedBy(request, bytes).includes(account)) {
      throw new Problem("forbidden", {
        detail: "This account of Twilio's is not configured here, or has not signed this.",
      });
    }
    const numbers = [about.number];
    if (deps.hasSubaccounts()) {
      for (const id of about.texts ?? []) numbers.push(await deps.numberOf(id) ?? undefined);
    }
    for (const number of numbers) {
      if (number !== undefined && !await deps.isOfAccount(account, number)) {
        throw new Problem("forbidden", { detail: "This number belongs to another account of Twilio's." });
      }
    }
  }

  async function telnyx({ request, context }: Call<Context>): Promise<Response> {
    const bytes = await verified(deps.doors.telnyx, request);
    const { updates, unreadable } = deps.parseTelnyx(bytes);
    const outcomes = await store(updates, bytes.length, context);
    // Stored, not acknowledged.
    if (unreadable !== undefined) throw new Problem("invalid_json", { cause: unreadable });
    const stored = outcomes.split("s").length - 1;
    return Response.json({ received: outcomes.length, stored, duplicates: outcomes.length - stored });
  }

  async function store(updates: SmsUpdate[], bytes: number, { traceparent }: Context): Promise<string> {
    if (traceparent !== undefined) {
      for (const update of updates) if (update.kind === "message") update.traceparent = traceparent;
    }
    const outcomes = await deps.ingest({ updates, bytes });
    if (updates.some(({ kind }, i) => kind === "message" && outcomes[i] === "s")) {
      deps.waitUntil(deps.decide());
    }
    return outcomes;
  }

  async function media({ request, query, params: { id } }: Call<Context>): Promise<Response> {
    if (deps.killed(FEATURE)) throw new Problem("disabled_by_environment");
    const asked = new URLSearchParams(query);
    if (asked.has("signature")) requireLink(asked, id, deps.linkSecrets(), deps.now());
    else await deps.requireOperator(request.headers);
    const file = asked.get("file") ?? "0";
    if (!UUID.test(id) || !/^\d$/.test(file)) throw new Problem("media_not_found");
    const response = await deps.giveMedia(id, Number(file));
    if (request.method !== "HEAD") return response;
    await response.body?.cancel();
    return new Response(null, response);
  }

  function files(): Response {
    deps.waitUntil(deps.keepFiles());
    return Response.json({ status: "working" }, { status: 202 });
  }

  function check(): Response {
    deps.waitUntil(deps.check());
    return Response.json({ status: "checking" }, { status: 202 });
  }
}

const twiml = (text: string) =>
  new Response(text, { headers: { "content-type": "text/xml; charset=utf-8" } });

function idsOf({ callback, provider_id }: { callback?: string; provider_id?: string }): TextId[] {
  return [
    ...(callback === undefined ? [] : [{ ours: callback }]),
    ...(provider_id === undefined ? [] : [{ theirs: provider_id }]),
  ];
}
