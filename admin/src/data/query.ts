/**
 * Reads and changes. Every page uses these, so that errors, polling and rollbacks behave the same everywhere.
 */
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
import { useRef } from "react";
import type { Database } from "../../../supabase/functions/_shared/contract/database.ts";
import type { Args, FunctionName, Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import { type Client, client, renewSession } from "./client.ts";
import { Refusal, refusalOf } from "./refusal.ts";
import { toast } from "./toasts.tsx";

/** Default polling interval of lists, in milliseconds. Polling pauses while the page is hidden. */
export const LIVE_MS = 10_000;
/** How long a read may take before the page says that nothing answers, in milliseconds. */
const READ_MS = 5_000;
/** How long a read of many pages may take, in milliseconds. */
const PATIENT_READ_MS = 60_000;
/** How long a change may take, in milliseconds: longer than the database lets a statement of a person run. */
const CHANGE_MS = 15_000;

/** A response of supabase-js. */
interface Answer<T> {
  data: T | null;
  error: PostgrestError | null;
}

/** Rows that the Data API returns at most: `max_rows` of a Supabase project. It cuts the rest without a word. */
export const MAX_ROWS = 1000;

/** PostgREST's codes for a token that it does not take, or no longer. */
const TOKEN_REFUSED: ReadonlySet<string> = new Set(["PGRST301", "PGRST303"]);

/**
 * Returns the data of a response. As many rows as the Data API returns at most are refused, since there may be
 * more: `allRows` and `usePages` read lists that can be so long. @throws {Refusal}
 */
export async function unwrap<T>(answer: PromiseLike<Answer<T>>): Promise<T> {
  const data = await settle(answer);
  if (Array.isArray(data) && data.length >= MAX_ROWS) {
    throw new Refusal(
      "cut_off",
      `There are more than ${MAX_ROWS} rows, and this page would not show them all.`,
    );
  }
  return data;
}

/**
 * All rows, page by page.
 * @param page Reads the rows after one, in the order of a unique column, at most MAX_ROWS. @throws {Refusal}
 */
export async function allRows<T>(
  page: (client: Client, after: T | undefined) => PromiseLike<Answer<T[]>>,
): Promise<T[]> {
  const all: T[] = [];
  for (;;) {
    const rows = await settle(page(client(), all.at(-1)));
    all.push(...rows);
    if (rows.length < MAX_ROWS) return all;
  }
}

/** @throws {Refusal} */
async function settle<T>(answer: PromiseLike<Answer<T>>): Promise<T> {
  let settled: Answer<T>;
  try {
    settled = await answer;
  } catch (error) {
    throw refusalOf({ message: String(error) });
  }
  if (settled.error) {
    if (TOKEN_REFUSED.has(settled.error.code)) void renewSession();
    throw refusalOf(settled.error);
  }
  return settled.data as T;
}

/**
 * Calls a database function. Functions answer with one JSON document, of which the Data API cuts nothing.
 * @throws {Refusal}
 */
export function rpc<Name extends FunctionName>(name: Name, args: Args<Name>): Promise<Result<Name>> {
  return settle<unknown>(
    client().rpc(name, args as Database["public"]["Functions"][Name]["Args"]),
  ) as Promise<Result<Name>>;
}

export interface ReadOptions<T = unknown> {
  /** Polling interval in milliseconds, which may depend on what was read; false disables polling. @default LIVE_MS */
  every?: number | false | ((data: T | undefined) => number);
  /** Whether it reads so many pages that together they may take longer than one read. */
  patient?: boolean;
  /** @default true */
  enabled?: boolean;
}

/** The result of a database function, polled. The key is `[name, args]`. */
export function useRpc<Name extends FunctionName>(
  name: Name,
  args: Args<Name>,
  options: ReadOptions = {},
): UseQueryResult<Result<Name>, Refusal> {
  return useRead([name, args], () => rpc(name, args), options);
}

/**
 * Rows, polled.
 * @param key Begins with the table's name: `["settings", { like: "…" }]`. Changes invalidate queries by that
 * name.
 */
export function useRows<T>(
  key: QueryKey,
  query: (client: Client) => PromiseLike<Answer<T[]>>,
  options: ReadOptions = {},
): UseQueryResult<T[], Refusal> {
  return useRead(key, () => unwrap(query(client())), options);
}

/** What `read` resolves with, polled. The previous data stay until the next have loaded. */
export function useRead<T>(
  key: QueryKey,
  read: () => Promise<T>,
  options: ReadOptions<T> = {},
): UseQueryResult<T, Refusal> {
  const { every = LIVE_MS } = options;
  return useQuery<T, Refusal>({
    queryKey: key,
    queryFn: () =>
      within(
        options.patient ? PATIENT_READ_MS : READ_MS,
        read(),
        () => new Refusal("timeout", "The project is not responding.", "The panel retries automatically."),
      ),
    refetchInterval: typeof every === "function" ? ({ state }) => every(state.data) : every,
    enabled: options.enabled ?? true,
    placeholderData: keepPreviousData,
  });
}

/** Settles as the work does, or rejects with `late()` after so many milliseconds. */
function within<T>(ms: number, work: Promise<T>, late: () => Refusal): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = AbortSignal.timeout(ms);
    const refuse = () => reject(late());
    over.addEventListener("abort", refuse, { once: true });
    work.then(resolve, reject).finally(() => over.removeEventListener("abort", refuse));
  });
}

export interface ChangeOptions<A, T> {
  /** Makes the change. */
  act: (args: A) => Promise<T>;
  /** First parts of the keys to invalidate afterwards: `["settings", "settings_history"]`. */
  touches: string[];
  /**
   * The optimistic update, undone if the change is refused: the expected data for each key with this prefix.
   */
  foresee?: (args: A) => { key: QueryKey; data: (before: unknown) => unknown }[];
  /** Text of the success notification; without it there is none. */
  said?: (result: T, args: A) => string;
  /**
   * How to restore exactly what was before the change, offered beside what `said` says; undefined where that is not possible.
   * Resolves with what to say then. It carries the version that the change made, so that it never overwrites another change.
   */
  undo?: (result: T, args: A) => (() => Promise<string>) | undefined;
  /** Called before the refusal is shown. Return true if the page shows it itself. */
  onRefused?: (refusal: Refusal, args: A) => boolean;
}

const notSettled = () =>
  new Refusal(
    "timeout",
    "The project is not responding.",
    "The change may have been made. Check before you try again.",
  );

/** A pending change: its arguments, and the options of the render in which a person asked for it. */
interface Asked<A, T> {
  args: A;
  options: ChangeOptions<A, T>;
}

/** The data under each key before an optimistic update. */
type Before = [QueryKey, unknown][];

/**
 * A change of state. With `foresee` it is optimistic. If it is refused it is rolled back and the refusal is
 * shown.
 *
 * `mutate` calls the `act` of the render that the handler belongs to. A page is refetched while a
 * confirmation dialog is open. With the newest render's `act`, which useMutation would use, a confirmed
 * change would be sent with a version that the person never saw, and would overwrite it.
 */
export function useChange<A, T>(options: ChangeOptions<A, T>) {
  const queries = useQueryClient();
  // The same change asked for again, by a second press or Enter, while its answer is awaited, is the same change.
  const pending = useRef(new Map<string, Promise<T>>());
  const refresh = (touches: string[]) =>
    Promise.all(
      touches.map((name) => queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === name })),
    );
  const mutation = useMutation<T, Refusal, Asked<A, T>, Before>({
    mutationFn: ({ args, options }) => within(CHANGE_MS, options.act(args), notSettled),
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
      toast({
        tone: "bad",
        title: refusal.conflict ? "Changed by somebody else" : "Action failed",
        message: [refusal.message, refusal.hint].filter(Boolean).join(" "),
      });
    },
    onSuccess: (result, { args, options }) => {
      if (!options.said) return;
      const undo = options.undo?.(result, args);
      toast({
        tone: "good",
        message: options.said(result, args),
        undo: undo && (async () => {
          try {
            return await within(CHANGE_MS, undo(), notSettled);
          } finally {
            // Before it is said: what is done next, and its way back, begin from what the page shows.
            await refresh(options.touches);
          }
        }),
      });
    },
    onSettled: (_result, _refusal, { options }) => refresh(options.touches),
  });
  type Then = MutateOptions<T, Refusal, Asked<A, T>, Before>;
  return {
    ...mutation,
    variables: mutation.variables?.args,
    mutate: (args: A, then?: Then) => void ask(args, then).catch(() => undefined),
    mutateAsync: ask,
  };

  function ask(args: A, then?: Then): Promise<T> {
    const same = JSON.stringify(args) ?? "";
    const asked = pending.current.get(same);
    if (asked) return asked;
    const answer = mutation.mutateAsync({ args, options }, then);
    pending.current.set(same, answer);
    const forget = () => void pending.current.delete(same);
    answer.then(forget, forget);
    return answer;
  }
}
