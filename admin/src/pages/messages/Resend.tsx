/** Resends a failed message. An operator's action, and recorded. */
import { Button } from "@mantine/core";
import { rpc, useChange } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import { sendRefusal } from "./words.ts";

export function Resend({ message }: { message: string }) {
  const resend = useChange({
    act: async () => {
      const answer = await rpc("resend_message", { p_message_id: message });
      if (answer.id === undefined) throw sendRefusal(answer.error);
    },
    touches: ["message_story", "conversation_messages"],
    said: () => "Queued again.",
  });
  return (
    <Button
      size="compact-sm"
      variant="default"
      mb="xs"
      leftSection={<Icon name="retry" size={14} />}
      loading={resend.isPending}
      onClick={() => resend.mutate(undefined)}
    >
      Resend
    </Button>
  );
}
