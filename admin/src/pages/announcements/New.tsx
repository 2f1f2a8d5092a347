/** A new announcement: for whom, and what. It becomes a draft, whose page shows who would get what. */
import {
  Anchor,
  Button,
  Group,
  NativeSelect,
  NumberInput,
  Stack,
  TagsInput,
  Textarea,
  TextInput,
} from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import type {
  Announcement,
  Audience,
} from "../../../../supabase/functions/_shared/contract/answers/announcements.ts";
import { ANNOUNCEMENT_CHANGED } from "../../data/announcements.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useDraft } from "../../session/draft.ts";
import { For } from "../../session/me.tsx";
import { Restored } from "../../session/Restored.tsx";
import { navigate, useParameter } from "../../ui/location.ts";
import { useSegmentPages } from "../../data/segments.ts";
import { FlagPicker } from "../../ui/FlagPicker.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty } from "../../ui/states.tsx";

export function NewAnnouncement() {
  return (
    <Page
      title="New announcement"
      back={<Anchor component={Link} href="/announcements" size="sm">← All announcements</Anchor>}
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

const KINDS = [
  { value: "targets", label: "The people and segments that a flag targets" },
  { value: "flag", label: "Everybody for whom a flag is on, if they wrote lately" },
  { value: "segments", label: "A segment" },
  { value: "wrote", label: "Everybody who wrote lately" },
  { value: "affected", label: "People for whom a feature failed" },
];

interface Draft {
  name: string;
  segments: string[];
  days: number;
  hours: number;
  text: string;
  template: string;
  language: string;
  category: string;
  parameters: string[];
}

const EMPTY: Draft = {
  name: "",
  segments: [],
  days: 30,
  hours: 24,
  text: "",
  template: "",
  language: "en",
  category: "marketing",
  parameters: [],
};

function audienceOf(kind: string, flag: string, { segments, days, hours }: Draft): Audience | undefined {
  switch (kind) {
    case "segments":
      return segments.length === 0 ? undefined : { kind, segments };
    case "wrote":
      return { kind, days };
    case "affected":
      return flag === "" ? undefined : {
        kind,
        flag_key: flag,
        since: new Date(Date.now() - hours * 3_600_000).toISOString(),
      };
    default:
      if (flag === "") return undefined;
      return kind === "targets"
        ? { kind: "flag", flag_key: flag, targets_only: true }
        : { kind: "flag", flag_key: flag, days };
  }
}

function Form() {
  const [segment, setSegment] = useState("");
  const { items: segments = [] } = useSegmentPages(segment);
  const [kind, setKind] = useParameter("to", "targets");
  const [flag, setFlag] = useParameter("flag");
  const kept = useDraft("announcement:new");
  const [draft, setDraft] = kept.field("draft", EMPTY);
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const audience = audienceOf(kind, flag, draft);
  const ready = draft.name.trim() !== "" && audience !== undefined &&
    (draft.text.trim() !== "" || draft.template.trim() !== "");
  const create = useChange<Audience, Announcement>({
    act: (audience) =>
      rpc("create_announcement", {
        p_announcement: {
          name: draft.name.trim(),
          audience,
          ...(draft.text.trim() === "" ? {} : { text: draft.text.trim() }),
          ...(draft.template.trim() === "" ? {} : {
            template: {
              name: draft.template.trim(),
              language: draft.language,
              category: draft.category,
              parameters: draft.parameters,
            },
          }),
        },
      }),
    touches: ANNOUNCEMENT_CHANGED,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) {
      create.mutate(audience, {
        onSuccess: ({ id }) => {
          kept.clear();
          navigate(`/announcements/${id}`);
        },
      });
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={640}>
        <Restored draft={kept} />
        <TextInput
          label="Name"
          description="For the team; nobody else reads it."
          required
          maxLength={120}
          value={draft.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <NativeSelect
          label="For"
          value={kind}
          onChange={(event) => setKind(event.currentTarget.value)}
          data={KINDS}
        />
        {(kind === "targets" || kind === "flag" || kind === "affected") && (
          <FlagPicker label="Feature" value={flag} onChange={setFlag} />
        )}
        {kind === "segments" && (
          <TagsInput
            label="Segments"
            data={[...new Set([...segments.map(({ key }) => key), ...draft.segments])]}
            searchValue={segment}
            onSearchChange={setSegment}
            value={draft.segments}
            onChange={(segments) => set({ segments })}
          />
        )}
        {(kind === "flag" || kind === "wrote") && (
          <NumberInput
            label="Wrote within"
            suffix=" days"
            min={1}
            max={365}
            value={draft.days}
            onChange={(days) => set({ days: Number(days) || 1 })}
          />
        )}
        {kind === "affected" && (
          <NumberInput
            label="Failed within"
            suffix=" hours"
            min={1}
            max={1440}
            value={draft.hours}
            onChange={(hours) => set({ hours: Number(hours) || 1 })}
          />
        )}
        <Textarea
          label="Text"
          description="For people who wrote within the last 24 hours."
          autosize
          minRows={3}
          maxLength={4096}
          value={draft.text}
          onChange={(event) => set({ text: event.currentTarget.value })}
        />
        <TextInput
          label="WhatsApp template"
          description="For everybody else. Without one they get nothing."
          value={draft.template}
          onChange={(event) => set({ template: event.currentTarget.value })}
        />
        {draft.template.trim() !== "" && (
          <Group grow align="flex-start">
            <TextInput
              label="Language"
              value={draft.language}
              onChange={(event) => set({ language: event.currentTarget.value })}
            />
            <NativeSelect
              label="Category"
              value={draft.category}
              onChange={(event) => set({ category: event.currentTarget.value })}
              data={["marketing", "utility"]}
            />
            <TagsInput
              label="Values of its body"
              value={draft.parameters}
              onChange={(parameters) => set({ parameters })}
            />
          </Group>
        )}
        <Group>
          <Button type="submit" loading={create.isPending} disabled={!ready}>Preview</Button>
        </Group>
      </Stack>
    </form>
  );
}
