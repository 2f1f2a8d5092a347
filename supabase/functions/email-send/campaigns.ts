/**
 * Campaigns for services: made, filled, started, stopped and read with a secret key.
 *
 * The kill switch of sending does not stop these addresses: whoever wants to stop a campaign may always do so.
 *
 * @module
 */
import type { z } from "zod";
import {
  campaignRecipients,
  campaignStart,
  campaignStop,
  campaignToMake,
} from "../_shared/contract/http/campaigns.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Call, Route } from "../_shared/http/routes.ts";

/** Their addresses. */
export const CAMPAIGN_ROUTES = [
  { method: "POST", path: "/campaigns", auth: "secret", checksItself: true, handler: "makeCampaign" },
  { method: "GET", path: "/campaigns", auth: "secret", checksItself: true, handler: "listCampaigns" },
  { method: "GET", path: "/campaigns/{id}", auth: "secret", checksItself: true, handler: "readCampaign" },
  {
    ...{ method: "POST", path: "/campaigns/{id}/recipients", auth: "secret", checksItself: true },
    handler: "addRecipients",
  },
  {
    ...{ method: "POST", path: "/campaigns/{id}/start", auth: "secret", checksItself: true },
    handler: "startCampaign",
  },
  {
    ...{ method: "POST", path: "/campaigns/{id}/stop", auth: "secret", checksItself: true },
    handler: "stopCampaign",
  },
] as const satisfies readonly Route[];

/** Dependencies of {@linkcode campaigns}. */
export interface CampaignDeps {
  rpc: Rpc;
  /** @throws {Problem} `unauthorized`, `forbidden` */
  requireSecretKey(headers: Headers): unknown;
}

type Name = (typeof CAMPAIGN_ROUTES)[number]["handler"];

/** Words of a mail, twice where there is a flag; recipients with their values. */
const MAX_BYTES = 8 << 20;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NO_STORE = { "cache-control": "no-store" };

/** The handlers of {@linkcode CAMPAIGN_ROUTES}. */
export function campaigns(
  { rpc, requireSecretKey }: CampaignDeps,
): Record<Name, (call: Call) => Promise<Response>> {
  const answer = async (result: Promise<unknown>, status = 200) =>
    Response.json(await result.catch(refused), { status, headers: NO_STORE });

  return {
    async makeCampaign({ request }) {
      requireSecretKey(request.headers);
      const campaign = await bodyOf(request, campaignToMake);
      // What it names is part of the body, not of the address.
      return await answer(rpc("create_campaign", { p_campaign: campaign }).catch(namedInBody), 201);
    },
    async listCampaigns({ request, query }) {
      requireSecretKey(request.headers);
      const asked = new URLSearchParams(query);
      const limit = Number(asked.get("limit") ?? 50);
      const before = asked.get("before"), search = asked.get("search");
      if (!Number.isInteger(limit) || limit < 1 || limit > 200) throw invalid("limit: 1 to 200");
      if (before !== null && !UUID.test(before)) throw invalid("before: the id of a campaign");
      const filter = { ...(before === null ? {} : { before }), ...(search === null ? {} : { search }) };
      return await answer(rpc("list_campaigns", { p_limit: limit, p_filter: filter }));
    },
    async readCampaign({ request, params }) {
      requireSecretKey(request.headers);
      return await answer(rpc("read_campaign", { p_id: idOf(params) }));
    },
    async addRecipients({ request, params }) {
      requireSecretKey(request.headers);
      const id = idOf(params);
      const { recipients } = await bodyOf(request, campaignRecipients);
      return await answer(rpc("add_campaign_recipients", { p_id: id, p_recipients: recipients }));
    },
    async startCampaign({ request, params }) {
      requireSecretKey(request.headers);
      const id = idOf(params);
      const { version, ...changes } = await bodyOf(request, campaignStart);
      return await answer(
        rpc("start_campaign", { p_id: id, p_expected_version: version, p_changes: changes }),
      );
    },
    async stopCampaign({ request, params }) {
      requireSecretKey(request.headers);
      const id = idOf(params);
      const { version, reason, cancel } = await bodyOf(request, campaignStop);
      return await answer(
        rpc("stop_campaign", { p_id: id, p_expected_version: version, p_reason: reason, p_cancel: cancel }),
      );
    },
  };
}

const invalid = (detail: string) => new Problem("invalid_request", { detail });

function idOf({ id }: Call["params"]): string {
  if (!UUID.test(id)) throw new Problem("not_found");
  return id;
}

/** @throws {Problem} `invalid_json`, `invalid_request` with what is wrong, `payload_too_large` */
async function bodyOf<T extends z.ZodType>(request: Request, schema: T): Promise<z.infer<T>> {
  const read = schema.safeParse(await readJson(request, MAX_BYTES));
  if (read.success) return read.data;
  // One of 20,000 recipients says enough.
  const found = read.error.issues.slice(0, 10);
  throw invalid(found.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`).join("; "));
}

function namedInBody(error: unknown): never {
  throw error instanceof DbError && error.code === "GL404" ? invalid(error.message) : error;
}

/** What the database refuses, as a problem. */
function refused(error: unknown): never {
  if (!(error instanceof DbError)) throw error;
  if (error.code === "GL404") throw new Problem("not_found");
  if (error.code === "GL409") throw new Problem("conflict", { detail: error.message });
  if (error.code === "GL422") throw invalid(error.message);
  // A check of the table: a name without letters, words without any.
  if (error.code === "23514") throw invalid("A campaign needs a name, a subject, and html or text.");
  throw error;
}
