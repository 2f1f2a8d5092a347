/** A text outside of its thread. */
import { Group, Text } from "@mantine/core";
import type { InboxText } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import { Time } from "../ui/Time.tsx";
import { Files } from "./Files.tsx";
import { senderOf, WORDS } from "./words.ts";
import classes from "./masked.module.css";

/** Who wrote a text, when and what. */
export function Said({ item }: { item: InboxText }) {
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
      <Files files={item.files} media={item.media} />
    </>
  );
}
