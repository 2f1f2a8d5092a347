/**
 * The function that connects mailboxes at Google and Microsoft, and reads them. Sending is the pipeline's work.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `POST /` | the clock, with a secret key | 202; reads the mailboxes that are due |
 * | `POST /start` | an admin | 200 with the address at the provider |
 * | `GET /callback/{provider}` | the browser that comes back, known by its state | 303 to the panel, or text |
 * | `POST /{id}/check` | an operator | whether the mailbox answers now |
 * | `DELETE /{id}` | an admin | 200; the access ends here, and at Google |
 * | `GET /setup` | the team | how the environment is set up; no secrets |
 *
 * @module
 */
import type { MailboxSetup } from "../_shared/contract/http/mailboxes.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { Connect } from "./connect.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "secret", handler: "read" },
  { method: "POST", path: "/start", auth: "admin", origins: "panel", handler: "start" },
  { method: "GET", path: "/callback/{provider}", auth: "none", handler: "callback" },
  { method: "GET", path: "/setup", auth: "viewer", origins: "panel", handler: "setup" },
  { method: "POST", path: "/{id}/check", auth: "operator", origins: "panel", handler: "check" },
  { method: "DELETE", path: "/{id}", auth: "admin", origins: "panel", handler: "disconnect" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** Dependencies of the handler. */
export interface MailboxesDeps {
  killed(feature: string): boolean;
  /** Lets members of the team with this role in, or a secret key, and returns their name. */
  authorise(headers: Headers, role: "viewer" | "operator" | "admin"): Promise<string>;
  panelOrigins(): Promise<ReadonlySet<string>>;
  connect: Connect;
  /** Reads the mailboxes that are due. */
  read(): Promise<void>;
  requireSecretKey(headers: Headers): { name: string };
  waitUntil(work: Promise<unknown>): void;
  setup(): MailboxSetup;
}

/** Kill switch of connecting and reading: `MAILBOXES_ENABLED`. */
const FEATURE = "mailboxes";
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The handler of `mailboxes`. */
export function createHandler(
  { killed, authorise, panelOrigins, connect, setup, ...deps }: MailboxesDeps,
): Handler {
  return createRouter<Name, Context>("mailboxes", ROUTES, {
    killed: () => killed(FEATURE),
    gates: {
      secret: (headers) => deps.requireSecretKey(headers).name,
      viewer: (headers) => authorise(headers, "viewer"),
      operator: (headers) => authorise(headers, "operator"),
      admin: (headers) => authorise(headers, "admin"),
    },
    panelOrigins,
    handlers: {
      // The clock waits for nothing; what is not read within the life of this isolate is read later.
      read: () => {
        deps.waitUntil(deps.read());
        return Response.json({ status: "reading" }, { status: 202 });
      },
      start: ({ request, by }) => connect.start(request, by),
      callback,
      setup: () => Response.json(setup()),
      check: ({ params }) => connect.check(idOf(params.id)),
      disconnect: ({ params, by, context }) => connect.disconnect(idOf(params.id), by, context.log),
    },
  });

  function callback({ params, query, context }: Call<Context>): Promise<Response> {
    if (killed(FEATURE)) throw new Problem("disabled_by_environment");
    return connect.callback(params.provider, new URLSearchParams(query), context.log);
  }

  function idOf(id: string): string {
    if (!UUID.test(id)) throw new Problem("mailbox_not_found");
    return id;
  }
}
