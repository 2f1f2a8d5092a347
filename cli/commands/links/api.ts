/**
 * The deeplinks function of a stack, called with the secret key. Links are made and changed by it alone: it checks each
 * address against the allowlist, which the database by itself does not.
 */
import { CliError } from "../../core/errors.ts";
import { callFunction, type CallOptions } from "../../core/functions_api.ts";
import type { Session } from "../../core/session.ts";
import type { Stack } from "../../core/stack.ts";

/** Links in one call of {@linkcode LinksApi.createMany}. */
export const BULK = 1000;

/** A link as its owner sees it; what is not set is left out. */
export interface Link {
  code: string;
  url: string;
  qr_url: string;
  external_id?: string;
  default_url?: string;
  targets?: Target[];
  whatsapp?: Chat;
  starts_at?: string;
  expires_at?: string;
  expired_url?: string;
  max_uses?: number;
  uses: number;
  utm?: Record<string, string>;
  pass_query?: boolean;
  tags?: string[];
  flag_key?: string;
  preview?: { title?: string; description?: string; image?: string };
  fingerprint?: boolean;
  /** Whether there is one. */
  password: boolean;
  state: "active" | "disabled" | "blocked";
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
  version: number;
}

/** One of a link's rules. */
export interface Target {
  when?: Record<string, unknown>;
  url?: string;
  store?: string;
  app?: { url: string; package?: string; fallback?: string };
  whatsapp?: Chat;
}

/** A chat with a business number. */
export interface Chat {
  phone_number_id: string;
  text?: string;
}

/** What became of one link of many. */
export interface BulkResult {
  /** As an HTTP status: 201 made, 200 made before, else refused. */
  status: number;
  code?: string;
  /** Code of the refusal. */
  error?: string;
  detail?: string;
}

/** Figures of a link, from day to day (UTC). */
export interface Stats {
  code: string;
  uses: number;
  max_uses: number | null;
  from: string;
  to: string;
  clicks: Record<"human" | "bot" | "preview" | "prefetch", number>;
  /** Humans; one who comes on two days counts twice. */
  visitors: number;
  days: ({ day: string; visitors: number } & Stats["clicks"])[];
  /** Of messages. */
  attributions: { total: number; first_touch: number; by_confidence: Record<string, number> };
  /** That those messages belong to. */
  conversations: number;
  platforms: Record<string, number>;
  countries: Record<string, number>;
  referrers: Record<string, number>;
  targets: Record<string, number>;
}

/** Filters of a list. */
export interface ListFilter {
  code?: string;
  external_id?: string;
  tag?: string;
  campaign?: string;
  state?: string;
}

/** What the function offers to those with a secret key. */
export interface LinksApi {
  readonly stack: Stack;
  /** Makes a link; `made` is false when it was there already under its external id. */
  create(body: unknown): Promise<{ made: boolean; code: string; url: string; qr_url: string }>;
  /** Makes up to {@linkcode BULK} links. Tried again when the stack is busy: each needs an external id. */
  createMany(links: readonly unknown[]): Promise<BulkResult[]>;
  /** The link, or undefined. */
  find(code: string): Promise<Link | undefined>;
  /** Links, newest first, page by page. */
  pages(filter: ListFilter, size?: number): AsyncGenerator<Link[]>;
  change(code: string, change: unknown): Promise<Link>;
  stats(code: string, from: string, to: string): Promise<Stats>;
}

/** The function of the stack that this session talks to. */
export async function linksApi(session: Session): Promise<LinksApi> {
  const { stack } = await session.api();
  const call = <T>(method: string, path: string, options: CallOptions = {}) =>
    callFunction<T>(stack, method, `deeplinks${path}`, { hintOf, ...options });

  async function* pages(filter: ListFilter, size = 1000): AsyncGenerator<Link[]> {
    let cursor: string | undefined;
    do {
      const query = new URLSearchParams({ ...filter, limit: String(size), ...(cursor && { cursor }) });
      const page = (await call<{ links: Link[]; cursor?: string }>("GET", `?${query}`, { again: true })).body;
      yield page.links;
      cursor = page.cursor;
    } while (cursor !== undefined);
  }

  return {
    stack,
    pages,
    async create(body) {
      const answer = await call<{ code: string; url: string; qr_url: string }>("POST", "", { body });
      return { made: answer.status === 201, ...answer.body };
    },
    async createMany(links) {
      const body = { links };
      return (await call<{ results: BulkResult[] }>("POST", "/bulk", { body, again: true })).body.results;
    },
    async find(code) {
      for await (const links of pages({ code }, 1)) return links[0];
    },
    async change(code, change) {
      return (await call<Link>("PATCH", `/${encodeURIComponent(code)}`, { body: change })).body;
    },
    async stats(code, from, to) {
      const query = new URLSearchParams({ from, to });
      return (await call<Stats>("GET", `/${encodeURIComponent(code)}/stats?${query}`, { again: true })).body;
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
