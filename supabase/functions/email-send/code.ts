/**
 * Mails the code that confirms an address of an identity: the one that mail is sent as, or the inbox that answers go to.
 *
 * @module
 */
import type { MailProvider } from "../_shared/channels/email/providers/provider.ts";
import type { Identity } from "../_shared/contract/answers/mail.ts";
import type { CheckedAddress, CodeMailed } from "../_shared/contract/http/mail.ts";
import { DbError, type Rpc } from "../_shared/db/client.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { isObject } from "../_shared/json/json.ts";
import type { Logger } from "../_shared/log/log.ts";
import { messageIdOf } from "../_shared/mail/addresses.ts";
import type { OutgoingMail } from "../_shared/mail/types.ts";

/** Dependencies of {@linkcode createMailCode}. */
export interface MailCodeDeps {
  rpc: Rpc;
  /** Sender of the mail, and the domain of its Message-ID. @throws {Problem} `config_invalid` */
  sender(): { from: { address: string; name: string | null }; sendDomain: string };
  /** The provider of an identity. @throws {Problem} `config_invalid` if it has no key */
  provider(name: MailProvider["name"]): MailProvider;
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** Mails a code for the identity `id`, as it stands in the address, on behalf of the key or person `actor`. */
export type MailCode = (request: Request, id: string, actor: string, log: Logger) => Promise<Response>;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const BODY_BYTES = 1024;

/**
 * Creates a {@linkcode MailCode}. It answers 200 with {@linkcode CodeMailed}.
 *
 * The code is in the mail alone: neither the answer nor the log shows it, or an operator could confirm an inbox that
 * belongs to somebody else.
 *
 * Failure policy: what is missing in the environment is noticed before the code is made, which can be asked for once a
 * minute. A provider's refusal is `mail_not_sent`; after a lost answer the mail is not repeated.
 *
 * Refusals: `identity_not_found` (no such identity, or nothing to confirm), `invalid_request`, `rate_limited`, `mail_not_sent`.
 */
export function createMailCode({ rpc, sender, provider, fetch }: MailCodeDeps): MailCode {
  return async (request, id, actor, log) => {
    if (!UUID.test(id)) throw new Problem("identity_not_found");
    const what = whatOf(await readJson(request, BODY_BYTES));
    const identity = (await rpc("list_identities", {})).find((each) => each.id === id);
    if (identity === undefined) {
      throw new Problem("identity_not_found", { detail: "There is no such identity." });
    }
    const { from, sendDomain } = sender();
    const carrier = provider(identity.provider);
    const { code, to, expires_at } = await rpc("begin_identity_check", { p_id: id, p_what: what })
      .catch((error) => {
        throw refusalOf(error);
      });
    const mailId = crypto.randomUUID();
    const mail: OutgoingMail = {
      from: { address: from.address, name: from.name ?? "" },
      to: [{ address: to, name: "" }],
      ...wordsOf(what, code, identity),
      headers: {
        "Message-ID": messageIdOf(mailId, sendDomain),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
      },
      attachments: [],
    };
    const sent = await carrier.send(mail, [], { kind: "gl_code", id: mailId }, { fetch });
    const known = sent.ok || sent.kind !== "unknown";
    log.info("a code was mailed", { identity: id, what, actor, outcome: sent.ok ? "sent" : sent.kind });
    if (!sent.ok && known) {
      throw new Problem("mail_not_sent", {
        detail: `${carrier.name} said: ${sent.message}`,
        cause: sent.code,
      });
    }
    const answer: CodeMailed = { to, expires_at, sent: known ? "yes" : "unknown" };
    return Response.json(answer);
  };
}

function whatOf(body: unknown): CheckedAddress {
  const what = isObject(body) ? body.what : undefined;
  if (what === "from" || what === "forward") return what;
  throw new Problem("invalid_request", { detail: "`what` must be from or forward." });
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof DbError)) return error;
  if (error.code === "GL404") {
    return new Problem("identity_not_found", {
      detail: "This address is confirmed already, or there is none.",
    });
  }
  if (error.code === "GL429") {
    return new Problem("rate_limited", {
      detail: "A code was mailed less than a minute ago.",
      headers: { "retry-after": "60" },
    });
  }
  return error;
}

/** The words of the mail. Whoever did not ask for it must see what the code would do. */
function wordsOf(
  what: CheckedAddress,
  code: string,
  { from_email }: Identity,
): { subject: string; text: string } {
  const effect = what === "from"
    ? `confirms that mail may be sent as ${from_email}`
    : `confirms that answers to mail from ${from_email} are forwarded to this address`;
  return {
    subject: `${code} is your code for ${from_email}`,
    text: `${code} ${effect}. It is valid for 30 minutes.

If you did not expect this, ignore it: nothing happens without the code, so give it to nobody.`,
  };
}
