/** Opens an incident: its title, and the decision matrix's advice for its kind. */
import {
  Alert,
  Anchor,
  Button,
  Checkbox,
  Group,
  NativeSelect,
  Stack,
  Textarea,
  TextInput,
} from "@mantine/core";
import type { FormEvent } from "react";
import { Link } from "wouter";
import { kindFacts, KINDS, SEVERITIES } from "../../../../supabase/functions/_shared/contract/incidents.ts";
import { INCIDENT_CHANGED } from "../../data/incidents.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useDraft } from "../../session/draft.ts";
import { navigate } from "../../ui/location.ts";
import { FlagPicker } from "../../ui/FlagPicker.tsx";
import { Restored } from "../../session/Restored.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty } from "../../ui/states.tsx";

interface Draft {
  title: string;
  kind: string;
  severity: string;
  flag: string;
  note: string;
  isPublic: boolean;
  text: string;
}

const EMPTY: Draft = {
  title: "",
  kind: "error_rate",
  severity: "",
  flag: "",
  note: "",
  isPublic: false,
  text: "",
};

export function NewIncident() {
  return (
    <Page
      title="Open an incident"
      back={<Anchor component={Link} href="/incidents" size="sm">← All incidents</Anchor>}
    >
      <For
        role="operator"
        otherwise={
          <Empty icon="warn" title="Only operators can open incidents">
            Ask an admin of your team for the role.
          </Empty>
        }
      >
        <Form />
      </For>
    </Page>
  );
}

function Form() {
  const kept = useDraft("incident:new");
  const [draft, setDraft] = kept.field("draft", EMPTY);
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const facts = kindFacts(draft.kind);
  const severity = draft.severity || facts.severity;
  const open = useChange<Draft, { number: number }>({
    act: ({ title, kind, severity, flag, note, isPublic, text }) =>
      rpc("open_incident", {
        p_title: title.trim(),
        p_kind: kind,
        p_severity: severity || null,
        p_flag_key: flag || null,
        p_public: isPublic,
        p_note: note.trim() || null,
        p_public_text: isPublic ? text.trim() || null : null,
      }),
    touches: INCIDENT_CHANGED,
    said: ({ number }) => `Incident ${number} is open.`,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    open.mutate(draft, {
      onSuccess: ({ number }) => {
        kept.clear();
        navigate(`/incidents/${number}`);
      },
    });
  };
  const stops = severity !== "P2" || draft.kind === "security" || draft.kind === "critical_bug";
  return (
    <form onSubmit={submit}>
      <Stack maw={560}>
        <Restored draft={kept} />
        <TextInput
          label="What is wrong"
          description="One line. Everybody reads it if the incident is public."
          required
          maxLength={200}
          value={draft.title}
          onChange={(event) => set({ title: event.currentTarget.value })}
        />
        <NativeSelect
          label="Kind"
          description={`What to do: ${
            facts.wayBack.length > 0 ? `rollback ${facts.wayBack.join(", then rollback ")}` : facts.instead
          }, within ${facts.within}`}
          value={draft.kind}
          onChange={(event) => set({ kind: event.currentTarget.value })}
          data={KINDS.map(({ kind, issue }) => ({ value: kind, label: issue }))}
        />
        <NativeSelect
          label="Severity"
          value={draft.severity}
          onChange={(event) => set({ severity: event.currentTarget.value })}
          data={[
            { value: "", label: `${facts.severity}, the default for this kind` },
            ...SEVERITIES.map(({ severity, about }) => ({
              value: severity,
              label: `${severity}: ${about}`,
            })),
          ]}
        />
        <FlagPicker
          label="Feature"
          placeholder="None in particular"
          value={draft.flag}
          onChange={(flag) => set({ flag })}
        />
        {stops && (
          <Alert color="red" variant="light">
            {draft.flag
              ? `A rollout of ${draft.flag} in progress is rolled back at once.`
              : "No rollout advances and nothing is launched while this incident is open."}
          </Alert>
        )}
        <Textarea
          label="Note for the team"
          autosize
          minRows={2}
          value={draft.note}
          onChange={(event) => set({ note: event.currentTarget.value })}
        />
        <Checkbox
          label="Show on the public status page"
          checked={draft.isPublic}
          onChange={(event) => set({ isPublic: event.currentTarget.checked })}
        />
        {draft.isPublic && (
          <Textarea
            label="Text for the public"
            description="Leave empty for the default text."
            autosize
            minRows={2}
            value={draft.text}
            onChange={(event) => set({ text: event.currentTarget.value })}
          />
        )}
        <Group>
          <Button type="submit" color="red" loading={open.isPending} disabled={draft.title.trim() === ""}>
            Open the incident
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
