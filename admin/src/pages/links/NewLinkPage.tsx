/** A new link, with where it will lead on each platform. */
import {
  ActionIcon,
  Alert,
  Anchor,
  Button,
  Fieldset,
  Group,
  MultiSelect,
  NumberInput,
  PasswordInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  TagsInput,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { type FormEvent, useMemo, useState } from "react";
import { Link as To } from "wouter";
import { callFunction } from "../../data/functions.ts";
import { useChange, useRead } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import { For } from "../../session/me.tsx";
import { navigate } from "../../shell/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { preview, readGround } from "./preview.ts";
import { PreviewTable } from "./PreviewTable.tsx";
import type { NewLink } from "./types.ts";
import { PLATFORM_NAMES } from "./words.ts";

const PLATFORMS = Object.entries(PLATFORM_NAMES).map(([value, label]) => ({ value, label }));

interface Rule {
  platforms: string[];
  url: string;
}

/** The form, as typed. */
interface Draft {
  opens: "chat" | "page";
  number: string;
  text: string;
  page: string;
  rules: Rule[];
  code: string;
  tags: string[];
  campaign: string;
  expires: string;
  uses: number | string;
  password: string;
}

/** What is asked for; what was left empty is left out. */
function bodyOf(draft: Draft): NewLink {
  const { opens, number, text, page, rules, code, tags, campaign, expires, uses, password } = draft;
  const targets = rules.filter(({ platforms, url }) => platforms.length > 0 && url.trim() !== "")
    .map(({ platforms, url }) => ({ when: { platform: platforms }, url: url.trim() }));
  return {
    ...(opens === "chat" ? { whatsapp: { phone_number_id: number, text } } : {}),
    ...(page.trim() ? { default_url: page.trim() } : {}),
    ...(targets.length > 0 ? { targets } : {}),
    ...(code.trim() ? { code: code.trim() } : {}),
    ...(tags.length > 0 ? { tags } : {}),
    ...(campaign.trim() ? { utm: { campaign: campaign.trim() } } : {}),
    ...(expires ? { expires_at: new Date(expires).toISOString() } : {}),
    ...(uses === "" ? {} : { max_uses: Number(uses) }),
    ...(password ? { password } : {}),
  };
}

export function NewLinkPage() {
  const ground = useRead(["link_ground"], readGround, { every: false });
  return (
    <Page title="New link" back={<Anchor component={To} size="sm" href="/links">All links</Anchor>}>
      <For
        role="operator"
        otherwise={<Empty icon="link" title="Operators make links">Ask an operator of your team.</Empty>}
      >
        <Loaded of={ground}>{(ground) => <Form ground={ground} />}</Loaded>
      </For>
    </Page>
  );
}

function Form({ ground: { rules, numbers } }: { ground: Awaited<ReturnType<typeof readGround>> }) {
  const [draft, setDraft] = useState<Draft>({
    opens: numbers.length > 0 ? "chat" : "page",
    number: numbers[0]?.id ?? "",
    text: "",
    page: "",
    rules: [],
    code: "",
    tags: [],
    campaign: "",
    expires: "",
    uses: "",
    password: "",
  });
  const [refusal, setRefusal] = useState<Refusal>();
  const set = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));
  const body = useMemo(() => bodyOf(draft), [draft]);
  const rows = useMemo(() => preview(body, rules), [body, rules]);
  const leads = body.default_url !== undefined || body.whatsapp !== undefined;
  const create = useChange({
    act: (body: NewLink) => callFunction<{ code: string }>("deeplinks", { method: "POST", body }),
    touches: ["links"],
    said: ({ code }) => `The link ${code} is there.`,
    onRefused: (refused) => (setRefusal(refused), true),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setRefusal(undefined);
    create.mutate(body, { onSuccess: ({ code }) => navigate(`/links/at/${code}`) });
  };
  const setRule = (index: number, changes: Partial<Rule>) =>
    set({ rules: draft.rules.map((rule, at) => at === index ? { ...rule, ...changes } : rule) });

  return (
    <form onSubmit={submit}>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
        <Stack>
          <div>
            <Text size="sm" fw={500} mb={4} id="opens">It opens</Text>
            <SegmentedControl
              aria-labelledby="opens"
              fullWidth
              value={draft.opens}
              onChange={(opens) => set({ opens: opens as Draft["opens"] })}
              data={[{ value: "chat", label: "A WhatsApp chat", disabled: numbers.length === 0 }, {
                value: "page",
                label: "A page",
              }]}
            />
          </div>
          {draft.opens === "chat" && (
            <>
              <Select
                label="With our number"
                allowDeselect={false}
                data={numbers.map(({ id, display_number }) => ({
                  value: id,
                  label: display_number ? `+${display_number}` : id,
                }))}
                value={draft.number}
                onChange={(number) => set({ number: number ?? draft.number })}
              />
              <Textarea
                label="What the visitor is to send"
                description="They can change it before they send it. A short mark at its end ties the chat to the link."
                autosize
                minRows={2}
                value={draft.text}
                onChange={({ currentTarget: { value } }) => set({ text: value })}
              />
            </>
          )}
          <TextInput
            label={draft.opens === "chat" ? "Page where chats are off (optional)" : "Page"}
            type="url"
            placeholder="https://www.example.com/"
            required={draft.opens === "page"}
            value={draft.page}
            onChange={({ currentTarget: { value } }) => set({ page: value })}
          />
          <Fieldset legend="Other places for some platforms">
            <Stack>
              {draft.rules.map((rule, index) => (
                <Group key={index} align="flex-end" wrap="nowrap" gap="xs">
                  <Stack gap={6} flex={1}>
                    <MultiSelect
                      aria-label={`Platforms of rule ${index + 1}`}
                      placeholder={rule.platforms.length === 0 ? "On" : undefined}
                      data={PLATFORMS}
                      value={rule.platforms}
                      onChange={(platforms) => setRule(index, { platforms })}
                    />
                    <TextInput
                      aria-label={`Address of rule ${index + 1}`}
                      type="url"
                      placeholder="goes to https://…"
                      value={rule.url}
                      onChange={({ currentTarget: { value } }) => setRule(index, { url: value })}
                    />
                  </Stack>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={`Remove rule ${index + 1}`}
                    onClick={() => set({ rules: draft.rules.filter((_, at) => at !== index) })}
                  >
                    <Icon name="trash" size={18} />
                  </ActionIcon>
                </Group>
              ))}
              <Button
                variant="default"
                size="xs"
                leftSection={<Icon name="plus" size={16} />}
                onClick={() => set({ rules: [...draft.rules, { platforms: [], url: "" }] })}
                style={{ alignSelf: "flex-start" }}
              >
                Add a rule
              </Button>
            </Stack>
          </Fieldset>
          <Fieldset legend="For lists and figures">
            <Stack>
              <TagsInput label="Tags" value={draft.tags} onChange={(tags) => set({ tags })} />
              <TextInput
                label="Campaign"
                value={draft.campaign}
                onChange={({ currentTarget: { value } }) => set({ campaign: value })}
              />
            </Stack>
          </Fieldset>
          <Fieldset legend="Limits, all optional">
            <SimpleGrid cols={{ base: 1, xs: 2 }}>
              <TextInput
                label="Code of your own"
                description="3 to 64 of a-z, 0-9, - and _"
                value={draft.code}
                onChange={({ currentTarget: { value } }) => set({ code: value })}
              />
              <NumberInput
                label="Uses at most"
                description="Human visits; then it ends"
                min={1}
                allowDecimal={false}
                value={draft.uses}
                onChange={(uses) => set({ uses })}
              />
              <TextInput
                label="Ends at"
                description="In your time zone"
                type="datetime-local"
                value={draft.expires}
                onChange={({ currentTarget: { value } }) => set({ expires: value })}
              />
              <PasswordInput
                label="Password"
                description="Visitors are asked for it"
                autoComplete="new-password"
                value={draft.password}
                onChange={({ currentTarget: { value } }) => set({ password: value })}
                visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
              />
            </SimpleGrid>
          </Fieldset>
        </Stack>
        <Stack>
          <Title order={2} size="h4">Where it leads</Title>
          {leads ? <PreviewTable rows={rows} /> : (
            <Text c="dimmed" size="sm">
              Choose a chat or a page, and see here where each platform goes.
            </Text>
          )}
          {refusal && (
            <Alert color="red" role="alert" title="Not made" icon={<Icon name="warn" />}>
              {refusal.message} {refusal.hint}
            </Alert>
          )}
          <Button type="submit" loading={create.isPending} disabled={!leads}>Make the link</Button>
        </Stack>
      </SimpleGrid>
    </form>
  );
}
