/**
 * Stand-ins for Google's and Microsoft's sign-in and mailboxes, with their faults.
 *
 * | path below `/simulator` | |
 * |---|---|
 * | `GET, POST /google/o/oauth2/v2/auth`, `POST /google/token`, `/google/revoke` | Google's OAuth |
 * | `/google/gmail/v1/users/me/…`, `/google/upload/…` | the Gmail API |
 * | `GET, POST /microsoft/{tenant}/oauth2/v2.0/authorize`, `…/token` | Microsoft's OAuth |
 * | `/microsoft/v1.0/me…` | Microsoft Graph |
 * | `GET /mailboxes` | the accounts, their mails and the settings, as JSON |
 * | `POST /mailboxes/account` | `{provider, address, name?, aliases?}` |
 * | `POST /mailboxes/receive` | `{address, from, subject, text, answers?, verified?}`: a mail comes in; answers: id of a sent mail |
 * | `POST /mailboxes/revoke`, `/forget`, `/end` | `{address}`: access ends; places in the history are forgotten; tokens end early |
 * | `POST /mailboxes/settings` | some of {@link MailboxSettings} -> all of them |
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import { mimeOf } from "../mail/mime.ts";
import { type Account, Accounts, type KeptMail, type Provider } from "./accounts.ts";
import { gmail } from "./gmail.ts";
import { graph } from "./graph.ts";
import { letIn, signInPage, token } from "./oauth.ts";
import { MAILBOX_CALM, type MailboxSettings, parseMailboxSettings } from "./settings.ts";

export interface MailboxesOptions {
  clientId: string;
  clientSecret: string;
  /** @default {Date.now} */
  now?(): number;
}

const address = z.string().trim().toLowerCase().regex(/^[^\s@]{1,64}@[^\s@]{1,190}$/, "not an address");
const ACCOUNT = z.strictObject({
  provider: z.enum(["google", "microsoft"]),
  address,
  name: z.string().max(100).default(""),
  aliases: z.array(address).max(10).default([]),
});
const RECEIVE = z.strictObject({
  address,
  from: address,
  subject: z.string().max(900).default(""),
  text: z.string().max(100_000),
  answers: z.string().optional(),
  verified: z.boolean().default(true),
});
const WHICH = z.strictObject({ address });

/** The simulated mailboxes. */
export class MailboxesSimulator {
  readonly accounts: Accounts;
  settings: MailboxSettings = { ...MAILBOX_CALM };
  readonly #options: MailboxesOptions;
  readonly #now: () => number;

  constructor(options: MailboxesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.accounts = new Accounts(this.#now);
    this.reset();
  }

  /** The accounts that a newcomer finds. */
  reset(): void {
    this.accounts.all.length = 0;
    this.accounts.add("google", "sam@bakery.example", "Sam at the bakery", ["orders@bakery.example"]);
    this.accounts.add("microsoft", "kim@flowers.example", "Kim's flowers");
    this.settings = { ...MAILBOX_CALM };
  }

  /** @throws RangeError for a value outside its limits. */
  configure(change: Partial<MailboxSettings>): MailboxSettings {
    return this.settings = parseMailboxSettings({ ...this.settings, ...change });
  }

  /** A mail comes in. @param answers A mail in the account's Sent folder. @throws RangeError */
  receive(value: z.input<typeof RECEIVE>): KeptMail {
    const { address, from, subject, text, answers, verified } = read(RECEIVE, value);
    const account = this.accounts.find(address);
    const original = account.mails.find(({ id }) => id === answers);
    if (answers !== undefined && original === undefined) throw new RangeError("there is no such mail");
    const verdict = verified ? "pass" : "fail";
    const domain = from.split("@")[1];
    const raw = mimeOf({
      from: { address: from },
      to: address,
      subject: original === undefined ? subject : `Re: ${original.mail.subject}`,
      text,
      ...(original === undefined ? {} : {
        inReplyTo: `<${original.messageId}>`,
        references: [...original.mail.references.map((id) => `<${id}>`), `<${original.messageId}>`],
      }),
      headers: {
        "Return-Path": `<${from}>`,
        "Authentication-Results": account.provider === "google"
          ? `mx.google.com; dkim=${verdict} header.i=@${domain} header.s=s1; spf=${verdict} (google.com: domain of ${from}) smtp.mailfrom=${from}`
          : `spf=${verdict} (sender IP is 192.0.2.1) smtp.mailfrom=${domain}; dkim=${verdict} (signature was verified) header.d=${domain}`,
      },
    }, new Date(this.#now()));
    return this.accounts.keep(account, "inbox", raw);
  }

  /** The provider has only what comes from now on, and refuses older places. */
  forget(address: string): void {
    const account = this.accounts.find(address);
    account.forgotten = ++account.seq;
  }

  /** Answers everything below `/simulator`, or another prefix; 404 for other paths. */
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, base, provider, path] = /^(.*?)\/(google|microsoft|mailboxes)(\/.*)?$/.exec(url.pathname) ?? [];
    if (provider === undefined) return notFound();
    if (provider === "mailboxes") return await this.#control(request, path ?? "");
    const at = `${url.origin}${base}/${provider}`;
    return provider === "google"
      ? await this.#google(request, url, path ?? "")
      : await this.#microsoft(request, url, path ?? "", at);
  }

  async #google(request: Request, url: URL, path: string): Promise<Response> {
    if (path === "/o/oauth2/v2/auth") return await this.#signIn("google", request, url);
    if (path === "/token") return await this.#token("google", request);
    if (path === "/revoke") {
      const known = this.accounts.revokeToken(new URLSearchParams(await request.text()).get("token") ?? "");
      return known ? Response.json({}) : Response.json({ error: "invalid_token" }, { status: 400 });
    }
    const account = this.#accountOf("google", request);
    if (account === undefined) {
      await request.body?.cancel();
      return Response.json({
        error: {
          code: 401,
          message: "Request had invalid authentication credentials.",
          status: "UNAUTHENTICATED",
        },
      }, { status: 401 });
    }
    if (request.method === "POST" && path === "/upload/gmail/v1/users/me/messages/send") {
      return this.#send(
        account,
        new Uint8Array(await request.arrayBuffer()),
        ({ id }) => Response.json({ id }),
      );
    }
    const below = "/gmail/v1/users/me";
    return request.method === "GET" && path.startsWith(below)
      ? gmail(account, path.slice(below.length), url.searchParams)
      : notFound();
  }

  async #microsoft(request: Request, url: URL, path: string, at: string): Promise<Response> {
    if (/^\/[^/]+\/oauth2\/v2\.0\/authorize$/.test(path)) {
      return await this.#signIn("microsoft", request, url);
    }
    if (/^\/[^/]+\/oauth2\/v2\.0\/token$/.test(path)) return await this.#token("microsoft", request);
    const account = this.#accountOf("microsoft", request);
    if (account === undefined) {
      await request.body?.cancel();
      return Response.json({
        error: { code: "InvalidAuthenticationToken", message: "Access token has expired." },
      }, {
        status: 401,
      });
    }
    if (request.method === "POST" && path === "/v1.0/me/sendMail") {
      const mime = Buffer.from(await request.text(), "base64");
      return this.#send(account, new Uint8Array(mime), () => new Response(null, { status: 202 }));
    }
    const prefer = request.headers.get("prefer") ?? "";
    return request.method === "GET" && path.startsWith("/v1.0/")
      ? graph(account, path.slice("/v1.0".length), url.searchParams, `${at}/v1.0`, prefer)
      : notFound();
  }

  async #signIn(provider: Provider, request: Request, url: URL): Promise<Response> {
    if (request.method !== "POST") {
      return signInPage(provider, url, this.accounts.all, this.#options);
    }
    return letIn(url, new URLSearchParams(await request.text()), this.accounts);
  }

  async #token(provider: Provider, request: Request): Promise<Response> {
    return await token(provider, new URLSearchParams(await request.text()), {
      ...this.#options,
      accounts: this.accounts,
      settings: () => this.settings,
    });
  }

  #accountOf(provider: Provider, { headers }: Request): Account | undefined {
    const token = /^Bearer (.+)$/.exec(headers.get("authorization") ?? "")?.[1] ?? "";
    const account = this.accounts.accountOf(token);
    return account?.provider === provider ? account : undefined;
  }

  #send(account: Account, raw: Uint8Array<ArrayBuffer>, taken: (mail: KeptMail) => Response): Response {
    const { send, retryAfter } = this.settings;
    const google = account.provider === "google";
    const refusal = (status: number, reason: string, code: string, message: string, headers?: HeadersInit) =>
      Response.json(
        { error: google ? { code: status, message, errors: [{ reason, message }] } : { code, message } },
        { status, headers },
      );
    switch (send) {
      case "busy":
        return refusal(429, "rateLimitExceeded", "ApplicationThrottled", "Too many requests.", {
          "retry-after": String(retryAfter),
        });
      case "quota":
        return refusal(
          403,
          "dailyLimitExceeded",
          "ErrorExceededMessageLimit",
          "The daily limit is exceeded.",
        );
      case "denied":
        return refusal(403, "insufficientPermissions", "ErrorSendAsDenied", "This account may not send.");
      case "error":
        return refusal(500, "backendError", "ErrorInternalServerError", "Something went wrong.");
    }
    // Exchange gives each mail a Message-ID of its own.
    const own = google ? undefined : `${crypto.randomUUID()}@prod.outlook.example`;
    const kept = this.accounts.keep(account, "sent", raw, own);
    if (send === "lost") {
      let begun = false;
      return new Response(
        new ReadableStream({
          pull(stream) {
            if (begun) stream.error(new Error("the line is cut"));
            else stream.enqueue(new TextEncoder().encode("{"));
            begun = true;
          },
        }),
      );
    }
    return taken(kept);
  }

  async #control(request: Request, path: string): Promise<Response> {
    if (request.method === "GET" && path === "") return Response.json(this.state());
    if (request.method !== "POST") return notFound();
    const body: unknown = await request.json();
    const which = () => this.accounts.find(read(WHICH, body).address);
    switch (path) {
      case "/account": {
        const { provider, address, name, aliases } = read(ACCOUNT, body);
        this.accounts.add(provider, address, name, aliases);
        break;
      }
      case "/receive":
        this.receive(body as z.input<typeof RECEIVE>);
        break;
      case "/revoke":
        this.accounts.revoke(which());
        break;
      case "/end":
        this.accounts.endAccess(which());
        break;
      case "/forget":
        this.forget(which().address);
        break;
      case "/settings":
        this.configure(body as Partial<MailboxSettings>);
        break;
      default:
        return notFound();
    }
    return Response.json(this.state());
  }

  /** Accounts, mails and settings, for whoever tries things out. */
  state() {
    return {
      accounts: this.accounts.all.map(({ provider, address, name, aliases, mails }) => ({
        provider,
        address,
        name,
        aliases,
        mails: mails.map(({ id, folder, mail, messageId, at }) => ({
          id,
          folder,
          message_id: messageId,
          at,
          from: mail.from.address,
          to: mail.to.map(({ address }) => address),
          subject: mail.subject,
          text: mail.text,
        })),
      })),
      settings: this.settings,
    };
  }
}

function read<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw new RangeError(`${path.join(".")}: ${message}`);
}

const notFound = () => Response.json({ error: "not found" }, { status: 404 });
