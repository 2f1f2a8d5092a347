/**
 * Links with a password: checks the posted password and limits guessing.
 *
 * After a wrong guess, a network must wait before its next guess at this link is checked, and the wait grows with each
 * wrong guess. Guesses from other networks do not affect it (`take_password_attempt` in SQL has the figures). People
 * who know the password therefore always get in from a network without wrong guesses, however many they are. An
 * attacker with many networks gets one guess from each; there the length of the password is the protection, and the
 * team is informed (`guessed_links`).
 *
 * Failure policy: closed. An attempt is taken before the hash is read, and given back if the password was right.
 * Hashing is bounded: one attempt at a time per network and link, four in total, and beyond {@linkcode MAX_WAITING} 503
 * `overloaded`.
 *
 * @module
 */
import type { PasswordAttempt } from "../_shared/contract/answers/links.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { parseJson, readBody } from "../_shared/http/body.ts";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { isPassword } from "../_shared/links/model/passwords.ts";
import { passwordForm } from "./answers.ts";
import type { VisitCall } from "./routes.ts";
import type { VisitRecorder } from "./record_visit.ts";

/** Dependencies of {@linkcode createUnlock}. */
export interface UnlockDeps {
  kept: VisitRecorder;
  /** Calls back once the link is found; throws `link_not_found`. */
  withLink(
    call: VisitCall,
    code: string,
    then: (link: Link) => Response | Promise<Response>,
  ): Response | Promise<Response>;
  /** The answer to a visitor who gave the right password. */
  unlocked(call: VisitCall, link: Link): Response | Promise<Response>;
  /** A refusal as a page; undefined if this request gets no page. */
  refusalPage(call: VisitCall, error: unknown, code: string): Response | undefined;
  /** Takes one guess at a link's password. */
  takePasswordAttempt(code: string, client: string | undefined): Promise<PasswordAttempt>;
  /** Reports the result of a guess. Never rejects: on failure the guess remains taken. */
  settlePasswordAttempt(code: string, client: string | undefined, right: boolean): Promise<unknown>;
  /** Counts a refusal that is answered as a page. */
  refused(code: ProblemCode): void;
  /** Whether HTML reaches the visitor as HTML. */
  servesHtml(request: Request): boolean;
}

/** Maximum size of a form with one password. */
const MAX_FORM_BYTES = 4096;
/** Maximum number of attempts waiting for their hash, each of which takes a tenth of a second. */
const MAX_WAITING = 200;

/**
 * Creates the handler of `POST /{code}` with a form or JSON `{"password"}`, or from the button of a link that asks
 * first.
 */
export function createUnlock(deps: UnlockDeps) {
  const isRight = groupCommit<{ password: string; hash: string }, boolean>({
    commit: (attempts) => Promise.all(attempts.map(({ password, hash }) => isPassword(password, hash))),
    maxItems: 4,
    maxQueued: MAX_WAITING,
  });
  /** The last running attempt of each link and network: the next one starts when it has ended. */
  const lines = new Map<string, Promise<unknown>>();
  let waiting = 0;

  return async (call: VisitCall, code: string): Promise<Response> => {
    try {
      return await deps.withLink(call, code, (link) => unlock(call, link));
    } catch (error) {
      const answer = deps.refusalPage(call, error, code);
      if (answer === undefined) throw error;
      return answer;
    }
  };

  async function unlock(call: VisitCall, link: Link): Promise<Response> {
    const { request } = call;
    // The button was pressed; it sends nothing to check.
    if (!link.password && link.confirm) return await deps.unlocked(call, link);
    const password = await passwordOf(request);
    if (!link.password) return await deps.unlocked(call, link);
    const client = deps.kept.clientOf(deps.kept.siteOfCall(call));
    const right = client === undefined
      ? await attempt(link.code, undefined, password)
      // All people who know the password may share one network: each attempt waits for the one before, and none is
      // refused because of it.
      : await inLine(`${link.code} ${client}`, () => attempt(link.code, client, password));
    if (right) return await deps.unlocked(call, link);
    if (isForm(request) && deps.servesHtml(request)) {
      deps.refused("link_password_wrong");
      return passwordForm(true, request);
    }
    throw new Problem("link_password_wrong");
  }

  async function attempt(code: string, client: string | undefined, password: string): Promise<boolean> {
    const { allowed, hash, retry_after_ms } = await deps.takePasswordAttempt(code, client);
    if (!allowed || hash == null) {
      throw new Problem("rate_limited", {
        headers: { "retry-after": String(Math.ceil(retry_after_ms / 1000) || 1) },
      });
    }
    const right = await isRight({ password, hash }).catch(async (error) => {
      // The password was not checked, so the attempt is given back.
      await deps.settlePasswordAttempt(code, client, true);
      throw error;
    });
    await deps.settlePasswordAttempt(code, client, right);
    return right;
  }

  async function inLine<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (waiting >= MAX_WAITING) throw new Problem("overloaded");
    waiting++;
    const mine = (lines.get(key) ?? Promise.resolve()).then(work, work);
    lines.set(key, mine);
    try {
      return await mine;
    } finally {
      waiting--;
      if (lines.get(key) === mine) lines.delete(key);
    }
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
