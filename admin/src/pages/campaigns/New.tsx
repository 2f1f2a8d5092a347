/** A new campaign: its words and its pace. It becomes a draft, whose page takes the recipients. */
import { Anchor, Button, Group, NativeSelect, NumberInput, Stack, Textarea, TextInput } from "@mantine/core";
import type { FormEvent } from "react";
import { Link } from "wouter";
import type { CampaignDraft } from "../../../../supabase/functions/_shared/contract/arguments.ts";
import type { Campaign } from "../../../../supabase/functions/_shared/contract/answers/campaigns.ts";
import { CAMPAIGN_CHANGED, useSenders } from "../../data/campaigns.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useDraft } from "../../session/draft.ts";
import { For } from "../../session/me.tsx";
import { Restored } from "../../session/Restored.tsx";
import { FlagPicker } from "../../ui/FlagPicker.tsx";
import { navigate } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";

export function NewCampaign() {
  return (
    <Page
      title="New campaign"
      back={<Anchor component={Link} href="/campaigns" size="sm">← All campaigns</Anchor>}
    >
      <For
        role="operator"
        otherwise={
          <Empty icon="warn" title="Only operators can write to people">
            Ask an admin of your team for the role.
          </Empty>
        }
      >
        <Form />
      </For>
    </Page>
  );
}

interface Draft {
  name: string;
  from: string;
  subject: string;
  html: string;
  text: string;
  flag: string;
  track: string;
  pace: number;
}

const EMPTY: Draft = { name: "", from: "", subject: "", html: "", text: "", flag: "", track: "", pace: 600 };

function draftOf(draft: Draft, from: string): CampaignDraft {
  return {
    name: draft.name.trim(),
    from,
    subject: draft.subject.trim(),
    ...(draft.html.trim() === "" ? {} : { html: draft.html }),
    ...(draft.text.trim() === "" ? {} : { text: draft.text }),
    ...(draft.flag === "" ? {} : { flag_key: draft.flag }),
    ...(draft.track === "" ? {} : { track: draft.track as CampaignDraft["track"] }),
    per_minute: draft.pace,
  };
}

function Form() {
  const senders = useSenders();
  const kept = useDraft("campaign:new");
  const [draft, setDraft] = kept.field("draft", EMPTY);
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const create = useChange<CampaignDraft, Campaign>({
    act: (campaign) => rpc("create_campaign", { p_campaign: campaign }),
    touches: CAMPAIGN_CHANGED,
  });
  return (
    <Loaded of={senders}>
      {(identities) => {
        const from = draft.from || (identities.find((one) => one.is_default) ?? identities.at(0))?.from_email;
        if (from === undefined) {
          return (
            <Empty
              icon="mail"
              title="There is no address to send from"
              action={
                <Button component={Link} href="/mail?tab=identities" variant="default">
                  Add an identity
                </Button>
              }
            />
          );
        }
        const ready = draft.name.trim() !== "" && draft.subject.trim() !== "" &&
          (draft.html.trim() !== "" || draft.text.trim() !== "");
        const submit = (event: FormEvent) => {
          event.preventDefault();
          if (!ready) return;
          create.mutate(draftOf(draft, from), {
            onSuccess: ({ id }) => {
              kept.clear();
              navigate(`/campaigns/${id}`);
            },
          });
        };
        return (
          <form onSubmit={submit}>
            <Stack maw={720}>
              <Restored draft={kept} />
              <TextInput
                label="Name"
                description="For the team; recipients do not see it."
                required
                maxLength={120}
                value={draft.name}
                onChange={(event) => set({ name: event.currentTarget.value })}
              />
              <NativeSelect
                label="From"
                value={from}
                onChange={(event) => set({ from: event.currentTarget.value })}
                data={identities.map((one) => one.from_email)}
              />
              <TextInput
                label="Subject"
                description="{{name|there}} becomes the value of a recipient's column name, or “there” without one."
                required
                maxLength={900}
                value={draft.subject}
                onChange={(event) => set({ subject: event.currentTarget.value })}
              />
              <Textarea
                label="HTML"
                description="With placeholders, whose values are escaped; {{unsubscribe_url}} is the address to unsubscribe."
                autosize
                minRows={4}
                maxRows={16}
                spellCheck={false}
                styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
                value={draft.html}
                onChange={(event) => set({ html: event.currentTarget.value })}
              />
              <Textarea
                label="Text"
                description="For mail programs without HTML. HTML, text or both."
                autosize
                minRows={3}
                maxRows={16}
                value={draft.text}
                onChange={(event) => set({ text: event.currentTarget.value })}
              />
              <NumberInput
                label="Pace"
                suffix=" a minute"
                min={6}
                max={12000}
                value={draft.pace}
                onChange={(pace) => set({ pace: Number(pace) || 600 })}
              />
              <NativeSelect
                label="Opens and clicks"
                description="A recipient who allows less is tracked less."
                value={draft.track}
                onChange={(event) => set({ track: event.currentTarget.value })}
                data={[
                  { value: "", label: "As the setting email.track_campaigns says" },
                  { value: "off", label: "Not tracked" },
                  { value: "aggregate", label: "Counted, without who" },
                  { value: "individual", label: "Counted by recipient" },
                ]}
              />
              <FlagPicker
                label="Only with the flag"
                description="Optional. Recipients without it are left out."
                value={draft.flag}
                onChange={(flag) => set({ flag })}
              />
              <Group>
                <Button type="submit" loading={create.isPending} disabled={!ready}>Save draft</Button>
              </Group>
            </Stack>
          </form>
        );
      }}
    </Loaded>
  );
}
