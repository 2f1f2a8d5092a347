/** Who opened a mail and followed its links: people and machines, why, and a correction by hand. */
import { Button, Group, List, Menu, Stack, Text } from "@mantine/core";
import type { MailAccesses } from "../../../../supabase/functions/_shared/contract/answers/tracking.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { Loaded } from "../../ui/states.tsx";
import { State, type Tone } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";
import { StoryPart } from "../messages/StoryPart.tsx";
import { accessReasonInWords } from "./words.ts";

const TONES = { human: "good", machine: "plain", unsure: "warn" } as const satisfies Record<Verdict, Tone>;
const WORDS = { human: "person", machine: "machine", unsure: "unsure" } as const;
/** What is said where there is nothing to list. */
const NOTHING: Record<MailAccesses["tracked"], string> = {
  individual: "Nobody has opened it or followed a link.",
  aggregate: "Opens and clicks are counted, and not kept whose they are.",
  off: "The mail is not tracked.",
};

type Verdict = MailAccesses["opens"][number]["verdict"];

interface Access extends Omit<MailAccesses["opens"][number], "reasons"> {
  kind: "open" | "click";
  /** What was loaded or followed. */
  what: string;
  reasons: string[];
}

function accessesIn({ links, opens, clicks }: MailAccesses): Access[] {
  const urls = new Map(links.map(({ n, url }) => [n, url]));
  return [
    ...opens.map((open) => ({ ...open, kind: "open" as const, what: "Opened" })),
    ...clicks.map((click) => ({
      ...click,
      kind: "click" as const,
      what: click.link === 0
        ? "Followed the link that people do not see"
        : `Followed ${urls.get(click.link) ?? `link ${click.link}`}`,
    })),
  ].map((one) => ({ ...one, reasons: one.reasons.split(" ") }))
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

export function MailOpens({ id }: { id: string }) {
  const accesses = useRpc("mail_accesses", { p_message_id: id });
  return (
    <StoryPart title="Opens and clicks">
      <Loaded of={accesses} rows={2}>
        {(told) => {
          const all = accessesIn(told);
          return all.length === 0
            ? <Text size="sm">{NOTHING[told.tracked]}</Text>
            : (
              <List listStyleType="none" spacing="sm" aria-label="Opens and clicks">
                {all.map((access) => (
                  <List.Item key={`${access.kind} ${access.id}`} styles={{ itemWrapper: { width: "100%" } }}>
                    <One message={id} access={access} />
                  </List.Item>
                ))}
              </List>
            );
        }}
      </Loaded>
    </StoryPart>
  );
}

function One({ message, access }: { message: string; access: Access }) {
  const nameOf = useNames();
  return (
    <Group justify="space-between" align="flex-start" gap="xs">
      <Stack gap={2} style={{ flex: "1 1 200px", minWidth: 0 }}>
        <Group gap={6}>
          <State size="sm" tone={TONES[access.verdict]}>{WORDS[access.verdict]}</State>
          <Text size="xs" c="dimmed" component="span">
            <Time at={access.at} />
            {access.client === "other" ? "" : `, ${access.client.replaceAll("_", " ")}`}
          </Text>
        </Group>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>{access.what}</Text>
        <Text size="xs" c="dimmed">
          {access.corrected_by === null
            ? access.reasons.map(accessReasonInWords).join("; ")
            : `corrected by ${nameOf(access.corrected_by)}`}
        </Text>
      </Stack>
      <For role="operator">
        <Correct message={message} access={access} />
      </For>
    </Group>
  );
}

function Correct(
  { message, access: { kind, id, what, verdict, corrected_by } }: { message: string; access: Access },
) {
  const correct = useChange({
    act: (to: Verdict | null) =>
      rpc("correct_access", { p_message_id: message, p_kind: kind, p_id: id, p_verdict: to }),
    touches: ["mail_accesses", "read_campaign"],
    said: (_, to) => to === null ? "The rules judge it again within a minute." : "Corrected. Figures follow.",
  });
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button
          size="compact-xs"
          variant="default"
          loading={correct.isPending}
          aria-label={`Correct: ${what}, ${WORDS[verdict]}`}
        >
          Correct
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {(["human", "machine", "unsure"] as const).filter((to) => to !== verdict).map((to) => (
          <Menu.Item
            key={to}
            onClick={() => correct.mutate(to)}
          >
            {to === "human" ? "It was a person" : to === "machine" ? "It was a machine" : "Nobody knows"}
          </Menu.Item>
        ))}
        {corrected_by !== null && (
          <Menu.Item onClick={() => correct.mutate(null)}>Let the rules judge again</Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
