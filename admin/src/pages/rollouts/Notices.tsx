/** Who is told what of a rollout, and when; operators say when day 0 is. */
import { Button, Group, Table, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import type { Rollout } from "../../data/rollouts.ts";
import { For } from "../../session/me.tsx";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";

const TONES = { planned: "plain", told: "good", skipped: "plain" } as const;
/** The built-in plans that have notices of their own; `private.template_notices`. */
const WITH_NOTICES: readonly string[] = ["replies", "masking"];

export function Notices({ rollout }: { rollout: Rollout }) {
  const notices = useRpc("list_notices", { p_id: rollout.id });
  const planned = (notices.data?.length ?? 0) > 0;
  if (!planned && !WITH_NOTICES.includes(rollout.plan)) return null;
  return (
    <Section
      title="Notices"
      about="The communication plan. Endpoints that listen for notice are sent each one when it is due."
    >
      {planned
        ? (
          <Table.ScrollContainer minWidth={480}>
            <Table aria-label="Notices">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Day</Table.Th>
                  <Table.Th>To</Table.Th>
                  <Table.Th>What</Table.Th>
                  <Table.Th>Due</Table.Th>
                  <Table.Th>State</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {notices.data?.map(({ day, to, text, report, due_at, state }) => (
                  <Table.Tr key={`${day} ${to} ${text}`}>
                    <Table.Td>{day}</Table.Td>
                    <Table.Td>{to}</Table.Td>
                    <Table.Td>{text}{report && " With the report."}</Table.Td>
                    <Table.Td>
                      <Time at={due_at} />
                    </Table.Td>
                    <Table.Td>
                      <State size="sm" tone={TONES[state]}>{state}</State>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )
        : <Text size="sm" c="dimmed">Nothing is scheduled.</Text>}
      {WITH_NOTICES.includes(rollout.plan) && rollout.state !== "rolled_back" && (
        <For role="operator">
          <Schedule rollout={rollout} />
        </For>
      )}
    </Section>
  );
}

function Schedule({ rollout }: { rollout: Rollout }) {
  const [dayZero, setDayZero] = useState("");
  const schedule = useChange({
    act: () => rpc("schedule_notices", { p_id: rollout.id, p_day_0: new Date(dayZero).toISOString() }),
    touches: ["list_notices"],
    said: () => "Notices scheduled.",
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    schedule.mutate(undefined);
  };
  return (
    <form onSubmit={submit}>
      <Group mt="sm" align="end">
        <TextInput
          label="Day 0"
          description="Notices already sent are kept."
          type="datetime-local"
          required
          value={dayZero}
          onChange={({ currentTarget: { value } }) => setDayZero(value)}
        />
        <Button type="submit" variant="default" loading={schedule.isPending}>Schedule</Button>
      </Group>
    </form>
  );
}
