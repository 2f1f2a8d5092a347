/** One conversation: the contact, until when replies are allowed, the messages, and a reply. */
import { Group, Text } from "@mantine/core";
import { useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { ChannelFace } from "../mail/ChannelFace.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { AlsoHere } from "./AlsoHere.tsx";
import { DeskBar, Takeover, useDesk } from "./Desk.tsx";
import { MergeButton, SamePerson } from "./Person.tsx";
import { Reply } from "./Reply.tsx";
import { Reveal } from "./Reveal.tsx";
import { Reveals } from "./Reveals.tsx";
import { Thread } from "./Thread.tsx";
import { Who } from "./Who.tsx";
import { withWhom } from "./words.ts";
import classes from "./messages.module.css";

export function ConversationView({ id, open }: { id: string; open: (message: string) => void }) {
  const head = useRpc("conversation_messages", { p_conversation_id: id, p_limit: 1 });
  const desk = useDesk(id);
  if (head.data === undefined || head.isPlaceholderData) {
    return head.isError ? <Failed error={head.error} retry={head.refetch} /> : <Loading rows={6} />;
  }
  if (head.data === null) {
    return (
      <Empty icon="chat" title="Conversation not found">
        It may have been merged with another conversation of the same person. Search for the last four digits.
      </Empty>
    );
  }
  const { conversation } = head.data;
  return (
    <>
      <div className={classes.head}>
        <Group justify="space-between" gap="xs">
          <div>
            <Group gap={6} wrap="nowrap">
              <ChannelFace channel={conversation.channel} />
              <Who contact={conversation.contact} />
            </Group>
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>{withWhom(conversation)}</Text>
          </div>
          <Group gap="xs">
            {!["whatsapp", "email", "sms"].includes(conversation.channel) && (
              <State tone="info">{conversation.channel}</State>
            )}
            {conversation.contact.group && (
              <State
                tone="info"
                title="Replies go to the whole group. Anybody in it opens the window for replies."
              >
                group
              </State>
            )}
            {conversation.opted_out_at && <State tone="warn">opted out</State>}
            {conversation.unrouted_since && <State tone="warn">waiting for the router</State>}
            <For role="operator">
              <Takeover id={id} desk={desk} />
              <MergeButton conversation={conversation} />
              <Reveal contact={conversation.contact.id} channel={conversation.channel} />
            </For>
          </Group>
        </Group>
        <AlsoHere id={id} />
        <Reveals contact={conversation.contact.id} />
        <SamePerson contact={conversation.contact.id} />
        {desk && (
          <For role="operator">
            <DeskBar id={id} desk={desk} />
          </For>
        )}
      </div>
      <Thread id={id} open={open} />
      <For role="operator">
        <div className={classes.foot}>
          <Reply conversation={conversation} />
        </div>
      </For>
    </>
  );
}
