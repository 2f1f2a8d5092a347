/**
 * Creating and changing links, for secret keys and the team.
 *
 * @module
 */
import type { z } from "zod";
import type { FoundLink, MadeLink, StoredLink } from "../_shared/contract/answers/links.ts";
import type { LinkRow, LinkUpdate } from "../_shared/contract/arguments.ts";
import { MAX_BULK, MAX_BULK_BYTES, MAX_BULK_PASSWORDS } from "../_shared/contract/link_limits.ts";
import {
  type ChangedLink,
  changedLink,
  type LinkBody,
  linksChange,
  newLink,
} from "../_shared/contract/links.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Call } from "../_shared/http/routes.ts";
import type { Rules } from "../_shared/links/model/rules.ts";
import type { OwnCode } from "../_shared/links/model/own.ts";
import { isPassword } from "../_shared/links/model/passwords.ts";
import { findCircles } from "./circles.ts";
import {
  changesOf,
  hashOf,
  merge,
  readBodies,
  refusalOf,
  type Refused,
  refused,
  withoutReadOnly,
} from "./bodies.ts";

/** Dependencies of {@linkcode createManage}. */
export interface ManageDeps {
  rpc: Rpc;
  /** The rules, at most a few seconds old. */
  rules(): Promise<Rules>;
  /** The current rules, read now. */
  freshRules(): Promise<Rules>;
  /** Makes this isolate read these links again. */
  forget(codes: string[]): void;
  hashPassword(password: string): Promise<string>;
  /** Whether pages can be served to visitors of the links that this request creates. */
  printsPages(request: Request): boolean;
  /** Recognises the installation's own links, for whichever address this request used. */
  ownCodeOf(request: Request): OwnCode;
  /** The address of a link, without a trailing slash. */
  urlOf(request: Request, code: string): { url: string; qr_url: string };
  /**
   * Takes one request from the limit of a key or person; throws `rate_limited`. Returns the headers that state what is
   * left.
   */
  limit(actor: string): Promise<Record<string, string>>;
}

/** Maximum size of one link's body. */
const MAX_BYTES = 64 * 1024;
/** Maximum attempts of a change that loses to concurrent changes; in each round at least one change succeeds. */
const MAX_TURNS = 100;

/** Creates the handlers that create, change and delete links. */
export function createManage(deps: ManageDeps) {
  /** `POST /`: 201 with the link, or 200 with the link that already exists under the same external id. */
  async function create(call: Call): Promise<Response> {
    const body = await readJson(call.request, MAX_BYTES);
    const headers = await deps.limit(call.by);
    const [outcome] = await createAll([body], call);
    if ("detail" in outcome) throw refusalOf(outcome);
    const { status, code, error } = outcome;
    if (code === undefined) throw new Problem(error === "no_code_found" ? "overloaded" : error!);
    return Response.json({ code, ...deps.urlOf(call.request, code) }, { status, headers });
  }

  /** `POST /bulk`: up to a thousand links, each with its own result, in the given order; with `check` none is created. */
  async function createMany(call: Call): Promise<Response> {
    const body = await readJson(call.request, MAX_BULK_BYTES) as { links?: unknown; check?: unknown } | null;
    const links = body?.links;
    const isCheck = body?.check === true;
    if (!Array.isArray(links) || links.length > MAX_BULK) {
      throw new Problem("invalid_request", { detail: `\`links\` must be a list of at most ${MAX_BULK}.` });
    }
    const headers = await deps.limit(call.by);
    const results = (await createAll(links, call, isCheck)).map((outcome) => {
      if ("detail" in outcome || outcome.code === undefined) return outcome;
      if (isCheck) return { status: outcome.status, checked: true };
      return { status: outcome.status, code: outcome.code, ...deps.urlOf(call.request, outcome.code) };
    });
    return Response.json({ results }, { headers });
  }

  /** @param isCheck Only tells what would become of each. */
  async function createAll(
    bodies: unknown[],
    { by: actor, request }: Call,
    isCheck = false,
  ): Promise<(MadeLink | Refused)[]> {
    let passwords = 0;
    const outcomes: (MadeLink | Refused | undefined)[] = [];
    const rows: LinkRow[] = [];
    const given: (string | undefined)[] = [];
    const reads = await readAll(newLink, bodies.map(withoutReadOnly));
    for (const read of await refuseMore(reads, (link) => link.code, request)) {
      if ("error" in read) {
        outcomes.push(read);
      } else if (read.link.password !== undefined && ++passwords > MAX_BULK_PASSWORDS) {
        outcomes.push(
          refused("invalid_request", [{
            path: "password",
            message: `is one too many: at most ${MAX_BULK_PASSWORDS} links with one are made in one call`,
          }]),
        );
      } else {
        outcomes.push(undefined);
        rows.push(await rowOf(read.link));
        given.push(read.link.password);
      }
    }
    const made = rows.length === 0 ? [] : await Promise.all(
      (await deps.rpc(isCheck ? "check_links" : "create_links", { p_links: rows, p_actor: actor }))
        .map((outcome, index) => sameOnly(outcome, given[index])),
    );
    if (!isCheck) deps.forget(made.flatMap(({ code }) => code ?? []));
    let next = 0;
    return outcomes.map((outcome) => outcome ?? made[next++]);
  }

  /** The same external id with another password is a different request. The hash is not returned. */
  async function sameOnly({ password_hash: hash, ...outcome }: MadeLink, given?: string): Promise<MadeLink> {
    if (hash === undefined || given === undefined) return outcome;
    const isSame = hash !== null && await isPassword(given, hash);
    return isSame ? outcome : { status: 409, error: "external_id_taken" };
  }

  /** Reads bodies. Before a body is refused for an address, it is checked again under the current rules. */
  async function readAll<Body extends LinkBody | ChangedLink>(
    schema: z.ZodType<Body>,
    bodies: unknown[],
    given?: ReadonlySet<string>,
  ): Promise<({ link: Body } | Refused)[]> {
    const read = readBodies(schema, bodies, await deps.rules(), given);
    const isDoubtful = read.some((one) => "error" in one && one.error === "url_not_allowed");
    return isDoubtful ? readBodies(schema, bodies, await deps.freshRules(), given) : read;
  }

  /** Refuses what the domain and the other links do not allow: a button where no page can be served, and circles. */
  async function refuseMore<Body extends LinkBody | ChangedLink>(
    reads: ({ link: Body } | Refused)[],
    codeOf: (link: Body) => string | undefined,
    request: Request,
    given?: ReadonlySet<string>,
  ): Promise<({ link: Body } | Refused)[]> {
    const writings = reads.flatMap((read) =>
      "link" in read ? [{ code: codeOf(read.link), link: read.link }] : []
    );
    const circles = await findCircles(writings, deps.ownCodeOf(request), deps.rpc);
    const isGiven = (name: string) => given === undefined || given.has(name);
    return reads.map((read) => {
      if (!("link" in read)) return read;
      const faults = circles.shift()!.filter(({ path }) => isGiven(/^\w+/.exec(path)![0]));
      if (faults.length > 0) return refused("url_not_allowed", faults);
      const asks = read.link.confirm === true && isGiven("confirm") && !deps.printsPages(request);
      return asks ? refused("invalid_request", [NO_PAGES]) : read;
    });
  }

  async function rowOf({ password, ...link }: LinkBody): Promise<LinkRow> {
    return {
      ...link,
      // The password is excluded: a fast hash would reveal it.
      request_hash: await hashOf({ ...link, password: password !== undefined }),
      ...(password === undefined ? {} : { password_hash: await deps.hashPassword(password) }),
    };
  }

  /**
   * `PATCH /bulk`: makes the same change to up to a thousand links: their state, or tags that are added and removed.
   * Each link has its own result, in the given order; those that are as asked already are not changed.
   */
  async function changeMany(call: Call): Promise<Response> {
    const read = linksChange.safeParse(await readJson(call.request, MAX_BULK_BYTES));
    if (!read.success) {
      const { path, message } = read.error.issues[0];
      throw new Problem("invalid_request", { detail: `${path.join(".") || "The body"}: ${message}.` });
    }
    const headers = await deps.limit(call.by);
    const { codes, state, add_tags = [], remove_tags = [] } = read.data;
    const results: { status: number; code?: string; error?: string; detail?: string }[] = [];
    for (const code of codes) {
      try {
        if (state === "deleted") {
          if (!await deps.rpc("delete_link", { p_code: code, p_actor: call.by })) {
            throw new Problem("link_not_found");
          }
          deps.forget([code]);
        } else {
          await changeOne(call, code, ({ tags, version }) => ({
            version,
            ...(state && { state }),
            ...(add_tags.length + remove_tags.length > 0 && {
              tags: [...new Set([...tags ?? [], ...add_tags])].filter((tag) => !remove_tags.includes(tag)),
            }),
          }), true);
        }
        results.push({ status: 200, code });
      } catch (error) {
        // The other links are changed all the same. Without the database there is nothing to go on with.
        if (!(error instanceof Problem) || error.status >= 500) throw error;
        results.push({
          status: error.status,
          error: error.code,
          ...(error.detail && { detail: error.detail }),
        });
      }
    }
    return Response.json({ results }, { headers });
  }

  /**
   * `PATCH /{code}`: changes the given members, and removes those that are null (RFC 7396). Read-only members may be
   * sent back unchanged. Concurrent changes are applied one after the other. With `version`, the one that the caller
   * read, a change is refused if one of its members has been changed since; members with their current value are no
   * change. Setting a state restores a deleted link.
   */
  async function change(call: Call, code: string): Promise<Response> {
    const { by: actor } = call;
    const patch = await readJson(call.request, MAX_BYTES);
    if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
      throw new Problem("invalid_request", { detail: "The body must be an object." });
    }
    const headers = await deps.limit(actor);
    const changed = await changeOne(call, code, () => patch as Record<string, unknown>, false);
    return Response.json({ ...changed, ...deps.urlOf(call.request, code) }, { headers });
  }

  /**
   * Changes one link by the patch that `patchOf` makes of its current content; again, if another change was faster.
   * @param leavesEqual Whether a link that is as asked already keeps its version.
   */
  async function changeOne(
    call: Call,
    code: string,
    patchOf: (now: FoundLink) => Record<string, unknown>,
    leavesEqual: boolean,
  ): Promise<StoredLink> {
    const { by: actor } = call;
    let hashed: string | undefined;
    for (let turn = 1; turn <= MAX_TURNS; turn++) {
      const now = await deps.rpc("find_link", { p_code: code });
      if (now === null) throw new Problem("link_not_found");
      const patch = patchOf(now);
      if (now.state === "deleted" && !("state" in patch)) throw new Problem("link_not_found");
      const { version } = patch;
      const asked = changesOf(patch, {
        ...now,
        ...deps.urlOf(call.request, code),
      });
      if (leavesEqual && Object.keys(asked).length === 0) return now;
      const late = version === undefined ? [] : changedSince(version, now, Object.keys(asked));
      if (late.length > 0) throw changedMeanwhile(late);
      const { password: given, ...rest } = asked;
      const whole = merge(bodyOf(now), rest) as Record<string, unknown>;
      // The link's existing targets are checked at each visit; they must not prevent anybody from disabling the link.
      const body = given == null ? whole : { ...whole, password: given };
      const changes = new Set(Object.keys(rest));
      const [read] = await refuseMore(
        await readAll(changedLink, [body], changes),
        () => code,
        call.request,
        changes,
      );
      if ("error" in read) throw refusalOf(read);
      const { password, ...link } = read.link;
      if (password !== undefined) hashed ??= await deps.hashPassword(password);
      const row: LinkUpdate = given === undefined ? link : { ...link, password_hash: hashed ?? null };
      const changed = await deps.rpc("update_link", {
        p_code: code,
        p_version: now.version,
        p_link: row,
        p_actor: actor,
      }).catch((error) => {
        if (error instanceof DbError && error.code === "23505") throw new Problem("external_id_taken");
        throw error;
      });
      if (changed !== null) {
        deps.forget([code]);
        return changed;
      }
      // Another change was faster: apply this one again, to the link's new content.
    }
    throw changedMeanwhile(["link"]);
  }

  /** `DELETE /{code}` */
  async function remove(call: Call, code: string): Promise<Response> {
    const { by: actor } = call;
    const headers = await deps.limit(actor);
    const found = await deps.rpc("delete_link", { p_code: code, p_actor: actor });
    if (!found) throw new Problem("link_not_found");
    deps.forget([code]);
    return new Response(null, { status: 204, headers });
  }

  return { create, createMany, change, changeMany, remove };
}

const NO_PAGES = {
  path: "confirm",
  message:
    "needs a page with a button, and pages cannot be served here: use a domain that serves HTML, and set LINK_HTML=true",
};

/** Which of these members somebody has changed since a version that a caller read; all if there is no such version. */
function changedSince(version: unknown, now: FoundLink, members: string[]): string[] {
  if (version === now.version) return [];
  if (!Number.isInteger(version) || Number(version) > now.version) return ["version"];
  return members.filter((name) => (now.member_versions[name] ?? 1) > Number(version));
}

function changedMeanwhile(members: readonly string[]): Problem {
  return new Problem("conflict", { detail: `Somebody else changed ${members.join(", ")} meanwhile.` });
}

/** The members of a stored link that a body may have. */
function bodyOf(link: StoredLink): Record<string, unknown> {
  const own = Object.keys(changedLink.shape).filter((name) => name !== "password");
  return Object.fromEntries(Object.entries(link).filter(([name]) => own.includes(name)));
}
