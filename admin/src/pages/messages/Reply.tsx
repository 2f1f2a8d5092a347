/**
 * A reply to a person: on WhatsApp while it allows the business to write freely, by text until the person ends texts. Mail
 * says where one replies.
 */
import { Alert, Button, Group, Text, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";
import { useDraft } from "../../session/draft.ts";
import { useNow } from "../../ui/Time.tsx";
import { ago, duration, exact } from "../../ui/times.ts";
import type {
  Conversation,
  Message,
} from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { MAX_TEXT } from "../../../../supabase/functions/_shared/sms/segments.ts";
import { Canned } from "./Canned.tsx";
import { Segments } from "./Segments.tsx";
import { SendTemplate } from "./SendTemplate.tsx";
import { sendRefusal } from "./words.ts";

/** Longest text that WhatsApp accepts. */
const MAX = 4096;

async function send(args: { conversation: string; text: string; key: string }): Promise<string> {
  const { conversation, text, key } = args;
  const answer = await rpc("reply_in_conversation", {
    p_conversation_id: conversation,
    p_text: text,
    p_key: key,
  });
  if (answer.id !== undefined) return answer.id;
  throw sendRefusal(answer.error);
}

/** The message as it will appear, until the database returns the real one. */
const foreseen = (text: string, key: string): Message => ({
  id: key,
  seq: Number.MAX_SAFE_INTEGER,
  direction: "out",
  type: "text",
  text,
  choice: null,
  status: "queued",
  status_at: {},
  error: null,
  sent_at: null,
  imported: false,
  author: null,
  written_by: null,
  created_at: new Date().toISOString(),
  link: null,
  route: null,
  deliveries: [],
  mail: null,
});

const UNSUPPORTED = sendRefusal("channel_unsupported");

export function Reply({ conversation }: { conversation: Conversation }) {
  const { id, channel, window_closes_at, opted_out_at } = conversation;
  const draft = useDraft(`reply:${id}`);
  const [text, setText] = draft.field("text", "");
  // The key is the same for the same text, so that a second click, or a retry after a lost answer, sends
  // nothing twice.
  const [first] = useState(() => crypto.randomUUID());
  const [key, setKey] = draft.field<string>("key", first);
  const now = useNow();
  const left = window_closes_at === null ? 0 : (Date.parse(window_closes_at) - now) / 1000;
  const reply = useChange({
    act: send,
    touches: ["conversation_messages", "list_conversations", "list_desks"],
    foresee: ({ text, key }) => [{
      key: ["conversation_messages", id, "newest"],
      data: (before) => [foreseen(text, key), ...before as Message[]],
    }],
  });
  if (channel === "email") {
    return (
      <Alert color="gray" p="xs" title="Mails are answered in the identity's inbox">
        Answers to {conversation.number ?? "the identity"}{" "}
        are forwarded to its owner. The owner's reply to the forward goes back to this person.
      </Alert>
    );
  }
  if (channel === "sms" && opted_out_at !== null) {
    return (
      <Alert color="gray" p="xs" title="The person has ended texts">
        They get none from {conversation.number ?? "this number"} until they write START.
      </Alert>
    );
  }
  if (channel !== "whatsapp" && channel !== "sms") {
    return (
      <Alert color="gray" p="xs" title="You cannot reply here">
        {UNSUPPORTED.message} {UNSUPPORTED.hint}
      </Alert>
    );
  }
  if (channel === "whatsapp" && left <= 0) {
    return (
      <Alert color="gray" p="xs" title="The 24-hour window is closed">
        {window_closes_at
          ? `It closed ${ago(new Date(window_closes_at), now)}, 24 hours after the person's last message.`
          : "The person has not written yet."} Until they write again, WhatsApp only accepts templates.
        <Group mt="xs">
          <SendTemplate conversation={conversation} />
        </Group>
      </Alert>
    );
  }
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === "" || reply.isPending) return;
    reply.mutate({ conversation: id, text, key }, {
      onSuccess: () => {
        draft.clear();
        setKey(crypto.randomUUID());
      },
    });
  };
  return (
    <form onSubmit={submit}>
      <Textarea
        aria-label="Reply"
        placeholder="Write a reply"
        autosize
        minRows={1}
        maxRows={6}
        maxLength={channel === "sms" ? MAX_TEXT : MAX}
        value={text}
        onChange={({ currentTarget: { value } }) => (setText(value), setKey(crypto.randomUUID()))}
        onKeyDown={(event) => event.key === "Enter" && (event.metaKey || event.ctrlKey) && submit(event)}
      />
      <Group justify="space-between" mt="xs" gap="xs">
        <Canned
          name={conversation.contact.name}
          typed={text}
          choose={(chosen) => (setText(chosen), setKey(crypto.randomUUID()))}
        />
        {channel === "sms"
          ? <Segments text={text} replace={(plain) => (setText(plain), setKey(crypto.randomUUID()))} />
          : (
            <Text size="xs" c={left < 3600 ? "orange" : "dimmed"} title={exact(new Date(window_closes_at!))}>
              {opted_out_at && "The person has opted out of marketing. You can still reply. "}
              The window closes in {duration(left)}.
            </Text>
          )}
        <Group gap="xs">
          {channel === "whatsapp" && <SendTemplate conversation={conversation} />}
          <Button type="submit" size="xs" loading={reply.isPending} disabled={text.trim() === ""}>
            Send
          </Button>
        </Group>
      </Group>
    </form>
  );
}
