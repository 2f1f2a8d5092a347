/** Updates an incident (status, severity, a note, a public text) or resolves it. */
import { Button, Checkbox, Group, NativeSelect, SimpleGrid, Stack, Textarea } from "@mantine/core";
import { useState } from "react";
import {
  type IncidentStatus,
  SEVERITIES,
  STATUSES,
} from "../../../../supabase/functions/_shared/contract/incidents.ts";
import type { IncidentStory } from "../../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { INCIDENT_CHANGED } from "../../data/incidents.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";
import { useDraft } from "../../session/draft.ts";
import { Section } from "../../ui/Section.tsx";

export function Update({ story }: { story: IncidentStory }) {
  const ask = useAsk();
  const [status, setStatus] = useState<IncidentStatus>(story.status);
  const [severity, setSeverity] = useState(story.severity);
  const [isPublic, setPublic] = useState(story.public);
  const draft = useDraft(`incident:${story.number}`);
  const [note, setNote] = draft.field("note", "");
  const [text, setText] = draft.field("text", "");
  const words = { p_note: note.trim() || null, p_public_text: isPublic ? text.trim() || null : null };
  const changes = {
    ...status === story.status ? {} : { status },
    ...severity === story.severity ? {} : { severity },
    ...isPublic === story.public ? {} : { public: isPublic },
  };
  const nothing = Object.keys(changes).length === 0 && words.p_note === null && words.p_public_text === null;
  const update = useChange<undefined, { number: number }>({
    act: () =>
      rpc("update_incident", {
        p_number: story.number,
        p_expected_version: story.version,
        p_changes: changes,
        ...words,
      }),
    touches: INCIDENT_CHANGED,
    said: ({ number }) => `Incident ${number} is updated.`,
  });
  const resolve = useChange<string | null, { number: number }>({
    act: (reason) =>
      rpc("resolve_incident", {
        p_number: story.number,
        p_expected_version: story.version,
        p_note: reason ?? words.p_note,
        p_public_text: story.public ? words.p_public_text : null,
      }),
    touches: INCIDENT_CHANGED,
    said: ({ number }) => `Incident ${number} is resolved.`,
  });
  async function end() {
    const answer = await ask({
      title: `Resolve incident ${story.number}?`,
      body: story.public ? "The status page says so too." : undefined,
      action: "Resolve",
    });
    if (answer) resolve.mutate(answer.reason, { onSuccess: draft.clear });
  }
  return (
    <Section title="Update">
      <Stack>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NativeSelect
            label="Status"
            value={status}
            onChange={(event) => setStatus(event.currentTarget.value as IncidentStatus)}
            data={STATUSES.filter((one) => one !== "resolved" || story.status === "resolved")}
          />
          <NativeSelect
            label="Severity"
            value={severity}
            onChange={(event) => setSeverity(event.currentTarget.value as typeof severity)}
            data={SEVERITIES.map(({ severity }) => severity)}
          />
        </SimpleGrid>
        <Textarea
          label="Note for the team"
          autosize
          minRows={2}
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        <Checkbox
          label="Show on the public status page"
          checked={isPublic}
          onChange={(event) => setPublic(event.currentTarget.checked)}
        />
        {isPublic && (
          <Textarea
            label="Text for the public"
            description="Leave empty for the default text of the status."
            autosize
            minRows={2}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        )}
        <Group>
          <Button
            loading={update.isPending}
            disabled={nothing}
            onClick={() => update.mutate(undefined, { onSuccess: draft.clear })}
          >
            Update
          </Button>
          {story.status !== "resolved" && (
            <Button
              variant="default"
              loading={resolve.isPending}
              onClick={() => void end()}
            >
              Resolve
            </Button>
          )}
        </Group>
      </Stack>
    </Section>
  );
}
