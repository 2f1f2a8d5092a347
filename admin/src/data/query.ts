/** Reading and changing: every page uses these, so that errors, polling and rolling back are the same everywhere. */
import { notifications } from "@mantine/notifications";
import {
  keepPreviousData,
  type MutateOptions,
  type QueryKey,
  useMutation,
  useQuery,
  useQueryClient,
  type UseQueryResult,
} from "@tanstack/react-query";
import type { PostgrestError } from "@supabase/supabase-js";
import type { Database } from "../../../supabase/functions/_shared/contract/database.ts";
import type { Args, FunctionName, Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import { type Client, client } from "./client.ts";
import { type Refusal, refusalOf } from "./refusal.ts";

/** How often lists are read again, in milliseconds. Only while the page is looked at. */
export const LIVE_MS = 10_000;

/** What supabase-js answers. */
interface Answer<T> {
  data: T | null;
  error: PostgrestError | null;
}

/** Takes the data out of an answer. @throws {Refusal} */
export async function unwrap<T>(answer: PromiseLike<Answer<T>>): Promise<T> {
  let settled: Answer<T>;
  try {
    settled = await answer;
  } catch (error) {
    throw refusalOf({ message: String(error) });
  }
  if (settled.error) throw refusalOf(settled.error);
  return settled.data as T;
}

/** Calls a function of the database. @throws {Refusal} */
export function rpc<Name extends FunctionName>(name: Name, args: Args<Name>): Promise<Result<Name>> {
  return unwrap<unknown>(
    client().rpc(name, args as Database["public"]["Functions"][Name]["Args"]),
  ) as Promise<Result<Name>>;
}

export interface ReadOptions {
  /** Read again so often, in milliseconds; false: never by itself. @default LIVE_MS */
  every?: number | false;
  /** @default true */
  enabled?: boolean;
}

/** What a function of the database returns, kept fresh. The key is `[name, args]`. */
export function useRpc<Name extends FunctionName>(
  name: Name,
  args: Args<Name>,
  options: ReadOptions = {},
): UseQueryResult<Result<Name>, Refusal> {
  return useRead([name, args], () => rpc(name, args), options);
}

/**
 * Rows, kept fresh.
 * @param key Begins with the table's name: `["settings", { like: "…" }]`. Changes are announced by that name.
 */
export function useRows<T>(
  key: QueryKey,
  query: (client: Client) => PromiseLike<Answer<T[]>>,
  options: ReadOptions = {},
): UseQueryResult<T[], Refusal> {
  return useRead(key, () => unwrap(query(client())), options);
}

/** Whatever `read` resolves with, kept fresh; what was there stays while the next is on its way. */
export function useRead<T>(
  key: QueryKey,
  read: () => Promise<T>,
  options: ReadOptions = {},
): UseQueryResult<T, Refusal> {
  return useQuery<T, Refusal>({
    queryKey: key,
    queryFn: read,
    refetchInterval: options.every ?? LIVE_MS,
    enabled: options.enabled ?? true,
    placeholderData: keepPreviousData,
  });
}

export interface ChangeOptions<A, T> {
  /** Does it. */
  act: (args: A) => Promise<T>;
  /** First parts of the keys that it makes stale: `["settings", "settings_history"]`. */
  touches: string[];
  /** What is shown at once, and taken back when it is refused: for each key that begins so, the data as they will be. */
  foresee?: (args: A) => { key: QueryKey; data: (before: unknown) => unknown }[];
  /** What to say when it is done; nothing is said without. */
  said?: (result: T, args: A) => string;
  /** Called before the refusal is shown. True: the page shows it itself. */
  onRefused?: (refusal: Refusal, args: A) => boolean;
}

/** A change on its way: what is to be done, by the page as it stood when a person asked for it. */
interface Asked<A, T> {
  args: A;
  options: ChangeOptions<A, T>;
}

/** What was shown under each key before a change was foreseen. */
type Before = [QueryKey, unknown][];

/**
 * A change of state: optimistic where `foresee` is given, rolled back and told of when it is refused.
 *
 * `mutate` does what `act` says in the render that the handler belongs to. A page is read again while a question is
 * open; with the newest render's `act`, which useMutation would take, a confirmed answer would be sent with a version
 * that nobody was asked about, and would overwrite what it stands for.
 */
export function useChange<A, T>(options: ChangeOptions<A, T>) {
  const queries = useQueryClient();
  const mutation = useMutation<T, Refusal, Asked<A, T>, Before>({
    mutationFn: ({ args, options }) => options.act(args),
    onMutate: async ({ args, options }) => {
      const before: Before = [];
      for (const { key, data } of options.foresee?.(args) ?? []) {
        await queries.cancelQueries({ queryKey: key });
        for (const [found, value] of queries.getQueriesData({ queryKey: key })) {
          if (value === undefined) continue;
          before.push([found, value]);
          queries.setQueryData(found, data(value));
        }
      }
      return before;
    },
    onError: (refusal, { args, options }, before) => {
      for (const [key, value] of before ?? []) queries.setQueryData(key, value);
      if (options.onRefused?.(refusal, args)) return;
      notifications.show({
        color: "red",
        title: refusal.conflict ? "Changed by somebody else" : "Action failed",
        message: [refusal.message, refusal.hint].filter(Boolean).join(" "),
        autoClose: 10_000,
      });
    },
    onSuccess: (result, { args, options }) => {
      if (options.said) notifications.show({ color: "green", message: options.said(result, args) });
    },
    onSettled: (_result, _refusal, { options }) =>
      Promise.all(
        options.touches.map((name) =>
          queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === name })
        ),
      ),
  });
  type Then = MutateOptions<T, Refusal, Asked<A, T>, Before>;
  return {
    ...mutation,
    variables: mutation.variables?.args,
    mutate: (args: A, then?: Then) => mutation.mutate({ args, options }, then),
    mutateAsync: (args: A, then?: Then) => mutation.mutateAsync({ args, options }, then),
  };
}
