/**
 * Masked messaging for the people of organisations, and for services: its routes, and who may use them.
 *
 * Order of the gates: while the feature is on for no organisation, everything is 404, before anybody is asked
 * for a key, so that nobody learns whether it exists. Then the caller, then the organisation, and the flag for
 * it: 404 again where it is off.
 *
 * @module
 */
import type { MessagesReport } from "../_shared/contract/http/masking.ts";
import type { Config } from "../_shared/db/config.ts";
import { prepareFlags } from "../_shared/flags/evaluate.ts";
import type { IdentifyOrgCaller, OrgCaller } from "../_shared/gates/org.ts";
import { Problem } from "../_shared/http/problem.ts";
import { createRouter, type Route } from "../_shared/http/routes.ts";
import { type OrgFlags, orgFlags } from "../_shared/masking/flags.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";
import { createThreads, type Entered, type ThreadDeps } from "./threads.ts";

/** The routes of the function. */
export const ROUTES = [
  // The gate comes after the flag.
  { method: "GET", path: "/diagnostics", auth: "org owner", checksItself: true, handler: "diagnostics" },
  { method: "GET", path: "/threads", auth: "org member", checksItself: true, handler: "threads" },
  { method: "GET", path: "/threads/{id}", auth: "org member", checksItself: true, handler: "thread" },
  { method: "POST", path: "/threads/{id}/texts", auth: "org member", checksItself: true, handler: "write" },
  { method: "GET", path: "/inbox", auth: "org owner", checksItself: true, handler: "inbox" },
  { method: "POST", path: "/inbox/{id}/done", auth: "org owner", checksItself: true, handler: "finish" },
  { method: "POST", path: "/inbox/{id}/force", auth: "org owner", checksItself: true, handler: "force" },
  {
    method: "POST",
    path: "/inbox/{id}/findings/{ord}",
    auth: "org owner",
    checksItself: true,
    handler: "review",
  },
] as const satisfies readonly Route[];

/** Dependencies of the handler. */
export interface MessagesDeps extends ThreadDeps {
  /** Refuses who asks too often. */
  limit(subject: string): Promise<unknown>;
  killed(feature: string): boolean;
  switchedOn(feature: string): boolean;
  loadConfig(): Promise<Config>;
  identify: IdentifyOrgCaller;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The handler of `messages`. */
export function createHandler(deps: MessagesDeps): Handler {
  const { killed, switchedOn, loadConfig, identify, rpc } = deps;
  const threads = createThreads(deps);

  /** The flags for an organisation; without one, whether each may be on for anybody. */
  async function flagsFor(org?: string): Promise<OrgFlags> {
    const { settings, segments } = await loadConfig();
    return orgFlags(prepareFlags(settings, segments), { killed, switchedOn }, org);
  }

  /** The gates, in their order. @throws {Problem} */
  async function enter(request: Request, need: "manager" | "member"): Promise<Entered> {
    if (!(await flagsFor()).core.value) throw new Problem("not_found");
    const caller = await identify(request.headers);
    const org = orgOf(caller, new URL(request.url).searchParams.get("org"));
    const flags = await flagsFor(org);
    if (!flags.core.value) throw new Problem("not_found");
    if (need === "manager") requireManager(caller, org, flags);
    return { org, flags, ...memberOf(caller, org, flags) };
  }

  async function diagnostics(request: Request): Promise<Response> {
    const { org, flags } = await enter(request, "manager");
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

  async function within(
    request: Request,
    need: "manager" | "member",
    act: (entered: Entered, request: Request) => Promise<Response>,
  ): Promise<Response> {
    const entered = await enter(request, need);
    await deps.limit(entered.by);
    return await act(entered, request);
  }

  return createRouter<(typeof ROUTES)[number]["handler"], Context>("messages", ROUTES, {
    handlers: {
      diagnostics: ({ request }) => diagnostics(request),
      threads: ({ request }) => within(request, "member", threads.list),
      thread: ({ request, params }) =>
        within(request, "member", (entered) => threads.read(entered, idIn(params.id), request)),
      write: ({ request, params }) =>
        within(request, "member", (entered) => threads.write(entered, idIn(params.id), request)),
      inbox: ({ request }) => within(request, "manager", threads.inbox),
      finish: ({ request, params }) =>
        within(request, "manager", async (entered) => {
          await request.body?.cancel();
          return await threads.finish(entered, idIn(params.id));
        }),
      force: ({ request, params }) =>
        within(request, "manager", (entered) => threads.force(entered, idIn(params.id), request)),
      review: ({ request, params }) =>
        within(
          request,
          "manager",
          (entered) => threads.review(entered, idIn(params.id), params.ord, request),
        ),
    },
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

/** As whom a caller acts in an organisation. A sitter without sitters' messaging gets 404, as for all of it. */
function memberOf(
  caller: OrgCaller,
  org: string,
  flags: OrgFlags,
): Pick<Entered, "by" | "sitter"> {
  if (caller.kind === "key") return { by: caller.by };
  const member = caller.orgs.find(({ org_id }) => org_id === org);
  if (member === undefined) throw new Problem("forbidden", { detail: "You are not in this organisation." });
  if (member.role === "sitter" && !flags.sitter.value) throw new Problem("not_found");
  return {
    by: `member:${member.member_id}`,
    ...(member.role === "sitter" ? { sitter: member.member_id } : {}),
  };
}

/** @throws {Problem} `not_found` for what is no id */
function idIn(text: string): string {
  if (!UUID.test(text)) throw new Problem("not_found");
  return text.toLowerCase();
}
