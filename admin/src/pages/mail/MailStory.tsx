/** What became of a mail and why: how it found its message, the decision with its reasons, and what happened since. */
import { Group, List, Stack, Text, Timeline } from "@mantine/core";
import type { MailTrace } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import type { MessageMail } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { Loaded } from "../../ui/states.tsx";
import { State } from "../../ui/State.tsx";
import { Time } from "../../ui/Time.tsx";
import { StoryPart } from "../messages/StoryPart.tsx";
import { Verified } from "./MailHead.tsx";
import { MailOpens } from "./MailOpens.tsx";
import { WholeMail } from "./WholeMail.tsx";
import { eventInWords, kindInWords, kindTone, verdictInWords, viaInWords } from "./words.ts";

export function MailStory(
  { id, mail, direction }: { id: string; mail: MessageMail; direction: "in" | "out" },
) {
  const trace = useRpc("trace_mail", { p_message_id: id });
  return (
    <>
      {direction === "in" && (
        <StoryPart
          title="Decision"
          aside={
            <Group gap={6}>
              <Verified verified={mail.verified} />
              {mail.kind && <State tone={kindTone(mail.kind)}>{kindInWords(mail.kind)}</State>}
            </Group>
          }
        >
          <Stack gap="xs">
            {mail.verdict && <Text size="sm" fw={600}>{decided(mail.verdict, trace.data)}</Text>}
            {mail.via && <Text size="sm">Found its message by: {viaInWords(mail.via)}.</Text>}
            <Loaded of={trace} rows={2}>{(told) => <Reasons of={told.reasons} />}</Loaded>
          </Stack>
        </StoryPart>
      )}
      <For role="operator">
        <Group>
          <WholeMail message={id} />
        </Group>
      </For>
      {direction === "out" && <MailOpens id={id} />}
      {trace.data && trace.data.events.length > 0 && (
        <StoryPart title="Events of the mail">
          <Timeline bulletSize={14} lineWidth={2} active={trace.data.events.length}>
            {trace.data.events.map(({ event, at }, index) => (
              <Timeline.Item key={index} title={eventInWords(event)}>
                <Text size="xs" c="dimmed" component="div">
                  <Time at={at} />
                </Text>
              </Timeline.Item>
            ))}
          </Timeline>
        </StoryPart>
      )}
    </>
  );
}

/** What was decided; of a forward, how far it is. */
function decided(verdict: string, trace: MailTrace | undefined): string {
  const forward = trace?.forward;
  if (!forward) return verdictInWords(verdict);
  switch (forward.state) {
    case "delivered":
      return `Forwarded to ${forward.destination}.`;
    case "dead":
      return forward.error?.startsWith("unknown_outcome")
        ? `Nobody knows whether the forward to ${forward.destination} went. A person decides in E-mail, Unknown.`
        : `The forward to ${forward.destination} was given up. It waits as a dead letter.`;
    default:
      return `Being forwarded to ${forward.destination}.`;
  }
}

function Reasons({ of }: { of: string[] }) {
  if (of.length === 0) return null;
  return (
    <List size="sm" aria-label="Reasons">
      {of.map((reason, index) => (
        <List.Item key={index} style={{ overflowWrap: "anywhere" }}>{reason}</List.Item>
      ))}
    </List>
  );
}
