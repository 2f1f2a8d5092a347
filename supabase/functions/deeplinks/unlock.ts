/**
 * Links under a password: the one that is posted is checked, and guessing is limited.
 *
 * Failure policy: closed. An attempt is taken from the limits before the hash is seen, so that who tries many at once
 * gets no more than one after the other would; a right password gets it back, so that only failures are limited.
 *
 * @module
 */
import { parseJson, readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Link } from "../_shared/links/link.ts";
import { isPassword } from "../_shared/links/passwords.ts";
import { passwordForm } from "./answers.ts";
import type { Call } from "./handler.ts";
import type { Kept } from "./kept.ts";

/** What unlocking needs. */
export interface UnlockDeps {
  kept: Kept;
  /** Hands on once the link is found; throws `link_not_found`. */
  withLink(
    call: Call,
    code: string,
    then: (link: Link) => Response | Promise<Response>,
  ): Response | Promise<Response>;
  /** The answer to whoever gave the password. */
  unlocked(call: Call, link: Link): Response | Promise<Response>;
  /** A refusal as a page; undefined where that is for nobody. */
  refusalPage(call: Call, error: unknown): Response | undefined;
  /** Takes a guess at a link's password. */
  takePasswordAttempt(code: string, client: string | undefined): Promise<PasswordAttempt>;
  /** Gives it back. Never rejects: the password was right. */
  returnPasswordAttempt(code: string, client: string | undefined): Promise<void>;
  /** Whether HTML gets to the visitor as HTML. */
  servesHtml(request: Request): boolean;
}

/** What `take_password_attempt` gives. */
export interface PasswordAttempt {
  allowed: boolean;
  retry_after_ms: number;
  hash: string | null;
}

/** A form with one password. */
const MAX_FORM_BYTES = 4096;

/** Makes the answer to `POST /{code}` with a form or JSON `{"password"}`. */
export function createUnlock(deps: UnlockDeps) {
  return async (call: Call, code: string): Promise<Response> => {
    try {
      return await deps.withLink(call, code, (link) => unlock(call, link));
    } catch (error) {
      const answer = deps.refusalPage(call, error);
      if (answer === undefined) throw error;
      return answer;
    }
  };

  async function unlock(call: Call, link: Link): Promise<Response> {
    const { request } = call;
    const password = await passwordOf(request);
    if (!link.password) return await deps.unlocked(call, link);
    const client = deps.kept.clientOf(deps.kept.networkOfCall(call));
    const attempt = await deps.takePasswordAttempt(link.code, client);
    if (!attempt.allowed || attempt.hash === null) {
      throw new Problem("rate_limited", {
        headers: { "retry-after": String(Math.ceil(attempt.retry_after_ms / 1000) || 1) },
      });
    }
    if (await isPassword(password, attempt.hash)) {
      await deps.returnPasswordAttempt(link.code, client);
      return await deps.unlocked(call, link);
    }
    if (isForm(request) && deps.servesHtml(request)) return passwordForm(true);
    throw new Problem("link_password_wrong");
  }
}

function isForm({ headers }: Request): boolean {
  return headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") ?? false;
}

async function passwordOf(request: Request): Promise<string> {
  const bytes = await readBody(request, MAX_FORM_BYTES);
  const password = isForm(request)
    ? new URLSearchParams(new TextDecoder().decode(bytes)).get("password")
    : (parseJson(bytes) as { password?: unknown } | null)?.password;
  if (typeof password !== "string" || password === "") {
    throw new Problem("invalid_request", { detail: "`password` is missing." });
  }
  return password;
}
