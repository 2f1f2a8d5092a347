/** Plans a rollout from a template, with a forecast. Creating it does not start it. */
import {
  Anchor,
  Button,
  Group,
  MultiSelect,
  NumberInput,
  Radio,
  SimpleGrid,
  Stack,
  TagsInput,
  Text,
  Textarea,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { checkPlan, type Stage } from "../../../../supabase/functions/_shared/rollouts/plan.ts";
import type { Result, Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { audience } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { useFlag } from "../../data/flags.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { MOVED } from "../../data/rollouts.ts";
import { useSegmentPages } from "../../data/segments.ts";
import { For } from "../../session/me.tsx";
import { useDraft } from "../../session/draft.ts";
import { navigate, useParameter } from "../../ui/location.ts";
import { FlagPicker } from "../../ui/FlagPicker.tsx";
import { Restored } from "../../session/Restored.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { ForecastTable } from "./ForecastTable.tsx";
import { StageEditor } from "./StageEditor.tsx";

const TEMPLATES = [
  {
    value: "canary",
    label: "Canary",
    description: "1, 5, 10, 25, 50, 100 % in at least 5.5 hours. For features with traffic.",
  },
  {
    value: "standard",
    label: "Standard",
    description: "The team first, then 10, 25, 50, 75, 100 % in at least 17 days.",
  },
  {
    value: "replies",
    label: "Replies",
    description:
      "For email_reply_tokens.enabled: 10, 25, 50, 100 % in a week, then the rest of a month, by outcomes of replies.",
  },
  {
    value: "masking",
    label: "Masking",
    description:
      "For the flags of masked messaging: one or two organisations (org:<id>) for a week, then everybody, by what became of texts.",
  },
];

export function NewRollout() {
  return (
    <Page
      title="New rollout"
      about="Nothing changes until you start the rollout. Its launch gates are checked first."
      back={<Anchor component={Link} href="/rollouts" size="sm">← All rollouts</Anchor>}
    >
      <For
        role="operator"
        otherwise={
          <Empty icon="stairs" title="Only operators can create rollouts">
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
  const [flag, setFlag] = useParameter("flag");
  const [template, setTemplate] = useParameter("template", "canary");
  const draft = useDraft("rollout:new");
  const [ids, setIds] = draft.field<string[]>("ids", []);
  const [segments, setSegments] = draft.field<string[]>("segments", []);
  const [perMinute, setPerMinute] = draft.field<number | string>("perMinute", "");
  const [reason, setReason] = draft.field("reason", "");
  const chosen = useFlag(flag).data;
  const [segment, setSegment] = useState("");
  const [searched] = useDebouncedValue(segment, 200);
  const known = useSegmentPages(searched.trim());
  const [stages, setStages] = draft.field<Stage[] | undefined>("stages", undefined);
  const people = {
    ...(ids.length > 0 && { user_ids: ids }),
    ...(segments.length > 0 && { segments }),
  };
  // The people of the first stage are sent beside a template, or within the first stage of a custom plan.
  const plan = stages === undefined ? { template, ...people } : {
    name: `${template}, changed`,
    stages: stages.map((stage, index) => index === 0 ? { ...stage, ...people } : stage),
  };
  const checked = stages && checkPlan(plan);
  const faults = checked?.ok === false ? checked.faults : [];
  const forecast = useRpc("forecast_rollout", {
    p_flag_key: flag,
    p_plan: plan,
    p_per_minute: perMinute === "" ? null : Number(perMinute),
  }, { enabled: flag !== "" && faults.length === 0, every: false });
  const takeTemplate = useChange<string, Result<"plan_of_template">>({
    act: (name) => rpc("plan_of_template", { p_name: name }),
    touches: [],
  });
  const change = () => takeTemplate.mutate(template, { onSuccess: (plan) => setStages(plan?.stages) });

  const create = useChange<void, Row<"rollouts">>({
    act: () =>
      rpc("create_rollout", {
        p_flag_key: flag,
        p_plan: plan,
        p_reason: reason.trim() || null,
        p_id: draft.id,
      }),
    touches: MOVED,
    said: () => "Rollout created. It has not changed the flag yet.",
  });
  // The first stage of these plans reaches only these people.
  const first = stages ? stages[0].percentage === 0 : template === "standard" || template === "masking";
  const nobody = first && stages?.[0].users === undefined && ids.length + segments.length === 0;

  function submit(event: FormEvent) {
    event.preventDefault();
    create.mutate(undefined, {
      onSuccess: ({ id }) => {
        draft.clear();
        navigate(`/rollouts/${id}`);
      },
    });
  }

  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Restored draft={draft} />
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Section title="Flag and plan">
            <Stack>
              <FlagPicker label="Flag" placeholder="Choose a flag" value={flag} onChange={setFlag} required />
              {chosen && (
                <Text size="sm" c="dimmed">
                  Currently on for {audience(chosen)}.
                  {audience(chosen) === "everybody" &&
                    " Turn it off before you start the rollout."}
                </Text>
              )}
              <Radio.Group
                label="Plan"
                value={template}
                onChange={(to) => (setTemplate(to), setStages(undefined))}
              >
                <Stack gap="xs" mt={4}>
                  {TEMPLATES.map(({ value, label, description }) => (
                    <Radio key={value} value={value} label={label} description={description} />
                  ))}
                </Stack>
              </Radio.Group>
            </Stack>
          </Section>
          <Section title="Details">
            <Stack>
              {first && (
                <>
                  <MultiSelect
                    label="Segments in the first stage"
                    data={[...new Set([...(known.items ?? []).map(({ key }) => key), ...segments])]}
                    filter={({ options }) => options}
                    searchable
                    searchValue={segment}
                    onSearchChange={setSegment}
                    value={segments}
                    onChange={setSegments}
                    placeholder={known.items?.length === 0 && searched === "" ? "No segments yet" : undefined}
                  />
                  <TagsInput
                    label="People in the first stage, by id"
                    value={ids}
                    onChange={setIds}
                    placeholder="Type an id and press Enter"
                  />
                  {nobody && (
                    <Text size="sm" c="var(--bad)">
                      Add at least one person or segment to the first stage.
                    </Text>
                  )}
                </>
              )}
              <NumberInput
                label="Outcomes per minute"
                description="For the forecast. If empty, the average of the last 7 days is used."
                min={0.01}
                value={perMinute}
                onChange={setPerMinute}
              />
              <Textarea
                label="Reason"
                description="Recorded in the history."
                autosize
                minRows={2}
                value={reason}
                onChange={(event) => setReason(event.currentTarget.value)}
              />
            </Stack>
          </Section>
        </SimpleGrid>
        <Section
          title="Stages"
          about={stages ? "Changed for this rollout only." : "From the template; the forecast lists them."}
          actions={stages
            ? (
              <Button size="xs" variant="default" onClick={() => setStages(undefined)}>
                Reset to template
              </Button>
            )
            : (
              <Button size="xs" variant="default" onClick={change} loading={takeTemplate.isPending}>
                Edit stages
              </Button>
            )}
        >
          {stages && (
            <Stack gap="sm">
              <StageEditor stages={stages} onChange={setStages} faults={faults} />
              {faults.filter(({ path }) => path === "stages").map(({ message }) => (
                <Text key={message} size="sm" c="var(--bad)" role="alert">Stages: {message}.</Text>
              ))}
            </Stack>
          )}
        </Section>
        {flag && faults.length === 0 && (
          <Section title="Forecast">
            <Loaded of={forecast}>{(forecast) => <ForecastTable forecast={forecast} />}</Loaded>
          </Section>
        )}
        <Group>
          <Button
            type="submit"
            disabled={flag === "" || nobody || faults.length > 0}
            loading={create.isPending}
          >
            Create rollout
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
