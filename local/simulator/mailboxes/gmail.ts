/** The Gmail API of one account, as far as Gatelink calls it. */
import { Buffer } from "node:buffer";
import type { Account, KeptMail } from "./accounts.ts";

const PAGE = 100;

const error = (status: number, reason: string, message: string) =>
  Response.json({ error: { code: status, message, errors: [{ domain: "global", reason, message }] } }, {
    status,
  });

const noSuch = () => error(404, "notFound", "Requested entity was not found.");

/** Answers a GET below `/gmail/v1/users/me`. */
export function gmail(account: Account, path: string, asked: URLSearchParams): Response {
  if (path === "/profile") {
    return Response.json({ emailAddress: account.address, historyId: String(account.seq) });
  }
  if (path === "/settings/sendAs") {
    return Response.json({
      sendAs: [
        { sendAsEmail: account.address, displayName: account.name, isPrimary: true },
        ...account.aliases.map((sendAsEmail) => ({ sendAsEmail, verificationStatus: "accepted" })),
      ],
    });
  }
  if (path === "/history") return history(account, asked);
  if (path === "/messages") return list(account, asked);
  const [, id] = /^\/messages\/(\w+)$/.exec(path) ?? [];
  const found = account.mails.find((each) => each.id === id);
  if (found === undefined) return noSuch();
  return Response.json({
    id: found.id,
    labelIds: labelsOf(found),
    internalDate: String(found.at),
    ...(asked.get("format") === "raw"
      ? { raw: Buffer.from(found.raw).toString("base64url") }
      : { payload: { headers: headersOf(found, asked.getAll("metadataHeaders")) } }),
  });
}

/** 404 for a place that is older than what is kept. */
function history(account: Account, asked: URLSearchParams): Response {
  const start = Number(asked.get("startHistoryId"));
  if (!(start >= account.forgotten)) return noSuch();
  const most = Math.min(Number(asked.get("maxResults") ?? PAGE), PAGE);
  const since = account.mails.filter(({ seq, folder }) => seq > start && folder === "inbox");
  const page = since.slice(0, most);
  return Response.json({
    ...(page.length === 0 ? {} : {
      history: page.map((each) => ({
        id: String(each.seq),
        messagesAdded: [{ message: { id: each.id, labelIds: labelsOf(each) } }],
      })),
    }),
    historyId: String(account.seq),
    ...(since.length > most ? { nextPageToken: String(most) } : {}),
  });
}

/** Newest first. Of Gmail's search, the operators in:, after: and rfc822msgid:. */
function list(account: Account, asked: URLSearchParams): Response {
  const words = (asked.get("q") ?? "").split(" ");
  const value = (operator: string) => words.find((word) => word.startsWith(operator))?.slice(operator.length);
  const [folder, after, messageId] = [value("in:"), value("after:"), value("rfc822msgid:")];
  const found = account.mails.filter((each) =>
    (folder === undefined || each.folder === folder) &&
    (after === undefined || each.at >= Number(after) * 1000) &&
    (messageId === undefined || each.messageId === messageId)
  ).reverse();
  const from = Number(asked.get("pageToken") ?? 0);
  const most = Math.min(Number(asked.get("maxResults") ?? PAGE), PAGE);
  return Response.json({
    resultSizeEstimate: found.length,
    ...(found.length === 0 ? {} : { messages: found.slice(from, from + most).map(({ id }) => ({ id })) }),
    ...(found.length > from + most ? { nextPageToken: String(from + most) } : {}),
  });
}

const labelsOf = ({ folder }: KeptMail) => [folder === "inbox" ? "INBOX" : "SENT"];

function headersOf({ mail }: KeptMail, names: string[]) {
  return names.flatMap((name) =>
    (mail.headers.get(name.toLowerCase()) ?? []).map((value) => ({ name, value }))
  );
}
