/** One template: how it looks, what it needs, and changing or deleting it. */
import { Alert, Anchor, Button, Group, Select, Stack, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import type { Template } from "../../../../supabase/functions/_shared/contract/answers/templates.ts";
import type { TemplateChanged } from "../../../../supabase/functions/_shared/contract/http/templates.ts";
import { isSendable, slotsOf } from "../../../../supabase/functions/_shared/contract/templates.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { TEMPLATES_CHANGED, useTemplates } from "../../data/templates.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Preview, SlotFields, Status, type Values } from "./parts.tsx";

const CATEGORIES = ["utility", "marketing", "authentication"];

export function TemplatePage(
  { account, name, language }: { account: string; name: string; language: string },
) {
  const found = useTemplates({ account, name, language });
  return (
    <Page
      title={`${name} (${language})`}
      back={<Anchor component={Link} href="/templates" size="sm">← All templates</Anchor>}
    >
      <Loaded of={found}>
        {({ templates: [found] }) =>
          found === undefined
            ? <Empty icon="chat" title="Template not found">It may have been deleted at Meta.</Empty>
            : <View of={found} />}
      </Loaded>
    </Page>
  );
}

function View({ of }: { of: Template }) {
  const [values, setValues] = useState<Values>({});
  const slots = slotsOf(of);
  const ask = useAsk();
  const [, go] = useLocation();
  const remove = useChange({
    act: () => callFunction<TemplateChanged>(`wa-router/templates/${of.id}`, { method: "DELETE" }),
    touches: TEMPLATES_CHANGED,
    said: () => `${of.name} (${of.language}) was deleted.`,
  });
  return (
    <Stack>
      <Group gap="xs">
        <Status of={of} />
        {of.category}
      </Group>
      {!isSendable(of.status) && (
        <Alert color={of.status === "pending" ? "blue" : "red"} title={`Meta does not send it: ${of.status}`}>
          {of.reason ?? ADVICE[of.status] ?? "See WhatsApp Manager."}
        </Alert>
      )}
      <Section title="Preview">
        <Stack>
          <Preview of={of} values={values} />
          {slots.length > 0 && <SlotFields slots={slots} values={values} set={setValues} />}
        </Stack>
      </Section>
      {of.id !== null && (
        <For role="operator">
          <Edit of={of} />
          <Group>
            <Button
              color="red"
              variant="light"
              onClick={async () => {
                const sure = await ask({
                  title: `Delete ${of.name} (${of.language})?`,
                  body: "Meta deletes it at once. Its name can be used again after 30 days.",
                  action: "Delete",
                  danger: true,
                  reason: "none",
                });
                if (sure) remove.mutate(undefined, { onSuccess: () => go("/templates") });
              }}
            >
              Delete
            </Button>
          </Group>
        </For>
      )}
    </Stack>
  );
}

const ADVICE: Readonly<Record<string, string>> = {
  paused:
    "People block or report it. It is resumed after 3 hours, the second time after 6; the third time it is disabled.",
  disabled: "It was paused too often. Create another one.",
  pending: "Meta reviews it, mostly within minutes.",
  rejected: "Change it, and it is reviewed again.",
};

function Edit({ of }: { of: Template }) {
  const [components, setComponents] = useState(() => JSON.stringify(of.components, null, 2));
  const [category, setCategory] = useState(of.category);
  const [fault, setFault] = useState<string>();
  const save = useChange({
    act: (body: Record<string, unknown>) =>
      callFunction<TemplateChanged>(`wa-router/templates/${of.id}`, { method: "PATCH", body }),
    touches: TEMPLATES_CHANGED,
    said: () => "Changed. Meta reviews it again.",
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    try {
      setFault(undefined);
      save.mutate({
        components: JSON.parse(components),
        ...(category === of.category || category === null ? {} : { category }),
      });
    } catch {
      setFault("This is not JSON.");
    }
  };
  return (
    <Section title="Change">
      <form onSubmit={submit}>
        <Stack>
          <Textarea
            label="Components"
            description="Header, body, footer and buttons as Meta describes them, with an example for each variable."
            autosize
            maxRows={20}
            value={components}
            error={fault}
            onChange={({ currentTarget: { value } }) => setComponents(value)}
            styles={{ input: { fontFamily: "monospace" } }}
          />
          <Select
            label="Category"
            data={CATEGORIES}
            value={category}
            onChange={setCategory}
            allowDeselect={false}
          />
          <Group>
            <Button type="submit" loading={save.isPending}>Save</Button>
          </Group>
        </Stack>
      </form>
    </Section>
  );
}
