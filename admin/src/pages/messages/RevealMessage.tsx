/**
 * Shows the provider's message id, which may contain the person's number. An operator's action, and recorded.
 */
import { Button, Code, Stack } from "@mantine/core";
import { useState } from "react";
import type { RevealedMessage } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";

export function RevealMessage({ message }: { message: string }) {
  const ask = useAsk();
  const [shown, setShown] = useState<RevealedMessage>();
  const reveal = useChange({
    act: (reason: string) => rpc("reveal_message", { p_message_id: message, p_reason: reason }),
    touches: ["contact_acts"],
  });
  if (shown) {
    return (
      <Stack gap={4} align="flex-start">
        <Code>{shown.provider_id ?? "none yet"}</Code>
        {shown.error !== null && (
          <Code block style={{ whiteSpace: "pre-wrap" }}>{JSON.stringify(shown.error, null, 2)}</Code>
        )}
      </Stack>
    );
  }
  return (
    <Button
      size="compact-xs"
      variant="default"
      leftSection={<Icon name="eye" size={14} />}
      loading={reveal.isPending}
      onClick={async () => {
        const answer = await ask({
          title: "Show the provider's id?",
          body:
            "It may contain the person's phone number or address, as may the provider's error message. The team can see that you viewed them, when and why.",
          action: "Show",
          reason: "required",
        });
        if (answer?.reason) setShown(await reveal.mutateAsync(answer.reason).catch(() => undefined));
      }}
    >
      Show
    </Button>
  );
}
