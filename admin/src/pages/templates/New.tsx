/** A new template: its text with variables, an example for each, and how it will look. */
import { Anchor, Button, Group, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import type { TemplateCreated } from "../../../../supabase/functions/_shared/contract/http/templates.ts";
import { namesIn, type TemplateShape } from "../../../../supabase/functions/_shared/contract/templates.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { TEMPLATES_CHANGED, useTemplates } from "../../data/templates.ts";
import { Page } from "../../ui/Page.tsx";
import { Preview, type Values } from "./parts.tsx";

/** The buttons of a text with one in each line. */
function buttonsOf(lines: string): { type: string; text: string; url?: string }[] {
  return lines.split("\n").flatMap((line) => {
    const [text, url] = line.split("|").map((part) => part.trim());
    if (text === "") return [];
    return [url === undefined ? { type: "QUICK_REPLY", text } : { type: "URL", text, url }];
  });
}

export function NewTemplate() {
  const [name, setName] = useState("");
  const [language, setLanguage] = useState("en");
  const [category, setCategory] = useState("utility");
  const [account, setAccount] = useState<string | null>(null);
  const [header, setHeader] = useState("");
  const [body, setBody] = useState("");
  const [footer, setFooter] = useState("");
  const [buttons, setButtons] = useState("");
  const [examples, setExamples] = useState<Values>({});
  const accounts = useTemplates({}, 0).data?.syncs ?? [];
  const [, go] = useLocation();
  const names = namesIn(body);
  const isNamed = names.some((one) => !/^\d+$/.test(one));
  const shape: TemplateShape = {
    name,
    language,
    category,
    parameter_format: isNamed ? "named" : "positional",
    components: [
      ...(header === "" ? [] : [{ type: "HEADER", format: "TEXT", text: header }]),
      {
        type: "BODY",
        text: body,
        ...(names.length === 0 ? {} : {
          example: isNamed
            ? {
              body_text_named_params: names.map((one) => ({ param_name: one, example: examples[one] ?? "" })),
            }
            : { body_text: [names.map((one) => examples[one] ?? "")] },
        }),
      },
      ...(footer === "" ? [] : [{ type: "FOOTER", text: footer }]),
      ...(buttons.trim() === "" ? [] : [{ type: "BUTTONS", buttons: buttonsOf(buttons) }]),
    ],
  };
  const create = useChange({
    act: () =>
      callFunction<TemplateCreated>("wa-router/templates", {
        method: "POST",
        body: {
          name,
          language,
          category,
          components: shape.components,
          ...(isNamed ? { parameter_format: "named" } : {}),
          ...(account === null ? {} : { account }),
        },
      }),
    touches: TEMPLATES_CHANGED,
    said: () => `${name} was created. Meta reviews it.`,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(undefined, { onSuccess: () => go("/templates") });
  };
  const typed = (set: (value: string) => void) => ({ currentTarget }: { currentTarget: { value: string } }) =>
    set(currentTarget.value);
  return (
    <Page
      title="New template"
      back={<Anchor component={Link} href="/templates" size="sm">← All templates</Anchor>}
    >
      <form onSubmit={submit}>
        <Stack maw={560}>
          <TextInput
            label="Name"
            description="Lower-case letters, digits and _"
            required
            pattern="[a-z0-9_]+"
            maxLength={512}
            value={name}
            onChange={typed(setName)}
          />
          <Group grow>
            <TextInput
              label="Language"
              required
              pattern="[a-z]{2,3}(_[A-Z]{2})?"
              value={language}
              onChange={typed(setLanguage)}
            />
            <Select
              label="Category"
              data={["utility", "marketing", "authentication"]}
              value={category}
              allowDeselect={false}
              onChange={(value) => setCategory(value ?? "utility")}
            />
          </Group>
          {accounts.length > 1 && (
            <Select
              label="Account"
              required
              data={accounts.map(({ account, account_name }) => ({
                value: account,
                label: account_name ?? account,
              }))}
              value={account}
              onChange={setAccount}
            />
          )}
          <TextInput label="Header" maxLength={60} value={header} onChange={typed(setHeader)} />
          <Textarea
            label="Text"
            description="With variables as {{first_name}} or {{1}}"
            required
            autosize
            minRows={3}
            maxLength={1024}
            value={body}
            onChange={typed(setBody)}
          />
          {names.map((one) => (
            <TextInput
              key={one}
              label={`Example of ${one}`}
              required
              value={examples[one] ?? ""}
              onChange={typed((value) => setExamples({ ...examples, [one]: value }))}
            />
          ))}
          <TextInput label="Footer" maxLength={60} value={footer} onChange={typed(setFooter)} />
          <Textarea
            label="Buttons"
            description="One in each line: Yes, please, or with an address to open: See the offers | https://shop.example/"
            autosize
            minRows={2}
            maxLength={2000}
            value={buttons}
            onChange={typed(setButtons)}
          />
          {[header, body, footer, buttons].some((one) => one.trim() !== "") && (
            <Preview of={shape} values={examples} />
          )}
          <Group>
            <Button type="submit" loading={create.isPending}>Create</Button>
          </Group>
        </Stack>
      </form>
    </Page>
  );
}
