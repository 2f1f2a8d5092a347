/** A list of any length in the page: only the items near the window are rendered, and more are read on the way. */
import { Button } from "@mantine/core";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type HTMLAttributes, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";

/** Up to this many items are all rendered, so that the browser's own search finds them. */
const FEW = 60;
/** How many items before the end more are read. */
const NEAR = 10;

interface Props<T> {
  label?: string;
  items: readonly T[];
  idOf: (item: T) => string;
  /** The content of an item's `li`. */
  children: (item: T, index: number) => ReactNode;
  /** Attributes of an item's `li`. */
  itemProps?: (
    item: T,
    index: number,
  ) => HTMLAttributes<HTMLLIElement> & { [data: `data-${string}`]: unknown };
  /** Likely height of an item, in pixels. */
  height: number;
  /** Space between items, in pixels. */
  gap?: number;
  ordered?: boolean;
  className?: string;
  hasMore?: boolean;
  reading?: boolean;
  more?: () => void;
}

export function VirtualList<T>(props: Props<T>) {
  const { label, items, ordered, className, hasMore, reading, more } = props;
  const List = ordered ? "ol" : "ul";
  const list = useRef<HTMLUListElement & HTMLOListElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    if (list.current) setTop(Math.round(list.current.getBoundingClientRect().top + scrollY));
  });
  const isLong = items.length > FEW;
  const rows = useWindowVirtualizer({
    count: items.length,
    enabled: isLong,
    estimateSize: () => props.height,
    gap: props.gap,
    overscan: 10,
    scrollMargin: top,
    getItemKey: (index) => props.idOf(items[index]),
  });
  const shown = rows.getVirtualItems();
  const last = isLong ? shown.at(-1)?.index ?? 0 : 0;
  useEffect(() => {
    if (isLong && hasMore && last >= items.length - NEAR) more?.();
  }, [last, items.length, hasMore, isLong]);
  // A list that is still rendered whole has no last item in view: how near its end is says when to read on.
  useEffect(() => {
    if (isLong || !hasMore || reading) return;
    const look = () => {
      const end = list.current?.getBoundingClientRect().bottom ?? Infinity;
      if (end < innerHeight + NEAR * props.height) more?.();
    };
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, [isLong, hasMore, reading, more]);
  const indices = isLong ? shown.map(({ index }) => index) : items.map((_, index) => index);
  const padding = isLong && shown.length > 0
    ? { paddingTop: shown[0].start - top, paddingBottom: rows.getTotalSize() - (shown.at(-1)!.end - top) }
    : { paddingTop: 0, paddingBottom: 0 };
  return (
    <>
      <List
        ref={list}
        aria-label={label}
        className={className}
        style={{
          listStyle: "none",
          margin: 0,
          paddingInline: 0,
          display: "flex",
          flexDirection: "column",
          gap: props.gap,
          ...padding,
        }}
      >
        {indices.map((index) => (
          <li
            key={props.idOf(items[index])}
            ref={isLong ? rows.measureElement : undefined}
            data-index={index}
            aria-posinset={isLong ? index + 1 : undefined}
            aria-setsize={isLong ? hasMore ? -1 : items.length : undefined}
            {...props.itemProps?.(items[index], index)}
          >
            {props.children(items[index], index)}
          </li>
        ))}
      </List>
      {hasMore && (
        <Button variant="default" fullWidth mt="xs" loading={reading} onClick={more}>Show more</Button>
      )}
    </>
  );
}
