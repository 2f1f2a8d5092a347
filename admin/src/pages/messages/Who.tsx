/** The other side of a conversation: a person, masked as everywhere, or a group by its subject. */
import { Text } from "@mantine/core";
import type { Conversation } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { Contact } from "../../ui/Contact.tsx";

export function Who({ contact }: { contact: Conversation["contact"] }) {
  if (!contact.group) return <Contact id={contact.last_four ?? "????"} name={contact.name} />;
  return <Text span size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>{contact.name ?? "Group"}</Text>;
}
