/** The part of the Graph API that a business needs to send messages, with its limits and errors. */
import { accountFault, type AccountIds, type Accounts } from "./accounts.ts";
import { errorResponse, FAULTS, type GraphError, PAIR_LIMIT, RATE_LIMIT, WINDOW_CLOSED } from "./faults.ts";
import type { CallView, Clock, Contact, Json, Settings } from "./model.ts";
import { faultOf } from "./outgoing.ts";
import { Pace } from "./pace.ts";
import type { Random } from "./random.ts";
import { templateFault } from "./templates.ts";

/** A file that a message can refer to by its id. */
export interface MediaFile {
  bytes: Uint8Array<ArrayBuffer>;
  mimeType: string;
  /** SHA-256 of the bytes, base64, as webhooks give it. */
  sha256: string;
  filename: string;
}

/** What {@link GraphApi} needs. */
export interface GraphOptions {
  accounts: Accounts;
  clock: Clock;
  random: Random;
  /** Read at each call. `faultNext` is decremented. */
  settings: Settings;
  media: ReadonlyMap<string, MediaFile>;
  /** URL of a media id's bytes. */
  mediaUrl(id: string): string;
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

/**
 * Answers `POST /{version}/{phone_number_id}/messages`, `GET /{version}/{media_id}` and what {@linkcode Accounts}
 * manages: templates, numbers, tokens.
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
    const { accounts, media, mediaUrl } = this.#options;
    const account = accounts.authenticate(request);
    if ("code" in account) return account;
    const file = media.get(id ?? "");
    if (request.method === "GET" && file && !edge) {
      const { mimeType: mime_type, sha256, bytes } = file;
      return {
        messaging_product: "whatsapp",
        url: mediaUrl(id!),
        mime_type,
        sha256,
        file_size: bytes.length,
        id,
      };
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
      return invalid(
        `Unsupported request. Object with ID '${id}' does not exist or does not support this operation`,
      );
    }
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return invalid("The body is not JSON");
    }
    return this.#send(body as Json, account, what);
  }

  #send(body: Json, account: AccountIds, what: string[]): Outcome {
    const { settings, accept, recipient, clock, lastWrote, accounts } = this.#options;
    const standing = accounts.standingOf(account.wabaId);
    if (body.status === "read") return this.#read(body, what);
    what.push(String(body.type ?? "text"));
    const wrong = faultOf(body);
    if (wrong) return { status: 400, code: 131009, title: "Parameter value is not valid", details: wrong };
    const contact = recipient(body);
    if (typeof contact === "string") return invalid(contact);
    what.push("to", contact.name);

    const held = accountFault(standing, body) ??
      (body.type === "template" ? templateFault(standing.templates, body) : undefined);
    if (held !== undefined) return held;
    const fault = this.#nextFault();
    if (fault?.how === "answer") return fault.error!;
    if (fault?.how === "silence") return "silence";
    if (settings.enforceLimits) {
      const now = clock.now();
      if (body.type !== "template" && now - (lastWrote(contact, account) ?? -Infinity) > WINDOW_MS) {
        return WINDOW_CLOSED;
      }
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
