/** A conversation as a chat: the newest message at the bottom, older ones loaded while scrolling up. */
import { Button, Loader, Text } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { usePages } from "../../data/pages.ts";
import { rpc } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import { Failed, Loading } from "../../ui/states.tsx";
import { Bubble } from "./Bubble.tsx";
import type { Message } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { writtenAt } from "./words.ts";
import classes from "./messages.module.css";

const SIZE = 100;
/** Distance from the top, in rows, at which older messages are loaded. */
const AHEAD = 40;
/** Distance from the bottom, in pixels, within which the list follows new messages. */
const NEAR = 80;

export function Thread({ id, open }: { id: string; open: (message: string) => void }) {
  const pages = usePages<Message>({
    key: ["conversation_messages", id],
    read: async (after) =>
      (await rpc("conversation_messages", {
        p_conversation_id: id,
        p_before: after?.seq ?? null,
        p_limit: SIZE,
      }))?.messages ?? [],
    size: SIZE,
    idOf: (message) => message.id,
  });
  if (pages.items === undefined) {
    return pages.error ? <Failed error={pages.error} retry={pages.retry} /> : <Loading rows={6} />;
  }
  return <Rows newestFirst={pages.items} pages={pages} open={open} />;
}

function Rows({ newestFirst, pages, open }: {
  newestFirst: Message[];
  pages: Pick<ReturnType<typeof usePages>, "hasMore" | "reading" | "more">;
  open: (message: string) => void;
}) {
  const items = useMemo(() => [...newestFirst].reverse(), [newestFirst]);
  const scroller = useRef<HTMLDivElement>(null);
  const [below, setBelow] = useState(false);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 76,
    overscan: 12,
    getItemKey: (index) => items[index].id,
    // Keeps the scroll position when older messages are added above, and follows new ones at the bottom.
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: NEAR,
    onChange: (rows) => setBelow(!rows.isAtEnd()),
  });
  const [begun, setBegun] = useState(false);
  useLayoutEffect(() => {
    rows.scrollToEnd();
    setBegun(true);
  }, []);
  const shown = rows.getVirtualItems();
  const first = shown.at(0)?.index ?? items.length;
  useEffect(() => {
    if (begun && first < AHEAD) pages.more();
  }, [begun, first, items.length]);
  return (
    <div className={classes.thread}>
      <div ref={scroller} className={classes.scroll} tabIndex={0} role="group" aria-label="Conversation">
        <div role="list" style={{ height: rows.getTotalSize() + 8, position: "relative", top: 4 }}>
          {shown.map(({ key, index, start }) => (
            <div
              key={key}
              role="listitem"
              ref={rows.measureElement}
              data-index={index}
              style={{ position: "absolute", top: 0, insetInline: 0, transform: `translateY(${start}px)` }}
            >
              <Day of={items[index]} after={items[index - 1]} begins={!pages.hasMore} />
              <Bubble message={items[index]} open={open} />
            </div>
          ))}
        </div>
      </div>
      {pages.reading && <Loader size="sm" className={classes.reading} aria-label="Loading older messages" />}
      {below && (
        <Button
          size="compact-sm"
          variant="default"
          className={classes.newest}
          leftSection={<Icon name="down" size={14} />}
          onClick={() => rows.scrollToEnd()}
        >
          Newest
        </Button>
      )}
    </div>
  );
}

const dayOf = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });

/** The day, shown where a new one begins. */
function Day({ of, after, begins }: { of: Message; after: Message | undefined; begins: boolean }) {
  if (after === undefined && !begins) return null;
  const day = dayOf.format(new Date(writtenAt(of)));
  if (after !== undefined && day === dayOf.format(new Date(writtenAt(after)))) return null;
  return <Text size="xs" c="dimmed" ta="center" pt={10} pb={4}>{day}</Text>;
}
