/**
 * An app's first open: which click led to it, and where that click was going.
 *
 * @module
 */
import type { Args } from "../_shared/contract/sql.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { ClaimedClick } from "../_shared/contract/answers/links.ts";
import { type Platform, PLATFORMS } from "../_shared/contract/link_limits.ts";
import type { Rules } from "../_shared/links/model/rules.ts";
import type { VisitorKeys } from "../_shared/links/visitor/hashes.ts";
import { hashOf, isOwnAddress, networkOf } from "../_shared/links/visitor/hashes.ts";
import { isToken } from "../_shared/links/visitor/tokens.ts";
import { checkApp, checkWeb } from "../_shared/links/model/urls.ts";
import type { VisitCall } from "./routes.ts";

/** What claims need. */
export interface ClaimDeps {
  rpc: Rpc;
  /** Rules and keys of now. */
  ready(): Promise<{ rules: Rules; keys: VisitorKeys }>;
  /** Address of the caller, where it can be trusted. */
  addressOf(request: Request): string | undefined;
  /** Takes from the limit of claims of a client; throws `rate_limited`. */
  limitClaims(client: string): Promise<void>;
  /** Resolves once the clicks that this isolate has taken are written. */
  clicksWritten(): Promise<void>;
  now(): number;
}

const MAX_CLAIM_BYTES = 8192;
/** Another isolate writes a click a tenth of a second later at most, and the call takes its time. */
const FLUSH_MS = 150;
/**
 * What else a device's browser may have said that it runs on, where nothing better is found: an iPad asks as a Mac unless
 * told otherwise, and so does an Android browser as Linux that was asked for the page of a computer.
 */
const SEEN_AS: Partial<Record<Platform, Platform[]>> = { ios: ["macos"], android: ["linux"] };

/** Longest wait for this one, which may be sending a group again and again. */
const WRITTEN_MS = 5000;

/**
 * Makes the answer to `POST /claim` with one of `token`, `install_referrer` (Play's, whole), `clipboard` (what the page put
 * there), or `fingerprint: {"platform"}`. Needs no key: a token is one, and a fingerprint counts from the network of the
 * click only.
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
    // Behind a shared address the click could be anybody's.
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

  /** The first of these that finds a click. */
  async function first(ways: readonly Args<"claim_click">[]): Promise<ClaimedClick> {
    let answer: ClaimedClick = { error: "unknown" };
    for (const way of ways) {
      answer = await deps.rpc("claim_click", way);
      if (answer.error !== "unknown") break;
    }
    return answer;
  }

  /** An app can be faster than the group in which its click is written: what is unknown is looked for once more. */
  async function claimed(ways: readonly Args<"claim_click">[]): Promise<Response> {
    let answer = await first(ways);
    if (answer.error === "unknown") {
      await Promise.all([atMost(deps.clicksWritten(), WRITTEN_MS), pause(FLUSH_MS)]);
      answer = await first(ways);
    }
    if (answer.error === "claimed") throw new Problem("claim_used");
    if (answer.error === "unknown") throw new Problem("claim_unknown");
    // Where links may lead is asked about again, as at each visit.
    const { rules } = await deps.ready();
    if (answer.url !== undefined && !checkWeb(answer.url, rules).ok) delete answer.url;
    if (answer.app_url !== undefined && !checkApp(answer.app_url, rules).ok) delete answer.app_url;
    return Response.json(answer);
  }
}

/** Waits for work, so long at most. */
async function atMost(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The token of a claim; undefined when it is none by token. @throws {Problem} for a text without one. */
function tokenOf({ token, install_referrer, clipboard }: Record<string, unknown>): string | undefined {
  const given = token ?? install_referrer ?? clipboard;
  if (given === undefined) return undefined;
  const text = typeof given === "string" ? given.slice(0, 4000).trim().toLowerCase() : "";
  // A clipboard may hold anything, a referrer has parameters of others in it.
  const found = isToken(text) ? text : /gl_token(?:=|%3d)([a-z2-7]{16})(?![a-z2-7])/.exec(text)?.[1];
  if (found === undefined) throw new Problem("claim_unknown");
  return found;
}
