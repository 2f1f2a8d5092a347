/** What stands above the text of a mail: its subject, whether its sender was proved, what it is, its attachments. */
import { Group, Text } from "@mantine/core";
import type { MessageMail } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";
import { kindInWords, kindTone } from "./words.ts";

export function MailHead({ mail, direction }: { mail: MessageMail; direction: "in" | "out" }) {
  const { subject, kind, attachments, relayed, other_sender } = mail;
  const shown = kind !== null && kind !== "reply" && kind !== "new_mail";
  return (
    <>
      {subject && <Text size="sm" fw={600} dir="auto">{subject}</Text>}
      <Group gap={6} mb={4}>
        {direction === "in" && <Verified verified={mail.verified} />}
        {shown && <State size="xs" tone={kindTone(kind)}>{kindInWords(kind)}</State>}
        {other_sender && (
          <State size="xs" tone="info" title="Somebody else answered than the person whom the mail went to.">
            another sender
          </State>
        )}
        {relayed && (
          <State size="xs" tone="info" title="The owner's answer to a forward.">from the owner's inbox</State>
        )}
        {attachments > 0 && (
          <Text span size="xs" c="dimmed" style={{ display: "inline-flex", alignItems: "center", gap: 2 }}>
            <Icon name="clip" size={14} />
            {attachments === 1 ? "1 attachment" : `${attachments} attachments`}
          </Text>
        )}
      </Group>
    </>
  );
}

/** Whether SPF or DKIM prove the domain of the sender. */
export function Verified({ verified }: { verified: boolean | null }) {
  return verified
    ? <State size="xs" tone="good" title="SPF or DKIM prove the sender's domain.">verified</State>
    : (
      <State size="xs" tone="warn" title="Neither SPF nor DKIM prove the sender's domain: it may be forged.">
        unverified
      </State>
    );
}
