/** The part of the Graph API that a business needs to send messages and files, with its limits and errors. */
import { Buffer } from "node:buffer";
import { accountFault, type AccountIds, type Accounts } from "./accounts.ts";
import { errorResponse, FAULTS, type GraphError, PAIR_LIMIT, RATE_LIMIT, WINDOW_CLOSED } from "./faults.ts";
import type { CallView, Clock, Contact, Json, Settings } from "./model.ts";
import type { MediaShelf } from "./media.ts";
import { faultOf } from "./outgoing.ts";
import { Pace } from "./pace.ts";
import type { Random } from "./random.ts";
import { templateFault } from "./templates.ts";

/** What {@link GraphApi} needs. */
export interface GraphOptions {
  accounts: Accounts;
  clock: Clock;
  random: Random;
  /** Read at each call. `faultNext` is decremented. */
  settings: Settings;
  media: MediaShelf;
  /** The contact that `to` or `recipient` names, or the reason why there is none. */
  recipient(body: Json): Contact | string;
  /** When this contact last wrote to the account's number, in milliseconds; undefined for never. */
  lastWrote(contact: Contact, account: AccountIds): number | undefined;
  /**
   * Accepts a message and returns its wamid, or undefined if the queue is full. `failure` makes it fail
   * later.
   */
  accept(contact: Contact, account: AccountIds, body: Json, failure?: GraphError): string | undefined;
  /** Marks a user's message as read. False if there is no such message. */
  markRead(messageId: string, typing: boolean): boolean;
  onCall(call: CallView): void;
}

const WINDOW_MS = 24 * 3_600_000;
/** A call without an answer is held this long, longer than any client should wait. */
const SILENCE_MS = 60_000;

/** The languages of the simulator's templates. */
const TEMPLATE_LANGUAGES = ["de", "en", "en_GB", "en_US", "es", "es_MX", "fr", "it", "nl", "pt_BR"];

/** Result of a call: a JSON response, an error, or no response. */
type Outcome = Json | GraphError | "silence";

/**
 * Templates of the simulator, by a word in their names. For other names it says that there are none, as Meta
 * does for a template that was never created; it sends them all the same.
 */
const TEMPLATES: readonly { category: string; words: readonly string[] }[] = [
  {
    category: "AUTHENTICATION",
    words: ["auth", "code", "login", "otp", "password", "pin", "verification", "verify"],
  },
  {
    category: "MARKETING",
    words: [
      "campaign",
      "deal",
      "discount",
      "marketing",
      "news",
      "newsletter",
      "offer",
      "promo",
      "promotion",
      "sale",
    ],
  },
  {
    category: "UTILITY",
    words: [
      ...["appointment", "booking", "confirmation", "delivery", "hello", "invoice", "order", "payment"],
      ...["receipt", "reminder", "shipping", "status", "ticket", "update", "utility"],
    ],
  },
];

/** Category of a template: the first of {@link TEMPLATES} with a word of its name. */
function categoryOf(name: string): string | undefined {
  const words = name.toLowerCase().split("_");
  return TEMPLATES.find((each) => each.words.some((word) => words.includes(word)))?.category;
}

/** Types of uploads and their most bytes. Source: Meta, "Supported media types". */
const UPLOADS: readonly [type: RegExp, megabytes: number][] = [
  [/^image\/(jpeg|png)$/, 5],
  [/^image\/webp$/, 0.5],
  [/^audio\/(aac|amr|mpeg|mp4|ogg)$/, 16],
  [/^video\/(mp4|3gpp?)$/, 16],
  [/^(text\/plain|application\/(pdf|msword|vnd\.[a-z0-9.-]+))$/, 100],
];

/** The segment below which files are served, in place of Meta's own host for them. */
const FILES = "lookaside";

/**
 * Answers `POST /{version}/{phone_number_id}/messages` and `/media`, `GET` and `DELETE /{version}/{media_id}`, the URLs
 * of files, and what {@linkcode Accounts} manages: templates, numbers, tokens.
 */
export class GraphApi {
  #options: GraphOptions;
  #calls = 0;
  #silent = new Set<() => void>();
  #number = new Pace(1000 / 80, 80);
  #pair = new Pace(6_000, 45);

  constructor(options: GraphOptions) {
    this.#options = options;
  }

  /** Answers one request; its path may have anything in front of `/{version}/…`. */
  async handle(request: Request): Promise<Response> {
    const { onCall, clock, random } = this.#options;
    const at = clock.now();
    const [, id, edge] = /\/v\d+\.\d+\/([^/]+)(?:\/([^/]+))?$/.exec(new URL(request.url).pathname) ?? [];
    const what: string[] = edge === "messages" ? [] : [request.method, edge ?? "media"];
    if (id === FILES && request.method === "GET") return await this.#download(request, edge ?? "");
    const outcome = await this.#decide(request, id, edge, what);
    let answer: Response;
    if (outcome === "silence") {
      onCall({ id: ++this.#calls, at, what: what.join(" "), status: 0, detail: "no answer given" });
      await this.#silence();
      return new Response(null, { status: 504 });
    } else if (isError(outcome)) {
      answer = errorResponse(
        outcome,
        random.string(11, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
      );
    } else {
      answer = Response.json(outcome);
    }
    const detail = isError(outcome) ? `${outcome.code} ${outcome.details ?? outcome.title}` : undefined;
    onCall({ id: ++this.#calls, at, what: what.join(" "), status: answer.status, detail });
    return answer;
  }

  /** Ends the calls that are held without an answer. */
  stop(): void {
    for (const release of this.#silent) release();
  }

  async #decide(
    request: Request,
    id: string | undefined,
    edge: string | undefined,
    what: string[],
  ): Promise<Outcome> {
    const { accounts, media } = this.#options;
    const account = accounts.authenticate(request);
    if ("code" in account) return account;
    const file = media.get(id ?? "", account.wabaId);
    if (request.method === "GET" && file && !edge) {
      const { mimeType: mime_type, sha256, size } = file;
      return {
        messaging_product: "whatsapp",
        url: request.url.replace(/\/[^/]+$/, `/${FILES}/${id}`),
        mime_type,
        // Webhooks have it in base64, this answer in hexadecimal.
        sha256: Buffer.from(sha256, "base64").toString("hex"),
        file_size: size,
        id,
      };
    }
    if (request.method === "DELETE" && !edge && media.expire(id ?? "", account.wabaId)) {
      return { success: true };
    }
    if (request.method === "POST" && id === account.phoneNumberId && edge === "media") {
      return await this.#upload(request, account, what);
    }
    const isTemplates = edge === "message_templates";
    const name = new URL(request.url).searchParams.get("name");
    if (isTemplates && name !== null) what.push(name);
    const body = request.method === "POST" ? await request.json().catch(() => undefined) : {};
    if (request.method === "GET" && isTemplates && name !== null) {
      const known = accounts.standingOf(account.wabaId).templates.some((one) => one.name.includes(name));
      const category = categoryOf(name);
      if (!known) {
        return {
          data: category === undefined
            ? []
            : TEMPLATE_LANGUAGES.map((language) => ({ name, language, category, status: "APPROVED" })),
        };
      }
    }
    if (typeof body === "object" && body !== null && edge !== "messages") {
      const managed = accounts.manage(request, account, id ?? "", edge, body as Json);
      if (managed !== undefined) return managed;
    }
    if (request.method !== "POST" || id !== account.phoneNumberId || edge !== "messages") {
      return {
        ...invalid(
          `Unsupported request. Object with ID '${id}' does not exist or does not support this operation`,
        ),
        subcode: 33,
      };
    }
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return invalid("The body is not JSON");
    }
    return this.#send(body as Json, account, what);
  }

  /** Serves a file to whoever has the token, as Meta's own host does. */
  async #download(request: Request, id: string): Promise<Response> {
    const account = this.#options.accounts.authenticate(request);
    if ("code" in account) {
      return new Response("Unauthorized", { status: 401 });
    }
    const file = this.#options.media.get(id, account.wabaId);
    if (file === undefined) return new Response("Not found", { status: 404 });
    return new Response(await file.open(), {
      headers: { "content-type": file.mimeType, "content-length": String(file.size) },
    });
  }

  async #upload(request: Request, account: AccountIds, what: string[]): Promise<Outcome> {
    const form = await request.formData().catch(() => undefined);
    const file = form?.get("file");
    if (form?.get("messaging_product") !== "whatsapp") return invalid("messaging_product must be whatsapp");
    if (!(file instanceof File)) return invalid("Param file must be a file");
    const type = (file.type || String(form.get("type") ?? "")).split(";")[0];
    what.push(type);
    const limit = UPLOADS.find(([pattern]) => pattern.test(type))?.[1];
    if (limit === undefined) {
      return invalid(
        `Param file must be a file with one of the supported types. Received file of type '${type}'.`,
      );
    }
    if (file.size === 0 || file.size > limit * 1024 * 1024) {
      return invalid(`Param file: 1 byte to ${limit} MB`);
    }
    const { media } = this.#options;
    const id = await media.keep(new Uint8Array(await file.arrayBuffer()), type, file.name);
    media.give(id, account.wabaId);
    return { id };
  }

  #send(body: Json, account: AccountIds, what: string[]): Outcome {
    const { settings, accept, recipient, clock, lastWrote, accounts } = this.#options;
    const standing = accounts.standingOf(account.wabaId);
    if (body.status === "read") return this.#read(body, what);
    what.push(String(body.type ?? "text"));
    const wrong = faultOf(body);
    if (wrong) return { status: 400, code: 131009, title: "Parameter value is not valid", details: wrong };
    const part = typeof body.type === "string" ? body[body.type] as Json | undefined : undefined;
    const { media } = this.#options;
    if (media.isGone(String(part?.id)) || media.isForeign(String(part?.id), account.wabaId)) {
      return invalid(`Param ${body.type}['id'] is not a valid whatsapp business account media attachment ID`);
    }
    const contact = recipient(body);
    if (typeof contact === "string") return invalid(contact);
    what.push("to", contact.name);

    const held = accountFault(standing, body) ??
      (body.type === "template" ? templateFault(standing.templates, body) : undefined);
    if (held !== undefined) return held;
    const fault = this.#nextFault();
    if (fault?.how === "answer") return fault.error!;
    if (fault?.how === "silence") return "silence";
    const now = clock.now();
    if (settings.enforceWindow && body.type !== "template") {
      const last = lastWrote(contact, account) ?? (contact.stranger ? now : -Infinity);
      if (now - last > WINDOW_MS) return WINDOW_CLOSED;
    }
    if (settings.enforceLimits) {
      if (!this.#pair.allows(`${account.phoneNumberId} ${contact.id}`, now)) return PAIR_LIMIT;
      if (!this.#number.allows(account.phoneNumberId, now)) return RATE_LIMIT;
    }
    const wamid = accept(contact, account, body, fault?.error);
    if (!wamid) return RATE_LIMIT;
    if (fault?.how === "lost") return "silence";
    return {
      messaging_product: "whatsapp",
      contacts: [{
        input: body.to ?? body.recipient,
        ...(contact.phone && { wa_id: contact.phone }),
        ...(contact.bsuid && { user_id: contact.bsuid }),
        ...(contact.group && { wa_id: contact.group }),
      }],
      messages: [{ id: wamid, ...(body.type === "template" && { message_status: "accepted" }) }],
    };
  }

  #read(body: Json, what: string[]): Outcome {
    what.push("read receipt");
    const known = this.#options.markRead(String(body.message_id), body.typing_indicator !== undefined);
    return known
      ? { success: true }
      : invalid(`Message ${body.message_id} is not one that this number received`);
  }

  #nextFault() {
    const { settings, random } = this.#options;
    const fault = FAULTS[settings.fault ?? ""];
    if (!fault) return undefined;
    if (settings.faultNext > 0) {
      settings.faultNext--;
      return fault;
    }
    return random.chance(settings.faultRate) ? fault : undefined;
  }

  /** Waits longer than any caller should, or until the simulator ends. */
  async #silence(): Promise<void> {
    const { clock } = this.#options;
    await new Promise<void>((done) => {
      const end = () => {
        this.#silent.delete(end);
        clock.clearTimeout(timer);
        done();
      };
      const timer = clock.setTimeout(end, SILENCE_MS);
      this.#silent.add(end);
    });
  }
}

function invalid(details: string): GraphError {
  return { status: 400, code: 100, title: "Invalid parameter", details };
}

function isError(outcome: Json | GraphError): outcome is GraphError {
  return typeof outcome.code === "number" && typeof outcome.title === "string";
}
