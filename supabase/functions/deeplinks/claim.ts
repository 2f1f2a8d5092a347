/**
 * An app's first open: finds the click that led to it, and where that click was going.
 *
 * @module
 */
import type { Args } from "../_shared/contract/sql.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { tokenIn } from "../_shared/contract/link_tokens.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { ClaimedClick } from "../_shared/contract/answers/links.ts";
import { type Platform, PLATFORMS } from "../_shared/contract/link_limits.ts";
import type { Rules } from "../_shared/links/model/rules.ts";
import type { VisitorKeys } from "../_shared/links/visitor/hashes.ts";
import { hashOf, isOwnAddress, networkOf } from "../_shared/links/visitor/hashes.ts";
import { isToken } from "../_shared/crypto/tokens.ts";
import { checkApp, checkWeb } from "../_shared/links/model/urls.ts";
import type { VisitCall } from "./routes.ts";

/** Dependencies of {@linkcode createClaim}. */
export interface ClaimDeps {
  rpc: Rpc;
  /** The current rules and keys. */
  ready(): Promise<{ rules: Rules; keys: VisitorKeys }>;
  /** The caller's address, if it can be trusted. */
  addressOf(request: Request): string | undefined;
  /** Takes one claim from a client's limit; throws `rate_limited`. */
  limitClaims(client: string): Promise<void>;
  /** Resolves once the clicks recorded by this isolate are written. */
  clicksWritten(): Promise<void>;
  now(): number;
}

const MAX_CLAIM_BYTES = 8192;
/** Another isolate writes a click within a tenth of a second, plus the duration of the call. */
const FLUSH_MS = 150;
/**
 * Other platforms that a device's browser may have reported, used if nothing better is found: an iPad identifies itself
 * as a Mac by default, and an Android browser that requests desktop sites as Linux.
 */
const SEEN_AS: Partial<Record<Platform, Platform[]>> = { ios: ["macos"], android: ["linux"] };

/** Longest wait for this isolate's own clicks, since it may be retrying a group. */
const WRITTEN_MS = 5000;

/**
 * Creates the handler of `POST /claim`. The body has one of `token`, `install_referrer` (Play's, whole), `clipboard`
 * (the text that the page put there), or `fingerprint: {"platform"}`. No key is required: a token serves as one, and a
 * fingerprint only matches from the network of the click.
 */
export function createClaim(deps: ClaimDeps) {
  return async ({ request }: VisitCall): Promise<Response> => {
    const body = await readJson(request, MAX_CLAIM_BYTES) as Record<string, unknown> | null;
    const { keys } = await deps.ready();
    const address = deps.addressOf(request);
    const network = address === undefined ? undefined : networkOf(address);
    const now = deps.now();
    const client = network === undefined ? undefined : hashOf(keys, now, "client", network);
    if (client !== undefined) await deps.limitClaims(client);
    const token = tokenOf(body ?? {});
    if (token !== undefined) return await claimed([{ p_token: token }]);
    const platform = (body?.fingerprint as { platform?: unknown } | undefined)?.platform;
    if (platform === undefined) {
      throw new Problem("invalid_request", {
        detail: "One of `token`, `install_referrer`, `clipboard` or `fingerprint` is needed.",
      });
    }
    if (!PLATFORMS.some((name) => name === platform)) {
      throw new Problem("invalid_request", {
        detail: `\`fingerprint.platform\` must be one of ${PLATFORMS.join(", ")}.`,
      });
    }
    // Behind a shared address, the click could be anybody's.
    if (network === undefined || !isOwnAddress(address!)) throw new Problem("claim_unknown");
    const hashes = (...parts: string[]) =>
      [now, now - 86_400_000].map((time) => hashOf(keys, time, ...parts)).filter((hash) =>
        hash !== undefined
      );
    const claimers = hashes("claimer", network, request.headers.get("user-agent") ?? "");
    const seenAs = [platform as Platform, ...SEEN_AS[platform as Platform] ?? []];
    return await claimed(
      seenAs.map((seen) => ({
        p_token: null,
        p_fingerprints: hashes("fingerprint", network, seen),
        p_claimers: claimers,
      })),
    );
  };

  /** The result of the first query that finds a click. */
  async function first(ways: readonly Args<"claim_click">[]): Promise<ClaimedClick> {
    let answer: ClaimedClick = { error: "unknown" };
    for (const way of ways) {
      answer = await deps.rpc("claim_click", way);
      if (answer.error !== "unknown") break;
    }
    return answer;
  }

  /**
   * An app can be faster than the write of the group with its click, so an unknown click is looked up a second time.
   */
  async function claimed(ways: readonly Args<"claim_click">[]): Promise<Response> {
    let answer = await first(ways);
    if (answer.error === "unknown") {
      await Promise.all([atMost(deps.clicksWritten(), WRITTEN_MS), pause(FLUSH_MS)]);
      answer = await first(ways);
    }
    if (answer.error === "claimed") throw new Problem("claim_used");
    if (answer.error === "unknown") throw new Problem("claim_unknown");
    // The target is checked against the rules again, as at each visit.
    const { rules } = await deps.ready();
    if (answer.url !== undefined && !checkWeb(answer.url, rules).ok) delete answer.url;
    if (answer.app_url !== undefined && !checkApp(answer.app_url, rules).ok) delete answer.app_url;
    return Response.json(answer);
  }
}

/** Waits for work, for at most `ms` milliseconds. */
async function atMost(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The token of a claim; undefined if the claim is not by token. @throws {Problem} if the text contains no token */
function tokenOf({ token, install_referrer, clipboard }: Record<string, unknown>): string | undefined {
  const given = token ?? install_referrer ?? clipboard;
  if (given === undefined) return undefined;
  const text = typeof given === "string" ? given.slice(0, 4000).trim().toLowerCase() : "";
  // A clipboard may hold any text, and a referrer contains other parameters.
  const found = isToken(text)
    ? text
    : /gl_token(?:=|%3d)([a-z2-7]{16})(?![a-z2-7])/.exec(text)?.[1] ?? tokenIn(text);
  if (found === undefined) throw new Problem("claim_unknown");
  return found;
}
