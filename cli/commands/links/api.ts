/**
 * Client of a stack's deeplinks function, authorized with the secret key. Links are only created and changed through
 * the function: it checks each address against the allowlist, which the database alone does not do.
 */
import type {
  BulkResult,
  BulkResults,
  Link,
  LinkList,
  LinkStats,
  MadeLink,
} from "../../../supabase/functions/_shared/contract/links.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction, type CallOptions } from "../../core/functions_api.ts";
import type { Session } from "../../core/session.ts";
import type { Stack } from "../../core/stack.ts";

/** Filters of a list, by the names of `LINK_FILTERS`, and the state. A link must match all values of a filter. */
export type ListFilter = Readonly<Record<string, string | readonly string[]>>;

/** The operations that the function offers with a secret key. */
export interface LinksApi {
  readonly stack: Stack;
  /** Creates a link; `made` is false if it already existed under its external id. */
  create(body: unknown): Promise<{ made: boolean } & MadeLink>;
  /** Creates up to `MAX_BULK` links. Retried if the stack is busy, so each needs an external id. */
  createMany(links: readonly unknown[]): Promise<BulkResult[]>;
  /** The link with this code, or undefined. */
  find(code: string): Promise<Link | undefined>;
  /** Links, newest first, page by page. */
  pages(filter: ListFilter, size?: number): AsyncGenerator<Link[]>;
  change(code: string, change: unknown): Promise<Link>;
  /**
   * Figures per day in the team's zone: until `to` (default: today), starting at `from` or covering the `last` N days.
   */
  stats(code: string, span: { from?: string; to?: string; last?: number; tz?: string }): Promise<LinkStats>;
}

/** The client for the stack of this session. */
export async function linksApi(session: Session): Promise<LinksApi> {
  const { stack } = await session.api();
  const call = <T>(method: string, path: string, options: CallOptions = {}) =>
    callFunction<T>(stack, method, `deeplinks${path}`, { hintOf, ...options });

  async function* pages(filter: ListFilter, size = 1000): AsyncGenerator<Link[]> {
    let cursor: string | undefined;
    do {
      const query = new URLSearchParams({ limit: String(size), ...(cursor && { cursor }) });
      for (const [name, values] of Object.entries(filter)) {
        for (const value of [values].flat()) query.append(name, value);
      }
      const page = (await call<LinkList>("GET", `?${query}`, { again: true })).body;
      yield page.links;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  return {
    stack,
    pages,
    async create(body) {
      const answer = await call<MadeLink>("POST", "", { body });
      return { made: answer.status === 201, ...answer.body };
    },
    async createMany(links) {
      const body = { links };
      return (await call<BulkResults>("POST", "/bulk", { body, again: true })).body.results;
    },
    async find(code) {
      for await (const links of pages({ code }, 1)) return links[0];
    },
    async change(code, change) {
      return (await call<Link>("PATCH", `/${encodeURIComponent(code)}`, { body: change })).body;
    },
    async stats(code, span) {
      const query = new URLSearchParams(
        Object.entries(span).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]]),
      );
      return (await call<LinkStats>("GET", `/${encodeURIComponent(code)}/stats?${query}`, { again: true }))
        .body;
    },
  };
}

/** The link with this code. @throws {CliError} not_found */
export async function linkNamed(api: LinksApi, code: string): Promise<Link> {
  const link = await api.find(code);
  if (link) return link;
  throw new CliError("not_found", `There is no link ${code}.`, "gatelink links list shows them.");
}

function hintOf(code: string): string {
  switch (code) {
    case "unauthorized":
      return "Use a secret key of this project (sb_secret_…, Project Settings > API Keys).";
    case "url_not_allowed":
      return "To allow the host: gatelink allowlist add HOST --for redirect";
    case "code_taken":
    case "code_reserved":
      return "Choose another code, or omit it. A code is never reused.";
    case "external_id_taken":
      return "The link with this external id has other values: gatelink links list --external-id ID";
    default:
      return "gatelink links --help";
  }
}
