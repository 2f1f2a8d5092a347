/** Microsoft Graph of one account, as far as Gatelink calls it. */
import type { Account, KeptMail } from "./accounts.ts";

const error = (status: number, code: string, message: string) =>
  Response.json({ error: { code, message } }, { status });

/** Answers a GET below `/v1.0`. @param base The API's own address, which its links begin with. */
export function graph(
  account: Account,
  path: string,
  asked: URLSearchParams,
  base: string,
  prefer: string,
): Response {
  if (path === "/me") {
    return Response.json({
      mail: account.address,
      userPrincipalName: account.principal ?? account.address,
      displayName: account.name,
      proxyAddresses: [`SMTP:${account.address}`, ...account.aliases.map((alias) => `smtp:${alias}`)],
    });
  }
  if (path === "/me/mailFolders/inbox/messages/delta") return delta(account, asked, base, prefer);
  if (path === "/me/mailFolders/sentitems/messages") return sent(account, asked.get("$filter") ?? "");
  const [, id] = /^\/me\/messages\/(\w+)\/\$value$/.exec(path) ?? [];
  const found = account.mails.find((each) => each.id === id);
  return found === undefined
    ? error(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    : new Response(found.raw, { headers: { "content-type": "text/plain" } });
}

/** 410 for a state that is older than what is kept. */
function delta(account: Account, asked: URLSearchParams, base: string, prefer: string): Response {
  const state = asked.get("$skiptoken") ?? asked.get("$deltatoken");
  const start = Number(state ?? 0);
  if (state !== null && start < account.forgotten) {
    return error(
      410,
      "syncStateNotFound",
      "The sync state is not found; a full synchronisation is required.",
    );
  }
  const since = state === null
    ? Date.parse(/receivedDateTime ge (\S+)/.exec(asked.get("$filter") ?? "")?.[1] ?? "1970-01-01T00:00:00Z")
    : -Infinity;
  const most = Number(/odata\.maxpagesize=(\d+)/.exec(prefer)?.[1] ?? 10);
  const found = account.mails.filter(({ seq, folder, at }) =>
    seq > start && folder === "inbox" && at >= since
  );
  const page = found.slice(0, most);
  const link = (token: string, at: number) => `${base}/me/mailFolders/inbox/messages/delta?${token}=${at}`;
  return Response.json({
    value: page.map(({ id }) => ({ id, isDraft: false })),
    ...(found.length > most
      ? { "@odata.nextLink": link("$skiptoken", page[page.length - 1].seq) }
      : { "@odata.deltaLink": link("$deltatoken", account.seq) }),
  });
}

/** Of OData's filters, internetMessageId and one extended property. */
function sent(account: Account, filter: string): Response {
  const messageId = /^internetMessageId eq '<([^']+)>'$/.exec(filter)?.[1];
  const [, property, value] =
    /^singleValueExtendedProperties\/Any\(ep: ep\/id eq '([^']+)' and ep\/value eq '([^']+)'\)$/.exec(
      filter,
    ) ?? [];
  if (messageId === undefined && property === undefined) {
    return error(400, "BadRequest", `Invalid filter clause: ${filter}`);
  }
  const name = "String {00020386-0000-0000-C000-000000000046} Name X-Gatelink-Message";
  const found = account.mails.filter((each) =>
    each.folder === "sent" &&
    (messageId !== undefined ? each.messageId === messageId : property === name && ownId(each) === value)
  );
  return Response.json({
    value: found.slice(0, 1).map((each) => {
      const id = ownId(each);
      return {
        id: each.id,
        ...(id === undefined ? {} : { singleValueExtendedProperties: [{ id: name, value: id }] }),
      };
    }),
  });
}

const ownId = ({ mail }: KeptMail) => mail.headers.get("x-gatelink-message")?.[0];
