/**
 * The simulator over HTTP: the chat page, what it needs, and the Graph API that the stack's functions call. For the
 * local stack only: it answers nobody but this machine.
 *
 * | path | |
 * |---|---|
 * | `/simulator/` | the page of chats |
 * | `/simulator/mail` | the page of inboxes; what it needs is below `/simulator/api/mail`: see mail/api.ts |
 * | `/simulator/texts` | the page of phones; what it needs is below `/simulator/api/texts`: see texts/api.ts |
 * | `/simulator/telegram` | the page of Telegram's chats; what it needs is below `/simulator/api/telegram`: see telegram/api.ts |
 * | `/simulator/telegram/…` | Telegram's Bot API and what it posts: see telegram/telegram.ts |
 * | `/simulator/ai/v1/…` | a model with OpenAI's API: see ai/ai.ts; its faults are on the page of Telegram |
 * | `/simulator/pagerduty/…`, `/simulator/opsgenie/…` | PagerDuty and Opsgenie: see pagerduty/pagerduty.ts; on the page of Telegram |
 * | `/simulator/masked` | the page of two phones; what it needs is below `/simulator/api/masked`: see texts/masked.ts |
 * | `/simulator/twilio/…` | Twilio's API and what it has and posts: see texts/twilio.ts |
 * | `/simulator/telnyx/…` | Telnyx's, without a page: see texts/telnyx.ts |
 * | `/simulator/google/…`, `/simulator/microsoft/…`, `/simulator/mailboxes` | mailboxes: see mailboxes/mailboxes.ts |
 * | `GET /simulator/outbox` | what "Meta" received: `{messages: [{wamid, to, type, payload, time, status}], receipts}` |
 * | `/simulator/sendgrid/…` | SendGrid's API and what it received and posts: see mail/sendgrid.ts |
 * | `POST /simulator/graph/{version}/{phone_number_id}/messages` | the Graph API, also `/media` and `…/{version}/{media_id}` |
 * | `GET /simulator/api/events` | server-sent events: first `{type: "state", …}`, then each SimulatorEvent |
 * | `POST /simulator/api/contacts` | `{name, phone?, username?, bsuid?}`, with `id` a change -> the contact |
 * | `POST /simulator/api/media?type=&name=` | the body is a file of a person's -> `{id}` |
 * | `POST /simulator/api/media/expire` | `{id}`: Meta has it no more |
 * | `POST /simulator/api/send` | `{contact, message, number?, author?}` -> `{wamid}`; message: a text or a UserMessage; author: who of a group |
 * | `POST /simulator/api/groups` | `{name, members}`: ids of 1 to 8 contacts -> the group, as a contact |
 * | `GET /simulator/api/accounts` | the business's accounts: standing, templates |
 * | `POST /simulator/api/account` | `{account, do, …}`: an AccountAct of Meta's (accounts.ts), or of the business's app (coexistence.ts) -> all accounts |
 * | `POST /simulator/api/answer` | `{contact, text}`: somebody answers in the business app -> `{wamid}` |
 * | `POST /simulator/api/scan` | `{link}`: a link is opened on a phone -> Scanned (scan.ts) |
 * | `GET /simulator/api/links` | codes to choose from |
 * | `POST /simulator/api/pass` | `{contact, number?, hours?}`: so much time (24 hours) passes for this conversation, on both sides |
 * | `GET /simulator/panel?contact=&number=` | redirects to this conversation in the panel |
 * | `POST /simulator/api/read` | `{contact}`: the chat was opened |
 * | `GET, POST /simulator/api/settings` | some of Settings -> all of them |
 * | `POST /simulator/api/retry` | tries at once what waits |
 * | `POST /simulator/api/reset` | begins anew, with the people that a newcomer finds |
 * | `POST /simulator/api/handshake` | -> `{ok, status, detail}` |
 */
import type { AccountAct } from "./accounts.ts";
import { FAULTS } from "./faults.ts";
import { type MetaOptions, MetaSimulator } from "./meta.ts";
import type { ContactInput } from "./people.ts";
import { CALM, type Contact, type Json, type Settings, type UserMessage } from "./model.ts";
import type { MediaFile } from "./media.ts";
import { loadSamples } from "./samples.ts";
import { MailApi } from "./mail/api.ts";
import { type SendGridOptions, SendGridSimulator } from "./mail/sendgrid.ts";
import { type MailboxesOptions, MailboxesSimulator } from "./mailboxes/mailboxes.ts";
import { scan } from "./scan.ts";
import { AiSimulator } from "./ai/ai.ts";
import { TelegramApi } from "./telegram/api.ts";
import { type PagerDutyOptions, PagerDutySimulator } from "./pagerduty/pagerduty.ts";
import { TelegramSimulator } from "./telegram/telegram.ts";
import { TextsApi } from "./texts/api.ts";
import { type TelnyxOptions, TelnyxSimulator } from "./texts/telnyx.ts";
import { MaskedApi, type MaskedBusiness } from "./texts/masked.ts";
import { type TwilioOptions, TwilioSimulator } from "./texts/twilio.ts";
import { EventStreams } from "./streams.ts";

/** A running simulator. */
export interface Simulator {
  /** Answers everything under `/simulator`; 404 for other paths. */
  fetch(request: Request): Promise<Response>;
  /** The simulated Meta, for tests and the seed. */
  meta: MetaSimulator;
  /** The simulated SendGrid, and the inboxes of its people, if it has options. */
  mail: SendGridSimulator | undefined;
  inboxes: MailApi | undefined;
  /** The simulated Twilio, if it has options. */
  texts: TwilioSimulator | undefined;
  /** The simulated Telnyx, if it has options. */
  telnyx: TelnyxSimulator | undefined;
  /** The simulated Google and Microsoft, if it has options. */
  mailboxes: MailboxesSimulator | undefined;
  /** The simulated Telegram, if it has options. */
  telegram: TelegramSimulator | undefined;
  /** The simulated model, if it has options. */
  ai: AiSimulator | undefined;
  /** The simulated PagerDuty and Opsgenie, if they have options. */
  pagerDuty: PagerDutySimulator | undefined;
  /** Ends timers, calls and event streams; conversations stay in `dataFile`. */
  stop(): void;
}

/** What the simulator asks of the business about a conversation; people by their phone number or user id. */
export interface BusinessSide {
  /** Makes all that happened in it older by milliseconds. */
  age(contact: Contact, phoneNumberId: string, ms: number): Promise<void>;
  /** Its address in the panel; undefined if the business does not know it yet. */
  panelUrl(contact: Contact, phoneNumberId: string): Promise<string | undefined>;
}

/** Options of a simulator. */
export interface SimulatorOptions extends MetaOptions {
  /** Codes of the newest links, to choose from. @default none */
  links?(): Promise<string[]>;
  /** The business's own record of conversations. @default none: time passes at Meta only, and there is no panel */
  business?: BusinessSide;
  /** Of the simulated SendGrid. @default there is none */
  mail?: SendGridOptions;
  /** Of the simulated Twilio. @default there is none */
  texts?: TwilioOptions;
  /** Of the simulated Telnyx. @default there is none */
  telnyx?: TelnyxOptions;
  /** Of the simulated Telegram: its bot, and the webhook that is set. @default there is none */
  telegram?: { token: string; secret: string; webhookUrl: string };
  /** Of the simulated model: the key that it knows. @default there is none */
  ai?: { key: string };
  /** Of the simulated PagerDuty and Opsgenie. @default there is none */
  pagerDuty?: PagerDutyOptions;
  /** The organisation behind the page of two phones. @default none: the page says so */
  masked?: MaskedBusiness;
  /** Of the simulated Google and Microsoft. @default there is none */
  mailboxes?: MailboxesOptions;
}

const FOLDER = new URL("./page/", import.meta.url);
/** Pages besides the first, whose addresses do without `.html`. */
const PAGES: ReadonlySet<string> = new Set(["mail", "texts", "masked", "telegram"]);
const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};
/**
 * The initial contacts: with a phone number, with a username as well, and with only a username. The numbers
 * are reserved for fiction.
 */
const PEOPLE: ContactInput[] = [
  { name: "Amina Diallo", phone: "447700900123" },
  { name: "Daniel Costa", phone: "12025550143", username: "danielcosta" },
  { name: "Yuki", username: "yuki.bakes" },
];
const SHOW_MESSAGES = 1_000;
const MAX_BODY = 1_000_000;
const HOUR_MS = 3_600_000;
/** A month. */
const MAX_HOURS = 31 * 24;
/** As large as WhatsApp's documents. */
const MAX_FILE = 100 * 1024 * 1024;

/**
 * Starts a simulator. It sends nothing until somebody writes, except updates that an earlier run left
 * unacknowledged.
 */
export function createSimulator(options: SimulatorOptions): Simulator {
  const media = loadSamples();
  const meta = new MetaSimulator({ media, ...options });
  const mail = options.mail && new SendGridSimulator(options.mail);
  const texts = options.texts && new TwilioSimulator({ samples: media, ...options.texts });
  const telnyx = options.telnyx && new TelnyxSimulator({ samples: media, ...options.telnyx });
  const mailboxes = options.mailboxes && new MailboxesSimulator(options.mailboxes);
  const telegram = options.telegram && new TelegramSimulator({
    token: options.telegram.token,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
  if (options.telegram) telegram?.setWebhook(options.telegram.webhookUrl, options.telegram.secret);
  const ai = options.ai && new AiSimulator(options.ai);
  const pagerDuty = options.pagerDuty && new PagerDutySimulator({
    ...options.pagerDuty,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
  const telegramApi = telegram && new TelegramApi(telegram, ai, pagerDuty);
  const textsApi = texts &&
    new TextsApi(texts, [...media].map(([id, { filename }]) => ({ id, filename })));
  const maskedApi = texts && options.masked && new MaskedApi(options.masked, texts);
  const files = new Set([...Deno.readDirSync(FOLDER)].map(({ name }) => name));
  const streams = new EventStreams();
  const mailApi = mail && new MailApi({
    mail,
    samples: media,
    origin: new URL(options.webhookUrl).origin,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
  const newcomers = () => PEOPLE.forEach((person) => meta.addContact(person));
  if (meta.contacts.length === 0) newcomers();

  const state = (): Json => ({
    type: "state",
    business: options.displayNumber,
    contacts: meta.contacts,
    messages: meta.messages.slice(-SHOW_MESSAGES),
    posts: meta.posts,
    calls: meta.calls,
    settings: meta.settings,
    accounts: meta.accounts,
    calm: CALM,
    faults: Object.entries(FAULTS).map(([code, { label }]) => ({ code, label })),
    media: meta.media.ids,
    hasPanel: options.business !== undefined,
    samples: [...media].map(([id, { filename, mimeType }]) => ({ id, filename, mimeType })),
  });

  const api: Record<string, (body: Json) => unknown> = {
    "GET outbox": () => meta.outbox,
    "GET api/settings": () => meta.settings,
    "POST api/settings": (change) => meta.configure(change as Partial<Settings>),
    "POST api/contacts": ({ id, ...contact }) =>
      typeof id === "string"
        ? meta.changeContact(id, contact as Partial<ContactInput>)
        : meta.addContact(contact as unknown as ContactInput),
    "POST api/groups": ({ name, members }) =>
      meta.addGroup(String(name ?? ""), Array.isArray(members) ? members.map(String) : []),
    "POST api/send": ({ contact, message, number, author }) => ({
      wamid: meta.userSends(
        String(contact),
        message as UserMessage | string,
        number === undefined ? undefined : String(number),
        author === undefined ? undefined : String(author),
      ),
    }),
    "GET api/accounts": () => meta.accounts,
    "POST api/account": (
      { account, ...act },
    ) => (meta.act(String(account), act as unknown as AccountAct), meta.accounts),
    "POST api/answer": ({ contact, text }) => ({ wamid: meta.appSends(String(contact), String(text ?? "")) }),
    "POST api/media/expire": ({ id }) => ({ expired: meta.media.expire(String(id)) }),
    "POST api/scan": ({ link }) =>
      scan(String(link), new URL(options.webhookUrl).origin, options.displayNumber, options.fetch),
    "GET api/links": async () => await options.links?.() ?? [],
    "POST api/read": ({ contact }) => (meta.userReads(String(contact)), {}),
    "POST api/pass": async ({ contact, number, hours = 24 }) => {
      if (typeof hours !== "number" || !(hours > 0 && hours <= MAX_HOURS)) {
        throw new RangeError(`hours: more than 0, at most ${MAX_HOURS}`);
      }
      const at = number === undefined ? undefined : String(number);
      const { contact: person, phoneNumberId } = meta.conversation(String(contact), at);
      // The business first: if that fails, neither side has moved.
      await options.business?.age(person, phoneNumberId, hours * HOUR_MS);
      meta.age(person.id, hours * HOUR_MS, at);
      streams.restate();
      return { hours };
    },
    "POST api/retry": () => (meta.retryNow(), {}),
    "POST api/reset": async () => {
      await meta.reset();
      mail?.reset();
      mailApi?.welcome();
      texts?.reset();
      telnyx?.reset();
      mailboxes?.reset();
      telegram?.reset();
      ai?.reset();
      pagerDuty?.reset();
      newcomers();
      streams.restate();
      return {};
    },
    "POST api/handshake": () => meta.handshake(),
  };

  /** A file from this computer, as a person would send it. A foreign page cannot post such a type without a preflight. */
  async function keepFile(request: Request): Promise<Response> {
    const asked = new URL(request.url).searchParams;
    if (request.headers.get("content-type") !== "application/octet-stream") {
      return Response.json({ error: "content-type must be application/octet-stream" }, { status: 400 });
    }
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.length === 0 || bytes.length > MAX_FILE) {
      return Response.json({ error: "a file has 1 byte to 100 MB" }, { status: 400 });
    }
    const type = asked.get("type")?.split(";")[0] || "application/octet-stream";
    return Response.json({ id: await meta.media.keep(bytes, type, asked.get("name") ?? "file") });
  }

  /** The way into the panel. A GET with a redirect, so that it is a link like any other. */
  async function openPanel(asked: URLSearchParams): Promise<Response> {
    const { contact, phoneNumberId } = meta.conversation(
      asked.get("contact") ?? "",
      asked.get("number") ?? undefined,
    );
    const location = await options.business?.panelUrl(contact, phoneNumberId);
    if (location === undefined) {
      throw new RangeError(`The business has no message of ${contact.name} yet.`);
    }
    return new Response(null, { status: 302, headers: { location, "cache-control": "no-store" } });
  }

  async function answer(request: Request): Promise<Response> {
    const { pathname: path, searchParams } = new URL(request.url);
    if (path === "/simulator") {
      return new Response(null, { status: 308, headers: { location: "/simulator/" } });
    }
    const rest = path.slice("/simulator/".length);
    if (!path.startsWith("/simulator/")) return notFound();
    if (rest.startsWith("graph/")) return meta.graph(request);
    if (mail !== undefined && rest.startsWith("sendgrid/")) return await refusing(() => mail.fetch(request));
    if (texts !== undefined && rest.startsWith("twilio/")) return await refusing(() => texts.fetch(request));
    if (telnyx !== undefined && rest.startsWith("telnyx/")) {
      return await refusing(() => telnyx.fetch(request));
    }
    if (mailboxes !== undefined && /^(?:google|microsoft|mailboxes)(?:\/|$)/.test(rest)) {
      return await refusing(() => mailboxes.fetch(request));
    }
    if (pagerDuty !== undefined && /^(?:pagerduty|opsgenie)\//.test(rest)) {
      return await refusing(() => pagerDuty.fetch(request));
    }
    if (telegram !== undefined && rest.startsWith("telegram/")) {
      return await refusing(() => telegram.fetch(request));
    }
    if (ai !== undefined && rest.startsWith("ai/")) return await ai.fetch(request);
    if (request.method === "GET" && rest === "api/events") {
      return streams.response(state, (tell) => meta.listen(tell));
    }
    if (mailApi !== undefined && rest.startsWith("api/mail/")) {
      return await mailPage(mailApi, rest.slice(9), request);
    }
    if (textsApi !== undefined && rest.startsWith("api/texts/")) {
      return await textsPage(textsApi, rest.slice("api/texts/".length), request);
    }
    if (telegramApi !== undefined && rest.startsWith("api/telegram/")) {
      return await textsPage(telegramApi, rest.slice("api/telegram/".length), request);
    }
    if (maskedApi !== undefined && rest.startsWith("api/masked/")) {
      return await maskedPage(maskedApi, rest.slice("api/masked/".length), request);
    }
    const read = request.method === "GET" || request.method === "HEAD";
    if (read && rest.startsWith("media/")) return await file(meta.media.get(rest.slice("media/".length)));
    if (request.method === "POST" && rest === "api/media") return await keepFile(request);
    if (read && rest === "panel") return await refusing(() => openPanel(searchParams));
    const part = rest === "" ? "index.html" : PAGES.has(rest) ? `${rest}.html` : rest;
    if (read && files.has(part)) return await page(part);
    const handle = api[`${request.method} ${rest}`];
    if (!handle) return notFound();
    return await refusing(async () =>
      Response.json(await handle(request.method === "POST" ? await readJson(request) : {}))
    );
  }

  async function mailPage(api: MailApi, path: string, request: Request): Promise<Response> {
    if (request.method === "GET" && path === "events") {
      return streams.response(() => api.state(), (tell) => api.listen(tell));
    }
    if (request.method === "GET") {
      return await refusing(() => Promise.resolve(api.part(path, new URL(request.url).search) ?? notFound()));
    }
    return await refusing(async () => {
      const answer = await api.call(path, await readJson(request));
      return answer === undefined ? notFound() : Response.json(answer);
    });
  }

  async function textsPage(
    api: Pick<TextsApi, "call" | "listen" | "state"> | TelegramApi,
    path: string,
    request: Request,
  ): Promise<Response> {
    if (request.method === "GET") {
      return path === "events"
        ? streams.response(() => api.state(), (tell) => api.listen(tell as (change: unknown) => void))
        : notFound();
    }
    return await refusing(async () => {
      const answer = api.call(path, await readJson(request));
      return answer === undefined ? notFound() : Response.json(answer);
    });
  }

  async function maskedPage(api: MaskedApi, path: string, request: Request): Promise<Response> {
    return await refusing(async () => {
      if (request.method === "GET") return path === "state" ? Response.json(await api.state()) : notFound();
      const answer = await api.call(path, await readJson(request));
      return answer === undefined ? notFound() : Response.json(answer);
    });
  }

  return {
    fetch: (request) => isLocal(request) ? answer(request) : Promise.resolve(refused()),
    meta,
    mail,
    inboxes: mailApi,
    texts,
    telnyx,
    mailboxes,
    telegram,
    ai,
    pagerDuty,
    stop() {
      meta.stop();
      mail?.stop();
      texts?.stop();
      telnyx?.stop();
      telegram?.stop();
      ai?.stop();
      streams.close();
    },
  };
}

/**
 * Whether a request was made on this machine and not by a foreign page in its browser (a cross-site request,
 * or DNS rebinding, which shows in the host). Fails closed. A foreign page cannot send JSON without a
 * preflight, which is never allowed; see {@link readJson}.
 */
function isLocal(request: Request): boolean {
  const local = (url: string) => /^(127\.0\.0\.1|localhost|\[::1\])$/.test(new URL(url).hostname);
  const origin = request.headers.get("origin");
  const foreign = request.headers.get("sec-fetch-site") === "cross-site" &&
    request.headers.get("sec-fetch-mode") !== "navigate";
  return local(request.url) && !foreign && (origin === null || (URL.canParse(origin) && local(origin)));
}

/** What a call answers. A RangeError is a sentence for the caller; anything else is a fault of ours, not theirs to read. */
async function refusing(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof RangeError) return Response.json({ error: error.message }, { status: 400 });
    throw error;
  }
}

async function readJson(request: Request): Promise<Json> {
  if (!request.headers.get("content-type")?.startsWith("application/json")) {
    throw new RangeError("content-type must be application/json");
  }
  const text = await request.text();
  if (text.length > MAX_BODY) throw new RangeError(`at most ${MAX_BODY} characters`);
  let body: unknown;
  try {
    body = JSON.parse(text || "{}");
  } catch {
    throw new RangeError("the body is not JSON");
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new RangeError("the body is not an object");
  }
  return body as Json;
}

/** A file of the page, read each time so that changes show on reload. */
async function page(name: string): Promise<Response> {
  const bytes = await Deno.readFile(new URL(name, FOLDER));
  return new Response(bytes, {
    headers: {
      "content-type": TYPES[name.split(".").at(-1)!],
      "cache-control": "no-cache",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      // Images may come from anywhere, since a business may send the address of one; code may not.
      "content-security-policy":
        "default-src 'self'; img-src 'self' data: https: http:; media-src 'self' https: http:; base-uri 'none'; form-action 'none'; " +
        "frame-ancestors 'none'",
      "x-frame-options": "DENY",
    },
  });
}

/** What people sent may be anything: it is shown as what it says it is, and never runs here. */
async function file(found: MediaFile | undefined): Promise<Response> {
  if (found === undefined) return notFound();
  return new Response(await found.open(), {
    headers: {
      "content-type": found.mimeType,
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
    },
  });
}

function notFound(): Response {
  return Response.json({ error: "not found" }, { status: 404 });
}

function refused(): Response {
  return Response.json({ error: "the simulator answers this machine only" }, { status: 403 });
}
