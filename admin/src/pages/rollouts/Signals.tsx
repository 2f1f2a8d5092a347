/** What people say and do in the current stage, and the form for what somebody told the team. */
import { Button, Group, Rating, SegmentedControl, Stack, Table, Text, TextInput } from "@mantine/core";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { type Rollout, underWay } from "../../data/rollouts.ts";
import { useDraft } from "../../session/draft.ts";
import { For } from "../../session/me.tsx";
import { Section } from "../../ui/Section.tsx";
import { Time } from "../../ui/Time.tsx";

export function Signals({ rollout }: { rollout: Rollout }) {
  const live = useRpc("watch_rollout", { p_id: rollout.id }, { enabled: underWay(rollout) });
  const said = useRpc("list_feedback", { p_flag_key: rollout.flag_key, p_limit: 10 });
  const seen = underWay(rollout) ? live.data?.signals.seen : undefined;
  return (
    <Section
      title="People and business"
      about="Complaints, ratings and business metrics of people with the feature, each person once per stage."
    >
      <Stack gap="sm">
        {seen && (
          <Text size="sm">
            <strong>{seen.complaints}</strong> with the feature complained in this stage,{" "}
            {seen.complaints_without} without it. <strong>{seen.positive}</strong> of {seen.ratings}{" "}
            who rated it are content.
          </Text>
        )}
        {seen && seen.metrics.length > 0 && (
          <Table aria-label="Business metrics of this stage">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Metric</Table.Th>
                <Table.Th>With</Table.Th>
                <Table.Th>Without</Table.Th>
                <Table.Th>Per day with</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {seen.metrics.map(({ name, on, off, per_day }) => (
                <Table.Tr key={name}>
                  <Table.Td>{name}</Table.Td>
                  <Table.Td>{on.toLocaleString()}</Table.Td>
                  <Table.Td>{off.toLocaleString()}</Table.Td>
                  <Table.Td>{per_day.toLocaleString()}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
        {said.data?.map((one) => (
          <Text key={one.id} size="xs" c="dimmed" component="div">
            <Time at={one.at} />:{" "}
            {one.kind === "complaint" ? "complaint" : `rating ${one.rating ?? "in words"}`} from …{one.who}
            {one.counts_for.some(({ flag_key, arm }) => flag_key === rollout.flag_key && arm === "off") &&
              ", without the feature"}
            {one.text && (
              <>
                : <bdi>{one.text}</bdi>
              </>
            )}
          </Text>
        ))}
        {underWay(rollout) && (
          <For role="operator">
            <Tell flag={rollout.flag_key} />
          </For>
        )}
      </Stack>
    </Section>
  );
}

function Tell({ flag }: { flag: string }) {
  const draft = useDraft(`feedback:${flag}`);
  const [kind, setKind] = draft.field<"complaint" | "rating">("kind", "complaint");
  const [person, setPerson] = draft.field("person", "");
  const [rating, setRating] = draft.field("rating", 5);
  const [text, setText] = draft.field("text", "");
  const tell = useChange<undefined, Result<"add_feedback">>({
    act: () =>
      rpc("add_feedback", {
        p_kind: kind,
        p_person: person,
        p_flag_key: flag,
        p_rating: kind === "rating" ? rating : null,
        p_text: text.trim() || null,
      }),
    touches: ["list_feedback", "watch_rollout"],
    said: ({ counts_for }) =>
      counts_for.some(({ arm }) => arm === "on")
        ? "Recorded, and counted for this rollout."
        : "Recorded. This person does not have the feature, so it is not counted against it.",
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        tell.mutate(undefined, {
          onSuccess: draft.clear,
        });
      }}
    >
      <Stack gap="xs">
        <Group gap="sm">
          <SegmentedControl
            aria-label="Kind of feedback"
            value={kind}
            onChange={(value) => setKind(value === "rating" ? "rating" : "complaint")}
            data={[{ value: "complaint", label: "Complaint" }, { value: "rating", label: "Rating" }]}
          />
          {kind === "rating" && <Rating value={rating} onChange={setRating} aria-label="Rating" />}
        </Group>
        <TextInput
          label="Person"
          placeholder="+49151… or the id that the flag is evaluated for"
          value={person}
          onChange={({ currentTarget }) => setPerson(currentTarget.value)}
        />
        <TextInput
          label="Comment"
          value={text}
          onChange={({ currentTarget }) => setText(currentTarget.value)}
        />
        <Button
          type="submit"
          variant="default"
          loading={tell.isPending}
          disabled={person.trim() === ""}
          style={{ alignSelf: "flex-start" }}
        >
          {kind === "complaint" ? "Record complaint" : "Record rating"}
        </Button>
      </Stack>
    </form>
  );
}
