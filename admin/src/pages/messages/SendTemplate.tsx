/** Sends a template to the person of a conversation: chosen, filled in, seen, sent. */
import { Alert, Button, Group, Modal, Select, Stack } from "@mantine/core";
import { useState } from "react";
import type { Conversation } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import type { Template } from "../../../../supabase/functions/_shared/contract/answers/templates.ts";
import {
  fillTemplate,
  isSendable,
  slotsOf,
} from "../../../../supabase/functions/_shared/contract/templates.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useTemplates } from "../../data/templates.ts";
import { Loaded } from "../../ui/states.tsx";
import { Preview, SlotFields, type Values } from "../templates/parts.tsx";
import { sendRefusal } from "./words.ts";

const keyOf = ({ account, name, language }: Template) => `${account} ${name} ${language}`;

interface Sending {
  conversation: string;
  template: Template;
  components: readonly Readonly<Record<string, unknown>>[];
  key: string;
}

async function send(
  { conversation, template: { name, language }, components, key }: Sending,
): Promise<string> {
  const answer = await rpc("send_template", {
    p_conversation_id: conversation,
    p_message: {
      type: "template",
      template: { name, language: { code: language }, ...(components.length === 0 ? {} : { components }) },
    },
    p_key: key,
  });
  if (answer.id !== undefined) return answer.id;
  throw sendRefusal(answer.error);
}

export function SendTemplate({ conversation }: { conversation: Pick<Conversation, "id" | "number_id"> }) {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button size="xs" variant="default" onClick={() => setOpened(true)}>Template</Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title="Send a template"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {opened && <Form conversation={conversation} close={() => setOpened(false)} />}
      </Modal>
    </>
  );
}

function Form(
  { conversation, close }: { conversation: Pick<Conversation, "id" | "number_id">; close: () => void },
) {
  const all = useTemplates();
  const [chosen, setChosen] = useState<string | null>(null);
  const [values, setValues] = useState<Values>({});
  const [faults, setFaults] = useState<Readonly<Record<string, string>>>({});
  // The same for the same message, so that a second click sends nothing twice.
  const [key, setKey] = useState(() => crypto.randomUUID());
  const sending = useChange({
    act: send,
    touches: ["conversation_messages", "list_conversations", "list_templates"],
    said: () => "The template is queued.",
  });
  return (
    <Loaded of={all}>
      {({ templates, syncs }) => {
        // A number sends the templates of its account.
        const account = syncs.find(({ numbers }) => numbers?.includes(conversation.number_id))?.account;
        const own = templates.filter((one) => account === undefined || one.account === account);
        const template = own.find((one) => keyOf(one) === chosen);
        const change = (next: Values) => {
          setValues(next);
          setFaults({});
          setKey(crypto.randomUUID());
        };
        const submit = () => {
          if (template === undefined) return;
          const filled = fillTemplate(template, values);
          if (!filled.ok) {
            setFaults(Object.fromEntries(
              filled.issues.map(({ path, message }) => [path.replace("template.parameters.", ""), message]),
            ));
            return;
          }
          sending.mutate({ conversation: conversation.id, template, components: filled.components, key }, {
            onSuccess: close,
          });
        };
        return (
          <Stack>
            <Select
              label="Template"
              searchable
              nothingFoundMessage="No such template"
              data={own.map((one) => ({
                value: keyOf(one),
                label: `${one.name} (${one.language})${isSendable(one.status) ? "" : `, ${one.status}`}`,
              }))}
              value={chosen}
              onChange={(value) => {
                setChosen(value);
                change({});
              }}
            />
            {template && !isSendable(template.status) && (
              <Alert color="red" title={`Meta does not send this template: it is ${template.status}`}>
                {template.reason ?? "Choose another one meanwhile."}
              </Alert>
            )}
            {template && (
              <>
                <SlotFields slots={slotsOf(template)} values={values} set={change} faults={faults} />
                <Preview of={template} values={values} />
              </>
            )}
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button
                loading={sending.isPending}
                disabled={template === undefined || !isSendable(template.status)}
                onClick={submit}
              >
                Send template
              </Button>
            </Group>
          </Stack>
        );
      }}
    </Loaded>
  );
}
