/**
 * Mails the code that confirms an address of an identity: that the address is the user's, or that answers may go there.
 *
 * @module
 */
import type { MailProvider } from "../_shared/channels/email/providers/provider.ts";
import type { SendFailure } from "../_shared/channels/channel.ts";
import type { IdentityCode } from "../_shared/contract/http/identities.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route, type RouteDeps } from "../_shared/http/routes.ts";
import { composeMail, type Sender } from "../_shared/mail/compose.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** The routes of codes. */
export const CODE_ROUTES = [
  {
    method: "POST",
    path: "/identities/{id}/codes/{what}",
    auth: "operator",
    origins: "panel",
    handler: "mailCode",
  },
] as const satisfies readonly Route[];

/** Dependencies of {@linkcode codes}. */
export interface CodeDeps extends Pick<RouteDeps<"mailCode", Context>, "gates" | "panelOrigins"> {
  killed(): boolean;
  rpc: Rpc;
  /** The provider of an identity, or what is missing for it. */
  provider(name: MailProvider["name"]): MailProvider | SendFailure;
  /** FORWARD_FROM_EMAIL. @throws {Problem} `config_invalid` */
  from(): Sender;
  sendDomain(): string;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * `POST /identities/{id}/codes/{what}`: makes a code and mails it. `what` is `from` (the address of the identity) or
 * `forward` (the inbox for answers). Answers 200 {@linkcode IdentityCode}, whatever the provider did. The code itself
 * is in the mail alone; `check_identity` takes it.
 *
 * Refusals: `not_found` if there is nothing to confirm; `rate_limited` within a minute of the last code.
 */
export function codes(deps: CodeDeps): Handler {
  return createRouter<"mailCode", Context>("email-send", CODE_ROUTES, {
    killed: deps.killed,
    gates: deps.gates,
    panelOrigins: deps.panelOrigins,
    handlers: { mailCode },
  });

  async function mailCode({ request, params: { id, what }, context }: Call<Context>): Promise<Response> {
    await request.body?.cancel();
    if (!UUID.test(id) || (what !== "from" && what !== "forward")) throw new Problem("not_found");
    // Before a code is made: it could not be mailed.
    const from = deps.from();
    const identity = (await deps.rpc("list_identities", {})).find((each) => each.id === id);
    if (identity === undefined) throw new Problem("not_found");
    const { code, to, expires_at } = await deps.rpc("begin_identity_check", { p_id: id, p_what: what })
      .catch((error) => {
        if (!(error instanceof DbError)) throw error;
        if (error.code === "GL404") {
          throw new Problem("not_found", { detail: "There is nothing to confirm." });
        }
        if (error.code !== "GL429") throw error;
        throw new Problem("rate_limited", {
          detail: "A code was mailed less than a minute ago.",
          headers: { "retry-after": "60" },
        });
      });
    const answer = (sent: boolean, detail?: string) =>
      Response.json(
        { to, expires_at, sent, ...(detail === undefined ? {} : { detail }) } satisfies IdentityCode,
      );
    const provider = deps.provider(identity.provider);
    if (!("send" in provider)) return answer(false, provider.message);
    const mailId = crypto.randomUUID();
    const mail = await composeMail({
      messageId: `${mailId}@${deps.sendDomain()}`,
      replyTo: from.address,
      from,
      to: { address: to, name: "" },
      subject: `Your code for ${identity.from_email}`,
      text: textOf(what, identity.from_email, code),
      bulk: {},
    });
    const { traceparent } = context;
    const sent = await provider.send(mail, [], { kind: "gl_message", id: mailId }, {
      fetch: deps.fetch,
      traceparent,
    });
    // Of one whose answer was lost nobody knows; whoever waits for it in vain asks for another.
    return sent.ok || sent.kind === "unknown" ? answer(true) : answer(false, sent.message);
  }
}

function textOf(what: "from" | "forward", address: string, code: string): string {
  const asked = what === "from"
    ? `Somebody of your team wants to send mail as ${address}.`
    : `Somebody of your team wants answers to ${address} to be forwarded to this inbox.`;
  return `${asked}

Code: ${code}

Give it to them if you agree. It is valid for 30 minutes. If you do not, ignore this mail: nothing changes.
`;
}
