/**
 * The addresses in tracked mails.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `GET /pixel/{ticket}.png` | mail programs | an image of one pixel, always |
 * | `GET /c/{ticket}/{n}` | whoever follows a link | 302; 404 for a ticket that is not ours |
 * | `GET, POST /u/{token}` | whoever declines mails or tracking (RFC 8058) | 200 |
 * | `POST /` | the clock, with a secret key | judges opens and clicks once more |
 *
 * Hot path: a pixel, and a click of a mail whose links are in memory, wait for nothing.
 *
 * @module
 */
import type { Judged } from "../_shared/contract/http/mail.ts";
import { readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { addressOf, type Call, createRouter, ownPaths, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { Decline } from "../_shared/tracking/decline.ts";
import { askPage, declinedBy, donePage, requireToken } from "../_shared/tracking/decline_pages.ts";
import type { Ticket } from "../_shared/mail/tracking/ticket.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "secret", handler: "judge" },
  { method: "GET", path: "/pixel/{name}", auth: "none", handler: "pixel" },
  { method: "GET", path: "/c/{ticket}/{n}", auth: "none", handler: "click" },
  { method: "GET", path: "/u/{token}", auth: "none", handler: "ask" },
  { method: "POST", path: "/u/{token}", auth: "none", handler: "decline" },
] as const satisfies readonly Route[];

/** Dependencies of the handler. */
export interface EmailTrackDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): void;
  /** Resolves once tickets can be read; undefined if they can be now. */
  ready(): Promise<void> | undefined;
  /** What a ticket stands for; undefined if it is not ours. Only when {@linkcode ready}. */
  open(ticket: string): Ticket | undefined;
  /** Records an access; never fails, never waits. */
  record(request: Request, ticket: Ticket, link: number | undefined): void;
  /** Links from memory: null if they are no more, undefined if only the database knows. */
  peek(id: number): readonly string[] | null | undefined;
  /** Links from the database; null if they are no more. */
  load(id: number): Promise<readonly string[] | null>;
  /** Judges opens and clicks that are due; returns how many verdicts it wrote. */
  judge(): Promise<number>;
  decline: Decline;
}

/** Kill switch: `EMAIL_TRACKING_ENABLED`. Addresses in mails go on to work, and nothing is recorded. */
const FEATURE = "email_tracking.enabled";
/** A transparent pixel. */
const PNG = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="),
  (character) => character.charCodeAt(0),
);
const LENGTH = String(PNG.length);

/** The handler of `email-track`. */
export function createHandler(deps: EmailTrackDeps): Handler {
  const own = ownPaths("email-track");
  const router = createRouter<(typeof ROUTES)[number]["handler"], Context>("email-track", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: {
      secret: (headers) => {
        deps.requireSecretKey(headers);
        return "";
      },
    },
    handlers: {
      judge: async () => Response.json({ judged: await deps.judge() } satisfies Judged),
      pixel: ({ request, context, params }) => pixel(request, context, params.name),
      click: ({ request, context, params }) => click(request, context, params.ticket, params.n),
      ask: ({ params }) => {
        requireToken(params.token);
        return askPage();
      },
      decline,
    },
  });

  return (request, context) => {
    const address = addressOf(request.url, own);
    const { path } = address, { method } = request;
    // The path of nearly all requests.
    if (method === "GET" || method === "HEAD") {
      if (path.startsWith("/pixel/") && path.indexOf("/", 7) < 0) {
        return pixel(request, context, path.slice(7));
      }
      if (path.startsWith("/c/")) {
        const slash = path.indexOf("/", 3);
        if (slash > 0 && path.indexOf("/", slash + 1) < 0) {
          return click(request, context, path.slice(3, slash), path.slice(slash + 1));
        }
      }
    }
    return router(request, context, address);
  };

  /**
   * Failure policy: open. Every address gets its image, also that of a ticket which is not ours and while the database is
   * unavailable; a broken image would show in the mail.
   */
  function pixel(request: Request, context: Context, name: string): Response | Promise<Response> {
    const text = name.endsWith(".png") ? name.slice(0, -4) : name;
    try {
      const waiting = deps.ready();
      if (waiting !== undefined) {
        return waiting.then(() => opened(request, text), () => {}).then(() => image(request, context));
      }
      opened(request, text);
    } catch {
      // The image counts more than the figure.
    }
    return image(request, context);
  }

  function opened(request: Request, text: string): void {
    const ticket = deps.open(text);
    if (ticket !== undefined) deps.record(request, ticket, undefined);
  }

  function click(request: Request, context: Context, text: string, n: string): Response | Promise<Response> {
    const waiting = deps.ready();
    if (waiting !== undefined) return waiting.then(() => follow(request, context, text, n));
    return follow(request, context, text, n);
  }

  /**
   * Failure policy: closed. Only an address that stood in a mail of ours is a destination. Whoever asks is sent on, machines
   * too: to tell them something else would tell them that they are seen.
   */
  function follow(request: Request, context: Context, text: string, n: string): Response | Promise<Response> {
    const ticket = deps.open(text);
    if (ticket === undefined || !/^(?:0|[1-9][0-9]{0,3})$/.test(n)) throw new Problem("link_not_found");
    const link = Number(n);
    if (link === 0) {
      deps.record(request, ticket, 0);
      return new Response(request.method === "HEAD" ? null : "This address is for machines.\n", {
        headers: {
          "content-type": "text/plain; charset=utf-8",
          "cache-control": "no-store",
          "x-robots-tag": "noindex",
        },
      });
    }
    if (ticket.links === 0) throw new Problem("link_not_found");
    const links = deps.peek(ticket.links);
    if (links !== undefined) return redirect(request, context, ticket, link, links);
    return deps.load(ticket.links).then((links) => redirect(request, context, ticket, link, links));
  }

  function redirect(
    request: Request,
    context: Context,
    ticket: Ticket,
    link: number,
    links: readonly string[] | null,
  ): Response {
    const location = links?.[link - 1];
    if (location === undefined || location === "") throw new Problem("link_not_found");
    deps.record(request, ticket, link);
    const response = new Response(null, { status: 302 });
    // One by one: a list given to the constructor takes twice as long.
    const { headers } = response;
    headers.append("location", location);
    headers.append("cache-control", "no-store");
    headers.append("referrer-policy", "no-referrer");
    headers.append("x-request-id", context.takeId());
    return response;
  }

  /**
   * The answer is the same for a token that is unknown, and the rate is not limited: the law wants it done. Neither flag
   * nor kill switch stops it.
   */
  async function decline({ request, params }: Call<Context>): Promise<Response> {
    const declined = declinedBy(new TextDecoder().decode(await readBody(request, 4096)));
    const token = requireToken(params.token);
    await (declined === "tracking" ? deps.decline.withdraw(token) : deps.decline.unsubscribe(token));
    return donePage(declined);
  }
}

function image(request: Request, context: Context): Response {
  const response = new Response(request.method === "HEAD" ? null : PNG);
  const { headers } = response;
  headers.append("content-type", "image/png");
  headers.append("content-length", LENGTH);
  headers.append("cache-control", "no-store, no-cache, must-revalidate, private");
  headers.append("x-request-id", context.takeId());
  return response;
}
