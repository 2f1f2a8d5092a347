/** What the pages ask of the function `messages`, as the signed-in person. */
import type {
  Findings,
  MessagesMe,
  OwnerInbox,
  ThreadChecked,
  ThreadPage,
  Threads,
  ThreadTextSent,
} from "../../../supabase/functions/_shared/contract/http/masking.ts";
import type { ThreadRow } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import type { InboxText } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import { callFunction } from "../data/functions.ts";

/** Rows of a page, as the function cuts them. */
export const SIZE = 50;

type Query = Readonly<Record<string, string | undefined>>;

function at(path: string, query: Query): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  const search = new URLSearchParams(given).toString();
  return `messages/${path}${search && `?${search}`}`;
}

const post = <T>(path: string, org: string, body?: unknown) =>
  callFunction<T>(at(path, { org }), { method: "POST", ...(body === undefined ? {} : { body }) });

/** Where the person has messaging. @throws {Refusal} `not_found` where it is nowhere on */
export const readMe = (): Promise<MessagesMe> => callFunction(at("me", {}));

/** A page of threads. */
export async function readThreads(
  org: string,
  { state, search }: { state: string; search: string },
  after: ThreadRow | undefined,
): Promise<ThreadRow[]> {
  const query = { org, state, search, before_at: after?.last_at, before_id: after?.id };
  return (await callFunction<Threads>(at("threads", query))).threads;
}

export const readThread = (org: string, id: string, before: string | undefined): Promise<ThreadPage> =>
  callFunction(at(`threads/${id}`, { org, before }));

export const checkText = (org: string, id: string, text: string): Promise<ThreadChecked> =>
  post(`threads/${id}/check`, org, { text });

export const sendText = (org: string, id: string, text: string, key: string): Promise<ThreadTextSent> =>
  post(`threads/${id}/texts`, org, { text, idempotency_key: key });

export async function readInbox(org: string, after: InboxText | undefined): Promise<InboxText[]> {
  return (await callFunction<OwnerInbox>(at("inbox", { org, before: after?.id }))).texts;
}

export const finish = (org: string, id: string): Promise<null> => post(`inbox/${id}/done`, org);

export const letPass = (org: string, id: string, reason: string): Promise<ThreadTextSent> =>
  post(`inbox/${id}/force`, org, { reason });

export const readFindings = (
  org: string,
  reviewed: boolean,
  after: InboxText | undefined,
): Promise<Findings> => callFunction(at("findings", { org, reviewed: String(reviewed), before: after?.id }));

export const review = (org: string, id: string, ord: number, wasRight: boolean): Promise<null> =>
  post(`inbox/${id}/findings/${ord}`, org, { was_right: wasRight });

/** First parts of the keys under which answers are kept. */
export const KEYS = {
  me: "messages_me",
  threads: "messages_threads",
  thread: "messages_thread",
  inbox: "messages_inbox",
  findings: "messages_findings",
} as const;

/** All that a text or a decision about one may change. */
export const TOUCHED: string[] = [KEYS.threads, KEYS.thread, KEYS.inbox, KEYS.findings];
