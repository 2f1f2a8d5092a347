/**
 * The function that sends mail, and the codes that confirm the addresses of identities.
 *
 * @module
 */
import { createRouter, type Route } from "../_shared/http/routes.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import { CAMPAIGN_ROUTES, type CampaignDeps, campaigns } from "./campaigns.ts";
import type { MailCode } from "./code.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "secret", checksItself: true, handler: "send" },
  { method: "POST", path: "/identities/{id}/code", auth: "operator", origins: "panel", handler: "code" },
  ...CAMPAIGN_ROUTES,
] as const satisfies readonly Route[];

/** Dependencies of the handler. */
export interface EmailSendDeps {
  killed(feature: string): boolean;
  /** The sending endpoint, which checks its callers itself. */
  send: Handler;
  /** What campaigns need. */
  campaigns: CampaignDeps;
  /** Lets an operator or a secret key in, and returns its name. */
  requireOperator(headers: Headers): Promise<string>;
  mailCode: MailCode;
  /** Pages of these origins may ask for codes. */
  panelOrigins(): Promise<ReadonlySet<string>>;
}

/** Kill switch of everything that is sent: `EMAIL_SEND_ENABLED`. */
const FEATURE = "email_send.enabled";

/** The handler of `email-send`. */
export function createHandler(
  { killed, send, campaigns: ofCampaigns, requireOperator, mailCode, panelOrigins }: EmailSendDeps,
): Handler {
  return createRouter<(typeof ROUTES)[number]["handler"], Context>("email-send", ROUTES, {
    killed: () => killed(FEATURE),
    gates: { operator: requireOperator },
    panelOrigins,
    handlers: {
      send: ({ request, context }) => send(request, context),
      ...campaigns(ofCampaigns),
      code: ({ request, params, context, by }) => mailCode(request, params.id, by, context.log),
    },
  });
}
