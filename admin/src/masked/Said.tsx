/** A text outside of its thread. */
import { Group, Text } from "@mantine/core";
import type { InboxItem } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import { Time } from "../ui/Time.tsx";
import { senderOf, WORDS } from "./words.ts";
import classes from "./masked.module.css";

/** Who wrote a text, when and what. */
export function Said({ item }: { item: InboxItem }) {
  return (
    <>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Group gap={6} style={{ minWidth: 0 }}>
          <Text fw={600} truncate dir="auto">{senderOf(item)}</Text>
          <Text size="xs" c="dimmed">{WORDS.inbox.writes[item.from_role]}</Text>
        </Group>
        <Text size="xs" c="dimmed" component="div" style={{ flex: "none" }}>
          <Time at={item.at} />
        </Text>
      </Group>
      {item.text === null
        ? !item.reason.startsWith("call_") && (
          <Text size="sm" fs="italic" c="dimmed">
            {item.media > 0 ? WORDS.thread.noWords : WORDS.thread.notKept}
          </Text>
        )
        : <Text size="sm" dir="auto" className={classes.words}>{item.text}</Text>}
      {item.media > 0 && <Text size="xs" c="dimmed">{WORDS.thread.media(item.media)}</Text>}
    </>
  );
}
