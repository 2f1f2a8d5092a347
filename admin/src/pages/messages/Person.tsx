/** Contacts that are one person: who they are, merging with another, and undoing it. */
import { Anchor, Button, Group, Modal, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Conversation } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Time } from "../../ui/Time.tsx";

const TOUCHES = ["read_person", "conversation_messages", "list_conversations"];

/** Says who else is this person, with links to their conversations. Nothing while the contact is alone. */
export function SamePerson({ contact }: { contact: string }) {
  const person = useRpc("read_person", { p_contact_id: contact });
  const names = useNames();
  const ask = useAsk();
  const undo = useChange({
    act: ({ id, reason }: { id: string; reason: string | null }) =>
      rpc("undo_merge", { p_id: id, p_reason: reason }),
    touches: TOUCHES,
    said: () => "They are two contacts again.",
  });
  if (person.data === undefined || person.isPlaceholderData) return null;
  const others = person.data.contacts.filter(({ id }) => id !== contact);
  const merges = person.data.merges.filter(({ undone_at }) => undone_at === null);
  if (others.length === 0) return null;
  return (
    <Stack gap={2} mt={4} role="group" aria-label="Same person">
      {others.map(({ id, last_four, channel, conversations }) => (
        <Text key={id} size="xs" c="dimmed">
          Same person: ···· {last_four ?? "????"}
          {channel !== "whatsapp" && `, ${channel}`}
          {conversations.map((conversation, index) => (
            <span key={conversation}>
              {", "}
              <Anchor href={`#/messages?conversation=${conversation}`} size="xs" underline="always">
                {index === 0 ? "conversation" : `conversation ${index + 1}`}
              </Anchor>
            </span>
          ))}
        </Text>
      ))}
      {merges.map(({ id, kept, other, reason, merged_at, merged_by }) => (
        <Group key={id} gap={6}>
          <Text size="xs" c="dimmed" component="div">
            ···· {kept} and ···· {other} merged by {names(merged_by)}, <Time at={merged_at} />: {reason}
          </Text>
          <For role="operator">
            <Button
              size="compact-xs"
              variant="default"
              loading={undo.isPending}
              onClick={async () => {
                const answer = await ask({
                  title: "Split these contacts?",
                  body:
                    "They are two people again, each with the own opt-outs. What each has said since stays.",
                  action: "Split",
                  reason: "optional",
                });
                if (answer) undo.mutate({ id, reason: answer.reason ?? null });
              }}
            >
              Undo
            </Button>
          </For>
        </Group>
      ))}
    </Stack>
  );
}

/** Asks with whom the contact is one person. */
export function MergeButton({ conversation }: { conversation: Conversation }) {
  const [opened, setOpened] = useState(false);
  if (conversation.contact.group) return null;
  return (
    <>
      <Button size="xs" variant="default" onClick={() => setOpened(true)}>Merge</Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title="Same person as…"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {opened && <Form contact={conversation.contact.id} close={() => setOpened(false)} />}
      </Modal>
    </>
  );
}

function Form({ contact, close }: { contact: string; close: () => void }) {
  const [four, setFour] = useState("");
  const [other, setOther] = useState<string | null>(null);
  const [reason, setReason] = useState("");
  const asked = /^\d{4}$/.test(four);
  const found = useRpc("search_conversations", { p_query: four, p_limit: 20 }, { enabled: asked });
  const people = new Map(
    (asked ? found.data ?? [] : []).filter((one) => one.contact.id !== contact && !one.contact.group)
      .map((
        one,
      ) => [
        one.contact.id,
        `···· ${one.contact.last_four}${one.contact.name ? `, ${one.contact.name}` : ""}`,
      ]),
  );
  const merge = useChange({
    act: () => rpc("merge_people", { p_keep: contact, p_other: other!, p_reason: reason.trim() }),
    touches: TOUCHES,
    said: () => "They are one person.",
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        merge.mutate(undefined, { onSuccess: close });
      }}
    >
      <Stack gap="sm">
        <Text size="sm">
          Opt-outs, export and erasure of one are those of the other from then on. Their conversations stay
          apart, so that answers go where they were asked. This can be undone.
        </Text>
        <TextInput
          label="Last four digits of the other number"
          inputMode="numeric"
          maxLength={4}
          data-autofocus
          value={four}
          onChange={({ currentTarget: { value } }) => {
            setFour(value);
            setOther(null);
          }}
        />
        <Select
          label="Contact"
          placeholder={asked && found.isSuccess && people.size === 0
            ? "nobody else has these digits"
            : "choose"}
          data={[...people].map(([value, label]) => ({ value, label }))}
          value={other}
          onChange={setOther}
        />
        <Textarea
          label="How do you know?"
          description="The team sees it: no number and no name."
          maxLength={500}
          value={reason}
          onChange={({ currentTarget: { value } }) => setReason(value)}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={merge.isPending} disabled={other === null || reason.trim() === ""}>
            Merge
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
