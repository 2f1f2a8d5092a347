/**
 * The HTTP endpoints of routing.
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route, type RouteDeps } from "../_shared/http/routes.ts";
import type { Pipeline } from "../_shared/pipeline/pipeline.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import type { DestinationHeaders } from "./headers.ts";
import type { Invite } from "./invitations.ts";
import type { Templates } from "./templates.ts";
import type { TestDestination } from "./destination_test_event.ts";

/** Each address and method, who may call it, and pages of which origins may read the response. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "secret", checksItself: true, handler: "drain" },
  {
    method: "POST",
    path: "/destinations/{name}/test",
    auth: "operator",
    origins: "panel",
    handler: "testDestination",
  },
  {
    method: "PATCH",
    path: "/destinations/{name}/headers",
    auth: "operator",
    origins: "panel",
    handler: "setHeaders",
  },
  { method: "POST", path: "/destinations/reseal", auth: "admin", handler: "resealHeaders" },
  { method: "POST", path: "/templates/sync", auth: "operator", origins: "panel", handler: "syncTemplates" },
  { method: "POST", path: "/templates", auth: "operator", origins: "panel", handler: "createTemplate" },
  { method: "PATCH", path: "/templates/{id}", auth: "operator", origins: "panel", handler: "editTemplate" },
  {
    method: "DELETE",
    path: "/templates/{id}",
    auth: "operator",
    origins: "panel",
    handler: "removeTemplate",
  },
  { method: "POST", path: "/team/invitations", auth: "admin", origins: "panel", handler: "invite" },
  { method: "POST", path: "/numbers/check", auth: "operator", origins: "panel", handler: "checkNumbers" },
] as const satisfies readonly Route[];

type Deps = RouteDeps<typeof ROUTES[number]["handler"], Context>;

/** Dependencies of the handler. */
export interface RouterDeps extends Pick<Deps, "gates" | "panelOrigins"> {
  killed(feature: string): boolean;
  /** Throws a Problem unless the request carries a secret key. */
  requireSecretKey(headers: Headers): void;
  pipeline: Pick<Pipeline, "drain">;
  waitUntil(work: Promise<unknown>): void;
  /** Tells the database which kill switches are set; the clock's heartbeat comes here. */
  reportSwitches(): Promise<void>;
  test: TestDestination;
  headers: DestinationHeaders;
  checkNumbers(): Promise<Response>;
  templates: Templates;
  invite: Invite;
}

/**
 * - `POST /`: starts routing and sending of waiting messages and answers 202 at once; the work continues
 *   after the response until there is none. Calling it while it runs, or in two isolates, is harmless: each
 *   claims only what nobody else has. If WhatsApp's kill switch is set it answers 503, and the other channels
 *   continue all the same.
 * - `PATCH /destinations/{name}/headers` and `POST /destinations/reseal`: see `headers.ts`.
 * - `POST /destinations/{name}/test`: sends a signed test event and returns the result; see
 *   `destination_test_event.ts`.
 * - `POST /numbers/check`: see `numbers.ts`.
 * - `/templates`: see `templates.ts`.
 * - `POST /team/invitations`: see `invitations.ts`.
 */
export function createHandler(deps: RouterDeps): Handler {
  const { killed, requireSecretKey, pipeline, waitUntil, reportSwitches, test, headers } = deps;

  async function drain({ request }: Call): Promise<Response> {
    if (killed("wa_router.enabled")) {
      // The switch is WhatsApp's, and the clock has this one door: each step of the pipeline asks for its own channel.
      if (holdsSecretKey(request.headers)) begin();
      throw new Problem("disabled_by_environment");
    }
    requireSecretKey(request.headers);
    await request.body?.cancel();
    begin();
    return Response.json({ status: "draining" }, { status: 202 });
  }

  function begin(): void {
    waitUntil(pipeline.drain());
    waitUntil(reportSwitches());
  }

  function holdsSecretKey(headers: Headers): boolean {
    try {
      requireSecretKey(headers);
      return true;
    } catch {
      return false;
    }
  }

  return createRouter<keyof Deps["handlers"], Context>("wa-router", ROUTES, {
    gates: deps.gates,
    panelOrigins: deps.panelOrigins,
    killed: () => killed("wa_router.enabled"),
    handlers: {
      drain,
      testDestination: async ({ request, context, params, by }) => {
        await request.body?.cancel();
        return await test(params.name, by, context.log);
      },
      setHeaders: ({ request, context, params, by }) => headers.set(params.name, by, request, context.log),
      syncTemplates: ({ request, context }) => deps.templates.sync(request, context.log),
      createTemplate: ({ request, context, by }) => deps.templates.create(request, by, context.log),
      editTemplate: ({ request, context, params, by }) =>
        deps.templates.edit(params.id, request, by, context.log),
      removeTemplate: ({ context, params, by }) => deps.templates.remove(params.id, by, context.log),
      invite: ({ request, context, by }) => deps.invite(request, by, context.log),
      checkNumbers: async ({ request }) => {
        await request.body?.cancel();
        return await deps.checkNumbers();
      },
      resealHeaders: async ({ request, context, by }) => {
        await request.body?.cancel();
        return await headers.reseal(by, context.log);
      },
    },
  });
}
