/**
 * `POST /team/invitations`: invites a colleague by mail, or sends the invitation again.
 *
 * Supabase Auth makes the account, sends the mail and keeps its secret; this asks it to, because only a secret key may.
 *
 * @module
 */
import { keyHeaders, type Project } from "../_shared/config/project.ts";
import { invitation, type Invited } from "../_shared/contract/http/team.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Logger } from "../_shared/log/log.ts";

/** Dependencies of the invitations. */
export interface InvitationDeps {
  rpc: Rpc;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  project(): Project;
  /** Takes one invitation from the limit of a key or person; throws `rate_limited`. */
  limit(actor: string): Promise<unknown>;
}

/** Invites somebody; `actor` is the caller, an admin. */
export type Invite = (request: Request, actor: string, log: Logger) => Promise<Response>;

const MAX_BODY_BYTES = 4096;
const WITHIN_MS = 15_000;

/** The answer of Supabase Auth, as far as it is read. */
interface AuthAnswer {
  id?: string;
  msg?: string;
  message?: string;
}

/**
 * Creates {@linkcode Invite}: `{"email", "role", "return_to"}`, answered by 201 with {@linkcode Invited}.
 *
 * Failure policy: the invitation is noted first, so that one whose mail was not sent is seen and can be sent again. It
 * counts only for the account that Auth made, once that has proved its address.
 *
 * Refusals: `invalid_json`, `invalid_request`, `conflict` (somebody who can sign in has the address), `rate_limited`,
 * `mail_not_sent`, `database_unavailable`.
 */
export function createInvite({ rpc, fetch, project, limit }: InvitationDeps): Invite {
  return async (request, actor, log) => {
    const read = invitation.safeParse(await readJson(request, MAX_BODY_BYTES));
    if (!read.success) {
      throw new Problem("invalid_request", {
        detail: "Give `email`, and `role`: viewer, operator or admin.",
      });
    }
    const { email, role, return_to } = read.data;
    // Otherwise the link would lead wherever somebody else's page wants.
    if (return_to !== undefined && new URL(return_to).origin !== request.headers.get("origin")) {
      throw new Problem("invalid_request", { detail: "`return_to` must be of the origin that asks." });
    }
    await limit(actor);
    const started = await rpc("start_invitation", { p_email: email, p_role: role, p_by: actor }).catch(
      (cause) => {
        if (!(cause instanceof DbError)) throw cause;
        if (cause.code === "GL409") {
          throw new Problem("conflict", {
            detail: "Somebody has an account with this address. Add them: they need no invitation.",
            cause,
          });
        }
        throw cause.code === "23514"
          ? new Problem("invalid_request", { detail: "This is no e-mail address.", cause })
          : cause;
      },
    );
    const user = await mail(started.email, return_to);
    await rpc("settle_invitation", { p_id: started.id, p_user_id: user });
    log.info("a colleague was invited", { invitation: started.id, actor, role });
    return Response.json(started satisfies Invited, { status: 201 });
  };

  /** @returns the id of the account that the mail is for */
  async function mail(email: string, returnTo: string | undefined): Promise<string> {
    const { url, key } = project();
    const query = returnTo === undefined ? "" : `?${new URLSearchParams({ redirect_to: returnTo })}`;
    let status: number, body: AuthAnswer;
    try {
      const response = await fetch(`${url}/auth/v1/invite${query}`, {
        method: "POST",
        headers: { ...keyHeaders(key), "content-type": "application/json" },
        body: JSON.stringify({ email }),
        signal: AbortSignal.timeout(WITHIN_MS),
      });
      status = response.status;
      body = await response.json().catch(() => ({}));
    } catch (cause) {
      throw new Problem("mail_not_sent", { detail: "Supabase Auth does not answer. Try again.", cause });
    }
    if (status === 200 && body.id !== undefined) return body.id;
    if (status === 429) {
      throw new Problem("mail_not_sent", {
        detail: "Supabase Auth sends no more mails for now. Wait, or set up its SMTP.",
      });
    }
    const said = body.msg ?? body.message;
    throw new Problem("mail_not_sent", {
      detail: `Supabase Auth refused (${status})${said === undefined ? "." : `: ${said.slice(0, 200)}`}`,
    });
  }
}
