/**
 * Masked messaging for owners and services: `GET messages/diagnostics`.
 *
 * Order of the gates: while the feature is on for no organisation, everything is 404, before anybody is asked
 * for a key, so that nobody learns whether it exists. Then the caller, then the organisation, and the flag for
 * it: 404 again where it is off.
 *
 * @module
 */
import type { MessagesReport } from "../_shared/contract/http/masking.ts";
import type { Config } from "../_shared/db/config.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { prepareFlags } from "../_shared/flags/evaluate.ts";
import type { IdentifyOrgCaller, OrgCaller } from "../_shared/gates/org.ts";
import { Problem } from "../_shared/http/problem.ts";
import { createRouter, type Route } from "../_shared/http/routes.ts";
import { type OrgFlags, orgFlags } from "../_shared/masking/flags.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** The routes of the function. */
export const ROUTES = [
  // The gate comes after the flag.
  { method: "GET", path: "/diagnostics", auth: "org owner", checksItself: true, handler: "diagnostics" },
] as const satisfies readonly Route[];

/** Dependencies of the handler. */
export interface MessagesDeps {
  killed(feature: string): boolean;
  switchedOn(feature: string): boolean;
  loadConfig(): Promise<Config>;
  identify: IdentifyOrgCaller;
  rpc: Rpc;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The handler of `messages`. */
export function createHandler(deps: MessagesDeps): Handler {
  const { killed, switchedOn, loadConfig, identify, rpc } = deps;

  /** The flags for an organisation; without one, whether each may be on for anybody. */
  async function flagsFor(org?: string): Promise<OrgFlags> {
    const { settings, segments } = await loadConfig();
    return orgFlags(prepareFlags(settings, segments), { killed, switchedOn }, org);
  }

  async function diagnostics(request: Request): Promise<Response> {
    if (!(await flagsFor()).core.value) throw new Problem("not_found");
    const caller = await identify(request.headers);
    const org = orgOf(caller, new URL(request.url).searchParams.get("org"));
    const flags = await flagsFor(org);
    if (!flags.core.value) throw new Problem("not_found");
    requireManager(caller, org, flags);
    const found = await rpc("messages_diagnostics", { p_org: org });
    if (found === null) throw new Problem("not_found");
    const body: MessagesReport = {
      org_id: org,
      ...found,
      flags: {
        ENABLE_MESSAGING_V1: flags.core,
        ENABLE_PROACTIVE_THREAD_CREATION: flags.proactive,
        ENABLE_SITTER_MESSAGES_V1: flags.sitter,
      },
    };
    return Response.json(body, { headers: { "cache-control": "no-store" } });
  }

  return createRouter<(typeof ROUTES)[number]["handler"], Context>("messages", ROUTES, {
    handlers: { diagnostics: ({ request }) => diagnostics(request) },
  });
}

/** The organisation that is meant: the one that is named, else the only one of the caller. */
function orgOf(caller: OrgCaller, named: string | null): string {
  if (named !== null) {
    if (!UUID.test(named)) {
      throw new Problem("invalid_request", { detail: "`org` is the id of an organisation." });
    }
    return named.toLowerCase();
  }
  if (caller.kind === "person") {
    const managed = caller.orgs.filter(({ role }) => role !== "sitter");
    const [only] = managed.length > 0 ? managed : caller.orgs;
    if (only !== undefined && managed.length < 2) return only.org_id;
    if (only === undefined) {
      throw new Problem("forbidden", { detail: "This needs an owner or admin of an organisation." });
    }
  }
  throw new Problem("invalid_request", {
    detail: "Several organisations are possible: name one as `?org=<id>`.",
  });
}

/** Owners and admins of the organisation, and services. A sitter learns of messaging only where sitters have it. */
function requireManager(caller: OrgCaller, org: string, flags: OrgFlags): void {
  if (caller.kind === "key") return;
  const role = caller.orgs.find(({ org_id }) => org_id === org)?.role;
  if (role === "owner" || role === "admin") return;
  if (role === "sitter" && !flags.sitter.value) throw new Problem("not_found");
  throw new Problem("forbidden", { detail: "This needs an owner or admin of the organisation." });
}
