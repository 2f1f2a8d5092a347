/**
 * Read access to links for secret keys and the team: lists and figures.
 *
 * @module
 */
import { LINK_FILTERS, LINK_STATES } from "../_shared/contract/link_fields.ts";
import { dayOf } from "../_shared/links/visitor/hashes.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Call } from "../_shared/http/routes.ts";
import { cursorOf, dayParam, intParam, knownParams, singleParams, wordParam, zoneParam } from "./params.ts";

/** Dependencies of {@linkcode createLists}. */
export interface ListDeps {
  rpc: Rpc;
  /** The time zone that defines the days of figures. */
  zone(): Promise<string>;
  /** The address of a link, without a trailing slash. */
  urlOf(request: Request, code: string): { url: string; qr_url: string };
  /**
   * Takes one request from the limit of a key or person; throws `rate_limited`. Returns the headers that state what is
   * left.
   */
  limit(actor: string): Promise<Record<string, string>>;
}

const FILTERS = ["state", ...LINK_FILTERS.map(({ name }) => name)];
/** Filters that may be repeated: a link must match every value. */
const LISTS = ["tag"];
const DAY_MS = 86_400_000;

/** Creates the handlers of lists and figures. */
export function createLists(deps: ListDeps) {
  /**
   * `GET /`: newest first; filtered by state and `LINK_FILTERS`, all of which must match; `cursor` is that of the
   * previous answer.
   */
  async function list(call: Call): Promise<Response> {
    const { by: actor } = call;
    const query = new URLSearchParams(call.query);
    knownParams(query, ["limit", "cursor", ...FILTERS]);
    singleParams(query, LISTS);
    wordParam(query, "state", LINK_STATES);
    const limit = intParam(query, "limit", 50, 1, 1000);
    const filter: Record<string, string | string[]> = {};
    for (const name of FILTERS) {
      const values = query.getAll(name);
      if (values.length > 0) filter[name] = LISTS.includes(name) ? values : values[0];
    }
    const cursor = query.get("cursor");
    if (cursor !== null) Object.assign(filter, cursorOf(cursor));
    const headers = await deps.limit(actor);
    const links = await deps.rpc("list_links", { p_filter: filter, p_limit: limit + 1 })
      .catch(refuseValue);
    const page = links.slice(0, limit), last = page.at(-1);
    return Response.json({
      links: page.map((link) => ({ ...link, ...deps.urlOf(call.request, link.code) })),
      ...(links.length > limit && last !== undefined
        ? { cursor: btoa(`${last.created_at} ${last.code}`) }
        : {}),
    }, { headers });
  }

  /**
   * `GET /{code}/stats`: the days from `from` to `to` in the zone `tz`, by default the team's; without `from`, the
   * `last` (30) days up to `to`, by default today.
   */
  async function stats(call: Call, code: string): Promise<Response> {
    const { by: actor } = call;
    const query = new URLSearchParams(call.query);
    knownParams(query, ["from", "to", "last", "tz"]);
    singleParams(query);
    if (query.has("last") && query.has("from")) {
      throw new Problem("invalid_request", { detail: "Give either `from` or `last`." });
    }
    const zone = zoneParam(query, "tz");
    const days = intParam(query, "last", 30, 1, 3660);
    const to = dayParam(query, "to", dayOf(Date.now(), zone ?? await deps.zone()));
    const from = dayParam(query, "from", dayOf(Date.parse(to) - (days - 1) * DAY_MS, "UTC"));
    if (from > to) throw new Problem("invalid_request", { detail: "`from` must not be after `to`." });
    const headers = await deps.limit(actor);
    const found = await deps.rpc("link_stats", {
      p_code: code,
      p_from: from,
      p_to: to,
      ...(zone === undefined ? {} : { p_zone: zone }),
    }).catch(refuseValue);
    if (found === null) throw new Problem("link_not_found");
    if (found.from > to) {
      throw new Problem("invalid_request", {
        detail: `In this zone, days can be counted from ${found.from} on; without \`tz\`, all days can.`,
      });
    }
    return Response.json(found, { headers });
  }

  return { list, stats };
}

/** A value that the database cannot parse (class 22: a nonexistent day, a NUL) came from the caller. */
function refuseValue(cause: unknown): never {
  if (!(cause instanceof DbError) || !cause.code.startsWith("22")) throw cause;
  throw new Problem("invalid_request", { detail: "A parameter has an invalid value.", cause });
}
