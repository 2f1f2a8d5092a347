/** Long lists: more pages load on demand, and the first one is polled. */
import {
  type InfiniteData,
  keepPreviousData,
  type QueryKey,
  useInfiniteQuery,
  useQuery,
} from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { LIVE_MS } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** A list that is read by pages. */
export interface Source<T> {
  /** Reads the page after an item; without one, the first page. */
  read: (after: T | undefined) => Promise<T[]>;
  /** Items of a full page. A shorter page is the last. */
  size: number;
}

export interface PagesOptions<T> extends Source<T> {
  /** Begins with the name that changes invalidate, as in `useRows`. */
  key: QueryKey;
  idOf: (item: T) => string;
}

export interface Pages<T> {
  /** undefined while loading. */
  items: T[] | undefined;
  error: Refusal | null;
  retry: () => void;
  /** Whether there are more pages. */
  hasMore: boolean;
  reading: boolean;
  more: () => void;
}

/**
 * Loaded pages stay as they are. The first page is read again every ten seconds: its new and updated items
 * come before the rest.
 */
export function usePages<T>({ key, read, size, idOf }: PagesOptions<T>): Pages<T> {
  const pages = useInfiniteQuery<T[], Refusal, InfiniteData<T[]>, QueryKey, T | undefined>({
    queryKey: [...key, "pages"],
    initialPageParam: undefined,
    queryFn: ({ pageParam }) => read(pageParam as T | undefined),
    getNextPageParam: (last) => last.length < size ? undefined : last.at(-1),
    staleTime: Infinity,
  });
  const newest = useQuery<T[], Refusal>({
    queryKey: [...key, "newest"],
    queryFn: () => read(undefined),
    enabled: pages.isSuccess,
    refetchInterval: LIVE_MS,
  });
  const { items, apart } = useMemo(() => {
    const older = pages.data?.pages.flat();
    if (older === undefined) return { items: undefined, apart: false };
    const known = new Set(older.map(idOf));
    const first = newest.data ?? [];
    // More than a whole page is new, so the items between it and the loaded ones were never read.
    const apart = first.length === size && !first.some((item) => known.has(idOf(item)));
    const fresh = new Set(first.map(idOf));
    return { items: apart ? first : [...first, ...older.filter((item) => !fresh.has(idOf(item)))], apart };
  }, [pages.data, newest.data]);
  useEffect(() => {
    if (apart && !pages.isFetching) void pages.refetch();
  }, [apart]);
  return {
    items,
    error: pages.error,
    retry: () => void pages.refetch(),
    hasMore: pages.hasNextPage,
    reading: pages.isFetchingNextPage,
    more: () => {
      if (pages.hasNextPage && !pages.isFetchingNextPage) void pages.fetchNextPage();
    },
  };
}

export interface LivePagesOptions<T> extends Omit<PagesOptions<T>, "idOf"> {
  /** Polling interval in milliseconds. @default LIVE_MS */
  every?: number;
}

/** More loaded pages than these are polled less often. */
const FEW = 4;

/**
 * A list whose items change in place, in pages by a sort key. All loaded pages are polled. While a filter
 * changes, the items of the one before stay.
 */
export function useLivePages<T>({ key, read, size, every = LIVE_MS }: LivePagesOptions<T>): Pages<T> {
  const pages = useInfiniteQuery<T[], Refusal, InfiniteData<T[]>, QueryKey, T | undefined>({
    queryKey: key,
    initialPageParam: undefined,
    queryFn: ({ pageParam }) => read(pageParam as T | undefined),
    getNextPageParam: (last) => last.length < size ? undefined : last.at(-1),
    refetchInterval: ({ state }) => every * ((state.data?.pages.length ?? 0) > FEW ? 6 : 1),
    placeholderData: keepPreviousData,
  });
  const items = useMemo(() => pages.data?.pages.flat(), [pages.data]);
  return {
    items,
    error: pages.error,
    retry: () => void pages.refetch(),
    hasMore: pages.hasNextPage,
    reading: pages.isFetchingNextPage,
    more: () => {
      if (pages.hasNextPage && !pages.isFetching) void pages.fetchNextPage();
    },
  };
}

/** The items of a query of either kind, each replaced by what `change` returns; for optimistic updates. */
export function mapItems<T>(data: unknown, change: (item: T) => T): unknown {
  if (Array.isArray(data)) return data.map(change);
  const { pages, ...rest } = data as InfiniteData<T[]>;
  return { ...rest, pages: pages.map((page) => page.map(change)) };
}
